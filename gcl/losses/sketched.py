"""COSTA's augmentation: random mixtures of rows, drawn in feature space."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.checks import check_choice, check_real, check_views, shown
from gcl.contracts import Loss
from gcl.ops.sketches import gaussian_sketch, sign_sketch
from gcl.ops.tracing import outside_graph


class Sketched(nn.Module):
    r"""A loss between random mixtures of the rows in place of the rows: COSTA.

        L = loss( head(P z1), head(P' z2) ),   P, P' of shape [k, n], k = ratio n, drawn each call

    P' = P with `shared`; the mixtures then play the parts of nodes, row i of both is the same one.

    Args:
        loss: `(h1, h2) -> scalar`.
        head: between mixtures and loss; none if None.
        ratio: k/n, in (0, 1]; at least two mixtures are drawn.
        sketch: "gaussian", or "sign" with a sparse P.
        density: of the sparse P, in (0, 1].
        shared: one P for both views. False only makes sense where mixtures of one and the same
            matrix are compared.

    Shape:
        z1, z2 `[n, d]` -> scalar.

    Raises:
        ValueError: numbers out of range, unequal shapes.
        TypeError: not floating-point input.

    Reference:
        Zhang et al., "COSTA: Covariance-Preserving Feature Augmentation for Graph Contrastive
        Learning", KDD 2022. Their P is stored, dense.

    Example:
        >>> import gcl
        >>> z = torch.randn(10, 4)
        >>> Sketched(gcl.losses.InfoNCE(0.5), ratio=0.5)(z, z).shape
        torch.Size([])
    """

    def __init__(
        self,
        loss: Loss,
        head: nn.Module | None = None,
        *,
        ratio: float = 0.5,
        sketch: Literal["gaussian", "sign"] = "gaussian",
        density: float = 0.01,
        shared: bool = True,
    ):
        super().__init__()
        if not callable(loss) or isinstance(loss, type):
            raise TypeError(
                f"Sketched: loss must be an objective (z1, z2) -> scalar, got {shown(loss)}."
            )
        if head is not None and (not callable(head) or isinstance(head, type)):
            raise TypeError(
                f"Sketched: head must be a module [n, d] -> [n, d'] or None, got {shown(head)}."
            )
        check_choice("Sketched", "sketch", sketch, ("gaussian", "sign"))
        for name, value in (("ratio", ratio), ("density", density)):
            check_real("Sketched", **{name: value})
            if not 0 < value <= 1:
                raise ValueError(f"Sketched: {name} must lie in (0, 1], got {value}.")
        self.contrast, self.head = loss, head
        self.ratio, self.sketch, self.density, self.shared = ratio, sketch, density, shared

    @outside_graph
    def forward(self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> Tensor:
        check_views("Sketched", z1, z2)
        if self.shared:  # side by side, so that one P is drawn for both
            h1, h2 = self._mix(torch.cat([z1, z2], 1)).tensor_split(2, 1)
        else:
            h1, h2 = self._mix(z1), self._mix(z2)
        if self.head is not None:
            h1, h2 = self.head(h1), self.head(h2)
        return self.contrast(h1, h2)

    def _mix(self, z: Tensor) -> Tensor:
        k = max(2, round(self.ratio * len(z)))
        return (
            gaussian_sketch(z, k) if self.sketch == "gaussian" else sign_sketch(z, k, self.density)
        )

    def extra_repr(self) -> str:
        more = f", density={self.density:g}" if self.sketch == "sign" else ""
        return f"ratio={self.ratio:g}, sketch={self.sketch!r}{more}, shared={self.shared}"
