"""Six small graphs, and a batch of them."""

from __future__ import annotations

import torch
from torch_geometric.data import Batch, Data

from tests.odd_graphs import random_graph


def graphs(count=6):
    return [
        Data(x=g.x, edge_index=g.edge_index, y=torch.tensor([i % 2]))
        for i, g in enumerate(random_graph(3 + i, 6 + i, i) for i in range(count))
    ]


def batch(count=6):
    return Batch.from_data_list(graphs(count))
