"""Real nodes against corrupted ones: the mechanism of DGI, MVGRL and GGD."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear
from torch_geometric.data import Data
from torch_geometric.nn import global_mean_pool
from torch_geometric.nn.inits import glorot

from gcl.checks import check_count, check_encoder
from gcl.contracts import Encoder, Loss, Method, Readout, Transform
from gcl.describe import describe_parts
from gcl.distributed import ranks, total
from gcl.distributed import rows as rows_of_all
from gcl.graphs.batches import membership
from gcl.graphs.encoding import encode
from gcl.graphs.kinds import check_input, check_one_type
from gcl.graphs.rows import (
    counted_rows,
    matched_rows,
    number_rows,
    take_rows_of,
    without_helpers,
)
from gcl.graphs.views import draw_view, mark_lost
from gcl.losses import GroupDiscrimination
from gcl.nn.hops import add_hops

Score: TypeAlias = Callable[[Tensor, Tensor | None], Tensor]
"""`(z [n, d], summary [n or 1, d] or None) -> [n]`: how real a node looks beside the summary."""


def sigmoid_mean(z: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
    """DGI's summary of a graph: `sigmoid( mean_i z_i )`, one row a graph.

    Example:
        >>> sigmoid_mean(torch.zeros(3, 2), torch.tensor([0, 0, 1]), 2)
        tensor([[0.5000, 0.5000],
                [0.5000, 0.5000]])
    """
    if num_graphs == 1:  # a plain sum costs less than one by an index
        return (z.sum(0, keepdim=True) / max(len(z), 1)).sigmoid()
    return global_mean_pool(z, batch, num_graphs).sigmoid()


class BilinearScore(nn.Module):
    """`score_i = z_i^T W s + b` for a summary s.

    Args:
        dim: width of embeddings and summary.

    Shape:
        z `[n, d]`, summary `[n or 1, d]` -> `[n]`.

    Example:
        >>> BilinearScore(4)(torch.zeros(3, 4), torch.ones(1, 4))
        tensor([0., 0., 0.], grad_fn=<AddBackward0>)
    """

    def __init__(self, dim: int):
        super().__init__()
        check_count("BilinearScore", dim=dim)
        self.weight, self.bias = nn.Parameter(torch.empty(dim, dim)), nn.Parameter(torch.zeros(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        glorot(self.weight)
        nn.init.zeros_(self.bias)

    def forward(
        self, z: Float[Tensor, "n d"], summary: Float[Tensor, "m d"] | None
    ) -> Float[Tensor, " n"]:
        if summary is None:
            raise ValueError("BilinearScore: it compares with a summary; give a readout.")
        # W goes to the summary: one row of it serves all nodes.
        held = (summary @ self.weight.t()).to(z.dtype)
        scores = torch.mv(z, held[0]) if len(held) == 1 else (z * held).sum(1)
        return scores + self.bias


class SumScore(nn.Module):
    """`score_i = sum_a head(z_i)_a`, GGD's: no summary plays a part.

    The last of the `num_layers` linear layers is summed before it meets the nodes, which gives the
    same scores and gradients without its `[n, d]` products.

    Args:
        dim: width of the embeddings.
        num_layers: linear layers of the head, without activations as in the released code, >= 1.

    Shape:
        z `[n, d]` -> `[n]`.

    Example:
        >>> SumScore(4)(torch.zeros(3, 4)).shape
        torch.Size([3])
    """

    def __init__(self, dim: int, num_layers: int = 1):
        super().__init__()
        check_count("SumScore", dim=dim, num_layers=num_layers)
        self.layers = nn.Sequential(*(nn.Linear(dim, dim) for _ in range(num_layers)))

    def forward(
        self, z: Float[Tensor, "n d"], summary: Tensor | None = None
    ) -> Float[Tensor, " n"]:
        last: Any = self.layers[-1]
        z = self.layers[:-1](z)
        return linear(z, last.weight.sum(0, keepdim=True), last.bias.sum().view(1)).squeeze(1)

    def __repr__(self) -> str:
        return f"SumScore({self.layers[-1].in_features}, num_layers={len(self.layers)})"


class Infomax(Method):
    r"""An encoder that tells the nodes of a graph from those of a corrupted copy.

    With z the embeddings of the graph, z' those of `corrupt(graph)`, s = readout(z),

        L = 1/(2n) [ sum_i softplus( -score(z_i, s) ) + sum_i softplus( score(z'_i, s) ) ]

    With `across`, a second encoder on a second set of edges, the nodes of each side are held
    against the summary of the other, L is the mean of both, and the embeddings of both add up.

    Time and memory O(e d + n d) besides what the encoder needs.

    Args:
        encoder: `(x, edge_index, edge_weight) -> [n, d]`.
        corrupt: a transform that makes the negative graph, e.g. `FeatureShuffling()`. It sees a
            shallow copy.
        score: `(z, summary) -> [n]`: `BilinearScore` or `SumScore`.
        readout: `(z, batch, num_graphs) -> [num_graphs, d]`; None for scores without a summary.
            The nodes of a `Batch` are held against the summary of their own graph.
        view: a random transform before the corruption, of both copies alike; none if None.
        across: encoder of the edges that `prepare` writes as `across_edge_index` and
            `across_edge_weight`; none if None.
        hops: k >= 0; the embedding becomes `z + A_hat^k z`, with no part in training.
        loss: of the scores as two columns `[n, 1]`.
        prepare: a transform of the whole graph, applied once before training and embedding.

    On a batch with seed nodes (PyG's NeighborLoader) only the seeds are scored and embedded, no
    helper rows (PyG's `HalfHop`) ever, and where a view or corruption drops nodes those that both
    sides hold; see `TwoView`.

    Raises:
        ValueError: `across` without its edges, hops below 0; a view of other rows than its graph
            that does not tell which they are.
        TypeError: hops is no whole number.

    Reference:
        Veličković et al., "Deep Graph Infomax", ICLR 2019; Hassani and Khasahmadi, "Contrastive
        Multi-View Representation Learning on Graphs", ICML 2020; Zheng et al., "Rethinking and
        Scaling Up Graph Contrastive Learning" (GGD), NeurIPS 2022.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> corrupt = gcl.augment.FeatureShuffling()
        >>> method = Infomax(gcl.nn.GCNEncoder(34, 8), corrupt, BilinearScore(8))
        >>> method(data).shape, method.embed(data).shape
        (torch.Size([]), torch.Size([34, 8]))
    """

    def __init__(
        self,
        encoder: Encoder,
        corrupt: Transform,
        score: Score,
        *,
        readout: Readout | None = sigmoid_mean,
        view: Transform | None = None,
        across: Encoder | None = None,
        hops: int = 0,
        loss: Loss | None = None,
        prepare: Transform | None = None,
    ):
        super().__init__()
        check_count("Infomax", least=0, hops=hops)
        check_encoder("Infomax", encoder, width=False)
        self.encoder, self.across, self.score = encoder, across, score
        self.corrupt, self.readout, self.view, self.hops = corrupt, readout, view, hops
        self.objective = GroupDiscrimination() if loss is None else loss
        self.whole_graph = prepare

    def loss(self, data: Any) -> Tensor:
        check_one_type("Infomax", data)
        graph = number_rows(data)
        real = graph if self.view is None else draw_view(self.view, graph)
        corrupted = draw_view(self.corrupt, real)
        nodes, others = self._sides(real), self._sides(corrupted)
        rows = matched_rows("Infomax", graph, (real, corrupted))
        of_real, of_corrupted = rows.of_views
        summaries = [self._summary(z, real, data, rows.of_graph) for z in nodes]
        # Each side meets the summary of the other; one side alone meets its own.
        parts = [
            self.objective(
                self.score(take_rows_of(good, of_real), s)[:, None],
                self.score(take_rows_of(bad, of_corrupted), s)[:, None],
            )
            for good, bad, s in zip(nodes, others, reversed(summaries), strict=True)
        ]
        return torch.stack(parts).mean()

    def embed(self, data: Any) -> Tensor:
        z = torch.stack(self._sides(data)).sum(0)
        return counted_rows(add_hops(z, data, self.hops), data)

    def _sides(self, data: Any) -> list[Tensor]:
        """Embeddings of the graph's own edges, and of those across."""
        check_input("Infomax", data, self.encoder)
        sides = [encode(self.encoder, data)]
        if self.across is not None:
            if "across_edge_index" not in data:
                raise ValueError(
                    "Infomax: the graph has no across_edge_index; let `prepare` write the edges "
                    "of the second encoder, and call method.prepare(data) first."
                )
            edges, weight = data.across_edge_index, data.get("across_edge_weight")
            other = Data(x=data.x, edge_index=edges, edge_weight=weight)
            mark_lost(other, data, "its view across_edge_index")
            sides.append(encode(self.across, other))
        return sides

    def _summary(self, z: Tensor, view: Any, data: Any, of_graph: slice | Tensor) -> Tensor | None:
        if self.readout is None:
            return None
        z = without_helpers(z, view)
        batch, num_graphs = membership(view, z)
        # What is no batch of graphs is part of one, of which other ranks have other parts.
        together = ranks(z) if "batch" not in view else None
        if together is not None and self.readout is sigmoid_mean:
            return (total(z.sum(0, keepdim=True), together) / max(together.total, 1)).sigmoid()
        if together is not None:
            z = rows_of_all(z, together, summed=True)
            batch = z.new_zeros(len(z), dtype=torch.long)
        summary = self.readout(z, batch, num_graphs)
        if num_graphs == 1:
            return summary
        return summary[take_rows_of(data.batch, of_graph)]

    def extra_repr(self) -> str:
        readout = None if isinstance(self.readout, nn.Module) else self.readout
        return describe_parts(
            corrupt=self.corrupt,
            view=self.view,
            prepare=self.whole_graph,
            readout=getattr(readout, "__name__", readout),
            hops=self.hops or None,
        )
