from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData

from gcl.augment import EdgeDropping, FeatureDropout, NodeDropping, RandomChoice, RandomWalkSubgraph
from gcl.graphs.induced import keep_nodes


def mark(value: int) -> object:
    def transform(data: Data) -> Data:
        data.mark = value
        return data

    return transform


@pytest.mark.parametrize("p", [None, [0.1, 0.6, 0.3], [1, 0, 0]])
def test_frequencies(p: list[float] | None) -> None:
    choice = RandomChoice([mark(0), mark(1), mark(2)], p)
    data = Data(num_nodes=1)
    torch.manual_seed(0)
    drawn = [choice(data).mark for _ in range(1500)]
    for number, chance in enumerate(p or [1 / 3] * 3):
        spread = 4 * sqrt(1500 * chance * (1 - chance))
        assert abs(drawn.count(number) - 1500 * chance) <= spread
    assert "mark" not in data


def test_repr() -> None:
    choice = RandomChoice([EdgeDropping(0.2), FeatureDropout(0.1)], p=[0.5, 0.5])
    assert repr(choice) == (
        "RandomChoice([EdgeDropping(p=0.2), FeatureDropout(p=0.1)], p=[0.5, 0.5])"
    )


def test_errors() -> None:
    with pytest.raises(ValueError, match="at least one"):
        RandomChoice([])
    with pytest.raises(TypeError, match="callable"):
        RandomChoice([0.3])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"one number per transform \(1\), got 2"):
        RandomChoice([mark(0)], p=[0.5, 0.5])
    for bad in ([0.5, 0.6], [1.5, -0.5], [float("nan"), 1.0]):
        with pytest.raises(ValueError, match="sum to 1"):
            RandomChoice([mark(0), mark(1)], p=bad)


def molecules(count: int = 40) -> list[Data]:
    torch.manual_seed(1)
    graphs = []
    for i in range(count):
        n = int(torch.randint(0, 7, ()))
        e = int(torch.randint(0, 9, ())) if n else 0
        graphs.append(
            Data(
                x=torch.randn(n, 2),
                edge_index=torch.randint(n, (2, e)) if n else torch.empty(2, 0, dtype=torch.long),
                edge_attr=torch.randn(e, 3),
                pos=torch.randn(n, 3),
                y=torch.tensor([i]),
            )
        )
    return graphs


def without_last_node(data: Data) -> Data:
    """Of every graph that has two nodes or more."""
    keep = torch.ones(data.num_nodes, dtype=torch.bool)
    for start, stop in zip(data.ptr[:-1].tolist(), data.ptr[1:].tolist(), strict=True):
        if stop - start > 1:
            keep[stop - 1] = False
    out = data.__copy__()
    keep_nodes(out, list(out.edge_stores), {None: keep})
    return out


def shifted(data: Data) -> Data:
    out = data.__copy__()
    out.x = data.x + 100
    return out


POOL = [shifted, without_last_node, EdgeDropping(1.0)]


def test_every_graph_gets_what_it_would_get_alone() -> None:
    graphs = molecules()
    batch = Batch.from_data_list(graphs)
    before = batch.clone()
    torch.manual_seed(3)
    out = RandomChoice(POOL, per_graph=True)(batch)
    torch.manual_seed(3)
    drawn = torch.multinomial(torch.ones(3), len(graphs), replacement=True).tolist()
    assert set(drawn) == {0, 1, 2}
    expected = Batch.from_data_list(
        [
            POOL[k](Batch.from_data_list([g])).get_example(0)
            for k, g in zip(drawn, graphs, strict=True)
        ]
    )
    for name in ("x", "edge_index", "edge_attr", "pos", "y", "batch", "ptr"):
        assert torch.equal(out[name], expected[name]), name
    assert out.num_graphs == len(graphs)
    for mine, other in zip(out.to_data_list(), expected.to_data_list(), strict=True):
        assert mine.keys() == other.keys()
        assert all(torch.equal(mine[name], other[name]) for name in mine.to_dict())
    for name in before.to_dict():
        assert torch.equal(before[name], batch[name])


def test_chances_hold_graph_by_graph() -> None:
    batch = Batch.from_data_list(
        [Data(x=torch.zeros(1, 1), edge_index=torch.empty(2, 0).long())] * 2000
    )
    torch.manual_seed(0)
    out = RandomChoice([lambda d: d, shifted], [0.7, 0.3], per_graph=True)(batch)
    assert abs(float((out.x == 100).float().mean()) - 0.3) < 4 * sqrt(0.21 / 2000)
    alone = RandomChoice([shifted], per_graph=True)(batch)
    assert bool((alone.x == 100).all())


def test_random_augmentations_graph_by_graph() -> None:
    batch = Batch.from_data_list([g for g in molecules(200) if g.num_nodes])
    pool = [NodeDropping(0.5, remove=True), RandomWalkSubgraph(0.3, 2), EdgeDropping(0.5)]
    out = RandomChoice(pool, per_graph=True)(batch)
    sizes, before = out.ptr.diff(), batch.ptr.diff()
    assert bool(((sizes >= 1) & (sizes <= before)).all())
    assert bool((sizes < before).any())
    assert bool((out.batch[out.edge_index[0]] == out.batch[out.edge_index[1]]).all())
    rows = {tuple(row) for row in batch.x.tolist()}
    assert all(tuple(row) in rows for row in out.x.tolist())


def test_what_cannot_be_put_together() -> None:
    batch = Batch.from_data_list(molecules(30))
    with pytest.raises(ValueError, match="only some have edge_weight"):
        RandomChoice([shifted, EdgeDropping(0.5, as_weight=True)], per_graph=True)(batch)
    hetero = HeteroData()
    hetero["a"].x = torch.ones(2, 1)
    hetero["a", "to", "a"].edge_index = torch.tensor([[0], [1]])
    with pytest.raises(TypeError, match="takes a batch of Data, got HeteroData"):
        RandomChoice([shifted, shifted], per_graph=True)(Batch.from_data_list([hetero, hetero]))
    single = Data(x=torch.zeros(2, 1), edge_index=torch.tensor([[0], [1]]))
    assert RandomChoice([shifted], per_graph=True)(single).x.tolist() == [[100.0], [100.0]]
    assert "per_graph=True" in repr(RandomChoice([shifted], per_graph=True))


def test_labels_of_graphs_stay_where_a_part_has_as_many_nodes_or_edges() -> None:
    path = torch.tensor([[0, 1], [1, 0]])
    parts = [Data(x=torch.ones(2, 1), edge_index=path, y=torch.tensor([i])) for i in range(4)]
    batch = Batch.from_data_list(parts)
    for seed in range(20):  # parts of two graphs of four have four nodes and four edges
        torch.manual_seed(seed)
        out = RandomChoice([shifted, EdgeDropping(0.0)], per_graph=True)(batch)
        assert out.y.tolist() == [0, 1, 2, 3]
        assert out.x.shape == (8, 1)


def test_sparse_features_are_put_together_as_dense_ones() -> None:
    batch = Batch.from_data_list([g for g in molecules(30) if g.num_nodes])
    batch.x = batch.x.relu()
    sparse = batch.clone()
    sparse.x = batch.x.to_sparse_csr()
    choice = RandomChoice([NodeDropping(0.5, remove=True), EdgeDropping(0.5)], per_graph=True)
    found = []
    for data in (batch, sparse):
        torch.manual_seed(0)
        found.append(choice(data))
    assert torch.equal(found[0].x, found[1].x.to_dense())
    assert torch.equal(found[0].edge_index, found[1].edge_index)
