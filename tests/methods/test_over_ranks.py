"""A step of every recipe by several processes is that of one, or is refused."""

import pytest
import torch

import gcl
from gcl.methods.over_ranks import OVER_RANKS
from gcl.training.team import owners
from tests.distributed.recipes import RECIPES, SIZES, steps

LOOSE = {"cca_ssg": 3e-5}
# The fit of a mixture goes on from step to step, and so do its last digits.
BUFFERS = {"progcl": 1e-6}


def test_every_recipe_is_declared_and_tested():
    assert set(OVER_RANKS) == set(gcl.methods.recipes.__all__)
    assert set(RECIPES) == {name for name, there in OVER_RANKS.items() if there.kind == "global"}


@pytest.mark.parametrize("name", sorted(set(OVER_RANKS) - set(RECIPES)))
def test_refused(name):
    data = gcl.datasets.hetero_sbm(60, num_authors=60, num_subjects=6)
    paths = gcl.transforms.AddMetaPaths([["paper", "author", "paper"]])
    if name == "heco":
        paths = gcl.transforms.AddMetaPaths(
            [["paper", "author", "paper"]], contexts="none", topk_form="row"
        )
    method = getattr(gcl.methods, name)(data, paths=paths)
    with pytest.raises(ValueError, match=r"trains in one process.*attention over meta-paths"):
        owners(method)


def test_a_method_that_does_not_say_is_refused():
    class Mine(gcl.Method):
        def loss(self, data):
            return data.x.sum()

        def embed(self, data):
            return data.x

    with pytest.raises(ValueError, match="does not say how its loss is that of several"):
        owners(Mine())


def test_what_has_methods_inside_is_as_they_are():
    data = gcl.datasets.load("karate")
    grace = gcl.methods.grace(data, hidden=8)
    seeds = gcl.methods.several_seeds(grace, seeds=2)
    assert owners(seeds) == [*seeds.members]
    with pytest.raises(ValueError, match="POT trains in one process: the bounds"):
        owners(gcl.methods.pot(grace))
    graphs = gcl.methods.joao(gcl.methods.graphcl(data, hidden=8))
    assert owners(graphs) == [graphs.method]


def test_steps_in_float64(run):
    for sizes in SIZES[run.size]:
        for found in run(steps, list(RECIPES), sizes, torch.float64):
            for name, (expected, value, error, ratio, buffers) in found.items():
                assert value == pytest.approx(expected, rel=1e-10), (name, sizes)
                assert ratio == pytest.approx(1, rel=1e-9), (name, sizes)
                assert error < 1e-10, (name, sizes)
                assert buffers < BUFFERS.get(name, 1e-10), (name, sizes)


def test_steps_in_float32(run):
    for found in run(steps, list(RECIPES), SIZES[run.size][1], torch.float32):
        for name, (expected, value, error, ratio, _) in found.items():
            assert value == pytest.approx(expected, rel=1e-5), name
            assert ratio == pytest.approx(1, rel=1e-4), name
            assert error < LOOSE.get(name, 1e-5), name
