"""Recipes against the paper written plainly with PyG's layers, and TwoView's batches."""

import pytest
import torch
from torch.nn.functional import elu, normalize, prelu
from torch_geometric.data import Batch
from torch_geometric.nn import GIN, GCNConv, global_add_pool

import gcl


@pytest.fixture
def data():
    data = gcl.datasets.karate()
    data.x = torch.rand(34, 40, generator=torch.Generator().manual_seed(0)) + 0.1
    return data


def pyg_gcn(encoder, x, edges, acts):
    for weight, bias, act in zip(encoder.weights, encoder.biases, acts, strict=True):
        conv = GCNConv(*weight.shape)
        with torch.no_grad():
            conv.lin.weight.copy_(weight.t())
            conv.bias.copy_(bias)
        x = act(conv(x, edges))
    return x


def test_grace_without_augmentation_is_the_papers_loss(data):
    method = gcl.methods.grace(
        data, hidden=8, proj=6, tau=0.5, drop_edge=(0, 0), mask_feature=(0, 0)
    )
    x = data.x / data.x.sum(1, keepdim=True)
    z = pyg_gcn(method.encoder, x, data.edge_index, [torch.relu, torch.relu])
    first, second = method.projector.lins
    h = normalize(second(elu(first(z))))
    # Both views are the same, so the 2(N-1) negatives come in equal pairs.
    similar = (h @ h.t() / 0.5).exp()
    denominator = 2 * similar.sum(1) - similar.diagonal()
    expected = -(similar.diagonal() / denominator).log().mean()
    prepared = method.prepare(data)
    assert torch.isclose(method(prepared), expected, rtol=1e-5)
    assert torch.allclose(method.embed(prepared), z, atol=1e-6)


def test_csgcl_without_augmentation_is_the_papers_objective(data):
    data.community_strength = torch.linspace(-0.05, 0.2, 34)
    options = {"hidden": 8, "proj": 6, "tau": 0.5, "drop_edge": (0, 0), "mask_feature": (0, 0)}
    method = gcl.methods.csgcl(data, **options, t0=10, gamma_max=2.0, communities=None)
    prepared = method.prepare(data)
    method.after_step(160, 1000)
    h = normalize(method.projector(method.embed(prepared)))
    s = data.community_strength
    similar = ((h @ h.t() + 1.5 * (s[:, None] + s)) / 0.5).exp()
    denominator = 2 * similar.sum(1) - similar.diagonal()
    expected = -(similar.diagonal() / denominator).log().mean()
    assert torch.isclose(method(prepared), expected, rtol=1e-5)


def test_csgcl_finds_its_communities_and_follows_them(data):
    method = gcl.methods.csgcl(
        data, hidden=8, drop_edge=(0.1, 0.2), mask_feature=(0.3, 0.4), edge_threshold=0.9,
        feature_threshold=0.6, dense_features=True, communities="networkx", resolution=0.8,
        community_seed=3,
    )  # fmt: skip
    shown = repr(method)
    for part in (
        "CommunalEdgeDropping(p=0.1, threshold=0.9", "CommunalEdgeDropping(p=0.2, threshold=0.9",
        "CommunalAttributeVoting(p=0.3, threshold=0.6, dense=True)", "TeamUp(",
        "AddCommunities(method='networkx', seed=3, resolution=0.8)",
    ):  # fmt: skip
        assert part in shown
    prepared = method.prepare(data)
    same = gcl.transforms.AddCommunities("networkx", 3, 0.8)(data)
    assert torch.equal(prepared.community, same.community)
    assert method(prepared).isfinite()
    brought = gcl.methods.csgcl(data, hidden=8, communities=None)
    with pytest.raises(ValueError, match=r"AddCommunities"):
        brought(brought.prepare(data))
    assert brought(brought.prepare(same)).isfinite()


def test_csgcl_without_its_parts_is_grace(data):
    options = {"hidden": 8, "proj": 6, "drop_edge": (0.3, 0.4), "mask_feature": (0.2, 0.3)}
    off = {"communal_edges": False, "communal_features": False, "team_up": False}
    losses = []
    for recipe, more in ((gcl.methods.grace, {}), (gcl.methods.csgcl, off)):
        torch.manual_seed(0)
        method = recipe(data, **options, tau=0.3, act="relu", **more)
        losses.append(method(method.prepare(data)))
        assert "Communi" not in repr(method)
    assert torch.equal(*losses)
    for part, uniform in (
        ("communal_edges", "EdgeDropping(p=0.3"),
        ("communal_features", "FeatureMasking(p=0.2"),
        ("team_up", "InfoNCE"),
    ):
        others = repr(gcl.methods.csgcl(data, **options, **{part: False}))
        assert uniform in others
        assert sum(name in others for name in ("CommunalE", "CommunalA", "TeamUp")) == 2


@pytest.mark.parametrize("centrality", ["degree", "pagerank", "eigenvector"])
def test_gca_spares_what_is_central(data, centrality):
    method = gcl.methods.gca(
        data, hidden=8, drop_edge=(0.4, 0), mask_feature=(0, 0.4), centrality=centrality,
        undirected=False,
    )  # fmt: skip
    prepared = method.prepare(data)
    phi, kept = prepared.edge_importance, torch.zeros(data.num_edges)
    for _ in range(300):
        kept += method.views[0](prepared).edge_weight
    rates = (0.4 * (phi.max() - phi) / (phi.max() - phi.mean())).clamp(0, 0.7)
    assert (kept / 300 - (1 - rates)).abs().max() < 4 * 0.5 / 300**0.5
    assert rates.std() > 0.05
    assert torch.equal(method.views[1](prepared).edge_index, data.edge_index)
    assert method(prepared).isfinite()


@pytest.mark.parametrize("name", ["grace", "gca", "csgcl"])
def test_rates_come_in_pairs_and_encoders_may_be_others(data, name):
    recipe = getattr(gcl.methods, name)
    with pytest.raises(ValueError, match=f"{name}: drop_edge must be two rates, one a view"):
        recipe(data, drop_edge=0.3)
    method = recipe(data, encoder=GIN(40, 8, 2))
    prepared = method.prepare(data)
    assert prepared.x.layout == torch.strided
    assert method.views[1](prepared).num_edges < data.num_edges  # no weights for GIN to ignore
    method(prepared).backward()


def test_gbt_encoder_is_norm_and_prelu_after_the_first_layer_only(data):
    method = gcl.methods.gbt(data, hidden=8).eval()
    norm, act = method.encoder.afters[0]
    assert norm.module.momentum == 0.01
    assert len(method.encoder.afters[1]) == 0
    prepared = method.prepare(data)
    expected = pyg_gcn(
        method.encoder,
        prepared.x,
        data.edge_index,
        [lambda z: prelu(z / (1 + 1e-5) ** 0.5, act.weight), lambda z: z],
    )
    assert torch.allclose(method.embed(prepared), expected, atol=1e-5)


def test_rates_reach_the_views(data):
    method = gcl.methods.grace(data, drop_edge=(0.1, 0.2), mask_feature=(0.3, 0.4))
    shown = repr(method)
    for part in ("EdgeDropping(p=0.1", "EdgeDropping(p=0.2", "FeatureMasking(p=0.3", "tau=0.4"):
        assert part in shown


def test_masked_weights_and_dropped_edges_are_the_same_view(data):
    encoder = gcl.nn.GCNEncoder(40, 8)
    torch.manual_seed(0)
    drop = gcl.augment.EdgeDropping(0.4)(data)
    torch.manual_seed(0)
    mask = gcl.augment.EdgeDropping(0.4, as_weight=True)(data)
    a = encoder(drop.x, drop.edge_index)
    b = encoder(mask.x, mask.edge_index, mask.edge_weight)
    assert drop.num_edges < data.num_edges == mask.num_edges
    assert torch.allclose(a, b, atol=1e-6)


def test_readout_contrasts_graphs(data):
    batch = Batch.from_data_list([data, data, data])
    view = gcl.augment.EdgeDropping(0.2)
    method = gcl.methods.TwoView(
        GIN(40, 8, 2), (view, view), gcl.losses.InfoNCE(0.5), readout=global_add_pool
    )
    assert method.embed(batch).shape == (3, 8)
    assert method.embed(data).shape == (1, 8)
    method(batch).backward()


def test_seed_nodes_of_a_sampled_batch_alone_count(data):
    method = gcl.methods.grace(data, hidden=8, encoder=GIN(40, 8, 2))
    data.input_id = torch.tensor([4, 5, 6])
    data.batch_size = 3
    assert method.embed(data).shape == (3, 8)


def test_project_views_are_what_the_loss_compares(data):
    method = gcl.methods.grace(data, hidden=8, proj=6)
    prepared = method.prepare(data)
    torch.manual_seed(0)
    h1, h2 = method.project_views(prepared)
    torch.manual_seed(0)
    assert torch.equal(method(prepared), method.objective(h1, h2))
    assert not torch.equal(h1, h2)
