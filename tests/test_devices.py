"""Nothing leaves the device of the data, and how often a step of training waits for it.

On a machine without a GPU, by tensors that claim to be on one: `tests.other_device`. The waits
that are allowed are those that were measured: fewer are welcome, more are a regression.
"""

import copy
import math
from functools import partial

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader

import gcl
from gcl.losses import __all__ as losses
from gcl.methods.recipes import __all__ as recipes
from gcl.ops import kmeans, tiling
from gcl.ops.pairs import pair_dots
from gcl.ops.structure import structure
from gcl.training import NonFiniteLossError, loop
from tests.other_device import CPU, OTHER, WrongDevice, other_device
from tests.test_contracts import AUGMENTATIONS, DETERMINISTIC, LOSSES, NEGATIVES, PARTS, VARIANTS

M = gcl.methods
SMALL = {"hidden": 8, "proj": 8}
CLUSTERED = {"hidden": (16,), "dim": 4, "pretrain_epochs": 2}
WALKED = {"hidden": 8, "topk": 5}
# Options, and how often a steady step waits: on few nodes, and on so many that losses stream.
NODE = {
    "afgrl": ({"hidden": 8, "predictor": 8, "clusters": 5, "runs": 2}, 3, 3),
    "bgrl": ({"hidden": 8, "predictor": 8}, 0, 0),
    "cca_ssg": ({"hidden": 8}, 0, 0),
    "costa": (SMALL, 0, 1),
    "csgcl": ({**SMALL, "t0": 0}, 1, 2),
    "dgi": ({"hidden": 8}, 1, 1),
    "gbt": ({"hidden": 8}, 0, 0),
    "gca": (SMALL, 0, 1),
    "ggd": ({"hidden": 8}, 1, 1),
    "grace": (SMALL, 0, 1),
    "mvgrl": (WALKED, 1, 1),
    "pamc": (CLUSTERED, 2, 2),
    "progcl": ({**SMALL, "t0": 0}, 2, 6),
    "scgc": (CLUSTERED, 1, 2),
    "sgrl": ({"hidden": 8, "predictor": 8}, 0, 0),
    "sugrl": ({"hidden": (16,), "dim": 8}, 0, 0),
}
HETERO = {
    "adameow": ({"hidden": 16, "proj": 8}, 5, 8),
    "heco": ({"hidden": 16}, 0, 4),
    "meow": ({"hidden": 16, "clusters": (4, 8)}, 5, 8),
}
GRAPHS = {
    "graphcl": ({"hidden": 8}, 70, 70),
    "infograph": ({"hidden": 8}, 0, 1),
    "mvgrl_graph": (WALKED, 2, 4),
    "simgrace": ({"hidden": 8}, 0, 0),
}
# What was agreed on; the numbers above may only be lower.
AGREED = {"dgi": 1, "bgrl": 2, "grace": 2, "csgcl": 4, "pamc": 4, "meow": 8}


def nodes(n):
    data = gcl.datasets.sbm(n, 3, num_features=12)
    data.x = data.x.relu()
    return data


def hetero(n):
    data = gcl.datasets.hetero_sbm(n, num_authors=60, num_subjects=6)
    data.metapaths = [["paper", "author", "paper"], ["paper", "subject", "paper"]]
    return data


def batch(n):
    size = max(n // 10, 20)
    return Batch.from_data_list([gcl.datasets.sbm(size, 2, num_features=5, seed=s) for s in range(9)])


def steps_of(method, data):
    """The steps of a training, without what `fit` adds."""
    optimizer = torch.optim.Adam(method.parameters(), lr=0.01)
    for number in range(1, 10):
        optimizer.zero_grad(set_to_none=True)
        method(data).backward()
        optimizer.step()
        method.after_step(number, 10)
        yield


def waits_of_a_step(watch, make, data):
    torch.manual_seed(0)
    method = make().to(OTHER)
    steps = steps_of(method, method.prepare(data.clone().to(OTHER)))
    for _ in range(3):  # what is found out once is known by then
        next(steps)
    with watch.step():
        next(steps)
    assert all(p.grad.device == OTHER for p in method.parameters() if p.grad is not None)
    return watch.waits + watch.copies


def test_every_recipe_has_its_limit():
    assert {*NODE, *HETERO, *GRAPHS} == set(recipes)
    for name, limit in AGREED.items():
        assert max((NODE | HETERO)[name][1:]) <= limit


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("name", [*NODE, *HETERO, *GRAPHS])
def test_a_step_of_a_recipe_stays_on_the_device(name, streams):
    kind = nodes if name in NODE else hetero if name in HETERO else batch
    options, *limits = (NODE | HETERO | GRAPHS)[name]
    data = kind(300 if streams else 60)
    with other_device() as watch:
        found = waits_of_a_step(watch, partial(getattr(M, name), data, **options), data)
    assert found.total() <= limits[streams], found


# Base recipe, variant, waits.
WITH = {
    "joao": 75,
    "macl": 1,
    "meta_nodes": 4,
    "pot": 3,
    "several_views": 0,
    "with_negatives": 2,
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_step_of_a_variant_stays_on_the_device(name):
    recipe, variant = VARIANTS[name][0]
    data = batch(60) if recipe in GRAPHS else nodes(60)
    options = (NODE | GRAPHS)[recipe][0]
    with other_device() as watch:
        found = waits_of_a_step(watch, lambda: variant(getattr(M, recipe)(data, **options)), data)
    assert found.total() <= WITH[name], found


def test_there_are_limits_for_every_variant():
    assert set(WITH) == set(VARIANTS)


@pytest.mark.parametrize("weights", [False, True], ids=["masks drawn", "masks kept"])
def test_masks_of_meta_paths_are_drawn_where_the_data_are(weights):
    """Also those that are the same at every call, and those of a type without features."""
    data = hetero(60)
    with other_device() as watch:
        for plain in (data, data.clone()):
            if plain is not data:
                del plain["paper"].x
                plain["paper"].num_nodes = 60
            method = M.meow(plain, hidden=8, resample="once" if weights else "epoch").to(OTHER)
            prepared = method.prepare(plain.clone().to(OTHER))
            with watch.step():
                method(prepared).backward()


def cases(table):
    return [
        pytest.param(part, options, id=f"{name} {i}")
        for name, group in table.items()
        for i, (part, options) in enumerate(group)
    ]


def test_every_loss_is_here():
    assert set(LOSSES) | set(PARTS) == set(losses)


@pytest.mark.parametrize("implementation", ["dense", "tiled"])
@pytest.mark.parametrize(("loss", "options"), cases(LOSSES | PARTS))
def test_a_loss_stays_on_the_device_and_gives_the_value_of_the_cpu(loss, options, implementation):
    with tiling(implementation=implementation, tile=7):
        compare_with_cpu(loss)


def compare_with_cpu(loss):
    torch.manual_seed(0)
    z1 = torch.randn(17, 8, dtype=torch.float64)
    z2 = z1 + 0.3 * torch.randn_like(z1)
    # Losses that learn as they are called start alike.
    here, there = copy.deepcopy(loss), copy.deepcopy(loss)
    torch.manual_seed(0)
    expected = here(z1, z2).detach()
    with other_device() as watch:
        q, k = z1.to(OTHER).requires_grad_(), z2.to(OTHER).requires_grad_()
        there = there.to(OTHER) if isinstance(there, torch.nn.Module) else there
        torch.manual_seed(0)
        with watch.step():
            value = there(q, k)
            value.backward()
        assert value.device == q.grad.device == OTHER
        value = value.detach().cpu()
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize(("negatives", "options"), cases(NEGATIVES))
def test_negatives_stay_on_the_device(negatives, options):
    q, k = torch.nn.functional.normalize(torch.randn(2, 17, 8), dim=2).unbind()
    with other_device() as watch:
        q, k = q.to(OTHER), k.to(OTHER)
        if isinstance(negatives, torch.nn.Module):
            negatives = copy.deepcopy(negatives).to(OTHER)
        with watch.step():
            assert negatives(q, k, 0.5).device == OTHER


@pytest.mark.parametrize("kind", ["graph", "batch", "hetero"])
@pytest.mark.parametrize(("transform", "options"), cases(AUGMENTATIONS | DETERMINISTIC))
def test_a_view_stays_on_the_device(transform, options, kind):
    graphs = dict(options.get("graphs") or gcl.testing.odd_graphs())
    name = next(n for n in graphs if kind in n.lower() or kind == "graph")
    graph = graphs[name]
    with other_device() as watch:
        there = graph.clone().to(OTHER)
        with watch.step():
            view = transform(copy.copy(there))
        for store in view.stores:
            for key, value in store.items():
                if isinstance(value, torch.Tensor):
                    assert value.device == OTHER, key
