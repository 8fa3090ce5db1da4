"""HeCo's positives: the nodes that meta-paths join most closely."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
import torch
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from gcl.checks import check_choice, check_count
from gcl.graphs.meta_paths import metapath_contexts
from gcl.transforms.meta_path_counts import CHUNK, TIES, keep_top, row_blocks


class AddHeCoPositives(BaseTransform):
    """Writes every target node with the nodes that most meta-paths join to it, as pairs.

        c_ij = sum_m B_m,ij / sum_k B_m,ik

    with B_m the meta-path graphs that `AddMetaPaths` has written, as 0 and 1; HeCo takes all of
    their edges, so run that without `topk`. The positives of i are i itself and the nodes of
    largest c_ij > 0, together `threshold` at most. Equal ones are many, as all papers of a subject
    are equally close, and are decided by lot: by the smaller index, in a file that is sorted by
    class, they would mostly be nodes of the first class.

    Pairs are not symmetric: j may be a positive of i and not the other way round. What takes nodes
    out of the graph does not rename them.

    Args:
        threshold: positives of a node, itself counted, at least 1. In HeCo 5 for ACM, 1000 for
            DBLP, 15 for AMiner.
        ties: how equal ones are decided: "random", with a generator of its own; "index", the
            smaller first; "legacy", by NumPy's unstable sort as in the released code,
            which may leave the node itself out, as for 923 of the 4,019 papers of ACM.
        seed: of ties="random".

    Shape:
        edge types (t, "metapath_m", t) -> `pos_edge_index` `[2, P]` int64 of node type t, (i, j) in
        a column, sorted, P <= n threshold.

    Raises:
        TypeError: threshold or seed is no whole number.
        ValueError: threshold below 1; unknown ties; the graph has no meta-path graphs.

    Reference:
        Wang et al., "Self-supervised Heterogeneous Graph Neural Network with Co-contrastive
        Learning", KDD 2021.

    Example:
        >>> import gcl
        >>> from gcl.transforms.add_meta_paths import AddMetaPaths
        >>> data = gcl.datasets.hetero_sbm(40, num_authors=40, num_subjects=5)
        >>> data = AddMetaPaths([["paper", "author", "paper"]])(data)
        >>> data = AddHeCoPositives(3)(data)
        >>> data["paper"].pos_edge_index.shape, data["paper"].pos_edge_index[0].bincount().max()
        (torch.Size([2, 107]), tensor(3))
    """

    def __init__(
        self,
        threshold: int,
        *,
        ties: Literal["random", "index", "legacy"] = "random",
        seed: int = 0,
    ):
        check_count("AddHeCoPositives", threshold=threshold)
        check_choice("AddHeCoPositives", "ties", ties, TIES)
        check_count("AddHeCoPositives", least=0, seed=seed)
        self.threshold, self.ties, self.seed = threshold, ties, seed

    def forward(self, data: HeteroData) -> HeteroData:
        if not isinstance(data, HeteroData) or "context_dict" not in data:
            raise ValueError(
                "AddHeCoPositives: the graph has no meta-path graphs; apply AddMetaPaths first."
            )
        names = list(metapath_contexts(data))
        nodes = data[names[0][0]]
        shares = [_row_shares(data[name], nodes.num_nodes) for name in names]
        pairs = _closest(shares, self.threshold, self.ties, self.seed)
        nodes["pos_edge_index"] = pairs.to(data[names[0]].edge_index.device)
        return data

    def __repr__(self) -> str:
        return f"{type(self).__name__}(threshold={self.threshold}, ties={self.ties!r})"


def _row_shares(store: Any, size: int) -> Any:
    """The graph of one meta-path as 0 and 1, rows divided by their sums; SciPy CSR."""
    edge_index = store.edge_index.cpu().numpy()
    row, col = edge_index[store.selector], edge_index[1 - store.selector]
    share = 1 / np.bincount(row, minlength=size).clip(min=1)
    return sp.coo_array((share[row], (row, col)), shape=(size, size)).tocsr()


def _closest(shares: list[Any], threshold: int, ties: str, seed: int) -> torch.Tensor:
    generator = np.random.default_rng(seed) if ties == "random" else None
    size = shares[0].shape[0]
    work = sum(np.diff(share.indptr) for share in shares) + 1
    pairs = [np.empty((2, 0), dtype=np.int64)]
    for first, last in row_blocks(work, CHUNK):
        closeness = sum((share[first:last] for share in shares[1:]), shares[0][first:last])
        if ties == "legacy":
            closeness.sort_indices()
            kept = _first_unstable(closeness, threshold).tocoo()
        else:
            # No sum of shares exceeds the number of graphs, so that the node itself comes first.
            own = np.full(last - first, len(shares) + 1.0)
            at = np.arange(last - first), np.arange(first, last)
            closeness = closeness + sp.coo_array((own, at), shape=(last - first, size)).tocsr()
            closeness.sort_indices()
            kept = keep_top(closeness, closeness.data, threshold, generator).tocoo()
        pairs.append(np.stack([kept.row + first, kept.col]).astype(np.int64))
    return torch.from_numpy(np.concatenate(pairs, axis=1))


def _first_unstable(matrix: Any, k: int) -> Any:
    """The k largest of every row, of equal ones those that NumPy's unstable sort puts first."""
    kept = np.ones(matrix.nnz, dtype=bool)
    for row in np.flatnonzero(np.diff(matrix.indptr) > k):
        stored = slice(matrix.indptr[row], matrix.indptr[row + 1])
        kept[stored] = False
        kept[stored.start + np.argsort(-matrix.data[stored])[:k]] = True
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))[kept]
    return sp.coo_array((matrix.data[kept], (rows, matrix.indices[kept])), shape=matrix.shape)
