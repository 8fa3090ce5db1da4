"""Hand-written backward passes have no second derivative: say so instead of dropping terms."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch


def first_order_only(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Make a `Function.backward` refuse `create_graph=True`.

    (`torch.autograd.function.once_differentiable` returns constants where the incoming gradient
    does not require one, so that a gradient penalty would silently train on nothing.)
    """

    @wraps(backward)
    def guarded(ctx: Any, *grads: Any) -> Any:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "This backward pass is written by hand and has no second derivative; for gradient "
                'penalties run the forward pass in gcl.ops.tiling(implementation="dense") and '
                "take PyG's GCN."
            )
        return backward(ctx, *grads)

    return guarded
