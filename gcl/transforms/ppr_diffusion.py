"""Edges replaced by personalised PageRank."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform
from torch_geometric.utils import coalesce

from gcl.checks import check_count, check_number, check_positive
from gcl.contracts import Graph
from gcl.describe import describe
from gcl.graphs.kinds import check_edge_weight, check_edges
from gcl.graphs.selection import (
    book,
    edge_attributes,
    edge_stores,
    ends,
    fix_num_nodes,
    graphs,
    reslice,
)
from gcl.ops.sparse import csr_tensor
from gcl.ops.structure import pointer

# Below it the series takes more than 40,000 products of matrices, which looks like a hang.
LEAST = 1e-3


def _propagation(edge_index: Tensor, weight: Tensor, n: int, self_loops: bool) -> Tensor:
    """`S = D^-1/2 (A + I) D^-1/2` as CSR, rows = targets."""
    if self_loops:
        has_loop = torch.zeros(n, dtype=torch.bool, device=weight.device)
        has_loop[edge_index[0, edge_index[0] == edge_index[1]]] = True
        loops = (~has_loop).nonzero().view(-1)
        edge_index = torch.cat([edge_index, loops.expand(2, -1)], dim=1)
        weight = torch.cat([weight, weight.new_ones(loops.numel())])
    # Sorted by target, then source: the order of a CSR matrix whose rows are the targets.
    edge_index, weight = coalesce(edge_index, weight, n, reduce="sum", sort_by_row=False)
    source, target = edge_index
    degree = weight.new_zeros(n).index_add_(0, target, weight)
    scale = degree.pow(-0.5).masked_fill(degree == 0, 0)
    return csr_tensor(pointer(target, n), source, scale[target] * weight * scale[source], (n, n))


class PPRDiffusion(BaseTransform):
    """Replaces the edges by personalised PageRank (GDC, Gasteiger et al. 2019; view 2 of MVGRL).

    `Pi = alpha (I - (1 - alpha) S)^-1`, `S = D^-1/2 (A + I) D^-1/2`; the edge j -> i gets the
    weight `Pi[i, j]`, and either the `topk` largest weights of every target i stay, or all of at
    least `threshold`. Exact up to rounding: power iteration over blocks of columns whose dense
    buffers fit into `max_bytes`; the n x n matrix is never stored. The view is deterministic and
    costs time n * e: compute it once, before training, not in every epoch.

    Edge weights are honoured and those of repeated edges add up; I has no entry where a node has
    a self-loop already. For directed graphs D is the in-degree, as in PyG's `GCNConv`. The new
    edges are in `edge_index` and `edge_weight`; all other edge attributes are removed, since they
    belong to edges that no longer exist. In `HeteroData` only types from a node type to itself
    are replaced. Graphs of a batch are diffused together, at the cost of the largest.

    Args:
        alpha: probability to teleport back, in [0.001, 1]; 0.2 in MVGRL.
        topk: number of weights to keep for every target, >= 1 (zeros are never kept).
        threshold: smallest weight to keep, > 0. Give exactly one of topk and threshold.
        self_loops: add I to A.
        max_bytes: bound on the working memory and on the result, in bytes; a graph of n nodes
            needs about 36 n topk for the result besides some columns of length n.

    Shape:
        edge_index `[2, e]` -> `[2, m]`, sorted by target, then source; edge_weight `[m]`. float64
        if edge_weight or x is, else float32.

    Raises:
        ValueError: parameters out of range, both or neither of topk and threshold; negative or
            non-finite edge weights; the result or a single column exceeds max_bytes.

    Reference:
        Gasteiger et al., Diffusion Improves Graph Learning, NeurIPS 2019; Hassani and Khasahmadi,
        Contrastive Multi-View Representation Learning on Graphs, ICML 2020, whose code adds the
        self-loops twice and inverts a dense matrix.

    Example:
        >>> from torch_geometric.data import Data
        >>> data = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
        >>> view = PPRDiffusion(alpha=0.2, topk=1)(data)
        >>> view.edge_index, view.edge_weight
        (tensor([[0, 1],
                [0, 1]]), tensor([0.6000, 0.6000]))
    """

    def __init__(
        self,
        alpha: float = 0.2,
        topk: int | None = None,
        threshold: float | None = None,
        self_loops: bool = True,
        max_bytes: int = 2**30,
    ):
        check_number("PPRDiffusion", alpha=alpha)
        self.alpha = float(alpha)
        if not 0 < self.alpha <= 1:
            raise ValueError(f"PPRDiffusion: alpha must lie in (0, 1], got {alpha}.")
        if self.alpha < LEAST:
            raise ValueError(
                f"PPRDiffusion: alpha must be at least {LEAST:g}, got {alpha}, which takes "
                f"{40 / self.alpha:.0e} products of matrices."
            )
        if (topk is None) == (threshold is None):
            raise ValueError(
                "PPRDiffusion: give exactly one of topk and threshold, "
                f"got topk={topk} and threshold={threshold}."
            )
        if topk is not None:
            check_count("PPRDiffusion", topk=topk)
        if threshold is not None:
            check_positive("PPRDiffusion", threshold=threshold)
        self.topk = None if topk is None else int(topk)
        self.threshold = None if threshold is None else float(threshold)
        self.self_loops = self_loops
        check_count("PPRDiffusion", max_bytes=max_bytes)
        self.max_bytes = int(max_bytes)

    @torch.no_grad()
    def forward(self, data: Graph) -> Graph:
        stores = edge_stores("PPRDiffusion", data)
        if isinstance(data, HeteroData):
            stores = [store for store in stores if store._key[0] == store._key[2]]
            if not stores:
                raise ValueError(
                    "PPRDiffusion: no edge type joins a node type to itself; "
                    "add one first, for example along a meta-path."
                )
        fix_num_nodes(data)
        for store in stores:
            nodes = ends(data, store)[0]
            check_edges("PPRDiffusion", store.edge_index, num_nodes=nodes.num_nodes)
            weight = _edge_weight(store, nodes)
            graph, num_graphs = graphs(data, nodes)
            edge_index, weight = self._diffuse(store.edge_index, weight, graph, num_graphs)
            self._replace(data, store, edge_index, weight)
        return data

    def _diffuse(
        self, edge_index: Tensor, weight: Tensor, graph: Tensor, num_graphs: int
    ) -> tuple[Tensor, Tensor]:
        """Sources and targets of the diffusion, sorted by target, and its weights.

        Every graph costs as many columns as the largest beside it has nodes: those of like size,
        within a factor of two, go together.
        """
        n = graph.numel()
        if n == 0:
            return edge_index, weight
        size = torch.bincount(graph, minlength=num_graphs)[graph]
        kind = size.double().log2().ceil().long()
        found = []
        for one in kind.unique().tolist():
            nodes = (kind == one).nonzero().view(-1)
            place = torch.full_like(graph, -1)
            place[nodes] = torch.arange(len(nodes), device=nodes.device)
            ends_here = place[edge_index]
            mine = (ends_here[0] >= 0).nonzero().view(-1)
            there, values = self._diffuse_alike(ends_here[:, mine], weight[mine], graph[nodes])
            found.append((nodes[there], values))
        (source, target), weight = (torch.cat(part, -1) for part in zip(*found, strict=True))
        slot = torch.argsort(target * n + source)
        return torch.stack([source[slot], target[slot]]), weight[slot]

    def _diffuse_alike(
        self, edge_index: Tensor, weight: Tensor, graph: Tensor
    ) -> tuple[Tensor, Tensor]:
        n, graph = graph.numel(), graph.unique(return_inverse=True)[1]
        order = torch.argsort(graph, stable=True)
        ptr = pointer(graph, int(graph.max()) + 1)
        matrix = _propagation(edge_index, weight, n, self.self_loops)
        width = int(ptr.diff().max())
        local = torch.empty_like(order)
        local[order] = torch.arange(n, device=order.device) - ptr[graph[order]]
        if self.topk is not None:
            found = self._largest(matrix, local, width, self.topk)
        else:
            found = self._above(matrix, local, width, self.threshold or 0.0)
        target, column, weight = found
        return torch.stack([order[ptr[graph[target]] + column], target]), weight

    def _largest(
        self, matrix: Tensor, local: Tensor, width: int, topk: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        n, item = matrix.size(0), matrix.dtype.itemsize
        k = min(topk, width)
        best = matrix.values().new_zeros(n, k)
        best_column = local.new_zeros(n, k)
        # Values and columns three times: the best so far, those of the next block, their merger.
        for start, block in self._blocks(matrix, local, width, 3 * n * k * (item + 8)):
            best, chosen = torch.cat([best, block], 1).topk(k, dim=1)
            old = best_column.gather(1, chosen.clamp(max=k - 1))
            best_column = torch.where(chosen < k, old, start + chosen - k)
        target, place = (best > 0).nonzero(as_tuple=True)
        return target, best_column[target, place], best[target, place]

    def _above(
        self, matrix: Tensor, local: Tensor, width: int, threshold: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        n = matrix.size(0)
        entry = matrix.dtype.itemsize + 16
        parts, total = [], 0
        for start, block in self._blocks(matrix, local, width, 0):
            hit = block >= threshold
            total += int(hit.sum())
            if total * entry > self.max_bytes:
                raise ValueError(
                    f"PPRDiffusion: threshold {threshold} keeps more edges of {n} nodes than "
                    f"max_bytes = {self.max_bytes} can hold; raise one of them or use topk."
                )
            target, column = hit.nonzero(as_tuple=True)
            parts.append((target, column + start, block[target, column]))
        target, column, weight = (torch.cat(part) for part in zip(*parts, strict=True))
        return target, column, weight

    def _blocks(
        self, matrix: Tensor, local: Tensor, width: int, reserved: int
    ) -> Iterator[tuple[int, Tensor]]:
        """Columns of Pi block by block: `(first, Pi[:, first : first + b])`.

        Column c of a batch is the c-th node of every graph at once: edges never cross graphs.
        """
        n, item = matrix.size(0), matrix.dtype.itemsize
        # Two iterates, the product and what the selection copies.
        columns = (self.max_bytes - reserved) // (4 * n * item)
        if columns < 1:
            need = reserved + 4 * n * item
            raise ValueError(
                f"PPRDiffusion: {n} nodes need max_bytes >= {need}, got {self.max_bytes}."
            )
        # Blocks of about 1 MiB stay in the cache: up to four times faster than large ones on CPU.
        columns = min(columns, max(32, 2**20 // (n * item)))
        # The rest of the series sum_t alpha (1 - alpha)^t S^t after `steps` terms is below eps.
        eps = torch.finfo(matrix.dtype).eps / 4
        steps = 0 if self.alpha == 1 else math.ceil(math.log(eps) / math.log1p(-self.alpha))
        for first in range(0, width, columns):
            size = min(columns, width - first)
            row = ((local >= first) & (local < first + size)).nonzero().view(-1)
            column = local[row] - first
            block = matrix.values().new_zeros(n, size)
            block[row, column] = self.alpha
            for _ in range(steps):
                block = torch.mm(matrix, block).mul_(1 - self.alpha)
                block[row, column] += self.alpha
            yield first, block

    def _replace(self, data: Graph, store: Any, edge_index: Tensor, weight: Tensor) -> None:
        books = [book(data, store, name) for name in ("_slice_dict", "_inc_dict")]
        for name in edge_attributes(data, store):
            if name not in ("edge_index", "edge_weight"):
                del store[name]
                for entries in books:
                    if entries is not None:
                        entries.pop(name, None)
        store.edge_index = edge_index
        store.edge_weight = weight
        graph, _ = graphs(data, ends(data, store)[0])
        reslice(data, store, ["edge_index", "edge_weight"], graph[edge_index[0]])

    def __repr__(self) -> str:
        return describe(self)


def _edge_weight(store: Any, nodes: Any) -> Tensor:
    given = store.get("edge_weight")
    tensors = [value for value in (given, nodes.get("x")) if isinstance(value, Tensor)]
    double = any(value.dtype == torch.float64 for value in tensors)
    dtype = torch.float64 if double else torch.float32
    edges = store.edge_index.size(1)
    if given is None:
        return torch.ones(edges, dtype=dtype, device=store.edge_index.device)
    check_edge_weight("PPRDiffusion", given, edges)
    if given.numel() != edges:
        raise ValueError(
            f"PPRDiffusion: edge_weight must hold one number per edge ({edges}), "
            f"got {given.numel()}."
        )
    weight = given.detach().view(-1).to(dtype)
    if not bool((torch.isfinite(weight) & (weight >= 0)).all()):
        raise ValueError("PPRDiffusion: edge_weight must be finite and >= 0.")
    return weight
