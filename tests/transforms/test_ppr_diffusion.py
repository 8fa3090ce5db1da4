from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data

from gcl.transforms.ppr_diffusion import PPRDiffusion
from tests.odd_graphs import graphs, hetero, random_graph


def dense_ppr(data: Data, alpha: float, self_loops: bool = True) -> np.ndarray:
    """Pi[target, source] by a dense float64 inverse."""
    n = data.num_nodes
    a = np.zeros((n, n))
    weight = data.edge_weight.double() if "edge_weight" in data else torch.ones(data.num_edges)
    loops = set()
    for (u, v), w in zip(data.edge_index.t().tolist(), weight.tolist(), strict=True):
        a[v, u] += w
        if u == v:
            loops.add(u)
    if self_loops:
        for i in set(range(n)) - loops:
            a[i, i] = 1.0
    degree = a.sum(1)
    scale = np.array([d**-0.5 if d > 0 else 0.0 for d in degree])
    s = scale[:, None] * a * scale[None, :]
    return alpha * np.linalg.inv(np.eye(n) - (1 - alpha) * s)


def to_dense(view: Data) -> np.ndarray:
    out = np.zeros((view.num_nodes, view.num_nodes))
    source, target = view.edge_index.numpy()
    assert len(set(zip(source, target, strict=True))) == len(source)
    out[target, source] = view.edge_weight.numpy()
    return out


def top(pi: np.ndarray, k: int) -> list[list[float]]:
    return [sorted(row[row > 1e-13], reverse=True)[:k] for row in pi]


# A budget of a few columns at a time, and one of all.
budgets = st.sampled_from([3000, 2**30])


@settings(max_examples=50, deadline=None, database=None)
@given(graphs(), st.sampled_from([0.15, 0.5, 1.0]), st.integers(1, 4), st.booleans(), budgets)
def test_topk_is_the_dense_inverse(
    data: Data, alpha: float, k: int, self_loops: bool, budget: int
) -> None:
    data.x = data.x.double()
    pi = dense_ppr(data, alpha, self_loops)
    view = PPRDiffusion(alpha, topk=k, self_loops=self_loops, max_bytes=budget)(data)
    found = to_dense(view)
    kept = found > 0
    assert view.edge_weight.dtype == torch.float64
    np.testing.assert_allclose(found[kept], pi[kept], atol=1e-9)
    for row, expected in zip(top(found, k + 1), top(pi, k), strict=True):
        np.testing.assert_allclose(row, expected, atol=1e-9)


@settings(max_examples=50, deadline=None, database=None)
@given(graphs(), st.sampled_from([0.01, 0.1, 0.3]), budgets)
def test_threshold_is_the_dense_inverse(data: Data, threshold: float, budget: int) -> None:
    data.x = data.x.double()
    pi = dense_ppr(data, 0.2)
    found = to_dense(PPRDiffusion(threshold=threshold, max_bytes=budget)(data))
    clear = abs(pi - threshold) > 1e-9
    np.testing.assert_allclose(found[clear], (pi * (pi >= threshold))[clear], atol=1e-9)


def test_float32_and_order() -> None:
    data = random_graph(40, 90, 0)
    del data.edge_weight
    view = PPRDiffusion(alpha=0.1, topk=40)(data)
    assert view.edge_weight.dtype == torch.float32
    np.testing.assert_allclose(to_dense(view), dense_ppr(data, 0.1), atol=1e-6)
    key = view.edge_index[1] * 40 + view.edge_index[0]
    assert (key.diff() > 0).all()


def test_other_edge_attributes_go() -> None:
    data = random_graph(6, 8, 0)
    view = PPRDiffusion(topk=2)(data)
    assert "edge_attr" not in view
    assert view.y.numel() == 6


@pytest.mark.parametrize("budget", [2**12, 2**30])
@pytest.mark.parametrize("rule", [{"topk": 3}, {"threshold": 0.05}])
def test_batch_is_its_graphs(rule: dict, budget: int) -> None:
    parts = [random_graph(6, 12, 0), random_graph(1, 0, 1), random_graph(9, 25, 2)]
    for part in parts:
        part.edge_weight = part.edge_weight.double() / 1000
    view = PPRDiffusion(**rule, max_bytes=budget)(Batch.from_data_list(parts))
    for part, original in zip(view.to_data_list(), parts, strict=True):
        alone = PPRDiffusion(**rule)(original)
        assert torch.equal(part.edge_index, alone.edge_index)
        torch.testing.assert_close(part.edge_weight, alone.edge_weight)
        assert "edge_attr" not in part


def test_hetero_replaces_types_within_one_node_type_only() -> None:
    data = hetero()
    view = PPRDiffusion(topk=5)(data)
    like = Data(x=data["paper"].x, edge_index=data["paper", "like", "paper"].edge_index)
    alone = PPRDiffusion(topk=5)(like)
    assert torch.equal(view["paper", "like", "paper"].edge_index, alone.edge_index)
    for key in [("author", "writes", "paper"), ("author", "cites", "paper")]:
        assert view[key].edge_index is data[key].edge_index
    del data["paper", "like", "paper"]
    with pytest.raises(ValueError, match="joins a node type to itself"):
        PPRDiffusion(topk=5)(data)


def test_budget() -> None:
    data = random_graph(50, 200, 0)
    with pytest.raises(ValueError, match=r"50 nodes need max_bytes >= \d+, got 100"):
        PPRDiffusion(topk=2, max_bytes=100)(data)
    with pytest.raises(ValueError, match="threshold 1e-09 keeps more edges"):
        PPRDiffusion(threshold=1e-9, max_bytes=20_000)(data)
    need = 3 * 50 * 2 * 12 + 4 * 50 * 4
    assert PPRDiffusion(topk=2, max_bytes=need)(data).num_edges == 100


def test_errors() -> None:
    for bad in ({}, {"topk": 3, "threshold": 0.1}):
        with pytest.raises(ValueError, match="exactly one of topk and threshold"):
            PPRDiffusion(**bad)
    for bad in (
        {"topk": 0},
        {"threshold": 0.0},
        {"topk": 1, "alpha": 0.0},
        {"topk": 1, "alpha": 1.5},
        {"topk": 1, "alpha": 1e-12},
        {"topk": 1, "max_bytes": 0},
    ):
        with pytest.raises(ValueError, match=r"^PPRDiffusion: "):
            PPRDiffusion(**bad)
    data = random_graph(5, 6, 0)
    data.edge_weight = -data.edge_weight - 1
    with pytest.raises(ValueError, match="finite and >= 0"):
        PPRDiffusion(topk=1)(data)
    data.edge_weight = torch.ones(2)
    with pytest.raises(ValueError, match="one row per edge"):
        PPRDiffusion(topk=1)(data)
