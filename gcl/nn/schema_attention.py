"""The network schema: target nodes seen through their direct neighbours of every type."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from gcl.checks import check_count
from gcl.graphs.meta_paths import EdgeType
from gcl.nn.semantic_attention import SemanticAttention
from gcl.nn.type_projection import GAIN
from gcl.ops.structure import structure
from gcl.ops.tracing import outside_graph


class SchemaAttention(nn.Module):
    r"""Attention over sampled neighbours of each type, then over the types.

        alpha_ij = softmax over the sample of LeakyReLU( < dropout(a_m), [h_i, h_j] > ),
        g_mi = ELU( sum_j alpha_ij h_j ),   z = SemanticAttention( g_1, g_2, .. )

    Every call draws `samples[m]` neighbours of every target node, without replacement where there
    are enough of them, else with. A node without neighbours of a type gets zero there. What the
    target knows of itself decides the attention only, it is not part of the sum.

    Args:
        edge_types: for every type of neighbours the edge type that leads from it to the target.
        samples: neighbours drawn of each, >= 1.
        channels: width d.
        dropout: rate on the attention vectors, in [0, 1).

    Shape:
        `attention(data, h)` with h a dict of `[n_s, d]` -> `[n, d]`.

    Raises:
        ValueError: no edge type, or not one number of samples for each.

    Reference:
        Wang et al., "Self-supervised Heterogeneous Graph Neural Network with Co-contrastive
        Learning" (HeCo), KDD 2021. Their code draws in a loop over the nodes.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.hetero_sbm(40, num_authors=40, num_subjects=5)
        >>> h = {kind: torch.randn(data[kind].num_nodes, 8) for kind in data.node_types}
        >>> SchemaAttention([("author", "to", "paper")], [3], 8)(data, h).shape
        torch.Size([40, 8])
    """

    def __init__(
        self,
        edge_types: Sequence[EdgeType],
        samples: Sequence[int],
        channels: int,
        dropout: float = 0.0,
    ):
        super().__init__()
        if not edge_types or len(edge_types) != len(samples):
            raise ValueError(
                f"SchemaAttention: expected one number of samples for each of at least one edge "
                f"type, got {len(edge_types)} edge types and {len(samples)} numbers."
            )
        check_count("SchemaAttention", channels=channels)
        for number in samples:
            check_count("SchemaAttention", samples=number)
        self.edge_types, self.samples = list(edge_types), list(samples)
        self.queries = nn.ParameterList(torch.empty(1, 2 * channels) for _ in edge_types)
        self.types = SemanticAttention(channels, dropout)
        self.dropout, self.act = nn.Dropout(dropout), nn.ELU()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for query in self.queries:
            nn.init.xavier_normal_(query, gain=GAIN)
        self.types.reset_parameters()

    def forward(self, data: HeteroData, h: dict[str, Tensor]) -> Tensor:
        seen = []
        for edge_type, number, query in zip(
            self.edge_types, self.samples, self.queries, strict=True
        ):
            own, other = h[edge_type[2]], h[edge_type[0]]
            if not len(other):  # nobody to listen to
                seen.append(self.act(torch.zeros_like(own)))
                continue
            drawn, has = sample_neighbours(data[edge_type].edge_index, len(other), len(own), number)
            q_own, q_other = self.dropout(query[0]).chunk(2)
            score = nn.functional.leaky_relu((own @ q_own)[:, None] + (other @ q_other)[drawn])
            alpha = score.softmax(1) * has[:, None]
            summed = torch.einsum("ns,nsd->nd", alpha, nn.functional.embedding(drawn, other))
            seen.append(self.act(summed))
        return self.types(seen)

    def extra_repr(self) -> str:
        pairs = zip(self.edge_types, self.samples, strict=True)
        return ", ".join(f"{number} of {name[0]}" for name, number in pairs)


@outside_graph
@torch.no_grad()
def sample_neighbours(
    edge_index: Tensor, num_src: int, num_dst: int, number: int
) -> tuple[Tensor, Tensor]:
    """So many neighbours of every target node, at random.

    Without replacement for nodes that have at least so many edges, with replacement for others.

    Args:
        edge_index: `[2, e]`, neighbour in row 0, target in row 1.
        num_src: nodes of the neighbours' type.
        num_dst: target nodes.
        number: to draw.

    Returns:
        Neighbours `[num_dst, number]`, and which nodes have any, bool `[num_dst]`; the neighbours
        of the others are all 0.
    """
    pattern = structure(edge_index, num_src, num_dst)
    degree, first = pattern.rowptr.diff(), pattern.rowptr[:-1]
    has = degree > 0
    if pattern.num_edges == 0:
        return degree.new_zeros(num_dst, number), has
    places = torch.arange(number, device=degree.device)
    # Without replacement: the edges of a row in random order, the first of them.
    draws = torch.rand(pattern.num_edges, device=degree.device, dtype=torch.float64)
    shuffled = (pattern.row + draws).argsort()
    without = first[:, None] + places
    again = (torch.rand(num_dst, number, device=degree.device) * degree[:, None]).long()
    again = first[:, None] + torch.minimum(again, (degree[:, None] - 1).clamp(min=0))
    slot = torch.where((degree >= number)[:, None], without, again)
    slot = slot.clamp(max=pattern.num_edges - 1)
    drawn = pattern.col[torch.where((degree >= number)[:, None], shuffled[slot], slot)]
    return drawn * has[:, None], has
