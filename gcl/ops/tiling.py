"""How sums over pairs of rows are computed: one context for all that streams."""

from __future__ import annotations

from contextlib import AbstractContextManager, ContextDecorator
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from gcl.checks import check_choice, check_count
from gcl.ops.tiles import Precision

Implementation: TypeAlias = Literal["auto", "dense", "tiled"]


@dataclass(frozen=True)
class Tiling:
    """The settings of a context, see `tiling`."""

    implementation: Implementation = "auto"
    tile: int | None = None
    precision: Precision = "fp32"


DEFAULTS = Tiling()
# Those of the contexts around here, the innermost last.
_NESTED: ContextVar[tuple[Tiling, ...]] = ContextVar("gcl.ops.tiling", default=(DEFAULTS,))


def current_tiling() -> Tiling:
    """The settings in force here.

    Example:
        >>> current_tiling()
        Tiling(implementation='auto', tile=None, precision='fp32')
    """
    return _NESTED.get()[-1]


def tiling(
    *,
    implementation: Implementation | None = None,
    tile: int | None = None,
    precision: Precision | None = None,
) -> AbstractContextManager[None]:
    """How every streamed loss and sum inside the context is computed, as `torch.autocast` does.

    The settings are read when a forward pass runs and kept by it, so that its backward pass agrees
    wherever it runs. Contexts nest: what is not given stays as around. The object may be entered
    again and again. New threads start with the defaults, "auto", None and "fp32".

    Args:
        implementation: "tiled" never stores an n x m array: tiles of it are computed, used and
            forgotten, and computed again for the backward pass. "dense" is plain PyTorch, always
            in full precision, and the one with second derivatives. "auto" takes the dense form for
            at most 65,536 pairs of rows, and, whatever their number, inside the transforms of
            `torch.func`, which must follow every operation; "tiled" is refused there.
        tile: rows of a tile, >= 1; chosen from shapes and device where no context says.
        precision: "bf16" multiplies the streamed products in bfloat16 (sums and exponentials stay
            in float32): faster where the hardware has bfloat16 units. Relative gradient error of
            InfoNCE up to 1e-3 at tau = 0.4, of other losses up to 3e-3 at their defaults, growing
            with 1 / tau. `torch.set_float32_matmul_precision` is honoured too. Tiles of float64
            rows raise ValueError. Without effect where rounding would decide: `Triplet`, the search
            of `HardestNegatives` and `MixedNegatives`; and in `MetaNodeNegatives`, whose products
            are not streamed.

    Raises:
        ValueError: an unknown word, or a tile below 1.
        TypeError: a tile that is no whole number.

    Example:
        >>> import gcl
        >>> import torch
        >>> loss, z = gcl.losses.InfoNCE(tau=0.4), torch.eye(12, 16)
        >>> with gcl.ops.tiling(implementation="tiled", tile=4):
        ...     value = loss(z, z)
        >>> torch.allclose(value, loss(z, z))  # dense: few rows
        True
    """
    given: dict[str, Any] = {}
    if implementation is not None:
        check_choice("tiling", "implementation", implementation, ("auto", "dense", "tiled"))
        given["implementation"] = implementation
    if tile is not None:
        check_count("tiling", tile=tile)
        given["tile"] = tile
    if precision is not None:
        check_choice("tiling", "precision", precision, ("fp32", "bf16"))
        given["precision"] = precision
    return _Changed(given)


class _Changed(ContextDecorator, AbstractContextManager[None]):
    """Settings to change; it keeps nothing of where it was entered, so it can be entered again."""

    def __init__(self, given: dict[str, Any]):
        self.given = given

    def __enter__(self) -> None:
        nested = _NESTED.get()
        _NESTED.set((*nested, replace(nested[-1], **self.given)))

    def __exit__(self, *_: object) -> None:
        _NESTED.set(_NESTED.get()[:-1])
