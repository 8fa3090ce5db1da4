"""Batches of parts."""

import pytest
import torch
from torch_geometric.data import Data

import gcl
from gcl.loader import PartitionBatches


def graph(nodes=60):
    data = gcl.datasets.sbm(nodes, 3, num_features=5)
    data.y = torch.arange(nodes)
    return data


@pytest.mark.parametrize("parts", ["random", "communities", torch.arange(60) % 6])
@pytest.mark.parametrize("batch_parts", [1, 4])
def test_an_epoch_has_every_node_once_with_the_edges_between_those_of_a_batch(parts, batch_parts):
    data = graph()
    loader = PartitionBatches(data, 6, batch_parts=batch_parts, parts=parts)
    epochs = []
    for _ in range(2):
        seen = []
        for batch in loader:
            seen.append(tuple(batch.n_id.tolist()))
            assert torch.equal(batch.input_id, batch.n_id)
            assert batch.batch_size == batch.num_nodes == len(batch.n_id)
            assert torch.equal(batch.y, batch.n_id)
            inside = torch.isin(data.edge_index, batch.n_id).all(0).nonzero().view(-1)
            assert sorted(batch.e_id.tolist()) == inside.tolist()
            assert torch.equal(batch.n_id[batch.edge_index], data.edge_index[:, batch.e_id])
        assert sorted(n for nodes in seen for n in nodes) == list(range(60))
        assert len(seen) == len(loader) == -(-6 // batch_parts)
        epochs.append(seen)
    assert epochs[0] != epochs[1]
    if isinstance(parts, str) and parts == "random":  # drawn anew
        assert not set(epochs[0]) & set(epochs[1])


def test_parts_stay_whole():
    parts = torch.arange(60) % 6
    for batch in PartitionBatches(graph(), 6, batch_parts=2, parts=parts):
        assert len(batch.n_id) == 20
        assert len(parts[batch.n_id].unique()) == 2


def test_all_parts_at_once_are_the_graph():
    data = graph()
    (batch,) = PartitionBatches(data, 5, batch_parts=5, parts="random", degrees="graph")
    assert torch.equal(batch.n_id, torch.arange(60))
    assert batch.num_edges == data.num_edges
    assert bool((batch.edge_weight == 1).all())


@pytest.mark.parametrize("parts", ["random", "communities"])
def test_rows_for_embedding(parts):
    loader = PartitionBatches(graph(), 6, parts=parts, drop_last=True)
    found = [batch.n_id for batch in loader.complete()]
    assert loader.num_rows == len(torch.cat(found)) == len(torch.cat(found).unique()) == 60
    again = [batch.n_id for batch in loader.complete()]
    assert all(map(torch.equal, found, again))
    if parts == "random":
        assert not torch.equal(torch.cat(found), torch.arange(60))


BAD = {
    "too many": ({"num_parts": 61}, ValueError, "at most the number of nodes, 60, got 61"),
    "none": ({"num_parts": 0}, ValueError, "num_parts must be at least 1"),
    "shape": ({"parts": torch.zeros(5).long()}, TypeError, r"int64 \[60\], got torch.int64 \[5\]"),
    "range": ({"parts": torch.arange(60)}, ValueError, r"\[0, 3\), got values from 0 to 59"),
    "list": ({"parts": [0, 1]}, TypeError, "parts must be 'random'"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit(name):
    options, kind, message = BAD[name]
    with pytest.raises(kind, match=f"^PartitionBatches: {message}|^PartitionBatches: .*{message}"):
        PartitionBatches(graph(), **{"num_parts": 3} | options)


def test_other_graphs_and_engines():
    with pytest.raises(TypeError, match="PartitionBatches: expected a graph of one node type"):
        PartitionBatches(gcl.datasets.hetero_sbm(20), 2)
    with pytest.raises(ValueError, match="engine must be one of 'auto'"):
        PartitionBatches(graph(), 2, parts="louvain")


def test_degrees_of_the_batch_or_of_the_graph():
    data = graph()
    for batch in PartitionBatches(data, 3, parts="random"):
        assert "degree" not in batch
        assert "edge_weight" not in batch
    whole = torch.bincount(data.edge_index[1], minlength=60)
    for batch in PartitionBatches(data, 3, parts="random", degrees="graph"):
        assert torch.equal(batch.degree, whole[batch.n_id].float())
        total = torch.zeros(len(batch.n_id)).index_add(0, batch.edge_index[1], batch.edge_weight)
        reached = total > 0
        torch.testing.assert_close(total[reached], batch.degree[reached])


def test_a_graph_without_edges():
    data = Data(x=torch.ones(7, 1), edge_index=torch.empty(2, 0).long())
    assert sum(b.num_nodes for b in PartitionBatches(data, 3, parts="random")) == 7
