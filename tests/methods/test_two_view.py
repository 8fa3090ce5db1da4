"""What TwoView hands its loss: attributes by name, with the rows that enter it, and the steps."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GIN, global_add_pool

import gcl
from gcl.augment import EdgeDropping, NodeDropping, RandomWalkSubgraph
from gcl.losses import CACR, CWCL, DecoupledUniformity, ISogCLR, TeamUp
from gcl.methods import TwoView
from gcl.transforms import AddSoftPositives
from tests.methods.plain_gcn import karate_with_features


def keep(data):
    return data


class Features(nn.Module):
    """An encoder that gives the features back."""

    out_channels = 3

    def forward(self, x, edge_index, edge_weight=None):
        return x


class Record(nn.Module):
    """A loss that remembers what it got."""

    def forward(self, h1, h2, community_strength=None, *, node_id=None, y=None, edge_index=None):
        self.got = {"h1": h1, "h2": h2, "strength": community_strength, "node_id": node_id}
        assert y is None
        assert edge_index is None
        return (h1 - h2).sum()

    def after_step(self, step, total):
        self.steps = (step, total)


@pytest.fixture
def data():
    ring = torch.arange(6)
    data = Data(x=torch.arange(18.0).view(6, 3), edge_index=torch.stack([ring, ring.roll(1)]))
    data.y, data.node_id = ring.clone(), ring + 10
    data.community_strength = data.x[:, 0] / 100
    return data


def test_attributes_travel_by_name_but_never_labels_or_edges(data):
    method = TwoView(Features(), (keep, keep), Record())
    method(data)
    assert torch.equal(method.objective.got["strength"], data.community_strength)
    assert torch.equal(method.objective.got["node_id"], data.node_id)
    del data.node_id
    method(data)
    assert method.objective.got["node_id"] is None


@pytest.mark.parametrize(
    ("first", "second"),
    [(NodeDropping(0.5), EdgeDropping(0.5)), (RandomWalkSubgraph(1, walk_length=2), None)],
)
def test_attributes_follow_the_nodes_of_the_first_view(data, first, second):
    def loss(h1, h2, community_strength, node_id):
        assert torch.equal(h1[:, 0], (node_id - 10) * 3.0)
        assert torch.allclose(h1[:, 0] / 100, community_strength)
        rows.append(len(h1))
        return h1.sum() + h2.sum()

    rows = []
    TwoView(Features(), (first, second or first), loss)(data)
    assert rows[0] < 6 if second is None else rows[0] == 6


def test_views_that_forget_attributes_leave_those_of_the_graph(data):
    def bare(data):
        return Data(x=data.x, edge_index=data.edge_index)

    method = TwoView(Features(), (bare, keep), Record())
    method(data)
    assert torch.equal(method.objective.got["strength"], data.community_strength)


def test_only_the_rows_of_seed_nodes_reach_the_loss(data):
    data.input_id, data.batch_size = torch.tensor([0, 1]), 2
    method = TwoView(Features(), (keep, keep), Record())
    method(data)
    assert len(method.objective.got["h1"]) == 2
    assert method.objective.got["node_id"].tolist() == [10, 11]
    assert len(method.objective.got["strength"]) == 2


def test_as_many_positives_as_edges_are_no_edge_attributes(data):
    # Pairs of nodes survive views that drop edges, also where there are six of both.
    def loss(h1, h2, *, pos_edge_index, pos_weight):
        assert pos_edge_index.tolist() == [[0, 1, 2, 3, 4, 5]] * 2
        assert pos_weight.tolist() == [1.0] * 6
        return h1.sum()

    data.pos_edge_index, data.pos_weight = torch.arange(6).repeat(2, 1), torch.ones(6)
    for view in (EdgeDropping(1.0), NodeDropping(0.5)):
        TwoView(Features(), (view, view), loss)(data)


def test_losses_of_the_package_get_what_they_ask_for(data):
    generator = torch.Generator().manual_seed(0)
    data.x = torch.randn(6, 3, generator=generator)
    strong = TeamUp(0.5)
    strong.after_step(100, 100)
    value = TwoView(Features(), (keep, keep), strong)(data)
    assert torch.isclose(value, strong(data.x, data.x, data.community_strength))
    assert not torch.isclose(value, strong(data.x, data.x))
    data.node_id = data.node_id - 10
    temperatures = TwoView(Features(), (keep, keep), ISogCLR(8, perplexity=2))
    temperatures(data)
    assert (temperatures.objective.velocity != 0).tolist() == [True] * 6 + [False] * 2
    for loss in (CACR(), DecoupledUniformity()):  # they take any number of views
        assert TwoView(Features(), (keep, keep), loss)(data).isfinite()


def test_after_step_reaches_the_loss(data):
    method = TwoView(Features(), (keep, keep), Record())
    method.after_step(3, 10)
    assert method.objective.steps == (3, 10)
    TwoView(Features(), (keep, keep), lambda h1, h2: h1.sum()).after_step(1, 2)


def test_fit_moves_the_schedule_and_a_checkpoint_keeps_it(tmp_path):
    data = gcl.datasets.load("karate")
    data.community_strength = torch.linspace(0, 0.2, 34)
    view = EdgeDropping(0.2)

    def method():
        torch.manual_seed(0)
        return TwoView(gcl.nn.GCNEncoder(34, 4), (view, view), TeamUp(0.4, t0=1, ramp=2))

    first, saved = method(), tmp_path / "c.safetensors"
    gcl.fit(first, data, epochs=2, callbacks=[gcl.callbacks.Checkpoint(saved)])
    assert first.objective.gamma == 0.5
    again = method()
    gcl.fit(again, data, epochs=2, resume=saved, callbacks=[gcl.callbacks.Checkpoint(saved)])
    assert again.objective.gamma == 0.5


@pytest.fixture
def karate():
    return karate_with_features()


def test_readout_contrasts_graphs(karate):
    batch = Batch.from_data_list([karate, karate, karate])
    view = gcl.augment.EdgeDropping(0.2)
    method = gcl.methods.TwoView(
        GIN(40, 8, 2), (view, view), gcl.losses.InfoNCE(0.5), readout=global_add_pool
    )
    assert method.embed(batch).shape == (3, 8)
    assert method.embed(karate).shape == (1, 8)
    method(batch).backward()


def test_seed_nodes_of_a_sampled_batch_alone_count(karate):
    method = gcl.methods.grace(karate, hidden=8, encoder=GIN(40, 8, 2))
    karate.input_id = torch.tensor([4, 5, 6])
    karate.batch_size = 3
    assert method.embed(karate).shape == (3, 8)


def test_project_views_are_what_the_loss_compares(karate):
    method = gcl.methods.grace(karate, hidden=8, proj=6)
    prepared = method.prepare(karate)
    torch.manual_seed(0)
    h1, h2 = method.project_views(prepared)
    torch.manual_seed(0)
    assert torch.equal(method(prepared), method.objective(h1, h2))
    assert not torch.equal(h1, h2)


def test_positives_of_the_data_reach_the_loss():
    data = gcl.datasets.load("karate")
    recipe = gcl.methods.grace(data, hidden=8)
    plain = gcl.methods.TwoView(recipe.encoder, (keep, keep), CWCL(0.5))
    soft = gcl.methods.TwoView(
        recipe.encoder, (keep, keep), CWCL(0.5), prepare=AddSoftPositives(3, attr="x")
    )
    data.x = torch.randn(34, 34, generator=torch.manual_seed(0))
    prepared = soft.prepare(data)
    z = soft.embed(prepared)
    expected = CWCL(0.5)(z, z, prepared.pos_edge_index, prepared.pos_weight)
    assert torch.isclose(soft(prepared), expected)
    assert not torch.isclose(plain(data), expected)


def test_a_loss_without_positives_gets_none():
    data = AddSoftPositives(3, attr="x")(gcl.datasets.load("karate"))
    recipe = gcl.methods.grace(data, hidden=8)
    for loss in (gcl.losses.DCL(0.5), gcl.losses.Sigmoid(), lambda h1, h2: (h1 - h2).sum()):
        assert gcl.methods.TwoView(recipe.encoder, (keep, keep), loss)(data).isfinite()


def with_strangers(data):
    """Rows of no edges, marked as helpers: they change nothing."""
    data.x = torch.cat([data.x, torch.full((4, data.x.shape[1]), 7.0)])
    data.slow_node_mask = torch.arange(len(data.x)) >= len(data.x) - 4
    return data


def test_marked_rows_that_a_view_adds_change_no_loss():
    data = karate_with_features()
    data.community_strength = torch.rand(34, generator=torch.Generator().manual_seed(0))
    encoder = gcl.nn.GCNEncoder(data.num_features, 8)
    losses = [
        TwoView(encoder, views, TeamUp(0.4, t0=0), projector=nn.Linear(8, 4))
        for views in ((keep, keep), (with_strangers, keep), (with_strangers, with_strangers))
    ]
    for method in losses:
        method.projector = losses[0].projector
        assert torch.isclose(method(data), losses[0](data))


def dropping(*nodes):
    """A view without some nodes, as PyG takes subgraphs."""

    def view(data):
        kept = torch.ones(data.num_nodes, dtype=torch.bool)
        kept[list(nodes)] = False
        return data.subgraph(kept)

    return view


@pytest.mark.parametrize("second", [keep, dropping(5, 1), with_strangers])
def test_views_that_drop_nodes_are_compared_by_node(data, second):
    method = TwoView(Features(), (dropping(1, 2), second), Record())
    method(data)
    left = [0, 3, 4] if second not in (keep, with_strangers) else [0, 3, 4, 5]
    got = method.objective.got
    assert torch.equal(got["h1"], data.x[left])
    assert torch.equal(got["h2"], data.x[left])
    assert torch.equal(got["strength"], data.community_strength[left])
    assert torch.equal(got["node_id"], data.node_id[left])


def test_as_many_nodes_but_others_are_not_taken_for_the_same(data):
    method = TwoView(Features(), (dropping(0), dropping(5)), Record())
    assert method(data) == 0
    assert torch.equal(method.objective.got["h1"], data.x[1:5])


def test_seeds_are_followed_through_views(data):
    data.input_id, data.batch_size = torch.tensor([7, 8, 9]), 3
    method = TwoView(Features(), (dropping(1, 4), with_strangers), Record())
    assert method(data) == 0
    assert torch.equal(method.objective.got["h1"], data.x[[0, 2]])
    assert torch.equal(method.objective.got["node_id"], data.node_id[[0, 2]])


def test_a_node_removing_augmentation_compares_nodes():
    data = karate_with_features()
    torch.manual_seed(0)
    views = (NodeDropping(0.3, remove=True), RandomWalkSubgraph(5, 3))
    encoder = gcl.nn.GCNEncoder(data.num_features, 8)
    h1, h2 = TwoView(encoder, views, Record()).project_views(data)
    assert 0 < len(h1) == len(h2) < 34


def test_positions_of_nodes_do_not_survive_dropped_ones(data):
    data.pos_edge_index = torch.tensor([[0, 5], [5, 0]])

    def loss(h1, h2, pos_edge_index):
        return (h1 - h2).sum()

    assert TwoView(Features(), (with_strangers, keep), loss)(data) == 0
    with pytest.raises(ValueError, match="takes pos_edge_index, positions of nodes, but a view"):
        TwoView(Features(), (lambda d: dropping(1)(clean(d)), keep), loss)(data)


def clean(data):
    del data.pos_edge_index
    return data


def test_helpers_of_a_graph_are_not_embedded(data):
    embedded = TwoView(Features(), (keep, keep), Record()).embed(with_strangers(data))
    assert torch.equal(embedded, data.x[:6])
