"""Nodes that random walks reach, as weighted positives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from gcl.checks import check_count, check_real
from gcl.contracts import Graph
from gcl.graphs.own_edges import joined, own_edges

# Entries of a product that are held before its rows are capped: 192 MB.
CHUNK = 1 << 24


class AddInfluence(BaseTransform):
    """Writes the nodes that influence a node within a few hops as weighted pairs.

    With `A_hat = D^-1 (A + I)`, the walk that may stay, whose rows sum to 1,

        Gamma = sum_{p=1..order} A_hat^p                             cumulative (SCGC*, PamC)
        Gamma = A_hat^order                                          `cumulative=False` (SCGC)
        Gamma = sum_{p=0..order} ppr (1 - ppr)^p A_hat^p             personalised PageRank, cut

    Every entry `Gamma_ij > 0` becomes a pair: anchor i, positive j, weight Gamma_ij. `A_ij` is the
    weight of the edge from j to i, `edge_weight` where the graph has it, else 1 (also for an edge
    that is listed twice); loops of the graph give way to I. A node without neighbours has only
    itself.

    Powers are sparse, but fill up like degree^order: give `topk` on graphs with hubs, or keep
    `order` at 1 or 2. The cap holds for A_hat, for every power before it is multiplied further, and
    for the result; what it takes out is not shared among the rest, so weights are never above their
    exact values.

    Node types of a `HeteroData` with edges to themselves are treated on their own. Run it on the
    graph that the loss sees: batches of several `Data` shift the positions as they should, but what
    takes nodes out of a graph does not rename them.

    Args:
        order: hops r, >= 1. Papers take 1 to 4.
        cumulative: sum of the powers up to r; False takes the last one alone.
        topk: other nodes kept for each node, >= 1: those of largest weight, of equals the first;
            all if None. The node itself is always kept.
        ppr: chance to return to the start before every step, in (0, 1), for the weights of
            personalised PageRank; None for the two other forms.
        own: keep the pairs (i, i).

    Shape:
        edge_index `[2, e]` -> `pos_edge_index` `[2, P]` int64, sorted by anchor and then by
        positive, and `pos_weight` `[P]` in torch's default dtype.

    Raises:
        TypeError: order or topk is no whole number.
        ValueError: a number outside its range; `ppr` with `cumulative=False`; no edges from nodes
            to nodes of the same type; a batch of several graphs; weights negative or not finite.

    Reference:
        Kulatilleke, Portmann and Chandra, "SCGC: Self-Supervised Contrastive Graph Clustering",
        2022 (the sum of powers); Gasteiger, Weissenberger and Günnemann, "Diffusion Improves Graph
        Learning", NeurIPS 2019 (PageRank weights). Neither has the cap.

    Example:
        >>> from torch_geometric.data import Data
        >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> data = AddInfluence()(path)
        >>> data.pos_edge_index[:, :3].tolist(), data.pos_weight[:3]
        ([[0, 0, 1], [0, 1, 0]], tensor([0.5000, 0.5000, 0.3333]))
    """

    writes = ("pos_edge_index",)  # tells on a batch that its graph has it

    def __init__(
        self,
        order: int = 1,
        cumulative: bool = True,
        topk: int | None = None,
        ppr: float | None = None,
        own: bool = True,
    ):
        check_count("AddInfluence", order=order)
        if topk is not None:
            check_count("AddInfluence", topk=topk)
        if ppr is not None:
            check_real("AddInfluence", ppr=ppr)
        if ppr is not None and not 0 < ppr < 1:
            raise ValueError(f"AddInfluence: ppr must lie in (0, 1), got {ppr}.")
        if ppr is not None and not cumulative:
            raise ValueError(
                "AddInfluence: ppr weighs all powers, so it goes with cumulative=True only."
            )
        self.order, self.cumulative, self.topk = order, cumulative, topk
        self.ppr, self.own = ppr, own

    def forward(self, data: Graph) -> Graph:
        for nodes, stores in own_edges("AddInfluence", data):
            edges, weight = joined(stores)
            walk = _walk(edges, weight, nodes.num_nodes)
            influence = self._influence(walk)
            if not self.own:
                influence = _without_own(influence)
            pairs, values = _as_pairs(influence)
            nodes["pos_edge_index"] = pairs.to(edges.device)
            nodes["pos_weight"] = values.to(edges.device)
        return data

    def _influence(self, walk: sp.csr_array) -> sp.csr_array:
        # Both factors: a hub's row would bring all its neighbours to each of them.
        walk = power = _capped(walk, self.topk)
        total = self._factor(1) * power
        if self.ppr is not None:
            total = total + self._factor(0) * sp.eye_array(walk.shape[0], format="csr")
        for p in range(2, self.order + 1):
            power = _capped_product(power, walk, self.topk)
            total = total + self._factor(p) * power if self.cumulative else power
        return _capped(sp.csr_array(total), self.topk)

    def _factor(self, p: int) -> float:
        return 1.0 if self.ppr is None else self.ppr * (1 - self.ppr) ** p

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(order={self.order}, cumulative={self.cumulative}, "
            f"topk={self.topk}, ppr={self.ppr}, own={self.own})"
        )


def _walk(edge_index: Tensor, edge_weight: Tensor | None, num_nodes: int) -> sp.csr_array:
    """`D^-1 (A + I)` with the target of an edge as its row."""
    if edge_index.numel():
        least, most = int(edge_index.min()), int(edge_index.max())
        if least < 0 or most >= num_nodes:
            raise ValueError(
                f"AddInfluence: edge_index must lie in [0, {num_nodes}), got "
                f"{least if least < 0 else most}; set data.num_nodes."
            )
    source, target = edge_index.detach().cpu().numpy()
    values = np.ones(len(source))
    if edge_weight is not None:
        values = edge_weight.detach().cpu().double().numpy().reshape(-1)
        if len(values) != len(source) or not (np.isfinite(values) & (values >= 0)).all():
            raise ValueError(
                f"AddInfluence: edge_weight must hold {len(source)} finite numbers >= 0, one an "
                "edge."
            )
    kept = source != target
    parts = (values[kept], (target[kept], source[kept]))
    adjacency = sp.csr_array(parts, shape=(num_nodes, num_nodes))
    adjacency.sum_duplicates()
    if edge_weight is None:
        adjacency.data[:] = 1
    adjacency.eliminate_zeros()
    adjacency = sp.csr_array(adjacency + sp.eye_array(num_nodes, format="csr"))
    adjacency.sort_indices()
    adjacency.data /= np.repeat(adjacency.sum(axis=1), np.diff(adjacency.indptr))
    return adjacency


def _capped_product(left: sp.csr_array, right: sp.csr_array, topk: int | None) -> sp.csr_array:
    """`left @ right`, capped block by block so that a full product is never held."""
    if topk is None:
        return sp.csr_array(left @ right)
    blocks = [
        _capped(sp.csr_array(left[rows] @ right), topk, rows.start)
        for rows in _row_blocks(left, right)
    ]
    return sp.csr_array(sp.vstack(blocks, format="csr")) if blocks else left


def _row_blocks(left: sp.csr_array, right: sp.csr_array) -> Iterator[slice]:
    """Ranges of rows whose part of the product has at most about `CHUNK` entries."""
    lengths = np.diff(right.indptr)[left.indices]
    upto = np.concatenate([[0], np.cumsum(lengths)])[left.indptr]
    start, rows = 0, left.shape[0]
    while start < rows:
        stop = int(np.searchsorted(upto, upto[start] + CHUNK, side="right")) - 1
        stop = min(max(stop, start + 1), rows)
        yield slice(start, stop)
        start = stop


def _capped(matrix: sp.csr_array, topk: int | None, first: int = 0) -> sp.csr_array:
    """The entry of the node itself and the `topk` largest others of every row.

    Row i of the matrix is node `first + i`.
    """
    if topk is None:
        return matrix
    counts = np.diff(matrix.indptr)
    if counts.max(initial=0) <= topk:
        return matrix
    matrix.sort_indices()
    row = np.repeat(np.arange(len(counts)), counts)
    # Within a row: itself, then by falling weight; the sort is stable, so equals by position.
    key = np.where(matrix.indices == row + first, -np.inf, -matrix.data)
    order = np.lexsort((key, row))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(matrix.indptr[:-1], counts)
    # The diagonal is in every row: A_hat has it, and so have its powers.
    kept = rank <= topk
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row[kept], minlength=len(counts)))])
    return sp.csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)


def _without_own(matrix: sp.csr_array) -> sp.csr_array:
    coo = matrix.tocoo()
    kept = coo.row != coo.col
    return sp.csr_array((coo.data[kept], (coo.row[kept], coo.col[kept])), shape=coo.shape)


def _as_pairs(matrix: sp.csr_array) -> tuple[Tensor, Tensor]:
    matrix.sort_indices()
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    pairs = torch.from_numpy(np.stack([row, matrix.indices]).astype(np.int64))
    return pairs, torch.from_numpy(matrix.data).to(torch.get_default_dtype())
