"""Attributes of edges on their way to the encoder: through views, methods, loaders and `embed`."""

import os

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch
from torch_geometric.nn import GAT, GCN, GATv2Conv, GCNConv, GINEConv, RGCNConv
from torch_geometric.transforms import AddSelfLoops

import gcl
from gcl import augment, losses, methods
from gcl.graphs.encoding import asked_of_edges, encode
from gcl.nn import MLPEncoder, UnitRows
from gcl.nn.ema import EMA


def tagged(n=34):
    """Karate, where the attributes of an edge are the numbers of its ends, in x too."""
    data = gcl.datasets.load("karate")
    data.node_id = torch.arange(n).float().view(-1, 1)
    data.edge_attr = data.edge_index.t().float() / 7
    return data


class Watching(nn.Module):
    """Keeps what it was given."""

    out_channels = 8

    def __init__(self):
        super().__init__()
        self.linear, self.edges, self.seen = nn.Linear(34, 8), nn.Linear(2, 8), []

    def reset_parameters(self):
        self.linear.reset_parameters()
        self.edges.reset_parameters()

    def forward(self, x, edge_index, edge_weight=None, edge_attr=None):
        self.seen.append((x, edge_index, edge_weight, edge_attr))
        return self.linear(x) + self.edges(edge_attr).sum(0)


def names_its_ends(edge_index, edge_attr):
    return torch.equal(edge_attr, edge_index.t().float() / 7)


class Gine(nn.Module):
    """Two layers of GINE."""

    def __init__(self, width, edge_width, out=8):
        super().__init__()
        self.out_channels = out
        self.first = GINEConv(nn.Linear(width, out), edge_dim=edge_width)
        self.second = GINEConv(nn.Linear(out, out), edge_dim=edge_width)

    def forward(self, x, edge_index, edge_weight=None, edge_attr=None):
        x = self.first(x, edge_index, edge_attr).relu()
        return self.second(x, edge_index, edge_attr)


def test_who_asks_for_edge_attributes():
    gine, conv = Gine(3, 2), GATv2Conv(3, 4, edge_dim=2)
    with_edges = GAT(3, 8, 2, v2=True, edge_dim=2)
    asking = gine, conv, with_edges, EMA(gine), UnitRows(gine), EMA(UnitRows(conv)), UnitRows(conv)
    assert all(asked_of_edges(encoder) == ["edge_attr"] for encoder in asking)
    assert asked_of_edges(RGCNConv(3, 4, 2)) == ["edge_type"]
    others = GAT(3, 8, 2), GATv2Conv(3, 4), GCN(3, 8, 2), GCNConv(3, 4), MLPEncoder(3, (), 4), len
    assert not any(map(asked_of_edges, others))


class OwnParts(nn.Module):
    """A part called `encoder` makes no wrapper."""

    out_channels = 8

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(2, 8)

    def forward(self, x, edge_index, edge_weight, edge_attr):
        return x.new_zeros(len(x), 8).index_add(0, edge_index[1], self.encoder(edge_attr))


def test_a_part_named_encoder_is_no_wrapper():
    data = tagged()
    z = methods.grace(data, encoder=OwnParts()).embed(data)
    assert z.shape == (34, 8)
    assert bool(z.any())


@pytest.mark.parametrize("wrap", [lambda e: e, UnitRows, EMA])
@pytest.mark.parametrize(
    "make", [lambda: GATv2Conv(34, 8, edge_dim=2), lambda: GINEConv(nn.Linear(34, 8), edge_dim=2)]
)
def test_convolutions_have_them_at_the_third_place(make, wrap):
    data, conv = tagged(), make()
    conv.out_channels = 8
    data.edge_weight = torch.rand(data.num_edges)  # which is no feature of theirs
    by_hand = conv(data.x, data.edge_index, edge_attr=data.edge_attr)
    by_hand = nn.functional.normalize(by_hand) if wrap is UnitRows else by_hand
    torch.testing.assert_close(encode(wrap(conv), data), by_hand)


def test_a_layer_without_edge_dim_is_as_before():
    data = tagged()
    bare = data.clone()
    del bare.edge_attr
    for encoder in (GAT(34, 8, 2), GAT(34, 8, 2, v2=True), GCN(34, 8, 2), GATv2Conv(34, 8)):
        assert torch.equal(encode(encoder, data), encode(encoder, bare))


def test_edge_types_too():
    data, conv = tagged(), RGCNConv(34, 8, num_relations=3)
    data.edge_type = torch.arange(data.num_edges) % 3
    by_hand = conv(data.x, data.edge_index, edge_type=data.edge_type)
    assert torch.equal(encode(conv, data), by_hand)


def test_what_is_needed_and_missing_is_named():
    bare = gcl.datasets.load("karate")
    with pytest.raises(ValueError, match=r"GAT reads edge_attr, .* has none; set data.edge_attr"):
        encode(GAT(34, 8, 2, edge_dim=2), bare)
    with pytest.raises(ValueError, match="OwnParts reads edge_attr"):
        methods.grace(bare, encoder=OwnParts()).embed(bare)
    bare.edge_weight = torch.ones(bare.num_edges)
    with pytest.raises(ValueError, match=r"data.edge_attr = data.edge_weight.unsqueeze\(1\)"):
        encode(UnitRows(GAT(34, 8, 2, edge_dim=1)), bare)


def test_a_view_that_forgets_the_rows_is_named():
    data = tagged()
    view = AddSelfLoops(attr=None)(data.clone())
    with pytest.raises(ValueError, match="of 190 edges 156 have one; a view that drops or adds"):
        encode(Watching(), view)
    data.edge_attr = [1.0] * data.num_edges
    with pytest.raises(ValueError, match="edge_attr must be a tensor with one row an edge, got"):
        encode(Watching(), data)


KEEP = {
    "drop": augment.EdgeDropping(0.5),
    "drop directed": augment.EdgeDropping(0.5, undirected=False),
    "mask": augment.FeatureMasking(0.5),
    "isolate": augment.NodeDropping(0.3),
    "feature dropout": augment.FeatureDropout(0.3),
    "noise": augment.FeatureNoise(0.3),
    "shuffle": augment.FeatureShuffling(),
}


@pytest.mark.parametrize("name", KEEP)
def test_every_view_keeps_rows_with_their_edges(name):
    data, encoder = tagged(), Watching()
    methods.TwoView(encoder, (KEEP[name], KEEP[name]), losses.InfoNCE(0.5)).loss(data)
    assert len(encoder.seen) == 2
    for _, edge_index, _, edge_attr in encoder.seen:
        assert names_its_ends(edge_index, edge_attr)


@pytest.mark.parametrize(
    "view", [augment.NodeDropping(0.3, remove=True), augment.RandomWalkSubgraph()]
)
def test_views_that_renumber_nodes_do_as_well(view):
    """Rows still name the ends by their old numbers, which the nodes bring along."""
    seen = []

    class Naming(Watching):
        def forward(self, x, edge_index, edge_weight=None, edge_attr=None):
            seen.append((x, edge_index, edge_attr))
            return super().forward(x, edge_index, edge_weight, edge_attr)

    data = tagged()
    assert torch.equal(data.x, torch.eye(34))
    methods.TwoView(Naming(), (view, view), losses.InfoNCE(0.5)).loss(data)
    for x, edge_index, edge_attr in seen:
        old = x.argmax(1)
        assert len(x) < 34
        assert names_its_ends(old[edge_index], edge_attr)


def test_new_edges_bring_the_attributes_of_existing_ones():
    data, encoder = tagged(), Watching()
    add = augment.EdgeAdding(0.5)
    methods.TwoView(encoder, (add, add), losses.InfoNCE(0.5)).loss(data)
    for _, edge_index, _, edge_attr in encoder.seen:
        assert len(edge_attr) == edge_index.shape[1] > data.num_edges
        assert names_its_ends(edge_index[:, : data.num_edges], edge_attr[: data.num_edges])
        rows = {tuple(row) for row in data.edge_attr.tolist()}
        assert all(tuple(row) in rows for row in edge_attr.tolist())


FEED = {
    "grace": methods.grace,
    "dgi": methods.dgi,
    "ggd": methods.ggd,
    "bgrl": methods.bgrl,
    "graphmae": methods.graphmae,
    "sugrl": methods.sugrl,
    "afgrl": methods.afgrl,
    "csgcl": methods.csgcl,
    "pamc": lambda data, encoder: methods.pamc(data, encoder=encoder, pretrain_epochs=0),
    "infograph": methods.infograph,
    "simgrace": methods.simgrace,
    "graphcl": methods.graphcl,
}


@pytest.mark.filterwarnings("ignore:.*one graph")
@pytest.mark.parametrize("name", FEED)
def test_every_mechanism_hands_them_over(name):
    """In the loss, and in the embedding."""
    data, encoder = tagged(), Watching()
    if name in ("infograph", "simgrace", "graphcl"):
        data = Batch.from_data_list([data, data])
    method = FEED[name](data, encoder=encoder)
    prepared = method.prepare(data)
    method.loss(prepared)
    used = len(encoder.seen)
    method.embed(prepared)
    assert len(encoder.seen) > used >= 1
    for _, edge_index, _, edge_attr in encoder.seen:
        assert len(edge_attr) == edge_index.shape[1]
    _, edge_index, _, edge_attr = encoder.seen[-1]
    assert torch.equal(edge_attr, data.edge_attr)
    assert torch.equal(edge_index, data.edge_index)


def test_the_diffusion_has_none():
    data = tagged()
    method = methods.mvgrl(data, encoder=GAT(34, 8, 2, edge_dim=2))
    prepared = method.prepare(data)
    with pytest.raises(ValueError, match="GAT reads edge_attr"):
        method.loss(prepared)


@pytest.mark.parametrize(
    "make",
    [
        lambda: GAT(34, 8, 2, v2=True, edge_dim=2),
        lambda: Gine(34, 2),
    ],
)
def test_loaders_and_parts_give_the_embedding_of_the_whole(make):
    data = tagged()
    method = methods.grace(data, encoder=make())
    loader = gcl.loader.NeighborBatches(data, [5, 5], batch_size=16)
    gcl.fit(method, loader, epochs=2)
    z = gcl.embed(method, data)
    other = data.clone()
    other.edge_attr = other.edge_attr.flip(0)
    assert not torch.allclose(gcl.embed(method, other), z, atol=1e-3)
    every = gcl.loader.NeighborBatches(data, [-1, -1], batch_size=16, shuffle=False)
    for again in (gcl.embed(method, data, batch_size=5), gcl.embed(method, every)):
        torch.testing.assert_close(again, z, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        gcl.embed(method, data, nodes=[30, 3]), z[[30, 3]], atol=1e-5, rtol=1e-4
    )


def test_batches_of_a_loader_keep_rows_with_their_edges():
    data, encoder = tagged(), Watching()
    method = methods.grace(data, encoder=encoder, normalize=False, mask_feature=(0, 0))
    gcl.fit(method, gcl.loader.NeighborBatches(data, [3, 3], batch_size=8), epochs=1)
    assert len(encoder.seen) == 10
    for x, edge_index, _, edge_attr in encoder.seen:
        assert names_its_ends(x.argmax(1)[edge_index], edge_attr)


def test_mutag_by_gine():
    if not os.environ.get("GCL_DATA"):
        pytest.skip("GCL_DATA is not set")
    graphs = gcl.datasets.load("mutag")
    assert graphs[0].edge_attr.shape == (graphs[0].num_edges, 4)
    batch = Batch.from_data_list(list(graphs)[:32])
    encoder = Gine(7, 4)
    method = methods.graphcl(batch, encoder=encoder)
    before = method.embed(batch)
    shuffled = batch.clone()
    shuffled.edge_attr = shuffled.edge_attr.roll(1, 1)
    assert not torch.allclose(method.embed(shuffled), before)
    assert torch.isfinite(method.loss(batch))


def test_a_foreign_graph_is_untouched():
    data = tagged()
    kept = {key: value.clone() for key, value in data.to_dict().items()}
    gcl.fit(methods.grace(data, encoder=Gine(34, 2)), data, epochs=1)
    assert all(torch.equal(data[key], kept[key]) for key in kept)
