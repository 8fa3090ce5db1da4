"""Other weights for a module that has some."""

from __future__ import annotations

from torch import nn


def draw_again(module: nn.Module) -> None:
    """Give a module, in place, weights as a new one of its kind would start from.

    Parts with a `reset_parameters` are asked to, which holds for all that is in them; of the others
    the parts are. A parameter that is a single number (a temperature, say) keeps its value. Draws
    come from torch's global generator.

    Raises:
        TypeError: a part with parameters of its own has no `reset_parameters`.

    Example:
        >>> import torch
        >>> layer = nn.Sequential(nn.Linear(2, 2))
        >>> before = layer[0].weight.clone()
        >>> draw_again(layer)
        >>> torch.equal(layer[0].weight, before)
        False
    """
    reset = getattr(module, "reset_parameters", None)
    if callable(reset):
        reset()
        return
    if any(parameter.dim() for parameter in module.parameters(recurse=False)):
        raise TypeError(
            f"{type(module).__name__} has parameters and no reset_parameters() that would draw "
            "them again; give it one."
        )
    for part in module.children():
        draw_again(part)
