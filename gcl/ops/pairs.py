"""Similarities of listed pairs of rows, and log-sum-exps over lists."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gcl.checks import check_columns, check_pairs
from gcl.ops.autograd import first_order_only
from gcl.ops.similarity import in_one_type
from gcl.ops.sparse import csr_product, row_dots
from gcl.ops.structure import pointer, remember
from gcl.ops.tiling import current_tiling
from gcl.ops.tracing import outside_graph, traced


def pair_dots(
    q: Float[Tensor, "n d"],
    k: Float[Tensor, "m d"],
    rows: Int[Tensor, " p"],
    cols: Int[Tensor, " p"],
    known: Float[Tensor, " p"] | None = None,
) -> Float[Tensor, " p"]:
    """`<q[rows], k[cols]>` without the two `[p, d]` arrays, forward and backward.

    The gradients are sparse products, `dq = G k` and `dk = G^T q` with G the p slopes at their
    places. No second derivative; asking for one raises RuntimeError. In
    `gcl.ops.tiling(implementation="dense")` it is plain PyTorch with the two arrays.

    Args:
        q: first rows.
        k: second rows.
        rows: positions in q. Sorted lists save a sort.
        cols: positions in k.
        known: the products themselves where they are at hand, as after a search for the largest;
            only the gradient is then left to do. No gradient reaches it.

    Shape:
        q `[n, d]`, k `[m, d]`, rows, cols, known `[p]` -> `[p]`, float32 or wider.

    Raises:
        TypeError, ValueError: not floating-point matrices of one width; lists of two lengths.

    Example:
        >>> z = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> pair_dots(z, z, torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]))
        tensor([ 5., 11., 25.])
    """
    return _dots(q, k, rows, cols, known)


@outside_graph
def _dots(
    q: Tensor, k: Tensor, rows: Tensor, cols: Tensor, known: Tensor | None
) -> Float[Tensor, " p"]:
    check_columns("pair_dots", q, k)
    if rows.dim() != 1 or rows.shape != cols.shape:
        raise ValueError(
            f"pair_dots: rows and cols must be two lists [p] of one length, got "
            f"{list(rows.shape)} and {list(cols.shape)}."
        )
    q, k = in_one_type(q, k)
    if current_tiling().implementation == "dense" or traced():
        return (q[rows] * k[cols]).sum(1)
    with torch.autocast(q.device.type, enabled=False):
        return _PairDots.apply(q, k, rows, cols, known)


def known_pairs(name: str, pairs: Tensor, weight: Tensor | None, rows: int) -> None:
    """`check_pairs`, once for the same unchanged tensors: it asks the device for their range.

    Raises:
        TypeError, ValueError: as `check_pairs`.
    """
    given = [pairs] if weight is None else [pairs, weight]
    if all(isinstance(value, Tensor) for value in given):
        remember(
            tuple(given), ("check_pairs", rows), lambda: check_pairs(name, pairs, weight, rows)
        )
    else:
        check_pairs(name, pairs, weight, rows)


class _PairDots(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, rows: Tensor, cols: Tensor, known: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(q, k, rows, cols)
        return row_dots(q, k, rows, cols) if known is None else known.to(q.dtype, copy=True)

    @staticmethod
    @first_order_only
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, rows, cols = ctx.saved_tensors
        grad_q = _gather_sum(rows, cols, grad, len(q), k) if ctx.needs_input_grad[0] else None
        grad_k = _gather_sum(cols, rows, grad, len(k), q) if ctx.needs_input_grad[1] else None
        return grad_q, grad_k, None, None, None


def _gather_sum(to: Tensor, source: Tensor, values: Tensor, n: int, x: Tensor) -> Tensor:
    """`out[to] += values * x[source]` over all pairs, `[n, d]`."""
    # Of lists elsewhere nobody asks whether they are sorted: sorting is the shorter way.
    if len(to) > 1 and (to.device.type != "cpu" or bool((to[1:] < to[:-1]).any())):
        # Half the bytes sort three times as fast.
        order = torch.argsort(to.int() if n < 2**31 else to, stable=True)
        source, values = source[order], values[order]
    source, values, x = source.contiguous(), values.contiguous(), x.contiguous()
    return csr_product(pointer(to, n), source, values, len(x), x)


def segment_logsumexp(
    logits: Float[Tensor, " p"],
    rows: Int[Tensor, " p"],
    n: int,
    weight: Float[Tensor, " p"] | None = None,
) -> Float[Tensor, " n"]:
    """Log-sum-exp over the logits of every row; -inf for a row without any.

        out_i = log sum_{p: rows_p = i} weight_p exp( logits_p )

    Args:
        logits: one number an entry; -inf takes it out.
        rows: the row of every entry, in any order.
        n: number of rows.
        weight: numbers >= 0; all 1 if None.

    Shape:
        logits, rows, weight `[p]` -> `[n]`. All gradients are finite.

    Example:
        >>> segment_logsumexp(torch.zeros(3), torch.tensor([0, 2, 0]), 3).exp()
        tensor([2., 0., 1.])
    """
    fixed = logits.detach()
    if weight is not None:  # an entry of weight 0 must not be the largest
        fixed = fixed.masked_fill(weight.detach() == 0, -torch.inf)
    top = fixed.new_full((n,), -torch.inf).scatter_reduce(0, rows, fixed, "amax")
    top = torch.where(top == -torch.inf, 0.0, top)
    shifted = logits - top[rows]
    # Above are entries of weight 0 only. Not by clamp: at its bound, where every largest entry
    # stands, the gradient of torch 2.14 is another than that of 2.13.
    powers = torch.where(shifted > 0, 0.0, shifted).exp()
    total = logits.new_zeros(n).index_add(0, rows, powers if weight is None else weight * powers)
    none = total == 0
    return (top + total.masked_fill(none, 1.0).log()).masked_fill(none, -torch.inf)
