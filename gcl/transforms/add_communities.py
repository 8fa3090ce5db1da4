"""Communities, and the strength of nodes and edges that follows from them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from gcl.checks import as_tensor, check_choice, check_count, check_positive
from gcl.contracts import Graph
from gcl.graphs.communities import ENGINES, community_strength, edge_strength, find_communities
from gcl.graphs.own_edges import joined, own_edges


class AddCommunities(BaseTransform):
    """Writes the community of every node, and the strength of nodes and edges.

        S_c = l_c / m - (d_c / 2m)^2
        community_strength_i = S_c(i)
        edge_strength_uv = S_c  inside community c,  -(S_c(u) + S_c(v))  between two

    with m the total weight of the edges, l_c the weight inside c, d_c the sum of degrees in c: S_c
    is what c contributes to the modularity, in [-1/4, 1). Weights are `edge_weight` where the graph
    has it, else 1; directed graphs are read as undirected, see `find_communities`.

    Run it on the whole graph: what a loader takes out of it brings the rows of these attributes
    along. In a `HeteroData` every node type with edges to itself is a graph of its own (of all such
    edge types together); other node and edge types stay as they are.

    Args:
        method: "leiden", or another engine of `find_communities`.
        seed: same seed = same communities.
        resolution: > 0; higher finds more and smaller communities.
        community: communities you bring, `[n]` integers; nothing is searched then. They are
            renumbered from 0 in rising order.

    Shape:
        edge_index `[2, e]` -> `community` `[n]` int64, `community_strength` `[n]` and
        `edge_strength` `[e]` in torch's default dtype.

    Raises:
        TypeError: community holds no integers, or seed is none.
        ValueError: unknown method, resolution not above 0, negative seed; no edges from nodes to
            nodes of the same type; a batch of several graphs; a community of another length, or one
            for several node types; weights negative or not finite.
        ImportError: the method asked for is not installed.

    Reference:
        Chen et al., "CSGCL: Community-Strength-Enhanced Graph Contrastive Learning", IJCAI 2023.
        The authors find communities by leidenalg; "leidenalg" does here, too.

    Example:
        >>> import gcl
        >>> data = AddCommunities()(gcl.datasets.load("karate"))
        >>> len(data.community.unique()), data.edge_strength.shape
        (4, torch.Size([156]))
    """

    writes = (
        "community",
        "community_strength",
        "edge_strength",
    )  # tells on a batch that its graph has it

    def __init__(
        self,
        method: str = "leiden",
        seed: int = 0,
        resolution: float = 1.0,
        community: Tensor | None = None,
    ):
        check_choice("AddCommunities", "method", method, ENGINES)
        check_count("AddCommunities", seed=seed, least=0)
        check_positive("AddCommunities", resolution=resolution)
        if community is not None:
            community = as_tensor("AddCommunities", "community", community)
            if community.is_floating_point() or community.dtype == torch.bool:
                raise TypeError(
                    f"AddCommunities: community must hold integers, got {community.dtype}."
                )
        self.method, self.seed, self.resolution = method, seed, resolution
        self.community = community

    def forward(self, data: Graph) -> Graph:
        graphs = own_edges("AddCommunities", data)
        if self.community is not None and len(graphs) > 1:
            raise ValueError(
                f"AddCommunities: community is for one node type, but {len(graphs)} have edges to "
                "themselves; remove the other edges, or let them be searched."
            )
        for nodes, stores in graphs:
            edges, weight = joined(stores)
            community = self._communities(edges, nodes.num_nodes, weight)
            strength = community_strength(community, edges, nodes.num_nodes, weight)
            nodes["community"] = community
            nodes["community_strength"] = strength[community].to(torch.get_default_dtype())
            for store in stores:
                store["edge_strength"] = edge_strength(community, strength, store["edge_index"]).to(
                    torch.get_default_dtype()
                )
        return data

    def _communities(self, edges: Tensor, num_nodes: int, weight: Tensor | None) -> Tensor:
        if self.community is None:
            return find_communities(
                edges,
                num_nodes,
                weight,
                engine=self.method,
                resolution=self.resolution,
                seed=self.seed,
            )
        if self.community.shape != (num_nodes,):
            raise ValueError(
                f"AddCommunities: community must hold one number for each of {num_nodes} nodes, "
                f"got {list(self.community.shape)}."
            )
        return self.community.to(edges.device).unique(return_inverse=True)[1]

    def __repr__(self) -> str:
        if self.community is not None:
            return f"{type(self).__name__}(community={list(self.community.shape)})"
        return (
            f"{type(self).__name__}(method={self.method!r}, seed={self.seed}, "
            f"resolution={self.resolution})"
        )
