"""Graphs whose neighbours are of other classes, drawn by a rule.

    gcl bench benchmarks/heterophily --seeds 3 --out benchmarks/results/heterophily.csv

No such graph is among the data sets that this package reads.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Data

from gcl.datasets import sbm

SIDE = 100
MINES = 0.2
HIDDEN = 0.5


def opposite() -> Data:
    """A random graph of five classes in which no edge stays inside one."""
    return sbm(3000, 5, degree=10, homophily=0.0, num_features=64, noise=4.0)


def board() -> Data:
    """A board of the game Minesweeper: which cells have mines, from the counts that are open.

    By the rule of Platonov et al., "A critical look at the evaluation of GNNs under heterophily",
    ICLR 2023: cells of a grid know their up to eight neighbours, a fifth has a mine; features are
    the one-hot count of mines around a cell, hidden at half of the cells, which say so.
    """
    generator = torch.Generator().manual_seed(0)
    edge_index = _neighbours()
    mine = torch.rand(SIDE * SIDE, generator=generator) < MINES
    count = torch.zeros(SIDE * SIDE).index_add_(0, edge_index[1], mine[edge_index[0]].float())
    hidden = torch.rand(SIDE * SIDE, generator=generator) < HIDDEN
    x = torch.nn.functional.one_hot(count.long(), 9).float()
    x[hidden] = 0
    return Data(x=torch.cat([x, hidden.float()[:, None]], 1), edge_index=edge_index, y=mine.long())


def _neighbours() -> Tensor:
    """Edges between cells that touch, corners too, in both directions."""
    cells = torch.arange(SIDE * SIDE)
    row, column = cells // SIDE, cells % SIDE
    found = []
    for down, right in ((a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)):
        there = (row + down, column + right)
        inside = (there[0] >= 0) & (there[0] < SIDE) & (there[1] >= 0) & (there[1] < SIDE)
        found.append(torch.stack([cells[inside], there[0][inside] * SIDE + there[1][inside]]))
    return torch.cat(found, 1)
