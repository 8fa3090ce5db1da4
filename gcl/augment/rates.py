"""Drop probabilities by importance: the adaptive rates of GCA, on which CSGCL's build too."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.utils import scatter

from gcl.checks import as_tensor
from gcl.graphs.features import zero_columns
from gcl.ops.host import all_finite


def importance(
    owner: str, store: Any, name: str, unit: str, lengths: set[int], source: str | None = None
) -> Tensor:
    """The attribute `name` of a store as a flat float64 vector with one of the given lengths.

    `source` is the transform that writes the attribute, for the error where it is missing.
    """
    where = "data" if store._key is None else f"data[{store._key!r}]"
    if name not in store:
        remedy = f"apply {source} to the whole graph first"
        if source is None:
            remedy = (
                f"set it to a tensor with one number per {unit}, higher = more important, for "
                "example the logarithm of a centrality"
            )
        raise ValueError(f"{owner}: {where} has no attribute '{name}'; {remedy}.")
    value = as_tensor(owner, f"'{name}' of {where}", store[name]).flatten()
    if value.numel() not in lengths:
        raise ValueError(
            f"{owner}: '{name}' of {where} must hold one number per {unit} "
            f"({min(lengths)}), got {value.numel()}."
        )
    if not all_finite(value):
        raise ValueError(
            f"{owner}: '{name}' of {where} holds NaN or infinite numbers; every {unit} needs a "
            "finite one (for a logarithm take log(max(value, eps)))."
        )
    return value.double()


def adaptive_rates(
    phi: Tensor,
    p: float | Tensor,
    p_max: float,
    group: Tensor | None = None,
    num_groups: int = 1,
    tolerance: float | Tensor = 0.0,
) -> Tensor:
    """GCA's drop probabilities: rare things keep, common things drop (Zhu et al., WWW 2021).

    `w_i = (max(phi) - phi_i) / (max(phi) - mean(phi))`, `rate_i = clip(p * w_i, 0, p_max)`.
    The mean of w is 1, so p is the expected share that drops (before clipping). Where all phi are
    equal, w is 1 instead of 0 / 0.

    Args:
        phi: importance of every element, finite, higher = dropped less.
        p: mean drop probability.
        p_max: largest drop probability.
        group: the group of every element; maximum and mean are taken within each group.
        num_groups: number of groups.
        tolerance: phi that differ by no more count as equal; above what rounding does to equal
            ones, which would otherwise be told apart at random.

    Shape:
        phi `[n]`, group `[n]` -> `[n]`, float64.

    Example:
        >>> adaptive_rates(torch.tensor([0.0, 1.0, 2.0]), p=0.3, p_max=0.7)
        tensor([0.6000, 0.3000, 0.0000], dtype=torch.float64)
    """
    phi = phi.double()
    if phi.numel() == 0:
        return phi
    if group is None:
        top, low, mean = phi.max(), phi.min(), phi.mean()
    else:
        top, low, mean = (
            scatter(phi, group, 0, num_groups, reduce=how)[group] for how in ("max", "min", "mean")
        )
    # Compared by extremes: rounding can put the mean of equal numbers off their maximum.
    weight = torch.where(top - low > tolerance, (top - phi) / (top - mean), 1.0)
    return (p * weight).clamp(0.0, p_max)


def mask_columns(
    x: Tensor, phi: Tensor, graph: Tensor, p: float, p_max: float, tolerance: float = 0.0
) -> Tensor:
    """Zeroes columns of x by importance, see `adaptive_rates`.

    Args:
        x: `[n, f]` features.
        phi: `[1, f]` importances for all rows, or `[g, f]` for each graph, which then has a draw
            of its own.
        graph: `[n]`, the graph of every row.
        p: mean probability to zero a column.
        p_max: largest one.
        tolerance: see `adaptive_rates`.
    """
    count, columns = phi.shape
    if phi.numel() == 0:
        return x
    group = torch.arange(count, device=phi.device).repeat_interleave(columns)
    rates = adaptive_rates(phi.flatten(), p, p_max, group, count, tolerance).view(count, columns)
    drop = torch.rand_like(rates) < rates
    return zero_columns(x, drop[0]) if count == 1 else zero_columns(x, drop, graph)
