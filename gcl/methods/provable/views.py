"""Which methods can be bounded, and what their encoder saw of a graph and made of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import Tensor, nn

from gcl.methods.provable.budget import check_view
from gcl.methods.provable.layers import gcn_layers
from gcl.methods.two_view import TwoView


class EncodedView(NamedTuple):
    """What the encoder got and made of one view; pre_activations are those of its layers."""

    x: Tensor
    edge_index: Tensor
    edge_weight: Tensor | None
    pre_activations: list[Tensor]
    z: Tensor


def boundable(owner: str, method: Any, *, masks: bool = False) -> TwoView:
    """The method, if its node compactness can be bounded.

    Args:
        owner: who asks, for messages.
        method: should be a `TwoView`.
        masks: bounds over masks of the features too.

    Raises:
        TypeError, ValueError: see `POT`.
    """
    try:
        return _boundable(method, masks)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{owner}: {error}") from None


def _boundable(method: Any, masks: bool) -> TwoView:
    if not isinstance(method, TwoView):
        raise TypeError(
            f"node compactness is defined for a gcl.methods.TwoView, got {type(method).__name__}; "
            "make one with a recipe such as grace(data)."
        )
    if method.readout is not None:
        raise ValueError("node compactness is one of nodes; the method has a readout of graphs.")
    if len(method.views) != 2:
        raise ValueError(
            f"node compactness is one of two views; the method compares {len(method.views)}; "
            "apply several_views to no method under POT."
        )
    gcn_layers(method.encoder)
    for view in method.views:
        check_view(view, masks=masks)
    return method


@contextmanager
def encoder_calls(method: TwoView) -> Iterator[list[EncodedView]]:
    """Within, every call of the method's encoder is added to the list."""
    encoder: Any = method.encoder
    signature = inspect.signature(encoder.forward)
    calls: list[EncodedView] = []
    pre_activations: list[Tensor] = []

    def before(_: nn.Module, args: tuple[Any, ...]) -> None:
        pre_activations.append(args[0])

    def after(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], z: Tensor) -> None:
        got = signature.bind(*args, **kwargs).arguments
        calls.append(
            EncodedView(got["x"], got["edge_index"], got.get("edge_weight"), [*pre_activations], z)
        )
        pre_activations.clear()

    hooks = [module.register_forward_pre_hook(before) for module in encoder.afters]
    hooks.append(encoder.register_forward_hook(after, with_kwargs=True))
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()
