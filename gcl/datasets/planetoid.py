"""The raw Planetoid files (Cora, CiteSeer, PubMed), read without trusting their pickles."""

from __future__ import annotations

import pickle
from collections import defaultdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch_geometric.data import Data
from torch_geometric.utils import coalesce, remove_self_loops

PARTS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")
NUM_VAL = 500


def read_planetoid(folder: Path, name: str) -> Data:
    """A citation graph with the public split from its eight `ind.<name>.*` files.

    The result equals that of `torch_geometric.datasets.Planetoid`, but nothing is written and the
    pickles are opened by a reader that can build arrays, sparse matrices, lists and dictionaries
    and nothing else.

    Args:
        folder: the folder of the raw files.
        name: the part of the file names after `ind.`, in lower case.

    Shape:
        x `[n, f]` float32, edge_index `[2, e]` without self-loops and repetitions, y `[n]`,
        train_mask, val_mask and test_mask `[n]`.

    Raises:
        ValueError: if a file is broken, or asks for more than arrays.

    Reference:
        Yang, Cohen, Salakhutdinov: Revisiting Semi-Supervised Learning with Graph Embeddings,
        ICML 2016.
    """
    known_x, test_x, known_y, test_y, train_y = (
        _read_matrix(folder / f"ind.{name}.{part}") for part in ("allx", "tx", "ally", "ty", "y")
    )
    rows_fit = (len(known_x), len(test_x)) == (len(known_y), len(test_y))
    widths_fit = known_x.size(1) == test_x.size(1) and known_y.size(1) == test_y.size(1)
    if not (rows_fit and widths_fit):
        why = "its shape and those of allx, tx and ty disagree"
        raise _broken(folder / f"ind.{name}.ally", why)
    path = folder / f"ind.{name}.test.index"
    try:
        test = torch.tensor([int(line) for line in path.read_text().split()])
    except ValueError as error:
        raise _broken(path, error) from error
    num_known, num_train = known_x.size(0), train_y.size(0)
    num_nodes = int(test.max()) + 1 if test.numel() else num_known
    if test.numel() != test_x.size(0) or (test.numel() and int(test.min()) < num_known):
        raise _broken(path, f"its {test.numel()} numbers do not fit the rows of the other files")

    # Row i of `tx` belongs to the node on line i of the index. CiteSeer's index has gaps: nodes
    # without features, links and label, which stay zero and so read as class 0.
    x = known_x.new_zeros(num_nodes, known_x.size(1))
    x[:num_known], x[test] = known_x, test_x
    onehot = known_y.new_zeros(num_nodes, known_y.size(1))
    onehot[:num_known], onehot[test] = known_y, test_y

    train_mask, val_mask, test_mask = (torch.zeros(num_nodes, dtype=torch.bool) for _ in range(3))
    train_mask[:num_train] = True
    val_mask[num_train : min(num_train + NUM_VAL, num_known)] = True
    test_mask[test] = True
    return Data(
        x=x,
        edge_index=_read_edges(folder / f"ind.{name}.graph", num_nodes),
        y=onehot.argmax(1),
        train_mask=train_mask,
        val_mask=val_mask,
        test_mask=test_mask,
    )


def _read_matrix(path: Path) -> torch.Tensor:
    matrix = _unpickle(path)
    try:
        if isinstance(matrix, sp.csr_matrix):
            # Unpickling skips the checks, and an index out of range would be written to blindly.
            matrix = sp.csr_matrix((matrix.data, matrix.indices, matrix.indptr), matrix.shape)
            matrix.check_format(full_check=True)
            matrix = matrix.toarray()
        if not isinstance(matrix, np.ndarray) or matrix.ndim != 2:
            raise ValueError("it holds no matrix")
        return torch.from_numpy(matrix.astype(np.float32))
    except (ValueError, TypeError, AttributeError) as error:
        raise _broken(path, error) from error


def _read_edges(path: Path, num_nodes: int) -> torch.Tensor:
    graph = _unpickle(path)
    try:
        sources = np.repeat(list(graph), [len(ends) for ends in graph.values()]).astype(np.int64)
        targets = np.fromiter(chain.from_iterable(graph.values()), np.int64, len(sources))
    except (ValueError, TypeError, AttributeError) as error:
        raise _broken(path, error) from error
    edge_index = torch.from_numpy(np.stack([sources, targets]))
    if edge_index.numel() and not 0 <= int(edge_index.min()) <= int(edge_index.max()) < num_nodes:
        raise _broken(path, f"it names a node outside 0..{num_nodes - 1}")
    # The files list some links twice; PyG sorts by target.
    return coalesce(remove_self_loops(edge_index)[0], num_nodes=num_nodes, sort_by_row=False)


def _unpickle(path: Path) -> Any:
    with open(path, "rb") as file:
        try:
            # Python 2 wrote the files: latin1 keeps the bytes of its arrays.
            return _ArrayUnpickler(file, encoding="latin1").load()
        except FileNotFoundError:
            raise
        except Exception as error:  # a broken pickle can raise nearly anything
            raise _broken(path, error) from error


def _broken(path: Path, why: object) -> ValueError:
    return ValueError(
        f"load: {path} is not a Planetoid file ({why}); replace it with the original, "
        "or delete it to have it downloaded again."
    )


def _dtype(spec: Any, align: Any = False, copy: Any = False) -> np.dtype:
    # Old pickles pass 0 and 1 for the flags, which NumPy warns about.
    return np.dtype(spec, align=bool(align), copy=bool(copy))


# Single names, not modules: NumPy and SciPy also hold functions that open files or run code.
_reconstruct: Any = np.empty(0).__reduce__()[0]
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("scipy.sparse.csr", "csr_matrix"): sp.csr_matrix,
    ("scipy.sparse._csr", "csr_matrix"): sp.csr_matrix,
    ("collections", "defaultdict"): defaultdict,
    ("__builtin__", "list"): list,
    ("builtins", "list"): list,
}


class _ArrayUnpickler(pickle.Unpickler):
    """A pickle reader that knows the names in `_ALLOWED` and refuses all others."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is refused")
        return _ALLOWED[module, name]
