"""Measures of an embedding that need no labels: is it aligned, spread out, collapsed?"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gcl.checks import check_count, check_number, check_seed
from gcl.evaluate.inputs import as_matrix
from gcl.evaluate.result import Result

BLOCK = 256  # rows compared with all others at a time


def geometry(
    z1: Any,
    z2: Any = None,
    *,
    t: float = 2.0,
    max_nodes: int | None = 10_000,
    seed: int = 0,
) -> Result:
    r"""Alignment, uniformity and collapse of an embedding; zhat = z / ||z||.

        alignment       mean_i ||zhat1_i - zhat2_i||^2         0 = the views agree (needs z2)
        uniformity      log mean_{i<j} exp(-t ||zhat_i - zhat_j||^2)     0 = collapsed to a point,
                        about -2 t on a sphere of many dimensions
        effective_rank  exp(entropy of s / sum(s)), s the singular values of the centred z;
                        from 1 to D, small = dimensional collapse (0 if all rows are equal)
        rank            number of s above 1 % of the largest
        column_std      mean_d std(zhat_d) * sqrt(D)           1 = isotropic, 0 = collapsed

    Args:
        z1: Embeddings `[N, D]`, N >= 2; uniformity, rank and spread are those of z1.
        z2: Embeddings of the same nodes in another view, `[N, D]`.
        t: Sharpness of the uniformity kernel, > 0.
        max_nodes: Uniformity takes the pairs of a random sample of this many nodes if there are
            more; None takes all pairs. Either way they are streamed in blocks of rows.
        seed: Seed of the sample, from a generator of its own.

    Raises:
        ValueError: if the shapes differ, N < 2, t <= 0 or max_nodes < 2.

    Reference:
        Wang and Isola, "Understanding contrastive representation learning through alignment and
        uniformity on the hypersphere", ICML 2020; Roy and Vetterli, "The effective rank", 2007.

    Example:
        >>> geometry(torch.eye(4))["uniformity"]
        -4.0
    """
    x = _rows(z1)
    if x.shape[0] < 2:
        raise ValueError("geometry: expected at least two nodes, got one; pairs are compared.")
    check_number("geometry", t=t)
    if t <= 0:
        raise ValueError(f"geometry: t must be positive, got {t}.")
    if max_nodes is not None:
        check_count("geometry", least=2, max_nodes=max_nodes)
    unit = torch.nn.functional.normalize(x, dim=1)
    values: dict[str, float] = {}
    if z2 is not None:
        other = _rows(z2).to(unit)
        if other.shape != x.shape:
            raise ValueError(
                f"geometry: expected two views of the same shape, got {tuple(x.shape)} and "
                f"{tuple(other.shape)}; pass the same nodes in the same order."
            )
        other = torch.nn.functional.normalize(other, dim=1)
        values["alignment"] = float(other.sub_(unit).square_().sum(1).mean())
        del other
    check_seed("geometry", seed)
    sample, pairs = unit, "all pairs"
    if max_nodes is not None and len(unit) > max_nodes:
        order = torch.randperm(len(unit), generator=torch.Generator().manual_seed(seed))
        sample, pairs = unit[order[:max_nodes].to(unit.device)], f"pairs of {max_nodes} nodes"
    values["uniformity"] = _uniformity(sample, t)
    singular = _singular_values(x)
    values["effective_rank"] = _effective_rank(singular)
    values["rank"] = float((singular > 0.01 * singular.amax()).sum()) if len(singular) else 0.0
    values["column_std"] = float(unit.std(0, correction=0).mean()) * math.sqrt(x.shape[1])
    return Result(values, f"geometry: l2 rows, uniformity at t {t:g} over {pairs}")


def _rows(z: Any) -> Tensor:
    x = as_matrix(z, "geometry")
    return x.double() if isinstance(x, Tensor) else torch.from_numpy(x.toarray()).double()


def _uniformity(unit: Tensor, t: float) -> float:
    # A logarithm of a sum of blocks: with a large t the terms alone would underflow.
    total = torch.tensor(-torch.inf, dtype=unit.dtype, device=unit.device)
    squares = unit.square().sum(1)
    for start in range(0, len(unit), BLOCK):
        rows = unit[start : start + BLOCK]
        right = unit[start:]
        distance = squares[start : start + BLOCK, None] + squares[start:] - 2 * rows @ right.T
        above = torch.ones_like(distance, dtype=torch.bool).triu(1)
        logits = torch.where(above, -t * distance.clamp(min=0), -torch.inf)
        total = torch.logaddexp(total, logits.flatten().logsumexp(0))
    return float(total) - math.log(len(unit) * (len(unit) - 1) / 2)


def _singular_values(x: Tensor) -> Tensor:
    """Those of the centred rows that are not zero."""
    centred = x - x.mean(0)
    small = centred.T @ centred if x.shape[1] <= x.shape[0] else centred @ centred.T
    eigenvalues = torch.linalg.eigvalsh(small)
    # What rounding leaves of a zero must not count as a direction.
    floor = eigenvalues[-1].clamp(min=0) * small.shape[0] * torch.finfo(x.dtype).eps
    return eigenvalues[eigenvalues > floor].sqrt()


def _effective_rank(singular: Tensor) -> float:
    if not len(singular):
        return 0.0
    share = singular / singular.sum()
    return float(torch.exp(-(share * share.log()).sum()))
