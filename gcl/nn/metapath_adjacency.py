"""The graphs of meta-paths, and the steps to their contexts, as matrices that multiply features."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from gcl.graphs.meta_paths import EdgeType
from gcl.ops.propagation import Adjacency
from gcl.ops.structure import remember, structure
from gcl.ops.tracing import outside_graph


@outside_graph
def metapath_adjacency(
    data: HeteroData,
    name: EdgeType,
    dtype: torch.dtype = torch.float32,
    *,
    binary: bool = False,
    self_loops: bool = True,
) -> Adjacency:
    """`D^-1/2 U D^-1/2` of a meta-path graph that `AddMetaPaths` has written.

    D sums the weights by the node whose choice an edge is (`selector`), as MEOW does, and for a
    node that chose nobody by those that chose it; for a symmetric graph both are the degrees.
    Remembered as long as the edge list and its weights live.

    Args:
        data: the graph.
        name: edge type of the meta-path.
        dtype: of the weights.
        binary: weights are 1.
        self_loops: a node that would listen to nobody listens to itself; False leaves its row
            empty.
    """
    edge_index, n = data[name].edge_index, int(data[name[0]].num_nodes)
    given = None if binary else data[name].get("edge_weight")
    pattern = structure(edge_index, n)
    # The answer holds the pattern, so that nothing else can come to have its id.
    key = ("metapath_adjacency", id(pattern), dtype, binary, self_loops, int(data[name].selector))

    def build() -> Adjacency:
        weight = torch.ones(pattern.num_edges, dtype=dtype, device=edge_index.device)
        if given is not None:
            weight = pattern.to_slots(given.to(dtype))
        arrives, leaves = (
            weight.new_zeros(n).index_add_(0, end, weight) for end in (pattern.row, pattern.col)
        )
        chose, chosen = (arrives, leaves) if data[name].selector else (leaves, arrives)
        total = torch.where(chose > 0, chose, chosen)
        loop = None
        if self_loops:
            alone = arrives == 0
            loop = alone.to(dtype) if bool(alone.any()) else None
        scale = torch.where(total > 0, total, 1.0).rsqrt() * (total > 0)
        return Adjacency(pattern, scale[pattern.row] * weight * scale[pattern.col], loop)

    return remember((edge_index,) if given is None else (edge_index, given), key, build)


@outside_graph
def masked_adjacency(
    data: HeteroData,
    name: EdgeType,
    p: float,
    dtype: torch.dtype = torch.float32,
    generator: torch.Generator | None = None,
) -> Adjacency:
    """A meta-path graph that has lost a share p of its edges, all weights 1, with self-loops.

        D^-1/2 (M + I) D^-1/2,   M_ij = 1 for the edges i != j that are kept

    Args:
        data: the graph.
        name: edge type of the meta-path.
        p: probability that an edge is dropped, in [0, 1).
        dtype: of the weights.
        generator: where the draws come from, on the device of the data; torch's own if None.
    """
    edge_index, n = data[name].edge_index, int(data[name[0]].num_nodes)
    pattern = structure(edge_index, n)
    row, col = pattern.row, pattern.col
    apart = remember(edge_index, ("apart", n), lambda: row != col)
    # In place where it can be: the lists of edges are the largest arrays of an epoch.
    if p > 0:
        kept = torch.rand(len(row), generator=generator, device=row.device) >= p
        weight = kept.logical_and_(apart).to(dtype)
    else:
        weight = apart.to(dtype)
    chooser = row if data[name].selector else col
    scale = weight.new_ones(n).scatter_add_(0, chooser, weight).rsqrt()
    return Adjacency(pattern, weight, scale.square(), scale)


@outside_graph
def context_mean(data: HeteroData, chain: list[EdgeType], h: dict[str, Tensor]) -> Tensor:
    """The mean over what a chain of edge types brings to each target node, `[n, d]`.

    Each step is the mean over the edges that arrive at a node, zero if none do; the last step of
    the chain is taken first.
    """
    state = h[chain[-1][0]]
    for step in reversed(chain):
        state = _mean_matrix(data, step, state.dtype) @ state
    return state


def _mean_matrix(data: HeteroData, step: EdgeType, dtype: torch.dtype) -> Adjacency:
    edge_index = data[step].edge_index
    num_src, num_dst = int(data[step[0]].num_nodes), int(data[step[2]].num_nodes)

    def build() -> Adjacency:
        pattern = structure(edge_index, num_src, num_dst)
        share = 1 / pattern.rowptr.diff().clamp(min=1).to(dtype)
        return Adjacency(pattern, share[pattern.row])

    return remember(edge_index, ("context_mean", num_src, num_dst, dtype), build)
