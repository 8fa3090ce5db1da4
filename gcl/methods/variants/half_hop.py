"""Half-Hop: messages of some edges take two steps."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch_geometric.transforms import BaseTransform, Compose

from gcl.checks import check_fraction
from gcl.contracts import Method, check_is_method
from gcl.describe import describe
from gcl.graphs.kinds import check_one_type, is_codes
from gcl.graphs.selection import edge_attributes, take
from gcl.methods.bootstrap import Bootstrap
from gcl.methods.made import recorded
from gcl.methods.two_view import TwoView
from gcl.ops.interpolated_rows import InterpolatedRows


@recorded()
def half_hop(method: Method, *, p: float = 0.5, alpha: float = 0.5) -> Method:
    """The same method whose views send messages through slow nodes, after all else they do.

    With chance p a node gets a slow node m in each of its edges j -> i (not in its self-loop):

        x_m = alpha x_j + (1 - alpha) x_i,     j -> i   becomes   j -> m, m -> i, i -> m

    Slow nodes are left out before projector, readout and loss (`slow_node_mask`); the embedding is
    that of the graph as it is. A view gets about p e new rows. Their features are interpolated
    after the first linear map, where an encoder begins with one; from there on a step costs what
    it costs on so many nodes.

    Args:
        method: a `TwoView` or `Bootstrap`, such as `grace`, `gca`, `gbt`, `cca_ssg`, `bgrl`. It is
            copied.
        p: chance of a node that its edges are halved, in [0, 1].
        alpha: share of the source in the features of a slow node, in [0, 1].

    Raises:
        TypeError: another method.
        ValueError: a number outside its range.

    Reference:
        Azabou et al., "Half-Hop: A graph upsampling approach for slowing down message passing",
        ICML 2023; `torch_geometric.transforms.HalfHop`, which takes dense features and no weights.
        It stands last here, since edges and nodes that are new have no importance or strength.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> method = half_hop(gcl.methods.grace(data, hidden=8), p=0.3)
        >>> [h.shape for h in method.project_views(data)]
        [torch.Size([34, 8]), torch.Size([34, 8])]
    """
    check_is_method("half_hop", method)
    halving = HalfHopping(p, alpha)
    if not isinstance(method, TwoView | Bootstrap):
        raise TypeError(
            f"half_hop: expected a method of augmented views, such as grace or bgrl, got a "
            f"{type(method).__name__} without them; apply it before variants that go around one."
        )
    changed = copy.deepcopy(method)
    changed.views = tuple(Compose([view, halving]) for view in changed.views)
    return changed


class HalfHopping(BaseTransform):
    """PyG's `HalfHop`, also of CSR features and weighted edges; edges of weight 0 go."""

    def __init__(self, p: float, alpha: float):
        check_fraction("half_hop", p=p, alpha=alpha)
        self.p, self.alpha = float(p), float(alpha)

    def forward(self, data: Any) -> Any:
        check_one_type("half_hop", data)
        if is_codes(data.x):
            raise TypeError(
                "half_hop: a slow node lies between two nodes, and between codes of categories "
                "lies nothing; take it for features that are numbers."
            )
        n, device = data.x.shape[0], data.edge_index.device
        weight = data.get("edge_weight")
        there = torch.ones_like(data.edge_index[0], dtype=torch.bool)
        there = there if weight is None else weight.view(-1) != 0
        source, target = data.edge_index
        slowed = (torch.rand(n, device=device) < self.p)[target] & (source != target)
        kept, slow = (there & ~slowed).nonzero().view(-1), (there & slowed).nonzero().view(-1)
        (j, i), m = data.edge_index[:, slow], torch.arange(n, n + len(slow), device=device)
        edges = torch.cat([torch.stack([j, m]), torch.stack([m, i]), torch.stack([i, m])], 1)
        edges = torch.cat([data.edge_index[:, kept], edges], 1)
        # Attributes of edges first: with the new list, or the new rows, nothing could tell them.
        names = [name for name in edge_attributes(data, data._store) if name != "edge_index"]
        take(data, data._store, names, torch.cat([kept, slow, slow, slow]), None)
        data.edge_index, data.x = edges, InterpolatedRows(data.x, torch.stack([j, i]), self.alpha)
        data.slow_node_mask = torch.arange(n + len(slow), device=device) >= n
        return data

    def __repr__(self) -> str:
        return describe(self)
