"""The two views of a finished run."""

import pytest
import torch

from gcl.experiments.run import Run, load_data, train_seed
from gcl.experiments.views import two_views


@pytest.fixture
def trained(tmp_path):
    def make(recipe="grace", **method):
        run = Run(recipe, "karate", epochs=2, method={"hidden": 4, **method})
        _, made = train_seed(run, load_data(run), 0, tmp_path)
        return run, made.z, tmp_path

    return make


def test_views_that_change_nothing_are_the_embedding(trained):
    run, z, home = trained(drop_edge=(0, 0), mask_feature=(0, 0))
    first, second = two_views(run, load_data(run), home)
    assert torch.equal(first, second)
    assert torch.allclose(first, z, atol=1e-6)


def test_the_same_views_twice_and_generators_as_they_were(trained):
    run, _, home = trained("grace+pot", proj=4)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    one = two_views(run, load_data(run), home)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(4)
    other = two_views(run, load_data(run), home)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert not torch.equal(*one)


def test_another_method_has_none(trained):
    run, _, home = trained("dgi")
    assert two_views(run, load_data(run), home) is None
