"""What all baselines promise: the method contract, exact resuming, a readable print, errors."""

import importlib

import pytest
import torch
from torch_geometric.nn import GIN

import gcl
from gcl.testing import check_method

SMALL = {
    "afgrl": {"hidden": 8, "predictor": 8, "topk": 3, "clusters": 5, "runs": 2, "iterations": 3},
    "bgrl": {"hidden": 8, "predictor": 8},
    "cca_ssg": {"hidden": 8},
    "costa": {"hidden": 8, "proj": 6},
    "dgi": {"hidden": 8},
    "ggd": {"hidden": 8, "hops": 3},
    "graphmae": {"hidden": 8},
    "mvgrl": {"hidden": 8, "topk": 5},
    "progcl": {"hidden": 8, "proj": 6, "t0": 2, "columns": 20},
    "sgrl": {"hidden": 8, "predictor": 8},
    "sugrl": {"hidden": (8,), "dim": 6, "num_negatives": 2},
}


def recipe(name):
    return getattr(importlib.import_module(f"gcl.methods.recipes.{name}"), name)


@pytest.fixture(params=["karate", "dense weights"])
def data(request):
    data = gcl.datasets.load("karate")
    if request.param == "dense weights":
        generator = torch.Generator().manual_seed(0)
        data.x = torch.rand(34, 6, generator=generator)
        data.edge_weight = torch.rand(data.num_edges, generator=generator)
    return data


@pytest.mark.parametrize("name", SMALL)
def test_contract(name, data):
    check_method(recipe(name)(data, **SMALL[name]), data)


@pytest.mark.parametrize("name", SMALL)
def test_resumes_bit_for_bit(name, tmp_path):
    data, saved = gcl.datasets.load("karate"), tmp_path / "run.safetensors"

    def run(epochs, resume=None):
        torch.manual_seed(0)
        method = recipe(name)(data, **SMALL[name])
        gcl.fit(
            method, data, epochs=epochs, lr=0.01, resume=resume,
            callbacks=[gcl.callbacks.Checkpoint(saved)],
        )  # fmt: skip
        return method

    class Stop(gcl.callbacks.Callback):
        def on_epoch_end(self, state):
            if state.epoch == 2:
                state.stop = "enough"

    whole = run(5).state_dict()
    torch.manual_seed(0)
    # Stopped in the middle of a training of five epochs, as schedules count them.
    method = recipe(name)(data, **SMALL[name])
    gcl.fit(method, data, epochs=5, lr=0.01, callbacks=[Stop(), gcl.callbacks.Checkpoint(saved)])
    tree = gcl.checkpoint.load(saved)
    assert tree["epoch"] == 2
    tree["stop"], tree["callbacks"] = None, tree["callbacks"][1:]
    gcl.checkpoint.save(tree, saved)
    again = run(5, resume=saved).state_dict()
    assert list(whole) == list(again)
    for key, value in whole.items():
        assert torch.equal(value, again[key]), key


@pytest.mark.parametrize("name", SMALL)
def test_other_encoders_take_the_place(name):
    data = gcl.datasets.load("karate")
    options = {k: v for k, v in SMALL[name].items() if k != "hidden" and k != "dim"}
    method = recipe(name)(data, encoder=GIN(34, 8, 2), **options)
    prepared = method.prepare(data)
    assert prepared.x.layout == torch.strided
    method(prepared).backward()
    assert method.encoder.convs[0].nn.lins[0].weight.grad.abs().sum() > 0
    assert gcl.embed(method, data).shape == (34, 8)


@pytest.mark.parametrize("name", SMALL)
def test_prints_its_parts_and_normalises_on_request(name):
    data = gcl.datasets.load("karate")
    shown = repr(recipe(name)(data, normalize=True, **SMALL[name]))
    assert "NormalizeRows" in shown
    assert "object at" not in shown
    assert "function" not in shown
    raw = repr(recipe(name)(data, normalize=False, **SMALL[name]))
    assert "NormalizeRows" not in raw


@pytest.mark.parametrize("name", ["afgrl", "bgrl", "sgrl"])
def test_a_moving_target_is_not_printed_again(name):
    shown = repr(recipe(name)(gcl.datasets.load("karate"), **SMALL[name]))
    assert shown.count("PReLU") <= shown.count(" -> ")
    assert "(target): EMA(GCNEncoder)" in shown
    assert len(shown.splitlines()) <= 14


@pytest.mark.parametrize("name", ["bgrl", "costa", "progcl"])
def test_rates_come_in_pairs(name):
    with pytest.raises(ValueError, match=f"{name}: drop_edge must be two rates, one a view"):
        recipe(name)(gcl.datasets.load("karate"), drop_edge=0.3)


@pytest.mark.parametrize("name", ["afgrl", "bgrl", "sgrl"])
def test_a_predictor_has_a_width(name):
    with pytest.raises(ValueError, match=f"{name}: predictor must be at least 1, got 0"):
        recipe(name)(gcl.datasets.load("karate"), predictor=0)
