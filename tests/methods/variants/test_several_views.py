"""More views a step, against the losses of several views written out."""

import pytest
import torch

import gcl
from gcl.losses import PairwiseViews, PolyView
from gcl.losses.negatives import RandomNegatives
from gcl.methods import several_views, with_negatives


@pytest.fixture
def data():
    data = gcl.datasets.karate()
    data.x = torch.rand(34, 40, generator=torch.Generator().manual_seed(0)) + 0.1
    return data


@pytest.mark.parametrize("recipe", ["grace", "gca"])
def test_views_are_drawn_in_turn_and_contrasted_by_poly_view(data, recipe):
    make = getattr(gcl.methods, recipe)
    options = {"hidden": 4, "proj": 4, "drop_edge": (0.0, 0.0), "mask_feature": (0.0, 0.0)}
    method = several_views(make(data, **options), views=3)
    assert len(method.views) == 3
    assert method.views[0] is method.views[2]
    prepared = method.prepare(data)
    h = method.projector(method.embed(prepared))
    torch.testing.assert_close(method(prepared), PolyView(0.4)(h, h, h))
    first, second = method.project_views(prepared)
    assert first.shape == second.shape == h.shape


@pytest.mark.parametrize("recipe", ["csgcl", "costa", "progcl", "grace"])
def test_other_losses_are_averaged_over_the_pairs_of_views(data, recipe):
    options = {"csgcl": {"t0": 0}, "costa": {"ratio": 1.0}, "progcl": {"t0": 0}}.get(recipe, {})
    method = getattr(gcl.methods, recipe)(data, hidden=4, proj=4, **options)
    if recipe == "grace":
        method = with_negatives(method, RandomNegatives(5))
    method = several_views(method, views=3)
    prepared = method.prepare(data)
    given = method.objective.pair
    seen = []
    given.register_forward_hook(
        lambda _, args, kwargs, out: seen.append((args, kwargs, out)), with_kwargs=True
    )
    value = method(prepared)
    value.backward()
    assert len(seen) == 3
    torch.testing.assert_close(value, sum(out for *_, out in seen) / 3)
    drawn = {id(z) for args, _, _ in seen for z in args}
    assert len(drawn) == 3
    assert all(("community_strength" in kwargs) == (recipe == "csgcl") for _, kwargs, _ in seen)
    method.after_step(7, 9)
    assert recipe not in ("csgcl", "progcl") or int(given.t) == 7


def test_plain_infonce_alone_becomes_poly_view(data):
    plain = gcl.methods.csgcl(data, hidden=4, proj=4, team_up=False)
    assert isinstance(several_views(plain).objective, PolyView)
    margin = gcl.methods.TwoView(
        plain.encoder, plain.views, gcl.losses.InfoNCE(0.4, margin=0.1), plain.projector
    )
    assert isinstance(several_views(margin).objective, PairwiseViews)


def test_two_views_are_the_method_itself(data):
    method = gcl.methods.grace(data, hidden=4)
    assert type(several_views(method, views=2).objective) is type(method.objective)


def test_refuses(data):
    method = gcl.methods.grace(data, hidden=4)
    with pytest.raises(ValueError, match="several_views: views must be at least 2"):
        several_views(method, views=1)
    with pytest.raises(TypeError, match="expected a TwoView, got POT; apply it before"):
        several_views(gcl.methods.pot(method))
    with pytest.raises(ValueError, match="a method of two views, got one of 3"):
        several_views(several_views(method))
    odd = gcl.methods.TwoView(method.encoder, method.views, lambda a, b: (a * b).sum())
    with pytest.raises(TypeError, match="the objective must be a module"):
        several_views(odd)
