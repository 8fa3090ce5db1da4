"""What is asked of arguments: one sentence where it does not come, naming what came."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import cast

import torch
from torch import Tensor


def check_views(name: str, z1: Tensor, z2: Tensor) -> None:
    """Two floating `[n, d]` matrices of one shape.

    Raises:
        TypeError: not floating-point tensors.
        ValueError: not two-dimensional or of different shapes.
    """
    for z in (z1, z2):
        if not isinstance(z, Tensor) or not z.is_floating_point():
            got = z.dtype if isinstance(z, Tensor) else type(z).__name__
            raise TypeError(f"{name}: expected floating-point tensors [n, d], got {got}.")
    if z1.dim() != 2 or z1.shape != z2.shape:
        raise ValueError(
            f"{name}: expected two matrices of one shape [n, d], got {list(z1.shape)} and "
            f"{list(z2.shape)}; row i of both must be the same node."
        )


def check_positive(name: str, **values: float | int | Tensor) -> None:
    """Scalars above zero.

    Raises:
        ValueError: a value is not a finite number above zero.
    """
    for key, value in values.items():
        number = as_number(value)
        if not (math.isfinite(number) and number > 0):
            raise ValueError(f"{name}: {key} must be a number above 0, got {number:g}.")


def check_number(name: str, *, least: float = -math.inf, **values: float) -> None:
    """Finite numbers of at least `least`.

    Raises:
        TypeError: not a number.
        ValueError: not finite, or too small.
    """
    for key, value in values.items():
        _check_type(name, key, value)
        if not math.isfinite(value):
            raise ValueError(f"{name}: {key} must be finite, got {value}.")
        if value < least:
            raise ValueError(f"{name}: {key} must be at least {least:g}, got {value}.")


def check_fraction(name: str, **values: float) -> None:
    """Numbers in [0, 1], such as probabilities.

    Raises:
        TypeError: not a number.
        ValueError: outside.
    """
    for key, value in values.items():
        _check_type(name, key, value)
        if not 0 <= value <= 1:
            raise ValueError(f"{name}: {key} must lie in [0, 1], got {value}.")


def _check_type(name: str, key: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}: {key} must be a number, got {value!r}.")


def as_number(value: float | Tensor) -> float:
    """A number, also of a parameter."""
    return float(value.detach()) if isinstance(value, Tensor) else float(value)


def check_choice(name: str, key: str, value: str, choices: Sequence[str]) -> None:
    """One of a few words.

    Raises:
        ValueError: any other word.
    """
    if value not in choices:
        listed = ", ".join(repr(c) for c in choices)
        raise ValueError(f"{name}: {key} must be one of {listed}, got {value!r}.")


def check_pairs(name: str, pairs: Tensor, weight: Tensor | None, rows: int) -> None:
    """An edge list of positives `[2, P]` with `P` weights that are not negative.

    Raises:
        TypeError: positions are not integers.
        ValueError: wrong shape, positions out of range, negative or non-finite weights.
    """
    for key, value in (("pos_edge_index", pairs), ("pos_weight", weight)):
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(f"{name}: {key} must be a tensor, got {type(value).__name__}.")
    if pairs.dtype != torch.long:
        raise TypeError(f"{name}: pos_edge_index must hold int64 positions, got {pairs.dtype}.")
    if pairs.dim() != 2 or pairs.shape[0] != 2:
        raise ValueError(f"{name}: pos_edge_index must be [2, P], got {list(pairs.shape)}.")
    if pairs.numel() and (int(pairs.min()) < 0 or int(pairs.max()) >= rows):
        raise ValueError(
            f"{name}: pos_edge_index must lie in [0, {rows}), got values from {int(pairs.min())} "
            f"to {int(pairs.max())}."
        )
    if weight is not None and (
        weight.shape != pairs.shape[1:] or not bool((weight >= 0).all() & weight.isfinite().all())
    ):
        raise ValueError(
            f"{name}: pos_weight must hold {pairs.shape[1]} finite numbers >= 0, one a pair."
        )


def check_columns(name: str, q: Tensor, k: Tensor) -> None:
    """Two floating matrices `[n, d]` and `[m, d]` of one width.

    Raises:
        TypeError: not floating-point tensors.
        ValueError: not two-dimensional or of different widths.
    """
    for z in (q, k):
        if not isinstance(z, Tensor) or not z.is_floating_point():
            got = z.dtype if isinstance(z, Tensor) else type(z).__name__
            raise TypeError(f"{name}: expected floating-point tensors, got {got}.")
    if q.dim() != 2 or k.dim() != 2 or q.shape[1] != k.shape[1]:
        raise ValueError(
            f"{name}: expected matrices [n, d] and [m, d] of one width, got {list(q.shape)} and "
            f"{list(k.shape)}."
        )


def check_count(name: str, *, least: int = 1, **values: int) -> None:
    """Whole numbers of at least `least`.

    Raises:
        TypeError: not an int.
        ValueError: too small.
    """
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise TypeError(f"{name}: {key} must be a whole number, got {value!r}.")
        if value < least:
            raise ValueError(f"{name}: {key} must be at least {least}, got {value}.")


def check_node_pairs(name: str, key: str, pairs: Tensor, num_nodes: int) -> None:
    """A list of pairs of nodes `[2, e]`.

    Raises:
        TypeError: not int64.
        ValueError: of another shape, or with positions outside [0, num_nodes).
    """
    if not isinstance(pairs, Tensor) or pairs.dtype != torch.int64:
        got = pairs.dtype if isinstance(pairs, Tensor) else type(pairs).__name__
        raise TypeError(f"{name}: {key} must be a tensor of int64, got {got}.")
    if pairs.dim() != 2 or len(pairs) != 2:
        raise ValueError(f"{name}: {key} must be [2, e], got {list(pairs.shape)}.")
    if pairs.numel() and (int(pairs.min()) < 0 or int(pairs.max()) >= num_nodes):
        raise ValueError(
            f"{name}: {key} must lie in [0, {num_nodes}), got values from {int(pairs.min())} to "
            f"{int(pairs.max())}."
        )


def as_rate(name: str, key: str, value: float | str) -> float | str:
    """A number in [0, 1], or the name of an attribute with one rate a graph.

    Raises:
        TypeError: neither a number nor a name.
        ValueError: outside [0, 1].
    """
    if isinstance(value, str) and value.isidentifier():  # not "0.3"
        return value
    check_fraction(name, **{key: cast(float, value)})
    return float(value)


def check_attribute_name(name: str, value: str | None) -> None:
    """The name of a weight attribute, or None.

    Raises:
        TypeError: anything else.
    """
    if value is not None and not isinstance(value, str):
        raise TypeError(
            f"{name}: weight must be the name of an attribute of the data or None, "
            f"got {type(value).__name__}; store the tensor on the data and pass its name."
        )


def check_device(name: str, device: str | torch.device) -> None:
    """A device that is there.

    Raises:
        ValueError: torch knows no such device, or has none here.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{name}: device {str(device)!r} cannot be used here: {reason}") from None
