"""Why an encoder failed at what it was handed, where that is what it failed at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

# What torch and Python say of something that is None, of another kind, or of another shape.
_NONE = re.compile("NoneType")
_INDICES = re.compile(r"'indices' to have one of the following scalar types")
_KINDS = re.compile(r"dtype|scalar type|datatype|not implemented for")
_SHAPES = re.compile(
    r"cannot be multiplied|must match|number of dimensions|does not match|expected"
)
_WIDTHS = re.compile(r"\((?:\d+x)?(\d+)\b|size (\d+)|got (\d+)|, (\d+)\]")
_NAMES = {
    torch.float64: "double",
    torch.float16: "half|float16",
    torch.bfloat16: "bfloat16",
    torch.bool: "bool",
    torch.int64: "long",
    torch.int32: "int",
    torch.uint8: "byte|unsigned char",
}


def told_misfit(
    encoder: Any,
    x: Tensor,
    edges: Mapping[str, Tensor | None],
    error: Exception,
    lost: str | None = None,
) -> str | None:
    """What does not fit an encoder and what to do; None where the error is of something else.

    It reads the message of the error, shapes and dtypes, and no values: no device is waited for.

    Args:
        encoder: what failed.
        x: the features that it got.
        edges: what else it asks for, one row an edge; None where the graph or view has none.
        error: what it failed with.
        lost: the view that has lost what its graph has, in words.

    Shape:
        x `[n, f]`, edges `[e]` or `[e, k]`.

    Example:
        >>> layer = nn.Linear(3, 2)
        >>> try:
        ...     layer(torch.ones(4, 5))
        ... except RuntimeError as error:
        ...     print(told_misfit(layer, torch.ones(4, 5), {}, error))
        Linear cannot take x [4, 5] of float32 (mat1 and mat2 shapes cannot be multiplied (4x5 and \
3x2)); give x of the width that it was made for, or make it for this one.
    """
    reason = str(error).partition("\n")[0]
    if isinstance(error, AssertionError):
        # Layers of PyG made with edge_dim assert that there are attributes, and say no more.
        if reason or not _is_of_pyg(error):
            return None
        reason = "PyG asserts that it is not NoneType"
    got = {"x": x, **{name: value for name, value in edges.items() if value is not None}}
    advice = (
        _of_none(reason, [name for name, value in edges.items() if value is None])
        or _of_kinds(reason, got, _kind_of(encoder))
        or _of_shapes(reason, got)
    )
    if advice is None:
        return None
    told = " and ".join(
        [f"{name} {list(value.shape)} of {_word(value.dtype)}" for name, value in got.items()]
        + [f"no {name}" for name, value in edges.items() if value is None]
    )
    if lost is not None and None in edges.values():
        told += f", which {lost} has lost"
    name = getattr(encoder, "__name__", type(encoder).__name__)
    return f"{name} cannot take {told} ({reason}); {advice}."


def _is_of_pyg(error: Exception) -> bool:
    """Whether it was raised in PyG's own code."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    name = "" if place is None else str(place.tb_frame.f_globals.get("__name__", ""))
    return name.startswith("torch_geometric")


def _of_none(reason: str, missing: list[str]) -> str | None:
    if not missing or not _NONE.search(reason):
        return None
    name = missing[0]
    return (
        f"set data.{name}, one row an edge, and take augmentations and a recipe that keep it "
        f"(diffusion does not), or give an encoder that goes without {name}"
    )


def _of_kinds(reason: str, got: dict[str, Tensor], kind: torch.dtype | None) -> str | None:
    if _INDICES.search(reason):
        wrong = [name for name, value in got.items() if value.is_floating_point()]
        return _to_change(wrong, got, torch.int64)
    if kind is None or not _KINDS.search(reason):
        return None
    # Whole numbers in x are codes of categories, and types of edges are, too.
    features = {n: v for n, v in got.items() if n == "edge_attr" or v.is_floating_point()}
    wrong = [name for name, value in features.items() if value.dtype != kind]
    named = [n for n in wrong if _is_named(got[n].dtype, reason)]
    return _to_change(named or wrong, got, kind)


def _of_shapes(reason: str, got: dict[str, Tensor]) -> str | None:
    if not _SHAPES.search(reason):
        return None
    flat = [name for name, value in got.items() if name == "edge_attr" and value.dim() == 1]
    read = {int(number) for found in _WIDTHS.findall(reason) for number in found if number}
    if flat and ("number of dimensions" in reason or len(got[flat[0]]) in read):
        return _to_change(flat, got, None)
    widths = {name: value.shape[-1] for name, value in got.items() if value.dim() > 1}
    wrong = [name for name, width in widths.items() if width in read]
    if not wrong and len(widths) > 1:  # rows of an edge beside those of its ends
        x, edge = widths["x"], sum(widths.values()) - widths["x"]
        wrong = list(widths) if {x + edge, 2 * x + edge} & read else []
    if not wrong:
        return None
    several = " and ".join(wrong)
    return f"give {several} of the width that it was made for, or make it for this one"


def _to_change(names: list[str], got: dict[str, Tensor], kind: torch.dtype | None) -> str | None:
    """The lines that make of attributes what they should be; None without any."""
    lines = []
    for name in names:
        line = f"data.{name} = data.{name}"
        if kind is not None and got[name].dtype != kind:
            short = {torch.float32: ".float()", torch.int64: ".long()"}
            line += short.get(kind, f".to({kind})")
        if name == "edge_attr" and got[name].dim() == 1 and kind != torch.int64:
            line += ".view(-1, 1)"
        lines.append(line)
    return f"set {' and '.join(lines)}" if lines else None


def _kind_of(encoder: Any) -> torch.dtype | None:
    """The kind of numbers that an encoder computes in; None where nothing tells."""
    weights = encoder.parameters() if isinstance(encoder, nn.Module) else ()
    return next((weight.dtype for weight in weights if weight.is_floating_point()), None)


def _is_named(dtype: torch.dtype, reason: str) -> bool:
    return dtype in _NAMES and bool(re.search(rf"\b({_NAMES[dtype]})\b", reason, re.IGNORECASE))


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
