"""MVGRL for whole graphs: adjacency and diffusion."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch_geometric.nn import GCN
from torch_geometric.transforms import BaseTransform, Compose

from gcl.checks import OF_EDGES, check_count
from gcl.graphs.kinds import input_width_of_graphs
from gcl.graphs.selection import book
from gcl.methods.local_global import LocalGlobal
from gcl.methods.made import recorded
from gcl.nn.gin_encoder import side_by_side
from gcl.nn.prelu import PReLU
from gcl.nn.shortcut_mlp import ShortcutMLP
from gcl.ops.structure import pointer
from gcl.training.settings import trained_with
from gcl.transforms.ppr_diffusion import PPRDiffusion

_EDGES, _WEIGHT = "diffusion_edge_index", "diffusion_edge_weight"


@recorded()
@trained_with(epochs=20, weight_decay=0.0)
def mvgrl_graph(
    data: Any,
    *,
    hidden: int = 512,
    num_layers: int = 2,
    ppr_alpha: float = 0.2,
    topk: int = 32,
) -> LocalGlobal:
    """MVGRL at the graph level: the nodes of one view know their graph in the other.

    Two GCNs, on the graph and on its personalised PageRank, nodes and graphs compared across the
    two with `gcl.losses.LocalGlobalJSD`; the embedding is the sum of both graph vectors behind
    their head. The diffusion is computed once by `method.prepare(batch)`, or in every step where
    that was not called. The authors choose 2, 8 or 12 layers, batches of 32 to 256 graphs and 20,
    40 or 100 epochs.

    Args:
        data: gives the number of features: a graph, a batch, a data set or a list of graphs.
        hidden: width of a layer and of the embedding.
        num_layers: layers of each encoder.
        ppr_alpha: probability to teleport back, in (0, 1].
        topk: diffusion weights that are kept for every node, >= 1.

    Raises:
        ValueError: graphs without features; a number outside its range.

    Reference:
        Hassani and Khasahmadi, "Contrastive Multi-View Representation Learning on Graphs", ICML
        2020. Their code inverts dense matrices and keeps all weights, gives the GCN the last layer
        of a node where here it is all layers side by side, and adds self-loops twice.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> mvgrl_graph(data, hidden=8).embed(data).shape
        torch.Size([1, 8])
    """
    check_count("mvgrl_graph", hidden=hidden, num_layers=num_layers)
    width = input_width_of_graphs("mvgrl_graph", data, None)
    diffuse = _Diffusion(PPRDiffusion(ppr_alpha, topk=topk))
    encoders = [
        side_by_side(GCN(width, hidden, num_layers, act=PReLU(), jk="cat", normalize=normalize))
        for normalize in (True, False)
    ]
    wide = encoders[0].out_channels
    return LocalGlobal(
        encoders,
        ShortcutMLP(wide, hidden, act="prelu"),
        ShortcutMLP(wide, hidden, act="prelu"),
        views=(Compose([]), _Diffused(diffuse)),
        prepare=diffuse,
        embed_head=True,
    )


class _Diffusion:
    """Writes the diffusion beside the edges of a graph, so that it is computed once."""

    def __init__(self, ppr: PPRDiffusion):
        self.ppr = ppr

    def __call__(self, data: Any) -> Any:
        diffused = self.ppr(copy.copy(data))
        data[_EDGES], data[_WEIGHT] = diffused.edge_index, diffused.edge_weight
        increments, slices = (book(data, data._store, n) for n in ("_inc_dict", "_slice_dict"))
        if increments is not None and slices is not None:
            # What PyG would have noted, had it collated the diffusion of every graph.
            start = data.ptr[:-1].cpu()
            increments[_EDGES], increments[_WEIGHT] = start, torch.zeros_like(start)
            of_edges = data.batch[diffused.edge_index[0]]
            slices[_EDGES] = slices[_WEIGHT] = pointer(of_edges, len(start)).cpu()
        return data

    def __repr__(self) -> str:
        return repr(self.ppr)


class _Diffused(BaseTransform):
    """The view that has the diffusion in the place of the edges."""

    def __init__(self, diffuse: _Diffusion):
        self.diffuse = diffuse

    def forward(self, data: Any) -> Any:
        if _EDGES not in data:
            data = self.diffuse(data)
        # What described the graph's own edges describes none of these.
        for name in OF_EDGES:
            if name in data:
                del data[name]
        data.edge_index, data.edge_weight = data[_EDGES], data[_WEIGHT]
        return data

    def __repr__(self) -> str:
        return repr(self.diffuse)
