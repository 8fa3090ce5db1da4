from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.utils import to_networkx

from gcl.baselines.wl_histograms import wl_histograms
from tests.odd_graphs import random_graph


def labelled(seed, n=7):
    data = random_graph(n, 9, seed)
    label = torch.arange(n) % 3
    return Data(x=torch.eye(3)[label], edge_index=data.edge_index, label=label)


@pytest.mark.parametrize("iterations", [0, 1, 3])
def test_kernel_equals_networkx(iterations):
    graphs = [labelled(seed, 5 + seed) for seed in range(5)]
    hashes = []
    for data in graphs:
        graph = to_networkx(data, node_attrs=["label"], to_undirected=True)
        found = nx.weisfeiler_lehman_subgraph_hashes(
            graph, node_attr="label", iterations=max(iterations, 1), include_initial_labels=True
        )
        # One hash a node and round; the round is part of the colour.
        hashes.append(
            [(t, h) for node in found.values() for t, h in enumerate(node[: iterations + 1])]
        )
    kernel = [[sum(a == b for a in first for b in second) for second in hashes] for first in hashes]
    mine = wl_histograms([Data(x=g.x, edge_index=g.edge_index) for g in graphs], iterations)
    assert (mine @ mine.T).toarray().tolist() == kernel


def test_isomorphic_graphs_are_equal_and_others_are_told_apart():
    data = labelled(0, 9)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    place = order.argsort()
    same = Data(x=data.x[order], edge_index=place[data.edge_index])
    path, star = (
        [[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]],
        [[0, 1, 0, 2, 0, 3], [1, 0, 2, 0, 3, 0]],
    )
    others = [Data(x=torch.ones(4, 3), edge_index=torch.tensor(e)) for e in (path, star)]
    rows = wl_histograms([Data(x=data.x, edge_index=data.edge_index), same, *others]).toarray()
    assert (rows[0] == rows[1]).all()
    assert (rows[2] != rows[3]).any()


def test_batch_list_and_single_graph_agree():
    graphs = [Data(x=g.x, edge_index=g.edge_index) for g in map(labelled, range(3))]
    rows = wl_histograms(graphs)
    assert (rows != wl_histograms(Batch.from_data_list(graphs))).nnz == 0
    assert wl_histograms(graphs[0]).sum() == rows[[0]].sum()


def test_odd_graphs():
    empty = torch.empty(2, 0, dtype=torch.long)
    rows = wl_histograms(
        [Data(x=torch.zeros(0, 2), edge_index=empty), Data(x=torch.ones(2, 2), edge_index=empty)], 1
    )
    assert rows.toarray().tolist() == [[0, 0], [2, 2]]
    assert wl_histograms([Data(edge_index=empty, num_nodes=3)], 0).toarray().tolist() == [[3]]


def test_zero_and_minus_zero_are_one_feature():
    data = Data(x=torch.tensor([[0.0], [-0.0]]), edge_index=torch.empty(2, 0, dtype=torch.long))
    assert wl_histograms(data, 0).toarray().tolist() == [[2]]


def test_input_untouched_and_errors():
    data = labelled(0)
    before = data.clone()
    wl_histograms(data)
    assert torch.equal(data.x, before.x)
    assert np.array_equal(data.edge_index.numpy(), before.edge_index.numpy())
    with pytest.raises(ValueError, match="iterations must be at least 0"):
        wl_histograms(data, -1)
    with pytest.raises(ValueError, match="at least one graph"):
        wl_histograms([])
