"""What every augmentation keeps to, on `Data`, `Batch` and `HeteroData`."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import Compose

import gcl.augment
from gcl.augment import (
    CommunalAttributeVoting,
    CommunalEdgeDropping,
    EdgeAdding,
    EdgeDropping,
    FeatureDropout,
    FeatureMasking,
    FeatureNoise,
    FeatureShuffling,
    NodeDropping,
    RandomChoice,
    RandomWalkSubgraph,
)
from gcl.transforms.ppr_diffusion import PPRDiffusion
from tests.odd_graphs import batch, graphs, hetero, random_graph

ALL = [
    CommunalEdgeDropping(0.4),
    CommunalEdgeDropping(0.4, undirected=False),
    CommunalEdgeDropping(0.4, as_weight=True),
    CommunalAttributeVoting(0.5),
    EdgeDropping(0.4),
    EdgeDropping(0.4, undirected=False),
    EdgeDropping(0.4, as_weight=True),
    EdgeAdding(0.5),
    EdgeAdding(0.5, undirected=False),
    NodeDropping(0.3),
    FeatureMasking(0.5),
    FeatureDropout(0.5),
    FeatureShuffling(0.7),
    FeatureNoise(0.1, p=0.5),
    RandomWalkSubgraph(2, walk_length=1),
    PPRDiffusion(topk=2),
    PPRDiffusion(threshold=0.05),
    RandomChoice([EdgeDropping(0.4), FeatureMasking(0.5)]),
]
NODE_LEVEL = [t for t in ALL if not isinstance(t, RandomWalkSubgraph)]
IDENTITY = [
    CommunalEdgeDropping(0.0),
    CommunalAttributeVoting(0.0),
    EdgeDropping(0.0),
    EdgeDropping(0.0, as_weight=True),
    EdgeAdding(0.0),
    NodeDropping(0.0),
    FeatureMasking(0.0),
    FeatureDropout(0.0),
    FeatureShuffling(0.0),
    FeatureNoise(0.0),
    FeatureNoise(0.1, p=0.0),
    RandomWalkSubgraph(1.0),
]
DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])


def contents(data: Any) -> list[tuple[Any, str, Any]]:
    return [(store._key, key, value) for store in data.stores for key, value in store.items()]


def assert_same(one: Any, other: Any) -> None:
    left, right = contents(one), contents(other)
    assert [entry[:2] for entry in left] == [entry[:2] for entry in right]
    for (_, name, a), (_, _, b) in zip(left, right, strict=True):
        if isinstance(a, torch.Tensor):
            assert a.dtype == b.dtype, name
            assert torch.equal(a.cpu(), b.cpu()), name
        else:
            assert a == b, name


def samples() -> list[Any]:
    weighted = random_graph(8, 16, 0)
    weighted.edge_weight = weighted.edge_weight / 1000
    ring = Data(x=torch.eye(3), edge_index=torch.tensor([[0, 1, 2], [1, 2, 0]]))
    ring.edge_attr = ring.edge_strength = torch.tensor([0.0, 1.0, 2.0])
    ring.community_strength = torch.tensor([0.1, 0.2, -0.1])
    return [weighted, ring, batch(), hetero()]


def test_all_are_exported() -> None:
    drawn = {type(t).__name__ for t in ALL if type(t).__module__.startswith("gcl.augment")}
    assert drawn == set(gcl.augment.__all__)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_input_is_untouched_seed_decides_and_pickle_agrees(transform: Any, device: str) -> None:
    for data in samples():
        data = data.to(device)
        before = copy.deepcopy(data)
        torch.manual_seed(0)
        first = transform(data)
        assert_same(data, before)
        torch.manual_seed(0)
        assert_same(first, transform(data))
        torch.manual_seed(0)
        assert_same(first, pickle.loads(pickle.dumps(transform))(data))
        assert all(
            value.device.type == device
            for _, _, value in contents(first)
            if isinstance(value, torch.Tensor)
        )


@pytest.mark.parametrize("transform", IDENTITY, ids=repr)
def test_identity(transform: Any) -> None:
    for data in [*samples(), Data(num_nodes=2), Data(edge_index=torch.empty(2, 0).long())]:
        view = transform(data)
        for (_, _, a), (_, _, b) in zip(contents(view), contents(data), strict=True):
            assert a is b


@settings(max_examples=25, deadline=None, database=None)
@given(graphs())
def test_odd_graphs_keep_nodes_and_types(data: Data) -> None:
    for transform in NODE_LEVEL:
        view = transform(data)
        assert view.num_nodes == data.num_nodes
        assert view.x.shape == data.x.shape
        assert torch.equal(view.y, data.y)
        assert torch.equal(view.train_mask, data.train_mask)
        for name in ("x", "edge_index", "edge_weight"):
            if name in view and name in data:
                assert view[name].dtype == data[name].dtype
        assert view.validate()


@pytest.mark.parametrize(
    "transform",
    [t for t in NODE_LEVEL if not type(t).__name__.startswith(("Feature", "CommunalAttr"))],
    ids=repr,
)
def test_num_nodes_stays_where_only_edges_tell_it(transform: Any) -> None:
    data = Data(edge_index=torch.tensor([[0, 1, 5], [1, 0, 5]]), edge_strength=torch.ones(3))
    if isinstance(transform, RandomChoice):
        transform = RandomChoice([EdgeDropping(1.0)])
    assert transform(data).num_nodes == 6
    assert "num_nodes" not in data


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_batch_is_its_graphs(transform: Any) -> None:
    data = batch()
    torch.manual_seed(1)
    view = transform(data)
    parts = view.to_data_list()
    assert len(parts) == 3
    rebuilt = type(data).from_data_list(parts)
    for name in data.to_dict():
        if name in view:
            assert torch.equal(view[name], rebuilt[name]), name
    assert torch.equal(view.label, data.label)
    for part, original in zip(parts, data.to_data_list(), strict=True):
        assert part.num_nodes <= original.num_nodes
        assert part.edge_index.numel() == 0 or int(part.edge_index.max()) < part.num_nodes
    assert_same(batch(), data)


def test_batch_of_hetero_graphs_is_its_graphs() -> None:
    data = Batch.from_data_list([hetero(), hetero(), hetero()])
    for transform in ALL:
        torch.manual_seed(2)
        view = transform(data)
        rebuilt = Batch.from_data_list(view.to_data_list())
        for store in view.stores:
            for name, value in store.items():
                if isinstance(value, torch.Tensor):
                    assert torch.equal(value, rebuilt[store._key][name]), (transform, name)


def test_graph_labels_are_no_edge_attributes() -> None:
    # Four graphs and four edges in all: the labels have one row an edge.
    parts = [
        Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0], [1]]), y=torch.tensor([i]))
        for i in range(4)
    ]
    data = Batch.from_data_list(parts)
    view = EdgeDropping(1.0)(data)
    assert view.y.tolist() == [0, 1, 2, 3]
    assert view.ptr.tolist() == [0, 2, 4, 6, 8]
    assert view.num_edges == 0


def test_compose() -> None:
    view = Compose([EdgeDropping(0.2), FeatureMasking(0.3)])
    assert "EdgeDropping(p=0.2)" in repr(view)
    assert view(random_graph(5, 8, 0)).num_nodes == 5


@pytest.mark.parametrize(
    ("transform", "text"),
    [
        (EdgeDropping(0.3), "EdgeDropping(p=0.3)"),
        (EdgeDropping(0.3, weight="w", as_weight=True), "EdgeDropping(p=0.3, weight='w', as_wei"),
        (FeatureShuffling(), "FeatureShuffling()"),
        (RandomWalkSubgraph(3), "RandomWalkSubgraph(num_starts=3)"),
        (PPRDiffusion(topk=8), "PPRDiffusion(topk=8)"),
    ],
)
def test_repr(transform: Any, text: str) -> None:
    assert repr(transform).startswith(text)


@pytest.mark.parametrize(
    "make", [EdgeDropping, EdgeAdding, NodeDropping, FeatureMasking, FeatureDropout,
             FeatureShuffling, lambda p: FeatureNoise(0.1, p=p),
             CommunalEdgeDropping, CommunalAttributeVoting]
)  # fmt: skip
def test_bad_probabilities(make: Any) -> None:
    for bad in (1.3, -0.1, float("nan")):
        with pytest.raises(ValueError, match=r"^[A-Za-z]+: p must (lie in \[0, 1\]|be finite), "):
            make(bad)
    with pytest.raises(TypeError, match="p must be a number"):
        make("0.3")


def test_the_message_of_the_house() -> None:
    with pytest.raises(ValueError, match=r"^EdgeDropping: p must lie in \[0, 1\], got 1\.3\.$"):
        EdgeDropping(1.3)


@pytest.mark.parametrize(
    "transform", [EdgeDropping(0.5), EdgeAdding(0.5), NodeDropping(0.5), RandomWalkSubgraph(1),
                  PPRDiffusion(topk=1), CommunalEdgeDropping(0.5)], ids=repr
)  # fmt: skip
def test_missing_edges(transform: Any) -> None:
    with pytest.raises(ValueError, match="no edge_index"):
        transform(Data(x=torch.ones(2, 2)))


@pytest.mark.parametrize(
    "transform", [FeatureMasking(0.5), FeatureDropout(0.5), FeatureShuffling(), FeatureNoise(),
                  CommunalAttributeVoting(0.5)],
    ids=repr,
)  # fmt: skip
def test_bad_features(transform: Any) -> None:
    with pytest.raises(ValueError, match="no x"):
        transform(Data(num_nodes=2))
    with pytest.raises(TypeError, match="dense or a torch CSR"):
        transform(Data(x=torch.eye(2).to_sparse_coo()))
    with pytest.raises(ValueError, match=r"\[num_nodes, features\]"):
        transform(Data(x=torch.ones(3)))


@pytest.mark.parametrize(
    "transform",
    [
        NodeDropping(0.4, remove=True),
        RandomWalkSubgraph(0.3, 2),
        EdgeDropping(0.4),
        EdgeAdding(0.5),
        RandomChoice([NodeDropping(0.4, remove=True), EdgeDropping(0.4)], per_graph=True),
    ],
    ids=repr,
)
def test_a_batch_knows_what_belongs_to_nodes_edges_and_graphs(transform):
    """By how it cuts attributes, not by their lengths, which agree by chance in small batches."""
    torch.manual_seed(0)
    for _ in range(150):
        graphs = []
        for n in (6, *torch.randint(2, 5, (3,)).tolist()):  # with six nodes no other count agrees
            edge_index = (torch.rand(n, n) < 0.4).nonzero().t()
            if n == 6:
                edge_index = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 4]])
            number = 100.0 * len(graphs)
            graphs.append(
                Data(
                    x=torch.rand(n, 2),
                    edge_index=edge_index,
                    bond=number + torch.arange(edge_index.size(1)),
                    charge=number + torch.arange(n),
                    target=number + torch.tensor([1.0, 2.0]),
                    y=torch.tensor([number]),
                )
            )
        out = transform(Batch.from_data_list(graphs)).to_data_list()
        for before, after in zip(graphs, out, strict=True):
            assert torch.equal(after.y, before.y)
            assert torch.equal(after.target, before.target)
            assert len(after.charge) == len(after.x)
            assert len(after.bond) == after.edge_index.size(1)
            assert set(after.bond.tolist()) <= set(before.bond.tolist())
            assert set(after.charge.tolist()) <= set(before.charge.tolist())
