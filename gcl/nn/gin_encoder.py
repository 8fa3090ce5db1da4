"""PyG's GIN with the layers side by side, as graph-level methods use it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import GIN
from torch_geometric.nn.models.basic_gnn import BasicGNN

from gcl.checks import check_count, check_width, shown
from gcl.graphs.kinds import check_edges


class GINEncoder(GIN):
    r"""Graph isomorphism network whose embedding is that of all layers, one beside the other.

        h^l_i = BN( relu( MLP( h^(l-1)_i + sum_{j in N(i)} h^(l-1)_j ) ) )
        z_i = [h^1_i, ..., h^L_i]

    It is `torch_geometric.nn.GIN(jk="cat")` without the linear layer that PyG puts behind the
    concatenation, so that a sum over the nodes of a graph is the readout of InfoGraph and GraphCL.
    The MLPs have two layers with a batch norm in between.

    Args:
        in_channels: width of x.
        hidden_channels: width of a layer.
        num_layers: >= 1.

    Shape:
        x `[n, in_channels]`, edge_index `[2, e]` -> `[n, num_layers * hidden_channels]`. An
        edge_weight is not looked at: GIN counts neighbours.

    Raises:
        ValueError: a width or num_layers below 1.

    Reference:
        Xu et al., "How Powerful are Graph Neural Networks?", ICLR 2019.

    Example:
        >>> import torch
        >>> encoder = GINEncoder(3, 8, num_layers=2)
        >>> encoder(torch.ones(4, 3), torch.tensor([[0, 1], [1, 0]])).shape
        torch.Size([4, 16])
    """

    def __init__(self, in_channels: int, hidden_channels: int = 32, num_layers: int = 3):
        check_count(
            "GINEncoder",
            in_channels=in_channels,
            hidden_channels=hidden_channels,
            num_layers=num_layers,
        )
        super().__init__(
            in_channels, hidden_channels, num_layers, act="relu", act_first=True, norm="batch",
            norm_kwargs={"allow_single_element": True}, jk="cat",
        )  # fmt: skip
        side_by_side(self)

    def forward(
        self, x: Tensor, edge_index: Any, edge_weight: Tensor | None = None, **options: Any
    ) -> Tensor:
        """As PyG's `GIN`, for features of any precision."""
        check_width("GINEncoder", x, self.in_channels)
        if isinstance(edge_index, Tensor) and edge_index.layout == torch.strided:
            check_edges("GINEncoder", edge_index, "")
        x = x.to(next(self.parameters()).dtype)
        z: Tensor = super().forward(x, edge_index, edge_weight, **options)
        return z


def side_by_side(gnn: BasicGNN) -> BasicGNN:
    """Takes away the linear layer that PyG puts behind the layers of a `jk="cat"` network.

    Args:
        gnn: a network of `torch_geometric.nn.models` made with `jk="cat"`; changed and returned.

    Example:
        >>> from torch_geometric.nn import GCN
        >>> side_by_side(GCN(3, 8, num_layers=2, jk="cat")).out_channels
        16
    """
    if not isinstance(gnn, BasicGNN):
        raise TypeError(f"side_by_side: expected a GNN such as PyG's GIN, got {shown(gnn)}.")
    gnn.lin = _Nothing()
    gnn.out_channels = gnn.num_layers * gnn.hidden_channels
    return gnn


class _Nothing(nn.Identity):
    def reset_parameters(self) -> None:
        """PyG resets what stands in this place."""
