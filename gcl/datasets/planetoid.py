"""The raw Planetoid files (Cora, CiteSeer, PubMed), read without trusting their pickles."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import Data
from torch_geometric.utils import coalesce, remove_self_loops

from gcl.datasets.inert_pickle import as_matrix, read_inert

PARTS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")
NUM_VAL = 500


def read_planetoid(folder: Path, name: str) -> Data:
    """A citation graph with the public split from its eight `ind.<name>.*` files.

    The result equals that of `torch_geometric.datasets.Planetoid`, but nothing is written and the
    pickles are opened by a reader that builds nothing the files ask for, see
    `gcl.datasets.inert_pickle`.

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
    for part, labels in (("ally", known_y), ("ty", test_y)):
        if not bool((((labels == 0) | (labels == 1)).all(1) & (labels.sum(1) == 1)).all()):
            raise _broken(folder / f"ind.{name}.{part}", "not every row has one 1 and zeros")
    path = folder / f"ind.{name}.test.index"
    try:
        test = torch.from_numpy(np.array([int(n) for n in path.read_text().split()], np.int64))
    except (ValueError, OverflowError) as error:
        raise _broken(path, error) from error
    num_known, num_train = known_x.size(0), train_y.size(0)
    num_nodes = int(test.max()) + 1 if test.numel() else num_known
    if test.numel() != test_x.size(0) or (test.numel() and int(test.min()) < num_known):
        raise _broken(path, f"its {test.numel()} numbers do not fit the rows of the other files")
    # CiteSeer's index leaves out 15 nodes; one that leaves out as many as there are is none.
    if num_nodes > 2 * (num_known + test.numel()):
        raise _broken(path, f"it names node {num_nodes - 1} of {num_known + test.numel()}")

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
    try:
        with np.errstate(over="ignore"):  # `load` refuses what is infinite
            return torch.from_numpy(as_matrix(read_inert(path)).astype(np.float32))
    except (ValueError, TypeError, OverflowError) as error:
        raise _broken(path, error) from error


def _read_edges(path: Path, num_nodes: int) -> torch.Tensor:
    try:
        graph = read_inert(path)
        if not isinstance(graph, dict) or not all(type(ends) is list for ends in graph.values()):
            raise ValueError("it holds no lists of neighbours")
        counts = [len(ends) for ends in graph.values()]
        if sum(counts) > path.stat().st_size:  # one list, named over and over
            raise ValueError("it lists more links than it has bytes")
        ends = chain(graph, chain.from_iterable(graph.values()))
        if not all(type(node) is int and 0 <= node < num_nodes for node in ends):
            raise ValueError(f"it names a node outside 0..{num_nodes - 1}")
        sources = np.repeat(np.fromiter(graph, np.int64, len(graph)), counts)
        targets = np.fromiter(chain.from_iterable(graph.values()), np.int64, sum(counts))
    except (ValueError, TypeError, OverflowError) as error:
        raise _broken(path, error) from error
    edge_index = torch.from_numpy(np.stack([sources, targets]))
    # The files list some links twice; PyG sorts by target.
    return coalesce(remove_self_loops(edge_index)[0], num_nodes=num_nodes, sort_by_row=False)


def _broken(path: Path, why: object) -> ValueError:
    return ValueError(
        f"load: {path} is not a Planetoid file ({why}); replace it with the original, "
        "or delete it to have it downloaded again."
    )
