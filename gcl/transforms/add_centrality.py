"""How central the targets of edges and the users of features are: the importances of GCA."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from gcl.checks import check_choice, check_positive
from gcl.contracts import Graph
from gcl.graphs.own_edges import joined, own_edges
from gcl.ops.sparse import column_sums

KINDS = ("degree", "pagerank", "eigenvector")


class AddCentrality(BaseTransform):
    """Writes the importance of edges and feature columns by the centrality c of nodes.

        edge_importance_uv   = log max(c_v, eps)                   edge u -> v
        feature_importance_f = log max(sum_i |x_if| c_i, eps)

    for `EdgeDropping(weight="edge_importance")` and `FeatureMasking(weight="feature_importance")`,
    which together are GCA's views. Centralities, of the graph with weights `edge_weight` if it has
    them, else 1:

    - "degree": the weight that arrives at a node.
    - "pagerank": the share of time that a surfer spends there who follows edges with probability
      0.85 and jumps anywhere else, and from nodes without edges always. Sums to 1.
    - "eigenvector": the leading eigenvector of the adjacency, read as undirected; not negative, of
      length 1. On a graph in several components it is the whole graph's, so it is 0 outside the
      component with the largest eigenvalue.

    In a `HeteroData` every node type with edges to itself is a graph of its own (of all such edge
    types together); other node and edge types stay as they are. Without features x there is no
    `feature_importance`. It has one number a column, not a node: PyG's loaders take it for one a
    node where there are as many of both.

    Args:
        kind: "degree", "pagerank" or "eigenvector".
        binarize: count a feature as 1 wherever it is not 0, as GCA does for bags of words; False
            takes abs(x), as it does for dense features. None: binarize x of which at most half is
            not 0.
        eps: > 0; what a smaller centrality counts as, which is that of columns no node uses.

    Shape:
        edge_index `[2, e]`, x `[n, f]` dense or CSR -> `edge_importance` `[e]` and
        `feature_importance` `[f]`, finite, in torch's default dtype.

    Raises:
        ValueError: unknown kind, eps not above 0; no edges from nodes to nodes of the same type; a
            batch of several graphs; weights negative or not finite; x is no matrix; the eigenvector
            does not converge.

    Reference:
        Zhu et al., "Graph Contrastive Learning with Adaptive Augmentation", WWW 2021. Their code
        has no eps, so columns that no node uses give NaN; its PageRank starts each step from the
        last one instead of jumping, stops after 10 steps and loses what arrives at nodes without
        edges. Here at most 200 steps, by which it has converged.

    Example:
        >>> from torch_geometric.data import Data
        >>> edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> data = AddCentrality()(Data(x=torch.eye(3), edge_index=edge_index))
        >>> data.edge_importance.exp(), data.feature_importance.exp()
        (tensor([2., 1., 1., 2.]), tensor([1., 2., 1.]))
    """

    writes = ("edge_importance",)  # tells on a batch that its graph has it

    def __init__(self, kind: str = "degree", binarize: bool | None = None, eps: float = 1e-8):
        check_choice("AddCentrality", "kind", kind, KINDS)
        check_positive("AddCentrality", eps=eps)
        self.kind, self.binarize, self.eps = kind, binarize, eps

    def forward(self, data: Graph) -> Graph:
        for nodes, stores in own_edges("AddCentrality", data):
            centrality = _centrality(self.kind, *joined(stores), nodes.num_nodes)
            for store in stores:
                store["edge_importance"] = self._log(centrality[store["edge_index"][1]])
            if "x" in nodes:
                if not isinstance(nodes["x"], Tensor):
                    came = type(nodes["x"]).__name__
                    raise TypeError(f"AddCentrality: x must be a tensor [n, f], got {came}.")
                used = _column_sums(nodes["x"].detach(), centrality, self.binarize)
                nodes["feature_importance"] = self._log(used)
        return data

    def _log(self, values: Tensor) -> Tensor:
        return values.clamp(min=self.eps).log().to(torch.get_default_dtype())

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(kind={self.kind!r}, binarize={self.binarize}, eps={self.eps})"
        )


def _centrality(
    kind: str, edge_index: Tensor, edge_weight: Tensor | None, num_nodes: int
) -> Tensor:
    """One number >= 0 a node, float64 `[num_nodes]`."""
    weight = torch.ones(edge_index.shape[1], dtype=torch.float64, device=edge_index.device)
    if edge_weight is not None:
        weight = edge_weight.detach().double()
        if weight.shape != edge_index.shape[1:] or not bool(
            (weight >= 0).all() & weight.isfinite().all()
        ):
            raise ValueError(
                f"AddCentrality: edge_weight must hold {edge_index.shape[1]} finite numbers >= 0."
            )
    if kind == "degree" or num_nodes == 0:
        return torch.bincount(edge_index[1], weight, num_nodes).double()
    source, target = edge_index.cpu().numpy()
    arriving = scipy.sparse.coo_array(
        (weight.cpu().numpy(), (target, source)), shape=(num_nodes, num_nodes)
    ).tocsr()
    found = _pagerank(arriving) if kind == "pagerank" else _eigenvector(arriving)
    return torch.from_numpy(found).to(edge_index.device)


def _pagerank(arriving: Any, damping: float = 0.85, steps: int = 200) -> np.ndarray:
    leaving = arriving.sum(axis=0)
    dangling = leaving == 0
    # Edges of a weight so small that it has no inverse are none.
    with np.errstate(divide="ignore"):
        share = np.where(dangling, 0.0, 1 / leaving)
    size = len(leaving)
    rank = np.full(size, 1 / size)
    for _ in range(steps):
        jumping = (1 - damping) + damping * rank[dangling].sum()
        last, rank = rank, damping * (arriving @ (share * rank)) + jumping / size
        if np.abs(rank - last).sum() < 1e-14:
            break
    return rank


def _eigenvector(arriving: Any) -> np.ndarray:
    size = arriving.shape[0]
    even = np.full(size, size**-0.5)
    if arriving.count_nonzero() == 0 or size == 1:
        return even
    adjacency = ((arriving + arriving.T) / 2).tocsr()
    # Components with one and the same eigenvalue leave the eigenvector undetermined. A faint link
    # between all nodes, 1e-10 of the eigenvalue, gives every node of them its due.
    faint = 1e-10 * np.sqrt(adjacency.power(2).sum(axis=1).max())
    linked = LinearOperator(
        adjacency.shape, lambda v: adjacency @ v + faint * (even @ v) * even, dtype=np.float64
    )
    try:
        _, vector = eigsh(linked, k=1, which="LA", v0=even)
    except ArpackNoConvergence:
        raise ValueError(
            "AddCentrality: the eigenvector of this graph does not converge; take kind='degree' or "
            "kind='pagerank'."
        ) from None
    return np.abs(vector[:, 0])


def _column_sums(x: Tensor, weight: Tensor, binarize: bool | None) -> Tensor:
    """`sum_i |x_if| weight_i`, x binarised or not, float64 `[f]`."""
    if x.dim() != 2:
        raise ValueError(f"AddCentrality: x must be [n, f], got {list(x.shape)}.")
    if binarize is None:
        stored = x if x.layout == torch.strided else x.to_sparse_csr().values()
        binarize = 2 * int(stored.count_nonzero()) <= x.numel()
    return column_sums(x, weight, (lambda values: values != 0) if binarize else torch.abs)
