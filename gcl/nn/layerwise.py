"""Encoders that compute a layer for all nodes before the next, in blocks of rows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import (
    BatchNorm,
    EdgeConv,
    GATConv,
    GATv2Conv,
    GCNConv,
    GINConv,
    GINEConv,
    PNAConv,
    SAGEConv,
)
from torch_geometric.nn.conv import MessagePassing
from torch_geometric.nn.conv.gcn_conv import gcn_norm

from gcl.graphs.features import as_features, take_rows
from gcl.graphs.target_lists import all_slots
from gcl.nn.gcn_encoder import GCNEncoder
from gcl.nn.mlp_encoder import MLPEncoder
from gcl.ops.propagation import Adjacency, gcn_adjacency, sparse_linear
from gcl.ops.sparse import csr_product
from gcl.ops.structure import structure

# What a node gets depends on the edges that arrive at it; GCNConv's degrees are seen to.
_CONVOLUTIONS = (EdgeConv, GATConv, GATv2Conv, GCNConv, GINConv, GINEConv, PNAConv, SAGEConv)
# Modules that treat every row alike in evaluation mode, by where they are defined.
_BY_ROWS = (
    "torch.nn.modules.", "gcl.nn.", "gcl.ops.", "torch_geometric.nn.dense.",
    "torch_geometric.nn.aggr.", "torch_geometric.nn.conv.", "torch_geometric.nn.models.mlp",
    "torch_geometric.nn.norm.",
)  # fmt: skip


@contextmanager
def in_row_blocks(module: nn.Module, rows: int) -> Iterator[None]:
    """Within, encoders inside a module hold few rows at a time beyond their input and output.

    `GCNEncoder`, `MLPEncoder` and the convolutions of PyG's `GCN`, `GraphSAGE`, `GIN`, `GAT`, `PNA`
    and `EdgeCNN` compute a block of rows of a layer from all rows of the one before: each node once
    a layer, with all of its neighbours, 2 n d numbers in all. Values are those of the usual way.
    For evaluation mode, without gradient.

    Args:
        module: an encoder, or what holds some.
        rows: of a block, >= 1.

    Example:
        >>> encoder = GCNEncoder(3, 4).eval()
        >>> x, edges = torch.randn(5, 3), torch.tensor([[0, 1], [1, 0]])
        >>> with torch.no_grad(), in_row_blocks(encoder, rows=2):
        ...     blocks = encoder(x, edges)
        >>> torch.allclose(blocks, encoder(x, edges))
        True
    """
    replaced: list[nn.Module] = []
    try:
        for part in module.modules():
            kind = type(part)
            if kind is GCNEncoder:
                blocked: Callable[..., Tensor] = functools.partial(_gcn, part, rows)
            elif kind is MLPEncoder and _by_rows(part):
                blocked = functools.partial(_mlp, part.forward, rows)
            elif kind in _CONVOLUTIONS and _by_rows(part):
                blocked = functools.partial(_convolution, part, part.forward, rows)
            else:
                continue
            part.forward = functools.wraps(part.forward)(blocked)
            replaced.append(part)
        yield
    finally:
        for part in replaced:
            del part.forward


def is_layered(module: nn.Module) -> bool:
    """Whether `in_row_blocks` reaches all that passes messages in a module."""
    passing = [part for part in module.modules() if isinstance(part, MessagePassing)]
    return all(type(part) in _CONVOLUTIONS and _by_rows(part) for part in passing)


def averages_over_rows(module: nn.Module) -> bool:
    """Whether a part of a module takes means over all rows in evaluation mode, too.

    PyG's `LayerNorm` does by default, as do its `GraphNorm` and `PairNorm`.
    """
    for part in module.modules():
        of_norms = type(part).__module__.startswith(("torch_geometric.nn.norm.", "gcl.nn.after"))
        by_rows = isinstance(part, BatchNorm) or getattr(part, "mode", None) == "node"
        untracked = isinstance(part, nn.BatchNorm1d) and part.running_mean is None
        if (of_norms and not by_rows) or untracked:
            return True
    return False


def _by_rows(module: nn.Module) -> bool:
    """Whether a row of the output is known to depend on the same row of the input alone."""
    known = all(type(part).__module__.startswith(_BY_ROWS) for part in module.modules())
    return known and not averages_over_rows(module)


def _gcn(
    encoder: Any,
    rows: int,
    x: Tensor,
    edge_index: Tensor,
    edge_weight: Tensor | None = None,
    degree: Tensor | None = None,
) -> Tensor:
    dtype = encoder.weights[0].dtype
    adjacency = gcn_adjacency(edge_index, edge_weight, x.shape[0], dtype, degree)
    z = as_features(x, dtype)
    for weight, bias, after in zip(encoder.weights, encoder.biases, encoder.afters, strict=True):
        narrow = z.layout != torch.sparse_csr and weight.shape[0] < weight.shape[1]
        if not narrow:
            z = _blocks(functools.partial(_times, weight), z, rows, weight.shape[1])
        out, together = z.new_empty(len(z), weight.shape[1]), _by_rows(after)
        for begin in range(0, len(z), rows):
            part = _product_rows(adjacency, z, begin, min(begin + rows, len(z)))
            part = (part @ weight if narrow else part) + bias
            out[begin : begin + rows] = after(part) if together else part
        z = out if together else after(out)
    return z


def _times(weight: Tensor, x: Tensor) -> Tensor:
    return sparse_linear(x, weight) if x.layout == torch.sparse_csr else x @ weight


def _product_rows(adjacency: Adjacency, x: Tensor, begin: int, end: int) -> Tensor:
    """`(adjacency @ x)[begin:end]`."""
    pattern = adjacency.pattern
    rowptr = pattern.rowptr[begin : end + 1]
    slots = slice(int(rowptr[0]), int(rowptr[-1]))
    col, values = pattern.col[slots], adjacency.values[slots]
    out = csr_product(rowptr - rowptr[0], col, values, pattern.num_src, x)
    if adjacency.loop is not None:
        out.addcmul_(adjacency.loop[begin:end, None], x[begin:end])
    return out


def _mlp(forward: Callable[..., Tensor], rows: int, x: Tensor, *_: Any) -> Tensor:
    if not x.shape[0]:
        return forward(x)
    return _blocks(forward, x, rows)


def _blocks(
    function: Callable[[Tensor], Tensor], x: Tensor, rows: int, width: int | None = None
) -> Tensor:
    """A function of rows, a block at a time."""
    out = None
    for begin in range(0, x.shape[0], rows):
        at = torch.arange(begin, min(begin + rows, x.shape[0]), device=x.device)
        part = function(take_rows(x, at))
        if out is None:
            out = part.new_empty(x.shape[0], part.shape[1])
        out[begin : begin + rows] = part
    return x.new_empty(0, width or 0) if out is None else out


def _convolution(
    conv: Any,
    forward: Callable[..., Tensor],
    rows: int,
    x: Any,
    edge_index: Any,
    *further: Any,
    **named: Any,
) -> Tensor:
    """A convolution of PyG on the nodes of a block and those that reach them, block by block."""
    listed = isinstance(edge_index, Tensor) and edge_index.layout == torch.strided
    if not isinstance(x, Tensor) or not listed or conv.flow != "source_to_target" or not len(x):
        return forward(x, edge_index, *further, **named)
    nodes, edges = x.shape[0], edge_index.shape[1]
    normalized = type(conv) is GCNConv and conv.normalize
    if normalized:
        # Of all edges: those of a block would give its outer nodes other degrees.
        weight = named.pop("edge_weight", further[0] if further else None)
        edge_index, weight = gcn_norm(
            edge_index, weight, nodes, conv.improved, conv.add_self_loops, conv.flow, x.dtype
        )
        further, named, edges = (), {"edge_weight": weight}, edge_index.shape[1]
    pattern = structure(edge_index, nodes)

    def of_edges(value: Any, edge: Tensor) -> Any:
        is_of_edges = isinstance(value, Tensor) and value.dim() and len(value) == edges
        return value.index_select(0, edge) if is_of_edges else value

    number = torch.full((nodes,), -1, dtype=torch.long, device=x.device)
    out = None
    if normalized:
        conv.normalize = False
    try:
        for begin in range(0, nodes, rows):
            block = torch.arange(begin, min(begin + rows, nodes), device=x.device)
            row, slot = all_slots(pattern.rowptr, block)
            source = pattern.col.index_select(0, slot)
            others = source[(source < begin) | (source >= begin + len(block))].unique()
            held = torch.cat([block, others])
            number[held] = torch.arange(len(held), device=x.device)
            local = torch.stack([number.index_select(0, source), row])
            edge = slot if pattern.perm is None else pattern.perm.index_select(0, slot)
            given = [of_edges(value, edge) for value in further]
            keyed = {key: of_edges(value, edge) for key, value in named.items()}
            part = forward(x.index_select(0, held), local, *given, **keyed)[: len(block)]
            if out is None:
                out = part.new_empty(nodes, part.shape[1])
            out[begin : begin + len(block)] = part
    finally:
        if normalized:
            conv.normalize = True
    assert out is not None  # there are nodes
    return out
