"""Disjoint parts of a batch, put together again."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gcl.graphs.features import is_csr, take_rows
from gcl.graphs.induced import check_relabelling
from gcl.graphs.selection import (
    edge_attributes,
    is_listed,
    node_attributes,
    recount,
    recut,
    reslice,
    rising_pointer,
    take,
    tell_owners,
)
from gcl.ops.sparse import csr_tensor
from gcl.ops.structure import stable_order, tally


def split_graphs(data: Any, group: Tensor, num_groups: int) -> list[Any]:
    """Batches of the graphs of each group; the other graphs are there without nodes.

    All rows are sorted by group once; a part has slices of them.

    Args:
        data: a `Batch` of `Data`.
        group: `[num_graphs]`, integers in [0, num_groups).
        num_groups: how many batches to make.

    Raises:
        ValueError: an attribute besides `edge_index` holds node numbers by PyG's rules.
    """
    check_relabelling("RandomChoice", data)
    whole = copy.copy(data)
    tell_owners(whole)
    source, target = data.edge_index
    graph_of_edge = data.batch.index_select(0, source)
    rows = {
        "node": stable_order(group.index_select(0, data.batch), num_groups),
        "edge": stable_order(group.index_select(0, graph_of_edge), num_groups),
    }
    place = _inverse(rows["node"])
    names = {"node": node_attributes(whole._store), "edge": edge_attributes(whole, whole._store)}
    listed = [n for of in names.values() for n in of if is_listed(whole[n])]
    names = {owner: [n for n in of if n not in listed] for owner, of in names.items()}
    for owner, order in rows.items():
        take(whole, whole._store, [n for n in names[owner] if n != "edge_index"], order, None)
    whole.edge_index = torch.stack(
        [place.index_select(0, end.index_select(0, rows["edge"])) for end in (source, target)]
    )
    counts = {
        "node": data.ptr.diff(),
        "edge": tally(graph_of_edge, data.num_graphs),
    }
    parts, begin = [], {"node": 0, "edge": 0}
    for g in range(num_groups):
        part = copy.copy(whole)
        here = (group == g).tolist()
        for name in listed:
            part[name] = [v if h else v[:0] for v, h in zip(whole[name], here, strict=True)]
        ptr, end = {}, {}
        for owner, sizes in counts.items():
            ptr[owner] = _pointer(torch.where(group == g, sizes, 0))
            end[owner] = begin[owner] + int(ptr[owner][-1])
            for name in names[owner]:
                dim = data.__cat_dim__(name, whole[name], whole._store)
                part[name] = _rows(whole[name], dim, begin[owner], end[owner])
            recut(part, part._store, names[owner], ptr[owner])
        part.edge_index = part.edge_index - begin["node"]
        recount(part, ptr["node"])
        parts.append(part)
        begin = end
    return parts


def merge_graphs(data: Any, parts: Sequence[Any]) -> Any:
    """The batch whose every graph is taken from the one part that has nodes of it.

    Args:
        data: what `split_graphs` was given: attributes of graphs are its.
        parts: what became of its answer.

    Raises:
        ValueError: the parts have different attributes.
    """
    out = copy.copy(data)
    stores = [part._store for part in parts]
    graph = torch.cat([part.batch for part in parts])
    order = stable_order(graph, data.num_graphs)
    place = _inverse(order)
    starts = [0, *torch.tensor([part.num_nodes for part in parts]).cumsum(0).tolist()]
    source, target = (
        place.index_select(0, torch.cat(ends))
        for ends in zip(
            *((part.edge_index + at).unbind() for part, at in zip(parts, starts, strict=False)),
            strict=True,
        )
    )
    graph = graph.index_select(0, order)
    of_edge = graph.index_select(0, source)
    edge_order = stable_order(of_edge, data.num_graphs)
    of_nodes = _names(
        data, parts, node_attributes(data._store), [node_attributes(s) for s in stores]
    )
    of_edges = _names(
        data,
        parts,
        edge_attributes(data, data._store),
        [edge_attributes(p, s) for p, s in zip(parts, stores, strict=True)],
    )
    for names, index, owner in (
        (of_nodes, order, graph),
        (of_edges, edge_order, of_edge.index_select(0, edge_order)),
    ):
        for name in names - {"edge_index", "batch"}:
            if is_listed(parts[0][name]):  # empty but in the one part that has the graph
                per_graph = zip(*(part[name] for part in parts), strict=True)
                out[name] = [max(values, key=len) for values in per_graph]
                continue
            out[name] = take_rows(_stack([part[name] for part in parts]), index)
        reslice(out, out._store, sorted(names), owner)
    out.edge_index = torch.stack([end.index_select(0, edge_order) for end in (source, target)])
    out.batch = graph
    recount(out, rising_pointer(graph, data.num_graphs))
    return out


def _inverse(order: Tensor) -> Tensor:
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)
    return place


def _pointer(sizes: Tensor) -> Tensor:
    return torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])


def _stack(values: list[Tensor]) -> Tensor:
    """`torch.cat`, for CSR too."""
    if not is_csr(values[0]):
        return torch.cat(values)
    lengths = torch.cat([x.crow_indices().diff() for x in values])
    return csr_tensor(
        _pointer(lengths),
        torch.cat([x.col_indices() for x in values]),
        torch.cat([x.values() for x in values]),
        (len(lengths), values[0].size(1)),
    )


def _rows(value: Any, dim: int, begin: int, end: int) -> Any:
    if isinstance(value, Tensor) and is_csr(value):
        return take_rows(value, torch.arange(begin, end, device=value.device))
    if isinstance(value, Tensor):
        return value.narrow(dim, begin, end - begin)
    return value[begin:end]


def _names(data: Any, parts: Sequence[Any], known: list[str], found: list[list[str]]) -> set[str]:
    """What has one row a node (an edge) in the whole, where it is there, else in the parts.

    In a part, labels of as many graphs as it has nodes would look like attributes of nodes.
    """
    new = [{name for name in names if name not in data} for names in found]
    kept = [{name for name in known if name in part} for part in parts]
    of_parts = [a | b for a, b in zip(new, kept, strict=True)]
    everywhere, somewhere = set.intersection(*of_parts), set().union(*of_parts)
    if everywhere != somewhere:
        raise ValueError(
            "RandomChoice: with per_graph=True all transforms must leave the same attributes, but "
            f"only some have {', '.join(sorted(somewhere - everywhere))}."
        )
    return everywhere
