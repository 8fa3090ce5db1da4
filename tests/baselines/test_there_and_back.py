"""Propagation through other node types, against the dense meta-path matrix."""

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from gcl.baselines.there_and_back import there_and_back
from gcl.datasets import hetero_sbm


def dense_step(data, target):
    """By entries: `sum_k a_ik a_jk / (c_k sqrt(r_i r_j))`, mean over the types beside."""
    n, parts = data[target].num_nodes, {}
    for source, relation, end in data.edge_types:
        for a, b in data[source, relation, end].edge_index.t().tolist():
            if end == target:
                parts.setdefault(source, set()).add((b, a))
            if source == target and end != target:
                parts.setdefault(end, set()).add((a, b))
    total = np.zeros((n, n))
    for pairs in parts.values():
        r, c = {}, {}
        for i, k in pairs:
            r[i], c[k] = r.get(i, 0) + 1, c.get(k, 0) + 1
        for i, k in pairs:
            for j, other in pairs:
                if other == k:
                    total[i, j] += 1 / (c[k] * (r[i] * r[j]) ** 0.5)
        for i in set(range(n)) - set(r):
            total[i, i] += 1
    return total / len(parts)


def test_equals_the_matrix_by_entries():
    data = hetero_sbm(20, num_authors=15, num_subjects=4, num_features=5)
    first = data["paper", "author"].edge_index if ("paper", "author") in data else None
    assert first is None or first.numel()
    data["paper", "cites", "paper"].edge_index = torch.tensor([[0, 1, 1, 5], [3, 4, 4, 5]])
    found = there_and_back(data, "paper", 3)
    s, x = dense_step(data, "paper"), data["paper"].x.numpy()
    assert len(found) == 4
    for k, power in enumerate(found):
        expected = np.linalg.matrix_power(s, k) @ x
        np.testing.assert_allclose(power.numpy(), expected, rtol=1e-4, atol=1e-6)
    values = np.linalg.eigvalsh(s)
    assert values.min() > -1e-9
    assert values.max() < 1 + 1e-9


def test_a_graph_whose_edges_are_elsewhere():
    data = HeteroData()
    data["paper"].x = torch.rand(3, 2)
    data["a"].num_nodes = data["b"].num_nodes = 2
    data["a", "to", "b"].edge_index = torch.tensor([[0], [1]])
    with pytest.raises(ValueError, match="no edge type of the graph meets 'paper'"):
        there_and_back(data, "paper", 2)
