"""Disjoint parts of a batch, put together again."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gcl.augment.induced import check_relabelling, keep_nodes
from gcl.augment.selection import book, edge_attributes, node_attributes, pointer, reslice


def split_graphs(data: Any, group: Tensor, num_groups: int) -> list[Any]:
    """Batches of the graphs of each group; the other graphs are there without nodes.

    Args:
        data: a `Batch` of `Data`.
        group: `[num_graphs]`, integers in [0, num_groups).
        num_groups: how many batches to make.

    Raises:
        ValueError: an attribute besides `edge_index` holds node numbers by PyG's rules.
    """
    check_relabelling("RandomChoice", data)
    of_node = group[data.batch]
    parts = []
    for g in range(num_groups):
        part = copy.copy(data)
        keep_nodes(part, list(part.edge_stores), {None: of_node == g})
        parts.append(part)
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
    order = graph.argsort(stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)
    starts = [0, *torch.tensor([part.num_nodes for part in parts]).cumsum(0).tolist()]
    edge_index = torch.cat(
        [place[part.edge_index + at] for part, at in zip(parts, starts, strict=False)], 1
    )
    graph = graph[order]
    edge_order = graph[edge_index[0]].argsort(stable=True)
    of_nodes = _names(
        data, parts, node_attributes(data._store), [node_attributes(s) for s in stores]
    )
    of_edges = _names(
        data,
        parts,
        edge_attributes(data, data._store),
        [edge_attributes(p, s) for p, s in zip(parts, stores, strict=True)],
    )
    rows = (
        (of_nodes, order, graph),
        (of_edges, edge_order, graph[edge_index[0, edge_order]]),
    )
    for names, index, owner in rows:
        for name in names - {"edge_index", "batch"}:
            out[name] = torch.cat([part[name] for part in parts])[index]
        reslice(out, out._store, sorted(names), owner)
    out.edge_index = edge_index[:, edge_order]
    out.batch, out.ptr = graph, pointer(graph, data.num_graphs)
    if "num_nodes" in out._store:
        out.num_nodes = len(graph)
    incs = book(out, out._store, "_inc_dict")
    if incs is not None:
        incs["edge_index"] = out.ptr[:-1].cpu()
    if "_num_nodes" in out._store.__dict__:
        out._store.__dict__["_num_nodes"] = out.ptr.diff().tolist()
    return out


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
