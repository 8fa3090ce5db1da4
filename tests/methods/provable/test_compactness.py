"""The diagnostic against views that are really drawn, and what it leaves untouched."""

import copy

import pytest
import torch

import gcl
from gcl.methods.provable.budget import edge_budget
from gcl.methods.provable.compactness import compactness
from gcl.methods.provable.pot import POT, pot
from gcl.methods.provable.targets import target_directions


@pytest.fixture(scope="module")
def data():
    return gcl.datasets.load("karate")


@pytest.fixture(scope="module")
def trained(data):
    torch.manual_seed(0)
    method = gcl.methods.grace(data, hidden=8, proj=8, drop_edge=(0.3, 0.3), mask_feature=(0, 0))
    gcl.fit(method, data, epochs=20, lr=1e-2)
    return method.double()


@torch.no_grad()
def draws(method, data, samples):
    """Views within the budget of the first transform, embedded, `[s, n, d]`."""
    prepared = method.prepare(data)
    budget, _ = edge_budget(method.views[0], prepared)
    degree = torch.bincount(data.edge_index[1], minlength=34)
    torch.manual_seed(1)
    found = []
    for _ in range(samples):
        view = method.views[0](copy.copy(prepared))
        kept = torch.zeros(34).index_add_(0, data.edge_index[1], view.edge_weight.float())
        over = degree - kept > budget
        # Give back the edges of nodes that lost too many.
        back = over[data.edge_index].any(0)
        view.edge_weight = torch.where(back, 1.0, view.edge_weight)
        found.append(method.embed(view))
    return torch.stack(found)


def test_no_drawn_view_within_the_budget_is_below_the_certified_bound(trained, data):
    data = data.clone()
    data.x = data.x.double()
    prepared = trained.prepare(data)
    torch.manual_seed(3)
    with torch.no_grad():
        first, second = (trained.embed(view(copy.copy(prepared))) for view in trained.views)
    bound = compactness(trained, data, seed=3)
    z = draws(trained, data, 300)
    least = [(z * target_directions(other)).sum(-1).amin(0) for other in (second, first)]
    assert ((least[0] + least[1]) / 2 >= bound - 1e-9).all()
    closer = compactness(trained, data, "pot", seed=3)
    value = ((first * target_directions(second)) + (second * target_directions(first))).sum(1) / 2
    assert bound.mean() < closer.mean() < value.mean()


@pytest.mark.parametrize("mode", ["pot", "sound", "certified", "legacy"])
@pytest.mark.parametrize("feature_bounds", [False, True])
def test_one_number_a_node_the_same_for_a_seed_and_nothing_changed(mode, feature_bounds, data):
    method = POT(gcl.methods.gca(data, hidden=8, proj=8, mask_feature=(0.3, 0.3)))
    before, state = data.clone(), torch.get_rng_state()
    found = compactness(method, data, mode, feature_bounds=feature_bounds)
    assert found.shape == (34,)
    assert found.isfinite().all()
    assert not found.requires_grad
    assert torch.equal(state, torch.get_rng_state())
    assert method.training
    assert torch.equal(data.x, before.x)
    again = compactness(method.method, data, mode, feature_bounds=feature_bounds)
    assert torch.equal(found, again)
    assert not torch.equal(found, compactness(method, data, mode, seed=1))


def test_masks_and_layers_loosen_the_bound(data):
    torch.manual_seed(0)
    method = gcl.methods.grace(data, hidden=8, mask_feature=(0.1, 0.1))
    assert compactness(method, data, feature_bounds=True).mean() < compactness(method, data).mean()


def test_training_with_the_term_raises_it(data):
    found = {}
    for kappa in (0.0, 0.5):
        torch.manual_seed(0)
        plain = gcl.methods.grace(data, hidden=8, proj=8, mask_feature=(0, 0))
        method = pot(plain, kappa=kappa)
        gcl.fit(method, data, epochs=60, lr=1e-2)
        found[kappa] = compactness(method, data, "pot").mean()
    assert found[0.5] > found[0.0]


def test_dropout_is_no_hindrance_in_evaluation(data):
    encoder = gcl.nn.GCNEncoder(34, 8, dropout=0.2)
    method = gcl.methods.grace(data, encoder=encoder)
    assert compactness(method, data).isfinite().all()


def test_bad_input_is_refused(data):
    method = gcl.methods.grace(data, hidden=8)
    with pytest.raises(ValueError, match="compactness: mode must be one of"):
        compactness(method, data, "exact")
    with pytest.raises(TypeError, match="TwoView, got ContrastiveClustering"):
        compactness(gcl.methods.scgc(data, hidden=(8,), dim=4, pretrain_epochs=1), data)
    with pytest.raises(TypeError, match="expected a torch_geometric Data"):
        compactness(method, torch.ones(3))
