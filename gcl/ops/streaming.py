"""Sums over all pairs of rows in O(N D) memory: the primitives of the losses.

Tiles of the similarity matrix are computed, used and forgotten; the backward pass computes them
again. Idea: Cheng et al., "Breaking the Memory Barrier: Near Infinite Batch Size Scaling for
Contrastive Loss", 2024.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from gcl.checks import check_columns
from gcl.ops.log_weight import LogWeight, check_rule
from gcl.ops.reductions import LogSumExp, SigmoidSum, SoftmaxMean, SoftplusSum
from gcl.ops.similarity import in_one_type
from gcl.ops.stream_rows import (
    as_tau,
    as_vector,
    check_exclude,
    dense_logits,
    stream_rows,
    takes_dense,
)
from gcl.ops.tracing import outside_graph


def streaming_logsumexp(
    q: Float[Tensor, "n d"],
    k: Float[Tensor, "m d"],
    *,
    tau: Tensor | float,
    exclude: bool | Tensor = False,
    log_weight: LogWeight | None = None,
) -> Float[Tensor, " n"]:
    r"""Log-sum-exp of the logits of every row of q against all rows of k.

        lse_i = log sum_j W_ij exp( <q_i, k_j> / tau_i )

    Memory is O((n + m) d): no n x m array exists at any time. Gradients reach q, k, tau and the
    tensors of `log_weight`. There is no second derivative of the tiled form; asking for one
    (`create_graph=True`) raises RuntimeError. `gcl.ops.tiling` says how it is computed.

    Args:
        q: anchors.
        k: candidates.
        tau: temperature > 0: a number, a scalar tensor, or one for every row of q `[n]`.
        exclude: True leaves out the pairs (i, i); a tensor `[n]` the pairs (i, exclude[i]), with
            -1 for rows that leave out nothing.
        log_weight: the rule for log W_ij; all weights are 1 if None.

    Shape:
        q `[n, d]`, k `[m, d]` -> `[n]`, float32 or wider; -inf for a row without candidates.

    Raises:
        TypeError, ValueError: not floating-point matrices of one width, tau <= 0 or of a wrong
            shape.

    Example:
        >>> z = torch.eye(3, 4)
        >>> lse = streaming_logsumexp(z, z, tau=0.5, exclude=True)
        >>> torch.allclose(lse.exp(), torch.tensor(2.0))
        True
    """
    return _logsumexp(q, k, tau, exclude, log_weight)


@outside_graph
def _logsumexp(
    q: Tensor, k: Tensor, tau: Tensor | float, exclude: bool | Tensor, log_weight: LogWeight | None
) -> Float[Tensor, " n"]:
    check_columns("streaming_logsumexp", q, k)
    q, k = in_one_type(q, k)
    tau = as_tau(q, tau)
    check_rule(log_weight, len(q), len(k))
    return logsumexp_rows(q, k, tau, check_exclude(q, exclude), log_weight)


def logsumexp_rows(
    q: Tensor, k: Tensor, tau: Tensor, exclude: bool | Tensor, log_weight: LogWeight | None
) -> Tensor:
    """`streaming_logsumexp` of arguments that have been checked: checks ask the device."""
    keep: dict[str, Any] = {"exclude": exclude, "rule": log_weight}
    if takes_dense(q, k):
        logits = dense_logits(q, k, 1 / tau, None, **keep)
        # The gradient of a row that is -inf throughout would be NaN.
        empty = logits.isneginf().all(1)
        lse = logits.masked_fill(empty[:, None], 0.0).logsumexp(1)
        return lse.masked_fill(empty, -torch.inf)
    return stream_rows(q, k, 1 / tau, None, LogSumExp(), **keep)


def streaming_softplus(
    q: Float[Tensor, "n d"],
    k: Float[Tensor, "m d"],
    *,
    scale: Tensor | float = 1.0,
    bias: Tensor | float = 0.0,
    exclude: bool | Tensor = False,
) -> Float[Tensor, " n"]:
    r"""Sum of softplus over all candidates: the primitive of the sigmoid and ranking losses.

        out_i = sum_j log(1 + exp( scale_i <q_i, k_j> + bias_i ))

    Memory and gradients (q, k, scale, bias) as `streaming_logsumexp`.

    Args:
        q: anchors.
        k: candidates.
        scale: a number, a scalar tensor or `[n]`.
        bias: a number, a scalar tensor or `[n]`.
        exclude: True leaves out the pairs (i, i); a tensor `[n]` the pairs (i, exclude[i]).

    Shape:
        q `[n, d]`, k `[m, d]` -> `[n]`.

    Raises:
        TypeError, ValueError: as `streaming_logsumexp`.

    Example:
        >>> z = torch.zeros(2, 4)
        >>> streaming_softplus(z, z, exclude=True)  # log 2 of the one other row
        tensor([0.6931, 0.6931])
    """
    return _softplus(q, k, scale, bias, exclude)


@outside_graph
def _softplus(
    q: Tensor, k: Tensor, scale: Tensor | float, bias: Tensor | float, exclude: bool | Tensor
) -> Float[Tensor, " n"]:
    check_columns("streaming_softplus", q, k)
    q, k = in_one_type(q, k)
    scale, bias = as_vector("scale", q, scale), as_vector("bias", q, bias)
    keep: dict[str, Any] = {"exclude": check_exclude(q, exclude), "rule": None}
    if takes_dense(q, k):
        return softplus(dense_logits(q, k, scale, bias, **keep)).sum(1)
    return stream_rows(q, k, scale, bias, SoftplusSum(), **keep)


def streaming_sigmoid(
    q: Float[Tensor, "n d"],
    k: Float[Tensor, "m d"],
    *,
    scale: Tensor | float = 1.0,
    bias: Tensor | float = 0.0,
    exclude: bool | Tensor = False,
    log_weight: LogWeight | None = None,
) -> Float[Tensor, " n"]:
    r"""Sum of sigmoids over all candidates: how many are similar, counted softly.

        out_i = sum_j sigmoid( scale_i <q_i, k_j> + bias_i + log W_ij )

    Pairs with `log W_ij = -inf` (`gcl.losses.without_pairs`) are left out before anything is
    added up, so that no digit is lost where they are nearly all.

    Memory and gradients (q, k, scale, bias, the tensors of `log_weight`) as `streaming_logsumexp`.

    Args:
        q: anchors.
        k: candidates.
        scale: a number, a scalar tensor or `[n]`.
        bias: a number, a scalar tensor or `[n]`.
        exclude: True leaves out the pairs (i, i); a tensor `[n]` the pairs (i, exclude[i]).
        log_weight: the rule for log W_ij; all weights are 1 if None.

    Shape:
        q `[n, d]`, k `[m, d]` -> `[n]`.

    Raises:
        TypeError, ValueError: as `streaming_logsumexp`.

    Example:
        >>> z = torch.zeros(3, 4)
        >>> streaming_sigmoid(z, z, exclude=True)  # one half of each of the two others
        tensor([1., 1., 1.])
    """
    return _sigmoid(q, k, scale, bias, exclude, log_weight)


@outside_graph
def _sigmoid(
    q: Tensor,
    k: Tensor,
    scale: Tensor | float,
    bias: Tensor | float,
    exclude: bool | Tensor,
    log_weight: LogWeight | None,
) -> Float[Tensor, " n"]:
    check_columns("streaming_sigmoid", q, k)
    q, k = in_one_type(q, k)
    scale, bias = as_vector("scale", q, scale), as_vector("bias", q, bias)
    check_rule(log_weight, len(q), len(k))
    keep: dict[str, Any] = {"exclude": check_exclude(q, exclude), "rule": log_weight}
    if takes_dense(q, k):
        return dense_logits(q, k, scale, bias, **keep).sigmoid().sum(1)
    return stream_rows(q, k, scale, bias, SigmoidSum(), **keep)


def streaming_softmax_mean(
    q: Float[Tensor, "n d"],
    k: Float[Tensor, "m d"],
    *,
    tau: Tensor | float,
    exclude: bool | Tensor = False,
    detach_weights: bool = False,
) -> Float[Tensor, " n"]:
    r"""Mean similarity of every row's candidates under its softmax.

        p_ij = softmax_j( <q_i, k_j> / tau_i ),   out_i = sum_j p_ij <q_i, k_j>

    Args:
        q: anchors.
        k: candidates.
        tau: temperature > 0, a number, a scalar tensor or `[n]`.
        exclude: as in `streaming_logsumexp`.
        detach_weights: no gradient through p.

    Shape:
        q `[n, d]`, k `[m, d]` -> `[n]`; 0 for a row without candidates.

    Raises:
        TypeError, ValueError: as `streaming_logsumexp`.

    Example:
        >>> z = torch.eye(3)
        >>> streaming_softmax_mean(z, z, tau=1.0, exclude=True)
        tensor([0., 0., 0.])
    """
    return _softmax_mean(q, k, tau, exclude, detach_weights)


@outside_graph
def _softmax_mean(
    q: Tensor, k: Tensor, tau: Tensor | float, exclude: bool | Tensor, detach_weights: bool
) -> Float[Tensor, " n"]:
    check_columns("streaming_softmax_mean", q, k)
    q, k = in_one_type(q, k)
    scale = 1 / as_tau(q, tau)
    keep: dict[str, Any] = {"exclude": check_exclude(q, exclude), "rule": None}
    if takes_dense(q, k):
        logits = dense_logits(q, k, scale, None, **keep)
        empty = logits.isneginf().all(1, keepdim=True)
        p = logits.masked_fill(empty, 0.0).softmax(1).masked_fill(empty, 0.0)
        p = p.detach() if detach_weights else p
        return (p * logits.masked_fill(p == 0, 0.0)).sum(1) / scale
    with torch.no_grad():
        lse = stream_rows(q, k, scale, None, LogSumExp(), **keep)
    mean = SoftmaxMean(lse, detach_weights)
    return (stream_rows(q, k, scale, None, mean, **keep) + mean.lse) / scale
