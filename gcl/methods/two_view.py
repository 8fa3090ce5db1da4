"""Two augmented views of a graph, one encoder, one loss between them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn
from torch_geometric.data import Data

from gcl.checks import check_encoder, shown
from gcl.contracts import Encoder, Graph, Loss, Method, Readout, Transform
from gcl.describe import describe_parts
from gcl.graphs.batches import membership
from gcl.graphs.encoding import encode
from gcl.graphs.kinds import check_input, check_one_type
from gcl.graphs.pair_lists import pair_lists, pairs_inside
from gcl.graphs.rows import (
    MatchedRows,
    counted_rows,
    matched_rows,
    number_rows,
    take_rows_of,
    without_helpers,
)
from gcl.graphs.selection import node_attributes
from gcl.graphs.views import draw_view
from gcl.losses.pairwise_views import PairwiseViews

# A loss that asks for edges may mean others than the view's, and labels are no business of
# self-supervision: whoever wants them wraps the loss.
_OF_THE_GRAPH = {"x", "y", "edge_index", "edge_attr", "edge_weight", "pos", "batch", "ptr"}


class TwoView(Method):
    """`loss(projector(encoder(view_1(data))), projector(encoder(view_2(data))))`.

    Args:
        encoder: `(x, edge_index, edge_weight) -> [n, d]`, e.g. `gcl.nn.GCNEncoder` or PyG's `GIN`.
        views: two transforms; they see a shallow copy, so a plain function may assign to it. More
            for a loss that compares more, such as `gcl.losses.PolyView`.
        loss: `(h1, h2) -> scalar`.
        projector: head between embeddings and loss; none if None.
        readout: `(z, batch, num_graphs) -> [num_graphs, d]` for graph-level contrast.
        prepare: a transform of the whole graph, applied once before training and embedding.

    A loss whose signature has parameters beyond the two matrices is handed the attributes of the
    graph with these names, where there are any: `pos_edge_index` and `pos_weight` as
    `gcl.transforms.AddSoftPositives` writes them, `community_strength` of `AddCommunities`, or your
    own. They are read from the first view, so that they follow its nodes; from the graph if a view
    has dropped them. What the graph itself consists of (`x`, `y`, `edge_index`, ...) is never
    handed over.

    Rows that enter the loss, and the embedding: of a batch with seed nodes (PyG's NeighborLoader:
    `input_id`, `batch_size`) those of the seeds; no helper rows, which a view marks True in
    `slow_node_mask` (PyG's `HalfHop`) or `helper_mask`; of views that drop nodes
    (`NodeDropping(remove=True)`, PyG's `view.subgraph`) those of the nodes that all views hold. Of
    attributes with one row a node, the same rows. A readout sees all nodes of its view, and no
    helper rows.

    Raises:
        ValueError: a view of other rows than its graph that does not tell which they are.

    A loss with a method `after_step(step, total)` is told of every step.

    Example:
        >>> import torch, gcl
        >>> from torch_geometric.data import Data
        >>> drop = gcl.augment.EdgeDropping(0.5)
        >>> method = TwoView(gcl.nn.GCNEncoder(3, 4), (drop, drop), gcl.losses.InfoNCE(0.5))
        >>> data = Data(x=torch.randn(5, 3), edge_index=torch.tensor([[0, 1], [1, 0]]))
        >>> method(data).shape, method.embed(data).shape
        (torch.Size([]), torch.Size([5, 4]))
    """

    objective_of_rows = True

    def __init__(
        self,
        encoder: Encoder,
        views: Sequence[Transform],
        loss: Loss,
        projector: nn.Module | None = None,
        readout: Readout | None = None,
        prepare: Transform | None = None,
    ):
        super().__init__()
        check_encoder("TwoView", encoder, width=False)
        if not callable(loss) or isinstance(loss, type):
            raise TypeError(
                f"TwoView: loss must be an objective (z1, z2) -> scalar, got {shown(loss)}."
            )
        if not isinstance(views, tuple | list) or len(views) < 2 or not all(map(callable, views)):
            raise ValueError("TwoView: views must be two transforms, each a callable on a graph.")
        for view in views:
            if isinstance(view, type):
                raise TypeError(
                    f"TwoView: a view must be an object, got the class {view.__name__}; make one: "
                    f"{view.__name__}(...)."
                )
        self.encoder, self.objective = encoder, loss
        compared = loss.pair if isinstance(loss, PairwiseViews) else loss
        self._takes = _further_parameters(
            compared.forward if isinstance(compared, nn.Module) else compared
        )
        self.projector, self.readout = projector, readout
        self.graph_level = readout is not None
        self.views, self.whole_graph = tuple(views), prepare

    def loss(self, data: Graph) -> Tensor:
        return self.compare(data, self.views)

    def compare(self, data: Graph, views: Sequence[Transform]) -> Tensor:
        """The loss between views of your choice."""
        check_one_type("TwoView", data)
        drawn, rows, projected = self._project_views(data, views)
        return self.objective(*projected, **self._asked_for(drawn[0], data, rows))

    def after_step(self, step: int, total: int) -> None:
        follow = getattr(self.objective, "after_step", None)
        if callable(follow):
            follow(step, total)

    def embed(self, data: Graph) -> Tensor:
        z = self._encode(data)
        return z if self.readout is not None else counted_rows(z, data)

    def project_views(self, data: Graph) -> tuple[Tensor, Tensor]:
        """Projections of two freshly drawn views: what the loss compares."""
        first, second = self._project_views(data, self.views[:2])[2]
        return first, second

    def _project_views(
        self, data: Graph, views: Sequence[Transform]
    ) -> tuple[list[Any], MatchedRows, list[Tensor]]:
        graph, drawn, encoded = number_rows(data), [], []
        for transform in views:
            view = draw_view(transform, graph)
            if not isinstance(view, Data):
                raise TypeError(
                    f"TwoView: a view must return a graph of one node type (Data), got "
                    f"{type(view).__name__}."
                )
            drawn.append(view)
            encoded.append(self._encode(view))
        if self.readout is None:
            rows = matched_rows("TwoView", graph, drawn)
            encoded = [take_rows_of(z, r) for z, r in zip(encoded, rows.of_views, strict=True)]
        else:  # rows are graphs
            rows = MatchedRows([slice(None)] * len(drawn), slice(None), True)
        heads = encoded if self.projector is None else [self.projector(z) for z in encoded]
        return drawn, rows, heads

    def _encode(self, data: Any) -> Tensor:
        """Embeddings of all rows of a graph, or of graphs."""
        check_input("TwoView", data, self.encoder)
        z = encode(self.encoder, data)
        if self.readout is None:
            return z
        z = without_helpers(z, data)
        return self.readout(z, *membership(data, z))

    def _asked_for(self, view: Any, data: Graph, rows: MatchedRows) -> dict[str, Any]:
        """Attributes that the loss has a parameter for, with the rows that enter it."""
        found = {}
        for key in self._takes:
            for graph, which in ((view, rows.of_views[0]), (data, rows.of_graph)):
                if key not in graph:
                    continue
                value = graph[key]
                if key in node_attributes(graph.node_stores[0]):
                    value = take_rows_of(value, which)
                elif graph is view and not isinstance(which, slice) and key in data:
                    continue  # what has not followed the rows of the view is the graph's
                if "index" in key and not rows.all_held:
                    raise ValueError(
                        f"TwoView: the loss takes {key}, positions of nodes, but a view has "
                        "dropped nodes and they would name others; take views that keep them."
                    )
                found[key] = value
                break
        return self._of_seeds(found, data, rows)

    def _of_seeds(self, found: dict[str, Any], data: Graph, rows: MatchedRows) -> dict[str, Any]:
        """Pairs of seed nodes alone, where only these enter the loss, with what goes with them."""
        seeds = rows.of_graph.stop if isinstance(rows.of_graph, slice) else None
        if seeds is None:
            return found
        for name, followers in pair_lists(data.node_stores[0]).items():
            if name in found:
                known = [follower for follower in followers if follower in found]
                pairs, values = pairs_inside(found[name], [found[k] for k in known], seeds)
                found.update({name: pairs} | dict(zip(known, values, strict=True)))
        return found

    def extra_repr(self) -> str:
        return describe_parts(view=self.views, prepare=self.whole_graph)


def _further_parameters(loss: Callable[..., Any]) -> list[str]:
    """Names of the parameters of a loss beyond the matrices it compares."""
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = inspect.signature(loss).parameters.values()
    return [
        p.name
        for place, p in enumerate(named)
        if (place >= 2 or p.kind is inspect.Parameter.KEYWORD_ONLY)
        and p.kind not in several
        and p.name not in _OF_THE_GRAPH
    ]
