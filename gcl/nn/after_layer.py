"""What stands behind the linear map of a layer: normalisation and activation, by PyG's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch_geometric import nn as pyg
from torch_geometric.nn.resolver import normalization_resolver

from gcl.nn.prelu import activation


def after_layer(
    owner: str,
    width: int,
    act: str | Callable[[], nn.Module] | None,
    norm: str | None,
    norm_kwargs: dict[str, Any] | None = None,
) -> nn.Sequential:
    """`x -> act(norm(x))`, made anew for every layer.

    The norm takes any number of nodes, see `normalization`.

    Args:
        owner: who asks, for messages.
        width: columns of x.
        act: PyG's name of an activation, a function that makes one, or None.
        norm: PyG's name of a normalisation, or None.
        norm_kwargs: its arguments.

    Raises:
        TypeError: act or norm of another kind.
        ValueError: a name that PyG does not know.

    Example:
        >>> [type(part).__name__ for part in after_layer("Mine", 4, "relu", "batch")]
        ['BatchNorm', 'ReLU']
    """
    after = nn.Sequential()
    if norm is not None:
        after.append(normalization(owner, norm, width, norm_kwargs))
    if act is not None:
        after.append(named_activation(owner, act))
    return after


def reset_all(modules: nn.Module) -> None:
    """Start values for all modules inside that have any."""
    for module in modules.modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()


def normalization(
    owner: str, norm: str, width: int, options: dict[str, Any] | None = None
) -> nn.Module:
    """A normalisation by PyG's name, for any number of nodes.

    One node has no variance: a batch norm takes it as in evaluation. None have no mean either: a
    layer norm gives them back.

    Raises:
        TypeError, ValueError: a name that PyG does not know.
    """
    if not isinstance(norm, str):
        raise TypeError(f"{owner}: norm must be the name of a normalization, got {norm!r}.")
    try:
        made: nn.Module = normalization_resolver(norm, width, **(options or {}))
    except (AttributeError, ValueError):
        raise ValueError(
            f"{owner}: unknown norm {norm!r}; give the name of one in PyG, such as 'batch', "
            "'layer' or 'graph', or None."
        ) from None
    if isinstance(made, pyg.BatchNorm):  # as in GINEncoder
        made.allow_single_element = made.module.track_running_stats
    return LayerNorm(width, **(options or {})) if isinstance(made, pyg.LayerNorm) else made


class LayerNorm(pyg.LayerNorm):
    """PyG's, which warns of a deviation where there are no rows."""

    def forward(self, x: Tensor, *arguments: Any) -> Tensor:
        return super().forward(x, *arguments) if x.shape[0] else x


def named_activation(owner: str, act: str | Callable[[], nn.Module]) -> nn.Module:
    if not isinstance(act, str):
        if not callable(act):
            raise TypeError(f"{owner}: act must be the name of an activation, got {act!r}.")
        return act()
    try:
        return activation(act)
    except ValueError:
        raise ValueError(
            f"{owner}: unknown activation {act!r}; give the name of one in torch.nn, such as "
            "'relu', 'prelu' or 'elu'."
        ) from None
