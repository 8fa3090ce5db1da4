"""Uniformity of the means over views: alignment comes for free."""

from __future__ import annotations

import math
import warnings

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.nn import APPNP

from gcl.checks import check_positive, check_real, check_views
from gcl.losses.alignment_uniformity import log_mean_gaussian
from gcl.ops.similarity import as_products, unit_rows
from gcl.ops.tracing import outside_graph


class DecoupledUniformity(nn.Module):
    r"""Spreads the mean of the views of each node; long means need views that agree.

    With `mu_i` the mean over views of the unit rows of node i,

        L = log mean_{i != j} exp( -t ||mu_i - mu_j||^2 )

    exact in O(M N D) memory. Positive pairs do not appear, and nothing is lost with more views.

    With a graph as prior knowledge the means are smoothed along its edges first,
    `(I + smoothing * Lap)^-1 mu`, where Lap is the normalised Laplacian of the graph with
    self-loops, by `steps` of the iteration `x <- (mu + smoothing * A x) / (1 + smoothing)`.

    Args:
        t: sharpness, > 0.
        smoothing: strength of the graph, >= 0; 0 uses none.
        steps: of the iteration, >= 1; the error falls by `smoothing / (1 + smoothing)` each.

    Shape:
        M >= 2 views `[n, d]`, edge_index `[2, e]` -> scalar.

    One row alone has nothing to spread: the loss is 0, with a warning.

    Raises:
        ValueError: fewer than two views, unequal shapes, a number outside its range, smoothing
            without edge_index or the reverse, an unknown option.
        TypeError: not floating-point input.

    Reference:
        Dufumier et al., "Integrating Prior Knowledge in Contrastive Learning with Kernel", ICML
        2023. The kernel of the graph is ours; theirs is a kernel of metadata, inverted exactly.

    Example:
        >>> z = torch.eye(12, 16)
        >>> round(DecoupledUniformity()(z, z).item(), 4)
        -2.0
    """

    def __init__(
        self,
        t: float = 1.0,
        *,
        smoothing: float = 0.0,
        steps: int = 10,
    ):
        super().__init__()
        name = "DecoupledUniformity"
        check_positive(name, t=t, steps=steps)
        check_real(name, smoothing=smoothing)
        if not 0 <= smoothing < math.inf:
            raise ValueError(f"{name}: smoothing must be a number of at least 0, got {smoothing}.")
        self.t, self.smoothing = t, smoothing
        # The iteration is PyG's personalised PageRank with teleport 1 / (1 + smoothing).
        self.smooth = APPNP(K=steps, alpha=1 / (1 + smoothing)) if smoothing else None

    @outside_graph
    def forward(
        self, *views: Float[Tensor, "n d"], edge_index: Int[Tensor, "2 e"] | None = None
    ) -> Tensor:
        name = "DecoupledUniformity"
        if len(views) < 2:
            raise ValueError(f"{name}: expected at least 2 views, got {len(views)}.")
        for view in views:
            check_views(name, views[0], view)
        if (self.smooth is None) != (edge_index is None):
            raise ValueError(f"{name}: smoothing above 0 and edge_index go together, give both.")
        mean = torch.stack([unit_rows(view) for view in views]).mean(0)
        if len(mean) < 2:
            if len(mean) == 1:
                warnings.warn(f"{name}: one row has no pairs, so the loss is 0.", stacklevel=2)
            return 0 * mean.sum()
        with torch.autocast(mean.device.type, enabled=False):
            if self.smooth is not None:
                mean = self.smooth(mean, edge_index)
            (rows,) = as_products([mean], "neg_sq_euclidean")
            return log_mean_gaussian(rows, rows, self.t)

    def extra_repr(self) -> str:
        return f"t={self.t:g}, smoothing={self.smoothing:g}"
