"""A second set of edges: personalised PageRank beside the graph's own."""

from __future__ import annotations

import copy
from typing import Any

from torch_geometric.transforms import BaseTransform

from gcl.graphs.kinds import check_one_type
from gcl.transforms.ppr_diffusion import PPRDiffusion


class AddDiffusion(BaseTransform):
    """Writes the edges of `PPRDiffusion` beside the graph's own, which stay.

        across_edge_index, across_edge_weight = edges and weights of PPRDiffusion(alpha, topk)

    what `gcl.methods.Infomax` reads for its second encoder (the structural views of MVGRL).

    Args:
        alpha: probability to teleport back, in [0.001, 1].
        topk: weights to keep for every target, >= 1.

    Shape:
        edge_index `[2, e]` -> across_edge_index `[2, m]`, across_edge_weight `[m]`, m <= n topk.

    Raises:
        ValueError, TypeError: as `PPRDiffusion`.

    Reference:
        Hassani and Khasahmadi, "Contrastive Multi-View Representation Learning on Graphs", ICML
        2020, with a dense inverse in place of the largest weights.

    Example:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> pair = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
        >>> data = AddDiffusion(topk=1)(pair)
        >>> data.across_edge_index, data.edge_index
        (tensor([[0, 1],
                [0, 1]]), tensor([[0, 1],
                [1, 0]]))
    """

    writes = ("across_edge_index",)  # tells on a batch that its graph has it

    def __init__(self, alpha: float = 0.2, topk: int = 64):
        self.diffusion = PPRDiffusion(alpha, topk=topk)

    def forward(self, data: Any) -> Any:
        check_one_type("AddDiffusion", data)
        diffused = self.diffusion(copy.copy(data))
        data.across_edge_index = diffused.edge_index
        data.across_edge_weight = diffused.edge_weight
        return data

    def __repr__(self) -> str:
        return f"AddDiffusion(alpha={self.diffusion.alpha}, topk={self.diffusion.topk})"
