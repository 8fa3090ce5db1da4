"""NeighborBatches: what a batch holds, and that it depends on its place alone."""

import copy
import pickle

import pytest
import torch
from torch_geometric.data import Data, HeteroData

import gcl
from gcl.loader import NeighborBatches
from gcl.nn import GCNEncoder


def graph(nodes=60, edges=400, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Data(
        x=torch.randn(nodes, 4, generator=generator),
        edge_index=torch.randint(nodes, (2, edges), generator=generator),
        y=torch.arange(nodes),
        edge_importance=torch.arange(edges),
    )


def same(a, b):
    keys = [k for k in a.keys() if isinstance(a[k], torch.Tensor)]  # noqa: SIM118
    return set(a.keys()) == set(b.keys()) and all(torch.equal(a[k], b[k]) for k in keys)


@pytest.mark.parametrize("edges", ["sampled", "induced"])
def test_a_batch_by_the_conventions_of_pyg(edges):
    data = graph()
    nodes = torch.tensor([5, 17, 3, 44, 8])
    loader = NeighborBatches(data, [3, 2], batch_size=2, input_nodes=nodes, edges=edges)
    seen = []
    for batch in loader:
        k = batch.batch_size
        assert torch.equal(batch.n_id[:k], nodes[batch.input_id])
        seen += batch.input_id.tolist()
        assert torch.equal(batch.x, data.x[batch.n_id])
        assert torch.equal(batch.y, batch.n_id)
        assert torch.equal(batch.edge_importance, batch.e_id)
        assert torch.equal(batch.n_id[batch.edge_index], data.edge_index[:, batch.e_id])
        assert len(batch.n_id.unique()) == len(batch.n_id)
        assert len(batch.e_id.unique()) == len(batch.e_id)
        arriving = torch.bincount(batch.edge_index[1], minlength=batch.num_nodes)
        whole = torch.bincount(data.edge_index[1], minlength=60)[batch.n_id]
        if edges == "sampled":
            assert torch.equal(arriving[:k], whole[:k].clamp(max=3))
            assert int(arriving[k:].max()) <= 2
        else:
            inside = torch.isin(data.edge_index, batch.n_id).all(0)
            assert sorted(batch.e_id.tolist()) == inside.nonzero().view(-1).tolist()
    assert sorted(seen) == [0, 1, 2, 3, 4]


def test_every_edge_is_as_likely_as_the_others_of_its_target():
    """Over many epochs, each of the 12 edges of a node is drawn in a third of them."""
    edges = torch.stack([torch.arange(1, 13), torch.zeros(12).long()])
    data = Data(x=torch.ones(13, 1), edge_index=edges)
    loader = NeighborBatches(data, [4], input_nodes=[0])
    count = sum(torch.bincount(batch.e_id, minlength=12)
                for _ in range(600) for batch in loader)  # fmt: skip
    # 600 draws with p = 1/3: 200 on average, with a deviation of 11.5
    assert int(count.sum()) == 2400
    assert bool(((count - 200).abs() < 5 * 11.5).all())


def test_sums_over_neighbours_are_right_on_average():
    data = graph()
    data.edge_weight = torch.rand(400) + 0.5
    loader = NeighborBatches(data, [3], batch_size=60)
    total, rounds = torch.zeros(60), 800
    for _ in range(rounds):
        for batch in loader:
            value = data.x[batch.n_id[batch.edge_index[0]], 0] * batch.edge_weight
            total.index_add_(0, batch.n_id[batch.edge_index[1]], value)
    source, target = data.edge_index
    other = source != target
    expected = torch.zeros(60).index_add_(
        0, target[other], data.x[source[other], 0] * data.edge_weight[other]
    )
    loops = torch.zeros(60).index_add_(
        0, target[~other], data.x[source[~other], 0] * data.edge_weight[~other]
    )
    without = loops == 0
    assert float((total / rounds - expected)[without].abs().max()) < 0.6
    assert float((total / rounds - expected)[without].abs().mean()) < 0.15


def test_full_degrees_bring_seeds_near_the_whole_graph():
    """By far nearer than degrees of the batch; exact where all neighbours are taken."""
    data = gcl.datasets.sbm(2000, 3, degree=10, num_features=8)
    torch.manual_seed(0)
    encoder = GCNEncoder(8, 16)
    whole = encoder(data.x, data.edge_index)

    def error(loader, **with_degree):
        found = []
        for batch in loader:
            degree = batch.degree if with_degree else None
            z = encoder(batch.x, batch.edge_index, batch.get("edge_weight"), degree)
            k = batch.batch_size
            found.append((z[:k] - whole[batch.n_id[:k]]).norm() / whole[batch.n_id[:k]].norm())
        return float(torch.stack(found).detach().mean())

    every = NeighborBatches(data, [-1, -1], batch_size=20)
    assert "edge_weight" not in next(iter(every))
    assert error(every, degree=True) < 1e-6
    assert error(every) > 0.01
    some = NeighborBatches(data, [5, 5], batch_size=20)
    assert error(some, degree=True) < 0.6 * error(some)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(workers):
    data = graph()
    alone = list(NeighborBatches(data, [3, 2], batch_size=16, seed=4))
    torch.manual_seed(0)
    before = torch.get_rng_state()
    helped = list(NeighborBatches(data, [3, 2], batch_size=16, seed=4, num_workers=workers))
    assert torch.equal(before, torch.get_rng_state())
    assert len(alone) == len(helped) == 4
    assert all(map(same, alone, helped))


def test_threads_change_nothing():
    data, found, before = graph(2000, 30_000), [], torch.get_num_threads()
    try:
        for threads in (1, 4):
            torch.set_num_threads(threads)
            found.append(list(NeighborBatches(data, [8, 8], batch_size=700)))
    finally:
        torch.set_num_threads(before)
    assert all(map(same, *found))


def test_a_batch_can_be_made_again_alone():
    loader = NeighborBatches(graph(), [3, 2], batch_size=16)
    epochs = [list(loader), list(loader)]
    again = NeighborBatches(graph(), [3, 2], batch_size=16)
    assert not same(epochs[0][2], epochs[1][2])
    assert same(again.one(1, 2), epochs[1][2])
    assert same(pickle.loads(pickle.dumps(again)).one(0, 3), epochs[0][3])
    assert same(copy.deepcopy(again).one(0, 3), epochs[0][3])


def test_rows_alone():
    data = graph()
    batch = next(iter(NeighborBatches(data, [], batch_size=7)))
    assert batch.num_nodes == batch.batch_size == 7
    assert batch.num_edges == 0


def test_types():
    data = gcl.datasets.hetero_sbm(40)
    types = list(data.edge_types)
    loader = NeighborBatches(data, {t: [4, 3] for t in types}, batch_size=9, input_nodes="paper")
    seen = []
    for batch in loader:
        assert isinstance(batch, HeteroData)
        paper = batch["paper"]
        assert torch.equal(paper.n_id[: paper.batch_size], paper.input_id)
        seen += paper.input_id.tolist()
        for kind in batch.node_types:
            assert len(batch[kind].n_id.unique()) == batch[kind].num_nodes
        for t in types:
            s, d = batch[t].edge_index
            whole = torch.stack([batch[t[0]].n_id[s], batch[t[2]].n_id[d]])
            assert torch.equal(whole, data[t].edge_index[:, batch[t].e_id])
            if len(d):
                assert int(torch.bincount(d).max()) <= 4
    assert sorted(seen) == list(range(data["paper"].num_nodes))
    (some,) = NeighborBatches(data, [2], input_nodes=("paper", torch.tensor([3, 1])))
    assert sorted(some["paper"].n_id[:2].tolist()) == [1, 3]


HETERO = gcl.datasets.hetero_sbm(40)
BAD = {
    "no graph": (lambda: NeighborBatches([1], [2]), TypeError, "expected a torch_geometric Data"),
    "fan-out": (lambda: NeighborBatches(graph(), 10), TypeError, r"one a hop, such as \[10, 10\]"),
    "fan-out text": (lambda: NeighborBatches(graph(), "10"), TypeError, "whole numbers"),
    "fan-out float": (lambda: NeighborBatches(graph(), [2.5]), TypeError, r"got \[2.5\]"),
    "fan-out -2": (lambda: NeighborBatches(graph(), [-2]), ValueError, "-1 for all"),
    "fan-out dict": (lambda: NeighborBatches(graph(), {1: [2]}), TypeError, "one edge type"),
    "fan-out of no type": (
        lambda: NeighborBatches(HETERO, {}, input_nodes="paper"), ValueError, "no edge type"),
    "hops": (lambda: NeighborBatches(
        HETERO, {t: [1] * (i + 1) for i, t in enumerate(HETERO.edge_types)}, input_nodes="paper"),
        ValueError, "as many hops"),
    "seeds out of range": (
        lambda: NeighborBatches(graph(), [2], input_nodes=[60]), ValueError, r"\[0, 60\), got 60"),
    "seeds twice": (
        lambda: NeighborBatches(graph(), [2], input_nodes=[1, 1]), ValueError, "1 nodes more"),
    "no seeds": (lambda: NeighborBatches(graph(), [2], input_nodes=[]), ValueError, "is empty"),
    "empty mask": (lambda: NeighborBatches(graph(), [2], input_nodes=torch.zeros(60) > 0),
                   ValueError, "no input nodes"),
    "seeds of floats": (
        lambda: NeighborBatches(graph(), [2], input_nodes=[0.5]), TypeError, "whole numbers below"),
    "no type": (lambda: NeighborBatches(HETERO, [2]), TypeError, "a node type or"),
    "other type": (
        lambda: NeighborBatches(HETERO, [2], input_nodes="cat"), ValueError, "the graph has"),
    "batch size": (lambda: NeighborBatches(graph(), [2], batch_size=0), ValueError, "at least 1"),
    "shuffle": (lambda: NeighborBatches(graph(), [2], shuffle=1), TypeError, "True or False"),
    "edges": (lambda: NeighborBatches(graph(), [2], edges="all"), ValueError, "one of 'sampled'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_told_in_a_sentence(name):
    call, kind, message = BAD[name]
    with pytest.raises(kind, match=f"^NeighborBatches: .*{message}"):
        call()


def test_shows_itself():
    loader = NeighborBatches(graph(), [3, 2], batch_size=16)
    told = "NeighborBatches(batch_size=16, shuffle=True, num_neighbors=[3, 2], batches=4)"
    assert repr(loader) == told


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"num_neighbors": [2]}, "num_neighbors=\\[2\\]"),
        ({"batch_size": 7}, "batch_size=7"),
        ({"shuffle": False}, "shuffle=False"),
        ({"edges": "induced"}, "edges=induced"),
        ({"graph": True}, "and this is NeighborBatches"),
    ],
)
def test_a_position_is_of_the_same_batches_of_the_same_graph(change, said):
    data = gcl.datasets.sbm(60, 3, num_features=4)
    usual = {"num_neighbors": [3, 3], "batch_size": 8}
    state = NeighborBatches(data, **usual).state_dict()
    NeighborBatches(data, **usual, num_workers=1).load_state_dict(state)
    del state["about"]  # of an earlier version
    NeighborBatches(data, **usual).load_state_dict(state)
    state = NeighborBatches(data, **usual).state_dict()
    if change.pop("graph", False):
        data = gcl.datasets.sbm(60, 3, num_features=4, seed=1)
    with pytest.raises(ValueError, match=f"it was written by NeighborBatches.*{said}"):
        NeighborBatches(data, **usual | change).load_state_dict(state)
