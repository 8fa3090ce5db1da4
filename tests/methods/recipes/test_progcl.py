"""ProGCL as GCA or GRACE with another loss, which it starts at step t0."""

import pytest
import torch

import gcl
from gcl.methods.recipes.progcl import progcl


@pytest.fixture
def data():
    data = gcl.datasets.karate()
    data.x = torch.rand(34, 40, generator=torch.Generator().manual_seed(0))
    return data


@pytest.mark.parametrize("centrality", ["degree", "none"])
def test_before_t0_it_is_gca_or_grace(data, centrality):
    options = {"hidden": 8, "proj": 6, "drop_edge": (0.3, 0.4), "mask_feature": (0.2, 0.3)}
    other, more = gcl.methods.grace, {}
    if centrality != "none":
        other, more = gcl.methods.gca, {"centrality": centrality}
    losses = []
    for recipe, extra in ((other, more), (progcl, {"centrality": centrality})):
        torch.manual_seed(0)
        method = recipe(data, **options, **extra, tau=0.3, act="relu")
        losses.append(method(method.prepare(data)))
    assert torch.equal(*losses)


def test_training_passes_t0_and_keeps_the_mixture(data):
    method = progcl(data, hidden=8, t0=3, share=0.1, columns=20)
    gcl.fit(method, data, epochs=3)
    assert method.objective.mixture.isnan().all()
    gcl.fit(method, data, epochs=4)
    first = method.objective.mixture.clone()
    assert first.isfinite().all()
    assert "share=0.1" in repr(method)
    gcl.fit(method, data, epochs=6)
    assert torch.equal(method.objective.mixture, first)
