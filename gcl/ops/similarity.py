"""How two rows compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

Similarity: TypeAlias = Literal["cosine", "dot", "neg_sq_euclidean"]
SIMILARITIES = ("cosine", "dot", "neg_sq_euclidean")


def unit_rows(z: Tensor) -> Tensor:
    """`z / ||z||` row by row; a zero row stays zero and passes a finite gradient.

    (Dividing by `max(||z||, eps)` instead would multiply the gradient of a zero row by 1/eps.)
    Half precision is raised to float32 first. Rows are as long or short as the type holds them, but
    below 1e-30 in float32 and 1e-300 in float64 they count as zero: their gradient would not be
    finite.

    Shape:
        `[n, d]` -> `[n, d]`.

    Example:
        >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    z = z.to(torch.promote_types(z.dtype, torch.float32))
    squared = z.square().sum(dim=1, keepdim=True)
    tiny = torch.finfo(z.dtype).tiny
    if _out_of_range(z, squared):
        power = _power(z, squared)
        z = z * power
        squared = z.square().sum(dim=1, keepdim=True)
    return z * torch.where(squared > tiny, squared, 1.0).rsqrt()


# Squared lengths whose inverse, to the power 3/2 in the gradient, is far within the range.
BOUNDS = {
    dtype: (torch.finfo(dtype).tiny ** 0.63, torch.finfo(dtype).tiny ** -0.63)
    for dtype in (torch.float32, torch.float64)
}


def _out_of_range(z: Tensor, squared: Tensor) -> bool:
    """Whether rows have to be scaled before they are squared."""
    if z.device.type != "cpu" or torch.compiler.is_compiling():
        return True  # two more passes there cost less than the question
    if not len(z):
        return False
    low, high = BOUNDS[z.dtype]
    squared = squared.detach()
    if float(squared.min()) >= low and float(squared.max()) <= high:
        return False
    odd = (squared < low) | (squared > high)
    return bool(z.detach()[odd[:, 0]].any())  # not for rows of zeros


@torch.no_grad()
def _power(z: Tensor, squared: Tensor) -> Tensor:
    """A power of two for every row: 1 for the usual ones, which stay the same to the last bit."""
    low, high = BOUNDS[z.dtype]
    info = torch.finfo(z.dtype)
    largest = z.abs().amax(1, keepdim=True) if z.shape[1] else torch.zeros_like(squared)
    # Not by torch.frexp, which ONNX has not; one more or less does not matter.
    exponent = largest.where(largest > 0, 1.0).log2().floor() + 1
    scaled = torch.ldexp(torch.ones_like(largest), -exponent)
    odd = ((squared < low) | (squared > high)) & largest.isfinite()
    return torch.where(odd, torch.where(largest > 1e8 * info.tiny, scaled, 1.0), 1.0)


def in_one_type(*views: Tensor) -> list[Tensor]:
    """Rows in the widest of their types, at least float32: how views of two types compare."""
    dtype = torch.float32
    for z in views:
        dtype = torch.promote_types(dtype, z.dtype)
    return [z.to(dtype) for z in views]


def comparable(z: Tensor, similarity: Similarity) -> Tensor:
    """Rows as the similarity takes them: of unit length for the cosine; float32 or wider."""
    if similarity == "cosine":
        return unit_rows(z)
    return z.to(torch.promote_types(z.dtype, torch.float32))


def row_similarity(u: Tensor, v: Tensor, similarity: Similarity) -> Tensor:
    """Similarity of row i of u with row i of v, `[n]`."""
    if similarity == "neg_sq_euclidean":
        return -(u - v).square().sum(1)
    return (u * v).sum(1)


class ProductRows(NamedTuple):
    """Rows of a view on either side of inner products that are similarities."""

    left: Tensor
    right: Tensor
    constant: Tensor | None  # what the products of a left row lack, for each row


def as_products(views: Sequence[Tensor], similarity: Similarity) -> list[ProductRows]:
    """Rows whose inner products are the similarities, up to a constant of each left row.

    `-||a - b||^2 = <[2a, 1], [b, -||b||^2]> - ||a||^2`. The rows are made once for all sums over
    pairs of the views, and autograd holds nothing but them.
    """
    if similarity != "neg_sq_euclidean":
        return [ProductRows(z, z, None) for z in views]
    centre, found = common_centre(views), []
    for z in views:
        rows = z - centre
        left = torch.cat([2 * rows, torch.ones_like(rows[:, :1])], dim=1)
        # From the rows that are held anyway: the same bits, and no third copy for the gradient.
        constant = left[:, :-1].square().sum(1) / -4
        found.append(ProductRows(left, torch.cat([rows, constant[:, None]], dim=1), constant))
    return found


def common_centre(views: Sequence[Tensor]) -> Tensor | float:
    """Mean of the means of the views, `[d]`: distances know no origin, products lose digits far
    from it."""
    means = [z.detach().mean(0) for z in views if len(z)]
    return torch.stack(means).mean(0) if means else 0.0
