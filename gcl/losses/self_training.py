"""Self-training of soft cluster assignments against their own sharpened form."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.checks import check_count
from gcl.ops.tracing import outside_graph


class SelfTraining(nn.Module):
    r"""Pulls soft assignments towards what they are most certain of.

        p_ik  ~  q_ik^2 / f_k,   f_k = sum_i q_ik,   sum_k p_ik = 1
        L = mean_i sum_k p_ik log( p_ik / q_ik )

    The target p is a constant. It is made from the assignments of the very call that it is compared
    with, so a full graph needs no second forward pass, and is kept for the next `every - 1` calls
    in training mode. In evaluation mode the target in use is not replaced.

    The target that is kept and its age are in the state dict, so that a resumed training goes on
    with them. Rows of a kept target are positions: with mini-batches take `every=1`, or pass the
    target.

    Args:
        every: training calls that share a target, >= 1; on a full graph these are epochs. DEC and
            its successors take 1 to 5.

    Shape:
        q `[n, K]`, rows of numbers >= 0 that sum to 1; target `[n, K]` or None -> scalar; 0 for no
        rows.

    Raises:
        TypeError: q is not floating-point, or every no whole number.
        ValueError: q is no matrix, or holds negative numbers; a target of another shape, also one
            kept from earlier calls.

    Reference:
        Xie, Girshick and Farhadi, "Unsupervised Deep Embedding for Clustering Analysis" (DEC),
        ICML 2016. Clusters that nobody belongs to divide by a floor here, and q by one inside the
        logarithm.

    Example:
        >>> q = torch.tensor([[0.8, 0.2], [0.3, 0.7]])
        >>> round(SelfTraining()(q).item(), 4)
        0.0726
    """

    target: Tensor | None

    def __init__(self, every: int = 1):
        super().__init__()
        check_count("SelfTraining", every=every)
        self.every = every
        self.target, self.age = None, 0

    @outside_graph
    def forward(
        self, q: Float[Tensor, "n k"], target: Float[Tensor, "n k"] | None = None
    ) -> Tensor:
        _check_assignments("SelfTraining", q)
        q = q.to(torch.promote_types(q.dtype, torch.float32))
        p = self._current(q) if target is None else target.detach().to(q)
        if p.shape != q.shape:
            hint = (
                "; the kept one belongs to other rows, take every=1 with mini-batches"
                if target is None
                else ""
            )
            raise ValueError(
                f"SelfTraining: the target must have the shape {list(q.shape)} of q, got "
                f"{list(p.shape)}{hint}."
            )
        floor = torch.finfo(q.dtype).tiny
        terms = torch.xlogy(p, p) - p * q.clamp(min=floor).log()
        return terms.sum() / max(len(q), 1)

    def _current(self, q: Tensor) -> Tensor:
        if self.every == 1 or (self.target is None and not self.training):
            return _sharpened(q)
        if self.target is None or (self.training and self.age >= self.every):
            self.target, self.age = _sharpened(q), 0
        if self.training:
            self.age += 1
        return self.target.to(q)

    def get_extra_state(self) -> dict[str, Any]:
        return {"target": self.target, "age": self.age}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.target, self.age = state["target"], state["age"]

    def extra_repr(self) -> str:
        return f"every={self.every}"


@torch.no_grad()
def sharpened(q: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """The target of `SelfTraining`: squares of the assignments, divided by the cluster sizes.

        p_ik = (q_ik^2 / f_k) / sum_l (q_il^2 / f_l),   f_k = sum_i q_ik

    Shape:
        q `[n, K]`, numbers >= 0 -> `[n, K]`, rows that sum to 1 (to 0 where q is 0 throughout).

    Raises:
        TypeError, ValueError: q is no floating-point matrix, or holds negative numbers.

    Example:
        >>> sharpened(torch.tensor([[0.8, 0.2], [0.3, 0.7]]))
        tensor([[0.9290, 0.0710],
                [0.1306, 0.8694]])
    """
    _check_assignments("sharpened", q)
    return _sharpened(q)


@torch.no_grad()
def _sharpened(q: Tensor) -> Tensor:
    q = q.to(torch.promote_types(q.dtype, torch.float32))
    floor = torch.finfo(q.dtype).tiny
    # q / f is at most 1, so no product leaves the range of the type.
    p = q * (q / q.sum(0).clamp(min=floor))
    return p / p.sum(1, keepdim=True).clamp(min=floor)


def _check_assignments(name: str, q: Tensor) -> None:
    if not isinstance(q, Tensor) or not q.is_floating_point():
        got = q.dtype if isinstance(q, Tensor) else type(q).__name__
        raise TypeError(f"{name}: q must be a floating-point tensor [n, K], got {got}.")
    if q.layout != torch.strided:
        raise TypeError(f"{name}: q must be dense, got {q.layout}; use q.to_dense().")
    if q.dim() != 2 or q.shape[1] == 0:
        raise ValueError(f"{name}: q must be [n, K] with K of at least 1, got {list(q.shape)}.")
    if bool((q < 0).any()):
        raise ValueError(f"{name}: q must hold shares >= 0, got {float(q.detach().min()):g}.")
