"""Graphs in the sparse `.npz` format of the "Pitfalls" benchmark (Amazon, Coauthor, ACM)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from torch_geometric.data import Data
from torch_geometric.utils import remove_self_loops, to_undirected

from gcl.datasets.inert_arrays import check_csr, read_arrays, whole_numbers


def read_npz(path: Path) -> Data:
    """An undirected graph with binary features from one `.npz` file.

    The result equals that of `torch_geometric.io.read_npz`. Arrays that would need a pickle are
    refused, and the sizes and indices of both matrices are checked before they are used.

    Args:
        path: a file with the CSR matrices `adj_*` `[n, n]` and `attr_*` `[n, f]` and `labels`.

    Shape:
        x `[n, f]` float32 in {0, 1}, edge_index `[2, e]` without self-loops, y `[n]`.

    Raises:
        ValueError: if the file is broken.

    Reference:
        Shchur, Mumme, Bojchevski, Günnemann: Pitfalls of Graph Neural Network Evaluation, 2018.
    """
    try:
        arrays = read_arrays(path)
        attr, adj = (
            check_csr(*(arrays[f"{part}_{key}"] for key in ("data", "indices", "indptr", "shape")))
            for part in ("attr", "adj")
        )
        labels = whole_numbers(arrays["labels"])
        size = len(attr[2]) - 1
        if adj[3] != (size, size) or labels.shape != (size,):
            raise ValueError(
                f"{size} rows of features, an adjacency of shape {adj[3]} and labels of shape "
                f"{labels.shape}"
            )
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"load: {path} is not a graph in .npz format ({error}); replace it with the original, "
            "or delete it to have it downloaded again."
        ) from error
    with np.errstate(over="ignore"):  # what is infinite then becomes 1
        dense = sp.csr_matrix(attr[:3], attr[3]).astype(np.float32).toarray()
    x = torch.from_numpy(dense)
    x[x > 0] = 1
    _, cols, starts, _ = adj
    rows = np.repeat(np.arange(size), np.diff(starts))
    edge_index = torch.from_numpy(np.stack([rows, cols]))
    edge_index = to_undirected(remove_self_loops(edge_index)[0], num_nodes=size)
    return Data(x=x, edge_index=edge_index, y=torch.from_numpy(labels))
