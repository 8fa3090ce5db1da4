"""Streamed softplus sums in which hard pairs weigh more: what JSD and the AUC loss share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gcl.ops.multi_view import log_add
from gcl.ops.stream_rows import dense_logits, stream_rows, takes_dense
from gcl.ops.streaming import streaming_logsumexp
from gcl.ops.tracing import outside_graph


@outside_graph
def hard_softplus(
    q: Tensor,
    others: Sequence[Tensor],
    *,
    scale: float,
    bias: Tensor | None = None,
    beta: Tensor | float,
) -> Tensor:
    r"""Mean of softplus in which similar pairs weigh more, `[n]`.

        out_i = sum_j p_ij softplus(scale <q_i, k_j> + bias_i),   p_ij = softmax_j(beta <q_i, k_j>)

    over j != i of all matrices in `others` together, without gradient through p.
    """
    with torch.no_grad():
        parts = [streaming_logsumexp(beta * q, k, tau=1.0, exclude=True) for k in others]
        # In terms of the logit l: beta <q, k> = sharpness (l - bias)
        sharpness = float(beta / scale)
        norm = reduce(log_add, parts)
        norm = norm if bias is None else norm + sharpness * bias
    factor = q.new_full((), scale)
    sums = []
    for k in others:
        if takes_dense(q, k):
            logits = dense_logits(q, k, factor, bias, exclude=True, rule=None)
            p = _share(logits.detach(), sharpness, norm)
            sums.append((p * softplus(logits)).sum(1))
        else:
            sums.append(
                stream_rows(
                    q, k, factor, bias, _HardSoftplus(sharpness, norm),
                    exclude=True, rule=None,
                )
            )  # fmt: skip
    return torch.stack(sums).sum(0)


class _HardSoftplus:
    """The sum over one tile after another, the normaliser of every row being known."""

    unit, scale = 1.0, 1.0

    def __init__(self, sharpness: float, norm: Tensor):
        self.sharpness, self.norm = sharpness, norm

    def start(self, rows: int, like: Tensor, bounded: bool) -> Tensor:
        return like.new_zeros(rows)

    def add(self, state: Tensor, tile: Tensor, rows: slice) -> Tensor:
        return state.add_(_share(tile, self.sharpness, self.norm[rows]).mul_(softplus(tile)).sum(1))

    def finish(self, state: Tensor) -> Tensor:
        return state

    def slope(self, tile: Tensor, out: Tensor, grad: Tensor, rows: slice) -> Tensor:
        p = _share(tile, self.sharpness, self.norm[rows])
        return tile.sigmoid_().mul_(p).mul_(grad[:, None])


def _share(logits: Tensor, sharpness: float, norm: Tensor) -> Tensor:
    """`exp(sharpness l - norm)`; 0 for pairs that are left out, also at a negative sharpness."""
    power = (logits * sharpness).sub_(norm[:, None])
    return power.masked_fill_(logits.isneginf(), -torch.inf).exp_()
