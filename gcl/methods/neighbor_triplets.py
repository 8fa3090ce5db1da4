"""Triplets of a node, its surroundings and other nodes: the mechanism of SUGRL."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from gcl.checks import check_count, check_encoder, check_real
from gcl.contracts import Encoder, Method, Transform
from gcl.describe import describe_parts
from gcl.graphs.encoding import encode
from gcl.graphs.kinds import check_input, is_codes
from gcl.graphs.rows import counted_rows
from gcl.losses import SUGRL
from gcl.nn.dropout import dropout, feature_dropout
from gcl.nn.hops import propagate
from gcl.ops.structure import structure, weighted_edges


class NeighborTriplets(Method):
    """Triplets of a node, its two surroundings and other nodes; one pass of a network, no views.

    With h the encoder's output (an MLP: features only), the loss compares

        anchor      h
        positive 1  A_hat dropout(h)         the structure around the node
        positive 2  mean of h over `num_neighbors` draws of neighbours, the node among them
        negatives   other rows of h

    and the embedding is `A_hat h`. O(e d + n d) besides the encoder.

    Args:
        encoder: `(x, edge_index, edge_weight) -> [n, d]`.
        loss: `(anchor, positive1, positive2) -> scalar`.
        num_neighbors: draws of the second positive, >= 1, with replacement, anew at every step.
        input_dropout: of the features, entry by entry, in [0, 1).
        dropout: of h in the first positive, in [0, 1).
        prepare: a transform of the whole graph, applied once before training and embedding.

    Raises:
        ValueError, TypeError: arguments out of range.

    Reference:
        Mo et al., "Simple Unsupervised Graph Representation Learning" (SUGRL), AAAI 2022. Their
        code walks through the list of a node's neighbours in steps of fixed length; here they are
        drawn.
    """

    hops = 1  # of the embedding, beyond those of the encoder

    def __init__(
        self,
        encoder: Encoder,
        loss: SUGRL,
        *,
        num_neighbors: int = 5,
        input_dropout: float = 0.3,
        dropout: float = 0.2,
        prepare: Transform | None = None,
    ):
        super().__init__()
        check_count("NeighborTriplets", num_neighbors=num_neighbors)
        check_encoder("NeighborTriplets", encoder, width=False)
        for name, p in (("input_dropout", input_dropout), ("dropout", dropout)):
            check_real("NeighborTriplets", **{name: p})
            if not 0 <= p < 1:
                raise ValueError(f"NeighborTriplets: {name} must lie in [0, 1), got {p}.")
        self.encoder, self.objective, self.num_neighbors = encoder, loss, num_neighbors
        self.input_dropout, self.dropout, self.whole_graph = input_dropout, dropout, prepare

    def loss(self, data: Any) -> Tensor:
        check_input("NeighborTriplets", data, self.encoder)
        if self.input_dropout and is_codes(data.x):
            raise TypeError(
                "NeighborTriplets: codes of categories cannot be dropped out and scaled; set "
                f"input_dropout=0, got {self.input_dropout:g}."
            )
        x = feature_dropout(data.x, self.input_dropout, self.training)
        h = encode(self.encoder, data, x)
        around = propagate(dropout(h, self.dropout, self.training), data, 1)
        edges = weighted_edges(data.edge_index, data.get("edge_weight"))
        drawn = draw_neighbors(edges, len(h), self.num_neighbors)
        sample = embedding_bag(drawn, h, mode="mean")
        return self.objective(*(counted_rows(z, data) for z in (h, around, sample)))

    def embed(self, data: Any) -> Tensor:
        check_input("NeighborTriplets", data, self.encoder)
        h = encode(self.encoder, data)
        return counted_rows(propagate(h, data, 1), data)

    def extra_repr(self) -> str:
        return (
            f"num_neighbors={self.num_neighbors}, input_dropout={self.input_dropout:g}, "
            f"dropout={self.dropout:g}\n{describe_parts(prepare=self.whole_graph)}"
        )


def draw_neighbors(edge_index: Tensor, num_nodes: int, count: int) -> Tensor:
    """For each node `count` draws, with replacement, of sources of its edges and of itself.

    Shape:
        edge_index `[2, e]` -> `[n, count]`.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> draw_neighbors(torch.tensor([[1], [0]]), 3, 4)[2]  # no edge arrives at node 2
        tensor([2, 2, 2, 2])
    """
    graph = structure(edge_index, num_nodes)
    degree = graph.rowptr.diff()[:, None]
    draws = torch.rand(num_nodes, count, device=edge_index.device, dtype=torch.float64)
    chosen = torch.minimum((draws * (degree + 1)).long(), degree)
    itself = torch.arange(num_nodes, device=edge_index.device)[:, None]
    if not graph.num_edges:
        return itself.repeat(1, count)
    # The last of degree + 1 places is the node's own.
    place = (graph.rowptr[:-1, None] + chosen).clamp(max=graph.num_edges - 1)
    return torch.where(chosen < degree, graph.col[place], itself)
