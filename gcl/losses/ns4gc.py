"""NS4GC's objective: a similarity matrix that is sparse but for neighbours."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gcl.checks import check_number, check_positive, check_views
from gcl.losses.weights.rules import without_pairs
from gcl.ops.log_weight import LogWeight
from gcl.ops.pairs import known_pairs, pair_dots
from gcl.ops.similarity import row_similarity, unit_rows
from gcl.ops.streaming import streaming_sigmoid
from gcl.ops.structure import remember
from gcl.ops.tracing import outside_graph


class NS4GC(nn.Module):
    r"""Nodes agree with themselves and their neighbours, and are unlike all others; O(N D + E).

    With `S_ij = cos(z1_i, z2_j)` and E the edges of the graph, without loops,

        L = - mean_i S_ii  -  lam mean_{(i, j) in E} S_ij
            +  gam mean_{(i, j) not in E, i != j} sigmoid( (S_ij - threshold) / tau )

    Pairs are pushed apart down to the threshold and then left alone, so that S becomes nearly
    sparse. The sum over all pairs is streamed, that over the edges subtracted from it in float64;
    edges that are more than half of the pairs are left out of it instead, so that no digit is lost.
    A mean over no pairs is 0.

    Args:
        threshold: s, the similarity from which on two nodes that are no neighbours repel each
            other. Published: 0.4 to 0.6.
        tau: softness of that threshold, > 0. Published: 0.08 and 0.1.
        lam: weight of the neighbours, >= 0.
        gam: weight of the other pairs, >= 0.

    `pos_edge_index` are the pairs (i in z1, j in z2) of E; `gcl.transforms.AddNeighborPositives`
    writes those of a graph. List both directions of an undirected edge. Loops among them and
    repetitions are ignored; None means that there are none.

    Shape:
        z1, z2 `[n, d]`, pos_edge_index `[2, e]` -> scalar.

    Raises:
        ValueError: tau <= 0, a negative weight, unequal shapes, positives out of range.
        TypeError: not floating-point input.

    Reference:
        Liu et al., "Reliable Node Similarity Matrix Guided Contrastive Graph Clustering" (NS4GC),
        TKDE 2024, arXiv 2408.03765. Their code stores S.

    Example:
        >>> z = torch.eye(12, 16)
        >>> round(NS4GC()(z, z).item(), 4)  # sigmoid(-6) - 1
        -0.9975
    """

    def __init__(
        self, threshold: float = 0.6, tau: float = 0.1, *, lam: float = 1.0, gam: float = 1.0
    ):
        super().__init__()
        check_number("NS4GC", threshold=threshold)
        check_positive("NS4GC", tau=tau)
        check_number("NS4GC", least=0, lam=lam, gam=gam)
        self.threshold, self.tau, self.lam, self.gam = threshold, tau, lam, gam

    @outside_graph
    def forward(
        self,
        z1: Float[Tensor, "n d"],
        z2: Float[Tensor, "n d"],
        pos_edge_index: Int[Tensor, "2 e"] | None = None,
    ) -> Tensor:
        check_views("NS4GC", z1, z2)
        u, v = unit_rows(z1), unit_rows(z2)
        n = len(u)
        if not n:
            return u.sum() + v.sum()
        edges = None
        if pos_edge_index is not None:
            known_pairs("NS4GC", pos_edge_index, None, n)
            edges = remember(pos_edge_index, ("NS4GC", n), lambda: _edges(pos_edge_index, n))
        with torch.autocast(z1.device.type, enabled=False):
            loss = -row_similarity(u, v, "cosine").mean()
            listed = 0 if edges is None else len(edges.rows)
            near = None
            if edges is not None and listed:
                near = pair_dots(u, v, edges.rows, edges.cols)
                loss = loss - self.lam * near.mean()
            if others := n * n - n - listed:
                apart = None if edges is None else edges.apart
                total = self._count(u, v, apart)
                if near is not None and apart is None:
                    total = total - ((near - self.threshold) / self.tau).sigmoid().double().sum()
                loss = loss + (self.gam / others * total).to(loss.dtype)
        return loss

    def _count(self, u: Tensor, v: Tensor, apart: LogWeight | None) -> Tensor:
        """Sum of the sigmoids of all pairs of different nodes that the rule leaves."""
        scale, bias = 1 / self.tau, -self.threshold / self.tau
        rows = streaming_sigmoid(u, v, scale=scale, bias=bias, exclude=True, log_weight=apart)
        return rows.double().sum()

    def extra_repr(self) -> str:
        return f"threshold={self.threshold:g}, tau={self.tau:g}, lam={self.lam:g}, gam={self.gam:g}"


class _Edges(NamedTuple):
    rows: Tensor
    cols: Tensor
    apart: LogWeight | None  # takes the edges out, where they are most of all pairs


def _edges(pairs: Tensor, n: int) -> _Edges:
    """The pairs without loops and repetitions, sorted."""
    pairs = pairs[:, pairs[0] != pairs[1]]
    keys = (pairs[0] * n + pairs[1]).unique()
    rows, cols = keys // n, keys % n
    most = 2 * len(keys) > n * n - n
    return _Edges(rows, cols, without_pairs(torch.stack([rows, cols]), n) if most else None)
