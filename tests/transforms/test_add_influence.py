"""AddInfluence against dense powers and a loop that caps row by row."""

import pickle

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.utils import to_undirected

import gcl
from gcl.transforms import add_influence as module
from gcl.transforms.add_influence import AddInfluence


def random_graph(n=30, edges=45, seed=0):
    generator = torch.Generator().manual_seed(seed)
    pairs = torch.randint(n - 2, (2, edges), generator=generator)  # two nodes stay alone
    pairs = pairs[:, pairs[0] != pairs[1]]
    return Data(edge_index=to_undirected(pairs, num_nodes=n), num_nodes=n)


def dense_walk(data, weight=None):
    matrix = np.zeros((data.num_nodes, data.num_nodes))
    for e, (source, target) in enumerate(data.edge_index.t().tolist()):
        if source != target:
            matrix[target, source] = 1 if weight is None else matrix[target, source] + weight[e]
    matrix += np.eye(len(matrix))
    return matrix / matrix.sum(1, keepdims=True)


def capped(matrix, topk):
    out = np.zeros_like(matrix)
    for i, row in enumerate(matrix):
        others = [j for j in np.argsort(-row, kind="stable") if j != i and row[j] > 0]
        for j in [i, *others[:topk]]:
            out[i, j] = row[j]
    return out


def as_matrix(data, n):
    out = np.zeros((n, n))
    first, second = data.pos_edge_index.numpy()
    assert len({*zip(first.tolist(), second.tolist(), strict=True)}) == len(first)
    out[first, second] = data.pos_weight.double().numpy()
    return out


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("form", ["cumulative", "last", "ppr"])
def test_powers(order, form):
    data = random_graph()
    walk = dense_walk(data)
    powers = [np.linalg.matrix_power(walk, p) for p in range(order + 1)]
    if form == "ppr":
        out = AddInfluence(order, ppr=0.3)(data)
        expected = sum(0.3 * 0.7**p * power for p, power in enumerate(powers))
    else:
        out = AddInfluence(order, cumulative=form == "cumulative")(data)
        expected = sum(powers[1:]) if form == "cumulative" else powers[-1]
    assert np.allclose(as_matrix(out, 30), expected, rtol=1e-12, atol=0)
    total = {"cumulative": order, "last": 1, "ppr": 1 - 0.7 ** (order + 1)}[form]
    assert np.allclose(expected.sum(1), total)  # the oracle is what the papers say of it
    assert "pos_edge_index" not in data
    assert (out.pos_edge_index[0].diff() >= 0).all()
    assert out.num_nodes == 30


@pytest.mark.parametrize("chunk", [1 << 24, 1, 40])
@pytest.mark.parametrize("topk", [1, 3, 100])
def test_cap_between_the_powers(topk, chunk, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", chunk)
    data = random_graph(edges=80)
    data.edge_weight = torch.rand(data.num_edges, generator=torch.Generator().manual_seed(1))
    walk = power = capped(dense_walk(data, data.edge_weight.tolist()), topk)
    total = power
    for _ in range(2):
        power = capped(power @ walk, topk)
        total = total + power
    out = AddInfluence(3, topk=topk)(data)
    assert np.allclose(as_matrix(out, 30), capped(total, topk), rtol=1e-12, atol=0)
    assert torch.bincount(out.pos_edge_index[0]).max() <= topk + 1
    exact = sum(np.linalg.matrix_power(walk, p) for p in (1, 2, 3))
    assert (as_matrix(out, 30) <= exact + 1e-12).all()


def test_equal_weights_go_to_the_lower_number():
    star = Data(edge_index=torch.tensor([[1, 2, 3], [0, 0, 0]]), num_nodes=4)
    out = AddInfluence(topk=2)(star)
    assert out.pos_edge_index[1, out.pos_edge_index[0] == 0].tolist() == [0, 1, 2]


def test_direction_loops_and_edges_listed_twice():
    # Node 1 hears of node 0 (twice the same edge) and itself; nobody else hears of anybody.
    data = Data(edge_index=torch.tensor([[0, 0, 2, 1], [1, 1, 2, 1]]), num_nodes=3)
    out = AddInfluence()(data)
    listed = zip(out.pos_edge_index.t().tolist(), out.pos_weight.tolist(), strict=True)
    pairs = {tuple(p): w for p, w in listed}
    assert pairs == {(0, 0): 1.0, (1, 0): 0.5, (1, 1): 0.5, (2, 2): 1.0}
    data.edge_weight = torch.tensor([1.0, 2.0, 5.0, 7.0])
    out = AddInfluence()(data)
    assert out.pos_weight.tolist() == [1.0, 0.75, 0.25, 1.0]
    data.edge_weight = torch.tensor([0.0, 0.0, 5.0, 7.0])
    assert AddInfluence()(data).pos_edge_index.tolist() == [[0, 1, 2], [0, 1, 2]]


def test_without_the_own_pair():
    data = random_graph()
    expected = dense_walk(data) + dense_walk(data) @ dense_walk(data)
    np.fill_diagonal(expected, 0)
    out = AddInfluence(2, own=False)(data)
    assert np.allclose(as_matrix(out, 30), expected, rtol=1e-12, atol=0)
    lonely = AddInfluence(own=False)(
        Data(edge_index=torch.empty(2, 0, dtype=torch.long), x=torch.ones(3, 1))
    )
    assert lonely.pos_edge_index.shape == (2, 0)
    assert lonely.pos_weight.shape == (0,)


def test_nodes_that_random_walks_reach():
    # Monte Carlo of the definition: where is the walk from node 4 after two steps?
    data = random_graph(10, 20, seed=3)
    walk = dense_walk(data)
    rng = np.random.default_rng(0)
    ends = [rng.choice(10, p=walk[rng.choice(10, p=walk[4])]) for _ in range(20000)]
    share = np.bincount(ends, minlength=10) / len(ends)
    out = AddInfluence(2, cumulative=False)(data)
    assert np.abs(as_matrix(out, 10)[4] - share).max() < 4 * 0.5 / len(ends) ** 0.5


def test_a_loss_takes_the_pairs():
    data = AddInfluence(2)(random_graph())
    z = torch.randn(30, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = gcl.losses.InfoNCE(0.5, symmetric=False, positives="sum")
    loss(z, z, data.pos_edge_index, data.pos_weight).backward()
    assert z.grad.isfinite().all()


def test_batches_and_node_types():
    parts = [AddInfluence(2)(random_graph(n, 3 * n, seed=n)) for n in (6, 9)]
    batch = Batch.from_data_list(parts)
    size = parts[0].pos_edge_index.shape[1]
    assert torch.equal(batch.pos_edge_index[:, size:], parts[1].pos_edge_index + 6)
    data, alone = HeteroData(), random_graph(6, 18)
    data["paper"].num_nodes, data["author"].num_nodes = 6, 3
    data["paper", "cites", "paper"].edge_index = alone.edge_index
    data["author", "of", "paper"].edge_index = torch.tensor([[0, 1], [2, 0]])
    out, expected = AddInfluence(2)(data), AddInfluence(2)(alone)
    assert torch.equal(out["paper"].pos_edge_index, expected.pos_edge_index)
    assert "pos_weight" not in out["author"]


def test_bad_input():
    with pytest.raises(TypeError, match="order must be a whole number"):
        AddInfluence(1.5)
    for bad in ({"order": 0}, {"topk": 0}):
        with pytest.raises(ValueError, match="must be at least 1"):
            AddInfluence(**bad)
    for ppr in (0, 1, float("nan")):
        with pytest.raises(ValueError, match=r"ppr must lie in \(0, 1\)"):
            AddInfluence(ppr=ppr)
    with pytest.raises(ValueError, match="cumulative=True only"):
        AddInfluence(ppr=0.2, cumulative=False)
    with pytest.raises(ValueError, match=r"set data\.num_nodes"):
        AddInfluence()(Data(edge_index=torch.tensor([[0], [7]]), num_nodes=3))
    data = random_graph()
    data.edge_weight = -torch.ones(data.num_edges)
    with pytest.raises(ValueError, match="finite numbers >= 0"):
        AddInfluence()(data)
    with pytest.raises(ValueError, match="edge_index"):
        AddInfluence()(Data(x=torch.ones(3, 1)))


def test_repr_pickle_and_the_same_twice():
    transform = AddInfluence(3, topk=4, ppr=0.1, own=False)
    assert repr(pickle.loads(pickle.dumps(transform))) == repr(transform)
    assert repr(transform) == "AddInfluence(order=3, cumulative=True, topk=4, ppr=0.1, own=False)"
    first, second = transform(random_graph()), transform(random_graph())
    assert torch.equal(first.pos_edge_index, second.pos_edge_index)
    assert torch.equal(first.pos_weight, second.pos_weight)


def test_the_cap_tames_hubs():
    n = 20_001  # without the cap on both factors every leaf would see all others: 4e8 entries
    leaves = torch.arange(1, n)
    hub = torch.zeros_like(leaves)
    edges = torch.stack([torch.cat([hub, leaves]), torch.cat([leaves, hub])])
    data = AddInfluence(3, topk=5)(Data(edge_index=edges, num_nodes=n))
    assert data.pos_edge_index.shape[1] <= 6 * n


def test_negative_positions_are_named():
    data = Data(edge_index=torch.tensor([[0, -1], [1, 0]]), num_nodes=2)
    with pytest.raises(ValueError, match=r"must lie in \[0, 2\), got -1"):
        AddInfluence()(data)
