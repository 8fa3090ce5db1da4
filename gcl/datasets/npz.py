"""Graphs in the sparse `.npz` format of the "Pitfalls" benchmark (Amazon, Coauthor, ACM)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from torch_geometric.data import Data
from torch_geometric.utils import remove_self_loops, to_undirected


def read_npz(path: Path) -> Data:
    """An undirected graph with binary features from one `.npz` file.

    The result equals that of `torch_geometric.io.read_npz`. Arrays that would need a pickle are
    refused, and the indices of both matrices are checked before they are used.

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
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            attr, adj = (
                sp.csr_matrix(
                    tuple(arrays[f"{part}_{key}"] for key in ("data", "indices", "indptr")),
                    tuple(arrays[f"{part}_shape"]),
                )
                for part in ("attr", "adj")
            )
            labels = arrays["labels"].astype(np.int64)
        attr.check_format(full_check=True)
        adj.check_format(full_check=True)
    except OSError:
        raise
    except Exception as error:  # a broken archive can raise nearly anything
        raise ValueError(
            f"load: {path} is not a graph in .npz format ({error}); replace it with the original, "
            "or delete it to have it downloaded again."
        ) from error
    x = torch.from_numpy(attr.astype(np.float32).toarray())
    x[x > 0] = 1
    coo = adj.tocoo()
    edge_index = torch.from_numpy(np.stack([coo.row, coo.col]).astype(np.int64))
    edge_index = to_undirected(remove_self_loops(edge_index)[0], num_nodes=x.size(0))
    return Data(x=x, edge_index=edge_index, y=torch.from_numpy(labels))
