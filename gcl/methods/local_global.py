"""Nodes against whole graphs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn
from torch_geometric.transforms import Compose

from gcl.checks import check_encoder
from gcl.contracts import Encoder, Graph, Method, Readout, Transform
from gcl.describe import describe_parts
from gcl.graphs.batches import membership
from gcl.graphs.encoding import encode
from gcl.graphs.kinds import check_input
from gcl.graphs.rows import matched_rows, number_rows, take_rows_of, without_helpers
from gcl.graphs.views import draw_view
from gcl.losses.local_global import LocalGlobalJSD
from gcl.nn.readouts import sum_readout
from gcl.ops.tracing import outside_graph


class LocalGlobal(Method):
    r"""`sum over (a, b) of loss( local_head(z^a), global_head(readout(z^b)), batch )`.

    `z^v = encoder_v(view_v(data))`. With one view a = b = 1 (InfoGraph); with two, the nodes of
    each view meet the graphs of the other (MVGRL).

    Args:
        encoders: one for every view, `(x, edge_index, edge_weight) -> [n, d]`.
        local_head: of nodes, shared by the views.
        global_head: of graphs, shared by the views.
        views: one or two transforms; the graph itself if None. Nodes that both hold are compared
            with graphs, and no helper rows, see `TwoView`.
        readout: `(z, batch, num_graphs) -> [num_graphs, d]`.
        loss: `(local [n, p], summary [g, p], batch [n]) -> scalar`.
        prepare: a transform of the whole data, applied once before training.
        embed_head: embed the global head's output, not its input.

    The embedding is the sum over the views.

    Raises:
        ValueError: not as many encoders as views, or not one or two; a view of other rows than its
            graph that does not tell which they are.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> gcl.methods.infograph(data, hidden=8).embed(data).shape
        torch.Size([1, 24])
    """

    def __init__(
        self,
        encoders: Sequence[Encoder],
        local_head: nn.Module,
        global_head: nn.Module,
        *,
        views: Sequence[Transform] | None = None,
        readout: Readout = sum_readout,
        loss: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
        prepare: Transform | None = None,
        embed_head: bool = False,
    ):
        super().__init__()
        views = (Compose([]),) if views is None else tuple(views)
        if len(encoders) not in (1, 2) or len(encoders) != len(views):
            raise ValueError(
                f"LocalGlobal: expected one or two views with an encoder each, got {len(views)} "
                f"views and {len(encoders)} encoders."
            )
        for encoder in encoders:
            check_encoder("LocalGlobal", encoder, width=False)
        self.encoders = nn.ModuleList(encoders)  # type: ignore[arg-type]
        self.local_head, self.global_head = local_head, global_head
        self.objective = LocalGlobalJSD() if loss is None else loss
        self.views, self.readout, self.whole_graph = views, readout, prepare
        self.embed_head, self.graph_level = embed_head, True

    def loss(self, data: Graph) -> Tensor:
        graph, seen, nodes = self._encode(data)
        rows = matched_rows("LocalGlobal", graph, seen)
        whole, _ = membership(data, graph.get("row_in_graph", nodes[0]))
        batch = take_rows_of(whole, rows.of_graph)
        local = [
            self.local_head(take_rows_of(z, r)) for z, r in zip(nodes, rows.of_views, strict=True)
        ]
        summary = [self.global_head(g) for g in self._read(seen, nodes)]
        terms = [self.objective(a, b, batch) for a, b in zip(local, reversed(summary), strict=True)]
        return sum(terms[1:], terms[0])

    def embed(self, data: Graph) -> Tensor:
        _, seen, nodes = self._encode(data)
        graphs = self._read(seen, nodes)
        if self.embed_head:
            graphs = [self.global_head(g) for g in graphs]
        return sum(graphs[1:], graphs[0])

    def _read(self, seen: list[Any], nodes: list[Tensor]) -> list[Tensor]:
        read = zip(seen, map(without_helpers, nodes, seen), strict=True)
        return [self.readout(z, *membership(view, z)) for view, z in read]

    def _encode(self, data: Any) -> tuple[Any, list[Any], list[Tensor]]:
        """The graph, its views, and what the encoders make of them, helper rows included."""
        check_input("LocalGlobal", data, self.encoders[0])
        graph = number_rows(data)
        seen = [draw_view(view, graph) for view in self.views]
        nodes = [
            encode(encoder, _in_dtype_of(encoder, view))
            for encoder, view in zip(self.encoders, seen, strict=True)
        ]
        return graph, seen, nodes

    def extra_repr(self) -> str:
        return describe_parts(view=self.views)


@outside_graph
def _in_dtype_of(encoder: nn.Module, view: Any) -> Any:
    """Features and weights in the number format of the encoder: PyG's mix no two."""
    weight = next((p for p in encoder.parameters() if p.is_floating_point()), None)
    if weight is None:
        return view
    view = copy.copy(view)
    for name in ("x", "edge_weight", "edge_attr"):
        value = view.get(name)
        if isinstance(value, Tensor) and value.is_floating_point():
            view[name] = value.to(weight.dtype)
    return view
