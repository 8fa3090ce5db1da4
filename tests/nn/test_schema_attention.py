"""Neighbours of every type, sampled."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import HeteroData

from gcl.nn import SchemaAttention
from gcl.nn.schema_attention import sample_neighbours

# Target 0 has neighbours 0..3, target 1 has 1, target 2 none, target 3 has 2 and 4.
EDGES = torch.tensor([[0, 1, 2, 3, 1, 2, 4], [0, 0, 0, 0, 1, 3, 3]])
OF = {0: {0, 1, 2, 3}, 1: {1}, 2: {0}, 3: {2, 4}}


def test_samples_are_neighbours_and_differ_where_there_are_enough():
    torch.manual_seed(0)
    for number in (1, 2, 3, 4, 9):
        drawn, has = sample_neighbours(EDGES, 5, 4, number)
        assert drawn.shape == (4, number)
        assert has.tolist() == [True, True, False, True]
        for node, row in enumerate(drawn.tolist()):
            assert set(row) <= OF[node]
            if len(OF[node]) >= number:
                assert len(set(row)) == number


@pytest.mark.parametrize("number", [2, 9])
def test_samples_are_fair(number):
    torch.manual_seed(0)
    draws = torch.cat([sample_neighbours(EDGES, 5, 4, number)[0][0] for _ in range(1000)])
    share = draws.bincount(minlength=5).double() / len(draws)
    assert (share[:4] - 0.25).abs().max() < 4 * (0.25 * 0.75 / len(draws)) ** 0.5


def graph():
    data = HeteroData()
    data["t"].num_nodes, data["a"].num_nodes = 4, 5
    data["a", "to", "t"].edge_index = EDGES
    return data


def test_one_neighbour_is_all_that_is_seen():
    torch.manual_seed(0)
    layer = SchemaAttention([("a", "to", "t")], [3], 6)
    h = {"t": torch.randn(4, 6), "a": torch.randn(5, 6)}
    out = layer(graph(), h)
    torch.testing.assert_close(out[1], torch.nn.functional.elu(h["a"][1]))
    assert (out[2] == 0).all()


def test_attention_over_all_neighbours_equals_the_loop():
    torch.manual_seed(0)
    layer = SchemaAttention([("a", "to", "t")], [4], 6).double()
    h = {k: torch.randn(n, 6, dtype=torch.float64) for k, n in (("t", 4), ("a", 5))}
    own, other = layer.queries[0][0, :6], layer.queries[0][0, 6:]
    score = [torch.nn.functional.leaky_relu(h["t"][0] @ own + h["a"][j] @ other) for j in range(4)]
    alpha = torch.stack(score).softmax(0)
    expected = torch.nn.functional.elu(sum(alpha[j] * h["a"][j] for j in range(4)))
    torch.testing.assert_close(layer(graph(), h)[0], expected)


def test_no_edges_and_bad_input():
    data = graph()
    data["a", "to", "t"].edge_index = EDGES[:, :0]
    layer = SchemaAttention([("a", "to", "t")], [3], 6)
    assert (layer(data, {"t": torch.randn(4, 6), "a": torch.randn(5, 6)}) == 0).all()
    with pytest.raises(ValueError, match="one number of samples for each"):
        SchemaAttention([("a", "to", "t")], [3, 4], 6)
