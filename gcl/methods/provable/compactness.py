"""Which nodes a two-view training leaves behind: a bound of every node's compactness."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from gcl.checks import check_choice, check_seed
from gcl.contracts import Method, check_is_method
from gcl.graphs.validate import validate_graph
from gcl.methods.provable.node_bounds import MODES, Mode
from gcl.methods.provable.pot import POT
from gcl.methods.provable.view_bounds import two_view_compactness
from gcl.methods.provable.views import boundable, encoder_calls


@torch.no_grad()
def compactness(
    method: Method,
    data: Any,
    mode: Mode = "certified",
    *,
    feature_bounds: bool = False,
    seed: int = 0,
) -> Tensor:
    """A lower bound of how much closer every node stays to its positive than to the other nodes.

    Two views are drawn; with `w_i = zhat2_i - mean_{j != i} zhat2_j` of one, the bound is of
    `<z1_i, w_i>` over augmentations of the other, and the result is the mean of both directions.
    Positive: with no augmentation within the budget does the node come closer to the average node
    than to itself. The embeddings z1 are not normalised, so compare nodes of one encoder, not
    encoders.

    Args:
        method: a `TwoView` that `gcl.methods.POT` could wrap, or a `POT`; trained with the term or
            without.
        data: the graph, as given to `gcl.fit`.
        mode: "certified" holds for every augmentation within the budget, and is loose: many nodes
            have a negative bound and are fine. "sound" holds for the drawn views, "pot" nearly
            always, and is the closest. "legacy" is no bound. See `gcl.methods.POT`.
        feature_bounds: over masks of the features too.
        seed: of the views; the global generator stays as it was.

    Shape:
        -> `[n]`.

    Raises:
        TypeError, ValueError: what the bounds do not cover, see `gcl.methods.POT`.

    Reference:
        Yu et al., "Provable Training for Graph Contrastive Learning", NeurIPS 2023.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> method = gcl.methods.grace(data, hidden=8)
        >>> certified, close = compactness(method, data), compactness(method, data, "pot")
        >>> certified.shape, bool((certified <= close).float().mean() > 0.5)
        (torch.Size([34]), True)
    """
    check_choice("compactness", "mode", mode, MODES)
    check_seed("compactness", seed)
    check_is_method("compactness", method)
    was_training = method.training
    method.eval()
    try:
        inner = boundable(
            "compactness",
            method.method if isinstance(method, POT) else method,
            masks=feature_bounds,
        )
        validate_graph(data)
        device = next(method.parameters()).device
        prepared = inner.prepare(copy.copy(data).to(device))
        with torch.random.fork_rng(), encoder_calls(inner) as views:
            torch.manual_seed(seed)
            for view in inner.views:
                inner.embed(view(copy.copy(prepared)))
        first, second = two_view_compactness(
            inner, prepared, views, mode=mode, feature_bounds=feature_bounds
        )
    finally:
        method.train(was_training)
    return (first + second) / 2
