"""What a model of PyG was given for its layers: its `**kwargs`, which it does not keep."""

from __future__ import annotations

import inspect
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import GAT, GATv2Conv, PNAConv
from torch_geometric.nn.conv import MessagePassing
from torch_geometric.nn.models.basic_gnn import BasicGNN

_OWN = ("in_channels", "out_channels", "nn")  # a model hands them to its layers itself
_MISSING = object()
_NODES = 1000  # of the graph that a histogram of degrees is made up for


def layer_options(model: BasicGNN, known: dict[str, Any]) -> dict[str, Any]:
    """The further arguments of a model's constructor, read from its first layer.

    By the names in the signature of the layer's class. A truth that no attribute tells, as
    `train_eps` of `GINConv`, is that with which a model made again has the same parameters.

    Args:
        model: of `torch_geometric.nn`, or of a class derived from its `BasicGNN`.
        known: its other arguments.

    Raises:
        TypeError, ValueError: an argument that cannot be read.

    Example:
        >>> from torch_geometric.nn import GAT
        >>> known = {"in_channels": 3, "hidden_channels": 4, "num_layers": 2}
        >>> layer_options(GAT(3, 4, 2, v2=True, heads=2), known)
        {'heads': 2, 'v2': True}
    """
    layer: Any = model.convs[0]
    found: dict[str, Any] = {}
    truths: dict[str, bool] = {}
    for name, parameter in inspect.signature(type(layer)).parameters.items():
        if name in (*_OWN, *known) or parameter.kind is parameter.VAR_KEYWORD:
            continue
        # A number that is trained is kept beside as it was.
        value = getattr(layer, f"initial_{name}", getattr(layer, name, _MISSING))
        truth = isinstance(parameter.default, bool)
        if (
            value is _MISSING
            or isinstance(value, nn.Module | Tensor)
            or (truth and not isinstance(value, bool))
        ):
            truths |= {name: parameter.default} if truth else {}
        elif value != parameter.default:
            found[name] = value
    if isinstance(layer, PNAConv):
        found |= _of_pna(layer)
    if isinstance(model, GAT) and isinstance(layer, GATv2Conv):
        found["v2"] = True
    for flipped in product((False, True), repeat=len(truths)):
        turned = {k: not v for (k, v), f in zip(truths.items(), flipped, strict=True) if f}
        again: Any = _again(model, known, found | turned)
        if _parameters(again) == _parameters(model):
            found |= turned
            break
    for name in inspect.signature(MessagePassing).parameters:  # what layers hand on in their turn
        value = getattr(layer, name, None)
        if value != getattr(again.convs[0], name, None):
            found[name] = value
    return found


def _of_pna(layer: PNAConv) -> dict[str, Any]:
    """What the aggregation holds, and numbers of linear maps."""
    scaled: Any = layer.aggr_module
    parts = getattr(scaled.aggr, "aggrs", [scaled.aggr])
    count = [
        sum(isinstance(part, nn.Module) and hasattr(part, "weight") for part in maps[0])
        for maps in (layer.pre_nns, layer.post_nns)
    ]
    return {
        "aggregators": [type(part).__name__ for part in parts],
        "scalers": list(scaled.scaler),
        "deg": _histogram(scaled.init_avg_deg_lin, scaled.init_avg_deg_log),
        "pre_layers": count[0],
        "post_layers": count[1],
    }


def _histogram(mean: float, mean_log: float) -> Tensor:
    """One of degrees of which the means, of d and of log(d + 1), are these: all a layer keeps.

    Some of its counts may lie below zero.
    """
    high = 4 + 4 * int(mean)
    logs = torch.tensor([[1.0, high], [2.0, high + 1.0]], dtype=torch.float64)
    logs[1] = logs[1].log()
    wanted = _NODES * torch.tensor([mean, mean_log], dtype=torch.float64)
    one, many = torch.linalg.solve(logs, wanted)
    found = torch.zeros(high + 1, dtype=torch.float64)
    # Half a node more, since PyG rounds their number down.
    found[0], found[1], found[high] = _NODES + 0.5 - one - many, one, many
    return found


def _again(model: BasicGNN, known: dict[str, Any], further: dict[str, Any]) -> BasicGNN:
    """A model of these arguments without memory or draws."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        made: BasicGNN = type(model)(**known, **further)
    return made


def _parameters(model: nn.Module) -> dict[str, Any]:
    return {name: parameter.shape for name, parameter in model.named_parameters()}
