"""CSGCL against the paper's objective, and its parts one by one."""

import pytest
import torch
from torch.nn.functional import normalize

import gcl
from tests.methods.plain_gcn import karate_with_features


@pytest.fixture
def data():
    return karate_with_features()


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
