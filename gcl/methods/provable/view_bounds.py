"""Bounds of the node compactness of a two-view method: what `POT` trains and evaluation shows."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch_geometric.data import Data

from gcl.methods.provable.budget import check_view, edge_budget, mask_budget
from gcl.methods.provable.gcn_bounds import (
    Interval,
    adjacency_bounds,
    clean_products,
    first_product,
    gcn_layers,
    masked_product,
    propagate,
    sound_intervals,
)
from gcl.methods.provable.node_bounds import (
    certified_bound,
    legacy_bound,
    sampled_bound,
    target_directions,
)
from gcl.methods.two_view import TwoView
from gcl.ops.propagation import gcn_adjacency

Mode: TypeAlias = Literal["pot", "sound", "certified", "legacy"]


class EncodedView(NamedTuple):
    """What the encoder got and made of one view; pre_activations are those of its layers."""

    x: Tensor
    edge_index: Tensor
    edge_weight: Tensor | None
    pre_activations: list[Tensor]
    z: Tensor


def boundable(method: Any, *, masks: bool = False) -> TwoView:
    """The method, if its node compactness can be bounded.

    Args:
        method: should be a `TwoView`.
        masks: bounds over masks of the features too.

    Raises:
        TypeError, ValueError: see `POT`.
    """
    if not isinstance(method, TwoView):
        raise TypeError(
            f"node compactness is defined for a gcl.methods.TwoView, got {type(method).__name__}; "
            "make one with a recipe such as grace(data)."
        )
    if method.readout is not None:
        raise ValueError("node compactness is one of nodes; the method has a readout of graphs.")
    if len(method.views) != 2:
        raise ValueError(
            f"node compactness is one of two views; the method compares {len(method.views)}: take "
            "num_views=2."
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


def two_view_compactness(
    method: TwoView,
    data: Any,
    views: Sequence[EncodedView],
    *,
    mode: Mode,
    feature_bounds: bool = False,
    detach_target: bool = False,
    detach_bounds: bool = False,
) -> list[Tensor]:
    """Bounds of the compactness of every node, of the first view and of the second.

    On a batch with seed nodes only theirs.

    Args:
        method: whose encoder and views are meant.
        data: the graph before augmentation.
        views: its two views as encoded.
        mode: see `POT`, like the rest.
    """
    if not isinstance(data, Data) or len(views) != 2:
        raise ValueError(
            f"node compactness compares two encoded views of one graph (Data), got {len(views)} "
            f"of a {type(data).__name__}."
        )
    layers = gcn_layers(method.encoder)
    n, dtype = data.x.shape[0], layers[0].weight.dtype
    seeds = data.batch_size if "input_id" in data else n
    weight = data.get("edge_weight")
    clean = gcn_adjacency(data.edge_index, weight, n, dtype)
    products: dict[int, list[Tensor]] = {}  # views with the same features share them
    found = []
    for view, other, transform in zip(views, reversed(views), method.views, strict=True):
        if view.x.shape[0] != n:
            raise ValueError(f"a view has {view.x.shape[0]} nodes, its graph {n}; keep them all.")
        targets = target_directions(other.z[:seeds].detach() if detach_target else other.z[:seeds])
        targets = pad(targets, (0, 0, 0, n - seeds))
        budget, symmetric = edge_budget(transform, data)
        bounds = adjacency_bounds(
            data.edge_index, weight, n, budget, symmetric=symmetric, dtype=dtype
        )
        x = data.x if feature_bounds else view.x
        with torch.no_grad() if detach_bounds and mode != "legacy" else nullcontext():
            if id(x) not in products:
                product = first_product(x, layers[0].weight)
                exact = mode in ("pot", "legacy")
                products[id(x)] = clean_products(layers, product, clean) if exact else [product]
            product, *further = products[id(x)]
            first = Interval(product, product)
            if feature_bounds:
                masks = mask_budget(transform, data)
                first = masked_product(x, layers[0].weight, product, masks)
            if mode in ("pot", "legacy"):
                levels = [first, *(Interval(c, c) for c in further)]
                intervals = [
                    propagate(bounds, level, layer.bias)
                    for level, layer in zip(levels, layers, strict=True)
                ]
            else:
                intervals = sound_intervals(layers, first, bounds)
        if detach_bounds:
            intervals = [Interval(*(end.detach() for end in ends)) for ends in intervals]
        if mode == "certified":
            g = certified_bound(layers, intervals, first, targets, bounds)
        else:
            drawn = gcn_adjacency(view.edge_index, view.edge_weight, n, dtype)
            if mode == "legacy":
                g = legacy_bound(layers, intervals, product, targets, drawn)
            else:
                below = view.pre_activations[-2 if len(layers) > 1 else -1]
                g = sampled_bound(layers, intervals, below, targets, drawn)
        found.append(g[:seeds])
    return found
