"""Which rows of a graph count, and which rows of its views are of the same node.

Three things make a row more than a row. A graph sampled around *seed* nodes (PyG's NeighborLoader:
`input_id`, `batch_size`) starts with the rows that count. *Helper* rows, marked True in
`slow_node_mask` (PyG's `HalfHop`) or `helper_mask`, take part in message passing only. And a view
may have *dropped* nodes: it tells which it holds by `row_in_graph`, which is written before a view
is drawn and follows the nodes as any of their attributes does.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gcl.ops.tracing import outside_graph

HELPERS = ("slow_node_mask", "helper_mask")


class MatchedRows(NamedTuple):
    """Rows that belong together, in the order of the graph."""

    of_views: list[slice | Tensor]
    of_graph: slice | Tensor
    all_held: bool
    """Whether each view holds every node."""


def without_helpers(values: Tensor, data: Any) -> Tensor:
    """The rows of nodes; all where there are as many as nodes already.

    Raises:
        TypeError, ValueError: a mask of helper rows that is none.
    """
    helper = _helper_mask("data", data)
    if helper is None or len(values) != len(helper):
        return values
    return values.index_select(0, (~helper).nonzero().view(-1))


def counted_rows(z: Tensor, data: Any) -> Tensor:
    """The rows of a graph that are embedded: no helpers, and only seed nodes where there are some.

    Shape:
        z `[n, d]` -> `[m, d]`.
    """
    return take_rows_of(without_helpers(z, data), slice(_seeds(data)))


def with_counted_labels(data: Any) -> Any:
    """A graph whose labels and masks are of the rows that are embedded, to evaluate them by.

    A shallow copy; the graph itself where every row is embedded.
    """
    if _helper_mask("data", data) is None and _seeds(data) is None:
        return data
    shown = copy.copy(data)
    for name in data.keys():  # noqa: SIM118
        value = data[name]
        parts = name == "y" or (name.endswith("_mask") and name not in HELPERS)
        if parts and isinstance(value, Tensor) and value.dim():
            shown[name] = counted_rows(value, data)
    return shown


def take_rows_of(z: Tensor, rows: slice | Tensor) -> Tensor:
    """`z[rows]`; z itself where that is all of it."""
    if isinstance(rows, Tensor):
        return z.index_select(0, rows)
    return z if rows.stop is None else z[rows]


@outside_graph
def number_rows(data: Any) -> Any:
    """A shallow copy whose views will tell which of its rows they hold, by `row_in_graph`."""
    x = data.get("x")
    if not isinstance(x, Tensor) or not x.dim():
        return data
    numbered = copy.copy(data)
    numbered.row_in_graph = torch.arange(x.shape[0], device=x.device)
    return numbered


@outside_graph
def matched_rows(owner: str, graph: Any, views: Sequence[Any]) -> MatchedRows:
    """The rows of views that count and are compared: those of the nodes that every view holds.

    Views that keep the rows of their graph cost nothing, and the host waits for no device. That a
    view moved nodes to other rows shows in `row_in_graph` alone.

    Args:
        owner: who asks, for messages.
        graph: what `number_rows` gave.
        views: what transforms made of it.

    Raises:
        TypeError, ValueError: a view of other rows that does not tell which they are, or tells it
            wrongly.
    """
    seeds = _seeds(graph)
    held = [_held(owner, graph, view) for view in views]
    if all(rows is None for rows in held):
        return MatchedRows([slice(seeds)] * len(held), slice(seeds), True)
    own = graph.row_in_graph
    every = torch.arange(len(own), device=own.device)
    known = [(own, every) if rows is None else rows for rows in held]
    if all(node is own for node, _ in known):  # helpers came, and nobody went
        return MatchedRows([row[:seeds] for _, row in known], slice(seeds), True)
    holders = torch.zeros_like(every)
    for node, _ in known:
        holders.index_add_(0, node, torch.ones_like(node))
    of_graph = (holders == len(views)).nonzero().view(-1)
    of_graph = of_graph if seeds is None else of_graph[of_graph < seeds]
    of_views: list[slice | Tensor] = [
        torch.zeros_like(every).scatter_(0, node, row).index_select(0, of_graph)
        for node, row in known
    ]
    nodes = len(without_helpers(every, graph))
    nodes = nodes if seeds is None else min(nodes, seeds)
    return MatchedRows(of_views, of_graph, len(of_graph) == nodes)


def _held(owner: str, graph: Any, view: Any) -> tuple[Tensor, Tensor] | None:
    """The nodes that a view holds and their rows in it; None where it has the graph's rows."""
    x, own, node = view.get("x"), graph.get("row_in_graph"), view.get("row_in_graph")
    if own is None or not isinstance(x, Tensor):
        return None
    helper, rows = _helper_mask(owner, view), x.shape[0]
    if helper is None and rows == len(own) and (node is None or node is own):
        return None
    row = torch.arange(rows, device=own.device)
    if helper is not None:
        row = without_helpers(row, view)
        if node is not None and len(node) == rows:
            node = node.index_select(0, row)
    if node is None and len(row) == len(own):
        node = own
    if node is None or len(node) != len(row):
        marked = "" if helper is None else f" besides {rows - len(row)} helper rows"
        raise ValueError(
            f"{owner}: expected a view with the {len(own)} rows of its graph, got {len(row)}"
            f"{marked}; a view that adds rows marks them True in a boolean helper_mask (or "
            "slow_node_mask, as PyG's HalfHop does), and one that drops or moves nodes takes "
            "view.row_in_graph along, as PyG's view.subgraph(...) does."
        )
    if node is not own:
        _check_nodes(owner, node, len(own))
    return node, row


def _check_nodes(owner: str, node: Tensor, num: int) -> None:
    if node.dtype != torch.int64 or node.dim() != 1:
        raise TypeError(
            f"{owner}: row_in_graph of a view must be int64 with one number a row, got "
            f"{node.dtype} {list(node.shape)}; leave it as it is, or take the rows that are kept."
        )
    inside = not len(node) or (int(node.min()) >= 0 and int(node.max()) < num)
    if not inside or int(torch.bincount(node, minlength=1).max()) > 1:
        raise ValueError(
            f"{owner}: row_in_graph of a view must hold rows of its graph, from 0 to {num - 1}, "
            "each at most once; mark rows that a view adds True in a boolean helper_mask."
        )


def _helper_mask(owner: str, data: Any) -> Tensor | None:
    """Which rows are helpers; None where nothing says so."""
    x = data.get("x")
    if not isinstance(x, Tensor):
        return None
    found = [name for name in HELPERS if data.get(name) is not None]
    for name in found:
        mask, rows = data[name], x.shape[0]
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != (rows,):
            came = f"{mask.dtype} {list(mask.shape)}" if isinstance(mask, Tensor) else repr(mask)
            kind = ValueError if isinstance(mask, Tensor) else TypeError
            raise kind(
                f"{owner}: {name} must be a boolean tensor [{rows}], True for the rows that only "
                f"take part in message passing, got {came}."
            )
    if not found:
        return None
    masks = [data[name] for name in found]
    return masks[0] if len(masks) == 1 else masks[0] | masks[1]


def _seeds(data: Any) -> int | None:
    # A Batch has a batch_size too, the number of its graphs: only input_id marks seed nodes.
    return int(data.batch_size) if "input_id" in data else None
