"""What is asked of arguments: one sentence where it does not come, naming what came."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

OF_EDGES = ("edge_attr", "edge_type")
"""What an encoder may ask for by name, one row an edge; see `gcl.graphs.encoding.encode`."""


def check_views(name: str, z1: Tensor, z2: Tensor) -> None:
    """Two floating `[n, d]` matrices of one shape.

    Raises:
        TypeError: not floating-point tensors.
        ValueError: not two-dimensional or of different shapes.
    """
    for z in (z1, z2):
        _check_matrix(name, "floating-point tensors [n, d]", z)
    if z1.dim() != 2 or z1.shape != z2.shape:
        raise ValueError(
            f"{name}: expected two matrices of one shape [n, d], got {list(z1.shape)} and "
            f"{list(z2.shape)}; row i of both must be the same node."
        )


def _check_matrix(name: str, expected: str, z: Any) -> None:
    if not isinstance(z, Tensor):
        array = type(z).__module__.partition(".")[0] == "numpy"
        advice = "; use torch.from_numpy(z)" if array else ""
        raise TypeError(f"{name}: expected {expected}, got {type(z).__name__}{advice}.")
    if not z.is_floating_point():
        raise TypeError(f"{name}: expected {expected}, got {z.dtype}.")
    if z.layout != torch.strided:
        raise TypeError(f"{name}: expected {expected}, got {z.layout}; use z.to_dense().")


def check_positive(name: str, **values: float | int | Tensor) -> None:
    """Scalars above zero.

    Raises:
        TypeError: not a number.
        ValueError: a value is not a finite number above zero.
    """
    for key, value in values.items():
        if not (isinstance(value, Tensor) and value.numel() == 1):
            check_real(name, **{key: value})
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
        check_real(name, **{key: value})
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
        check_real(name, **{key: value})
        if not 0 <= value <= 1:
            raise ValueError(f"{name}: {key} must lie in [0, 1], got {value}.")


def check_real(name: str, **values: Any) -> None:
    """Numbers, of any size.

    Raises:
        TypeError: anything else; True and False are none.
    """
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{name}: {key} must be a number, got {shown(value)}.")


def as_tensor(name: str, key: str, value: Any) -> Tensor:
    """What torch makes a tensor of: numbers in a list or an array, or a tensor.

    Raises:
        TypeError: anything else.
    """
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"{name}: {key} must be a tensor, or numbers in a list or an array, got {shown(value)}."
        ) from None


def shown(value: Any) -> str:
    """A value in an error message: a short one as it is, of others their type."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    text = repr(value)
    return text if len(text) <= 60 and "\n" not in text else f"a {type(value).__name__}"


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
        raise ValueError(f"{name}: {key} must be one of {listed}, got {shown(value)}.")


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
        _check_matrix(name, "floating-point tensors", z)
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
            raise TypeError(f"{name}: {key} must be a whole number, got {shown(value)}.")
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


def check_encoder(name: str, encoder: Any, *, width: bool = True) -> None:
    """What turns features and edges into embeddings: `(x, edge_index, edge_weight) -> [n, d]`.

    Args:
        name: who asks.
        encoder: see `gcl.contracts.Encoder`.
        width: it must tell d as `out_channels`.

    Raises:
        TypeError: a class, nothing to call, other arguments, or no `out_channels`.
        ValueError: a layer that keeps the edges of the first graph or view it sees.
    """
    kind = type(encoder).__name__
    if isinstance(encoder, type):
        raise TypeError(
            f"{name}: encoder must be an object, got the class {encoder.__name__}; make one: "
            f"{encoder.__name__}(...)."
        )
    if not callable(encoder):
        raise TypeError(
            f"{name}: encoder must be a module (x, edge_index, edge_weight) -> [n, out_channels], "
            f"got {shown(encoder)}."
        )
    try:
        signature = inspect.signature(
            encoder.forward if isinstance(encoder, nn.Module) else encoder
        )
    except (TypeError, ValueError):  # not every callable tells
        signature = None
    if signature is not None:
        try:
            known = ("degree", *OF_EDGES)
            keyed = {p: None for p in [*signature.parameters][3:] if p in known}
            signature.bind(None, None, None, **keyed)
        except TypeError:
            raise TypeError(
                f"{name}: encoder must take (x, edge_index, edge_weight), but {kind} takes "
                f"({', '.join(signature.parameters)}); wrap it in a module that does."
            ) from None
    for where, layer in encoder.named_modules() if isinstance(encoder, nn.Module) else ():
        if getattr(layer, "cached", None) is True:
            raise ValueError(
                f"{name}: encoder keeps the edges of the first view it sees, and would give every "
                f"other graph those ({where or kind} has cached=True); make it without cached."
            )
    out = getattr(encoder, "out_channels", None)
    if width and (isinstance(out, bool) or not isinstance(out, Integral) or out < 1):
        raise TypeError(
            f"{name}: encoder must tell the width of its embeddings as out_channels, but that of "
            f"{kind} is {shown(out)}; set encoder.out_channels to the number of columns."
        )


def check_width(name: str, x: Tensor, width: int, where: str = "x") -> None:
    """Features of the width that something was made for.

    Raises:
        TypeError: no tensor.
        ValueError: of another width.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: {where} must be a tensor [n, {width}], got {shown(x)}.")
    if x.dim() != 2 or x.shape[1] != width:
        raise ValueError(
            f"{name}: made for {width} features a node, but {where} is {list(x.shape)}; give "
            "features as it was made for, or make it for these."
        )


def check_counts(name: str, *, least: int = 1, **values: Any) -> None:
    """Lists of whole numbers of at least `least`, none of them empty.

    Raises:
        TypeError: no list, or of other numbers.
        ValueError: empty, or one is too small.
    """
    for key, listed in values.items():
        if not isinstance(listed, Iterable) or isinstance(listed, str | bytes):
            raise TypeError(
                f"{name}: {key} must be a list of whole numbers such as [1, 10], got "
                f"{shown(listed)}."
            )
        if not listed:
            raise ValueError(f"{name}: {key} is empty; give at least one number.")
        for value in listed:
            check_count(name, least=least, **{key: value})


def as_strengths(name: str, key: str, values: Any) -> list[float]:
    """Numbers above zero, as strengths of a penalty are.

    Raises:
        TypeError: no list, or not of numbers.
        ValueError: empty, or one is not above zero.
    """
    if not isinstance(values, Iterable) or isinstance(values, str | bytes):
        raise TypeError(f"{name}: {key} must be a list of numbers above 0, got {shown(values)}.")
    found = list(values)
    for value in found:
        check_real(name, **{key: value})
    if not found or not all(0 < value < math.inf for value in found):
        raise ValueError(f"{name}: {key} must be positive numbers, got {found}.")
    return [float(value) for value in found]


def check_interval(name: str, key: str, value: Any) -> None:
    """Two numbers `(low, high)`.

    Raises:
        TypeError: anything else.
    """
    pair = isinstance(value, tuple | list) and len(value) == 2
    if not pair or not all(isinstance(v, Real) and not isinstance(v, bool) for v in value):
        raise TypeError(f"{name}: {key} must be two numbers (low, high), got {shown(value)}.")


SKLEARN_SEEDS = 2**32
"""How many seeds scikit-learn and NumPy's older generators know, from 0."""


def check_seed(name: str, seed: int, *, least: int = -(2**63), below: int = 2**64) -> None:
    """The seed of a generator: by default of torch's.

    Raises:
        TypeError: not an int.
        ValueError: outside of what the generator knows.
    """
    check_count(name, least=least, seed=seed)
    if seed >= below:
        bound = "2^64" if below == 2**64 else str(below)
        raise ValueError(f"{name}: seed must lie below {bound}, got {seed}.")


def as_path(name: str, path: str | PathLike[str]) -> Path:
    """A path of a file.

    Raises:
        TypeError: neither text nor a path.
    """
    if not isinstance(path, str | PathLike):
        raise TypeError(f"{name}: expected the path of a file, got {shown(path)}.")
    return Path(path)


def check_device(name: str, device: str | torch.device) -> None:
    """A device that is there.

    Raises:
        TypeError: no name, number or torch.device.
        ValueError: torch knows no such device, or has none here.
    """
    if not isinstance(device, str | int | torch.device) or isinstance(device, bool):
        raise TypeError(f"{name}: device must be a name such as 'cuda:0', got {shown(device)}.")
    try:
        found = torch.device(device)
    except RuntimeError:
        raise ValueError(
            f"{name}: device {shown(device)} cannot be used here: torch knows no device of this "
            "name; give 'cpu', 'cuda' or 'cuda:1'."
        ) from None
    if found.type == "meta":
        raise ValueError(f"{name}: device 'meta' cannot be used here: it holds no numbers.")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{name}: device {str(device)!r} cannot be used here: {reason}") from None
