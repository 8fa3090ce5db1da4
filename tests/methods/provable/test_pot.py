"""POT as a wrapper: its loss from the pieces, gradients, state, batches, errors."""

import copy
import inspect
import json

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus
from torch_geometric.data import Data
from torch_geometric.transforms import Compose

import gcl
from gcl.augment import EdgeDropping, FeatureMasking
from gcl.cli import main
from gcl.losses import InfoNCE
from gcl.methods import TwoView
from gcl.methods.provable.pot import POT, pot
from gcl.methods.provable.views import encoder_calls
from gcl.testing import check_method
from tests.methods.provable.dense_gcn import dense_adjacency, dense_forward

MODES = ["pot", "sound", "certified", "legacy"]


@pytest.fixture
def data():
    return gcl.datasets.load("karate")


def small(data, **options):
    return gcl.methods.grace(
        data, **{"hidden": 6, "proj": 6, "drop_edge": (0.4, 0.3), "mask_feature": (0, 0), **options}
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("recipe", ["grace", "gca", "csgcl", "progcl", "costa"])
def test_every_mode_of_every_recipe_keeps_the_contract(recipe, mode, data):
    method = getattr(gcl.methods, recipe)(data, hidden=6, proj=6)
    check_method(pot(method, mode=mode, warmup=0.2), data)


@pytest.mark.parametrize("recipe", ["grace", "gca"])
@pytest.mark.parametrize("options", [{}, {"feature_bounds": True, "mask_feature": (0.3, 0.2)}])
def test_weights_and_masks_keep_the_contract(recipe, options, data):
    options = dict(options)
    bounds = options.pop("feature_bounds", False)
    data.x, data.edge_weight = torch.rand(34, 6), torch.rand(data.num_edges)
    method = getattr(gcl.methods, recipe)(data, hidden=6, proj=6, **options)
    check_method(pot(method, feature_bounds=bounds), data)


def test_it_goes_around_recipes_on_the_command_line(capsys, monkeypatch):
    cluster = gcl.evaluate.cluster
    monkeypatch.setattr(gcl.evaluate, "cluster", lambda z, y: cluster(z, y, runs=1))
    options = ["--hidden", "4", "--proj", "4", "--epochs", "2", "--json"]
    given = ["--pot.mode", "sound", "--pot.kappa=0.2", "--pot.feature-bounds=true"]
    given += ["--pot.warmup=0.5"]
    assert main(["train", "gca+pot", "karate", *options, *given]) == 0
    told = json.loads(capsys.readouterr().out)["run"]["method"]["pot"]
    assert (told["mode"], told["kappa"], told["warmup"]) == ("sound", 0.2, 0.5)
    assert told["feature_bounds"] is True
    assert main(["train", "grace+pot", "karate", *options, "--pot.mode", "exact"]) == 2
    assert "--pot.mode" in capsys.readouterr().err
    assert main(["train", "pot", "karate"]) == 2
    assert "Unknown recipe 'pot'" in capsys.readouterr().err


def test_it_hands_on_what_it_is_given(data):
    plain = gcl.methods.gca(data, hidden=6, proj=4)
    method = pot(
        plain, kappa=0.1, mode="sound", warmup=0.5, feature_bounds=True, scale_free=True,
        detach_target=True, detach_bounds=True,
    )  # fmt: skip
    assert repr(method.method) == repr(plain)
    assert method.method is not plain
    shown = repr(method).splitlines()[1].strip()
    assert shown == (
        "kappa=0.1, mode='sound', warmup=0.5, feature_bounds=True, scale_free=True, "
        "detach_target=True, detach_bounds=True"
    )
    assert repr(pot(plain)).splitlines()[1].strip() == "kappa=0.4, mode='pot'"
    of = [
        [(p.name, p.default) for p in list(inspect.signature(f).parameters.values())[1:]]
        for f in (pot, POT)
    ]
    assert of[0] == of[1]


def test_the_loss_is_the_papers_from_dense_matrices(data):
    """Two layers, "pot": everything written anew with N x N arrays, both directions."""
    method = POT(small(data).double(), kappa=0.3).double()
    data.x = data.x.double()
    prepared = method.prepare(data)
    torch.manual_seed(1)
    with encoder_calls(method.method) as views:
        inner = method.method(prepared)
    torch.manual_seed(1)
    loss = method(prepared)

    encoder, edges, n = method.method.encoder, data.edge_index, 34
    x = prepared.x.to_dense() if prepared.x.layout == torch.sparse_csr else prepared.x
    (w1, w2), (b1, b2) = encoder.weights, encoder.biases
    layers = [(w1, b1, 0.0), (w2, b2, 0.0)]
    adjacent = torch.zeros(n, n, dtype=torch.float64)
    adjacent[edges[1], edges[0]] = 1
    degree = adjacent.sum(1)
    terms = []
    for p, view, other in zip((0.4, 0.3), views, reversed(views), strict=True):
        budget = torch.minimum((p * degree).round(), (degree - 1).clamp(min=0))
        movable = adjacent * (budget[:, None] > 0) * (budget > 0)
        lost = torch.minimum(budget, movable.sum(1))
        eye = torch.eye(n, dtype=torch.float64)
        thin, full = (1 + degree - lost).rsqrt(), (1 + degree).rsqrt()
        upper = thin[:, None] * (adjacent + eye) * thin
        lower = full[:, None] * (adjacent - movable + eye) * full
        clean = full[:, None] * (adjacent + eye) * full
        # Intervals by the sums of the spec, lines by its cases.
        lines = []
        for c, b in ((x @ w1, b1), (torch.relu(clean @ x @ w1 + b1) @ w2, b2)):
            low = upper @ c.clamp(max=0) + lower @ c.clamp(min=0) + b
            high = upper @ c.clamp(min=0) + lower @ c.clamp(max=0) + b
            s = torch.where(low >= 0, 1.0, torch.where(high <= 0, 0.0, high / (high - low)))
            d = torch.where((low < 0) & (high > 0), -low, 0.0)
            lines.append((s, d))
        (s1, d1), (s2, d2) = lines
        u = other.z / other.z.norm(dim=1, keepdim=True).clamp(min=1e-12)
        target = u - (u.sum(0) - u) / (n - 1)
        a = dense_adjacency(edges, view.edge_weight, n)
        p1 = a @ x @ w1 + b1
        v = target * s2
        q = v @ w2.t()
        g = (q * (a @ (s1 * p1))).sum(1) + (q.clamp(max=0) * (a @ (s1 * d1))).sum(1)
        g = g + v @ b2 + (v.clamp(max=0) * d2).sum(1)
        terms.append(softplus(-g).mean())
        assert torch.allclose(dense_forward(layers, x, a)[1], view.z)
    expected = 0.7 * inner + 0.3 * (terms[0] + terms[1]) / 2
    assert torch.isclose(loss, expected, rtol=1e-10)


def test_legacy_is_the_released_score_where_directions_are_dropped_on_their_own(data):
    """Value and gradients from dense matrices: its sums run over the transposed adjacency."""
    torch.manual_seed(0)
    data.x = torch.randn(34, 5, dtype=torch.float64)
    encoder = gcl.nn.GCNEncoder(5, 7, 4, num_layers=2, act="relu").double()
    views = tuple(EdgeDropping(p, undirected=False) for p in (0.4, 0.3))
    method = POT(TwoView(encoder, views, InfoNCE(0.5)), kappa=1.0, mode="legacy").double()
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.normal_()
    torch.manual_seed(1)
    with encoder_calls(method.method) as seen:
        method.method(data)
    torch.manual_seed(1)
    loss = method(data)

    n, (w1, w2), (b1, b2) = 34, encoder.weights, encoder.biases
    adjacent = torch.zeros(n, n, dtype=torch.float64)
    adjacent[data.edge_index[1], data.edge_index[0]] = 1
    degree = adjacent.sum(1)
    drawn = []
    for view in seen:
        kept = torch.ones(view.edge_index.shape[1], dtype=torch.float64)
        drawn.append(dense_adjacency(view.edge_index, kept, n))
    assert not torch.allclose(drawn[0], drawn[0].t())
    z = [dense_forward([(w1, b1, 0.0), (w2, b2, 0.0)], data.x, a)[1] for a in drawn]
    terms = []
    for p, a, other in zip((0.4, 0.3), drawn, reversed(z), strict=True):
        budget = torch.minimum((p * degree).round(), (degree - 1).clamp(min=0))
        movable = adjacent * (budget[:, None] > 0)
        lost = torch.minimum(budget, movable.sum(1))
        eye = torch.eye(n, dtype=torch.float64)
        thin, full = (1 + degree - lost).rsqrt(), (1 + degree).rsqrt()
        upper = thin[:, None] * (adjacent + eye) * thin
        lower = full[:, None] * (adjacent - movable + eye) * full
        clean = full[:, None] * (adjacent + eye) * full
        lines = []
        for c, b in ((data.x @ w1, b1), (torch.relu(clean @ data.x @ w1 + b1) @ w2, b2)):
            low = upper @ c.clamp(max=0) + lower @ c.clamp(min=0) + b
            high = upper @ c.clamp(min=0) + lower @ c.clamp(max=0) + b
            both = (low < 0) & (high > 0)
            s = torch.where(both, high / torch.where(both, high - low, 1.0), (low >= 0).double())
            lines.append((s, torch.where(both, -low, 0.0)))
        (s1, d1), (s2, d2) = lines
        u = other / other.norm(dim=1, keepdim=True)
        target = u - (u.sum(0) - u) / (n - 1)
        second, first = target * s2, (target * s2) @ w2.t()
        rise2 = (second * (b2 + (target < 0) * d2)).sum(1)
        rise1 = (first * s1 * (b1 + (first < 0) * d1)).sum(1)
        own = (data.x * ((first * s1) @ w1.t())).sum(1)
        terms.append(softplus(-(a.t() @ (a.t() @ own + rise1) + rise2)).mean())
    expected = (terms[0] + terms[1]) / 2
    assert torch.isclose(loss, expected, rtol=1e-10)
    parameters = list(encoder.parameters())
    for found, right in zip(
        torch.autograd.grad(loss, parameters), torch.autograd.grad(expected, parameters),
        strict=True,
    ):  # fmt: skip
        assert torch.allclose(found, right, rtol=1e-9, atol=1e-12)


def test_kappa_zero_is_the_method_itself_draw_for_draw(data):
    plain = small(data)
    wrapped = POT(copy.deepcopy(plain), kappa=0.0)
    prepared = plain.prepare(data)
    torch.manual_seed(2)
    expected = plain(prepared)
    torch.manual_seed(2)
    assert torch.equal(wrapped(prepared), expected)
    # The views of a wrapped method are drawn once: the same seed leaves the same state.
    state = torch.get_rng_state()
    torch.manual_seed(2)
    POT(plain, kappa=0.5)(prepared)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("mode", "layers"),
    [(mode, layers) for mode in MODES for layers in (1, 2, 3) if mode != "legacy" or layers == 2],
)
@pytest.mark.parametrize("masks", [False, True])
def test_gradients_agree_with_differences(mode, layers, masks, data):
    torch.manual_seed(3)
    data.x = torch.randn(34, 5, dtype=torch.float64)
    data.edge_weight = torch.rand(data.num_edges, dtype=torch.float64) + 0.1
    encoder = gcl.nn.GCNEncoder(5, 7, 4, num_layers=layers, act=lambda: nn.LeakyReLU(0.2))
    views = [EdgeDropping(p, as_weight=True) for p in (0.4, 0.2)]
    if masks:
        views = [Compose([view, FeatureMasking(0.4)]) for view in views]
    method = TwoView(encoder.double(), tuple(views), InfoNCE(0.5))
    method = POT(method, kappa=1.0, mode=mode, feature_bounds=masks)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.normal_()
    parameters = list(method.parameters())

    def value():
        torch.manual_seed(4)
        return method(data)

    grads = torch.autograd.grad(value(), parameters)
    ways = [torch.randn_like(p) for p in parameters]
    step = 1e-6
    ends = []
    for sign in (1, -2):
        with torch.no_grad():
            for p, way in zip(parameters, ways, strict=True):
                p.add_(sign * step * way)
            ends.append(value().item())
    slope = sum(float((g * way).sum()) for g, way in zip(grads, ways, strict=True))
    assert abs((ends[0] - ends[1]) / (2 * step) - slope) < 1e-6 * (1 + abs(slope))


def test_detaching_takes_gradients_and_leaves_the_value(data):
    torch.manual_seed(0)
    plain = small(data)
    prepared = plain.prepare(data)
    grads = {}
    for name in ("none", "detach_target", "detach_bounds"):
        method = POT(plain, kappa=1.0, **({} if name == "none" else {name: True}))
        torch.manual_seed(5)
        loss = method(prepared)
        grads[name] = (loss.item(), torch.autograd.grad(loss, list(plain.encoder.parameters())))
    values = [value for value, _ in grads.values()]
    assert values == pytest.approx([values[0]] * 3)
    for name in ("detach_target", "detach_bounds"):
        pairs = zip(grads["none"][1], grads[name][1], strict=True)
        assert not all(torch.allclose(a, b) for a, b in pairs)


def test_slopes_are_numbers_to_the_bounds(data):
    """What reaches a PReLU goes through the embeddings alone."""
    method = POT(small(data, act="prelu"), kappa=1.0, detach_target=True)
    prepared = method.prepare(data)
    first, last = (after[0].weight for after in method.method.encoder.afters)
    grads = torch.autograd.grad(method(prepared), [first, last], allow_unused=True)
    # "pot" looks at the clean hidden layer too, whose slope is a number like the others.
    assert [grad.tolist() for grad in grads] == [[0], [0]]
    bounded = torch.autograd.grad(method(prepared), list(method.method.encoder.weights))
    assert all(bool(grad.any()) for grad in bounded)


def test_scale_free_ignores_the_scale_of_the_last_layer(data):
    losses = {}
    for scale_free in (False, True):
        torch.manual_seed(0)
        method = POT(small(data), kappa=1.0, scale_free=scale_free)
        prepared = method.prepare(data)
        for factor in (1, 10):
            with torch.no_grad():
                method.method.encoder.weights[1].mul_(factor)
            torch.manual_seed(6)
            losses[scale_free, factor] = method(prepared).item()
    assert losses[True, 1] == pytest.approx(losses[True, 10], rel=1e-5)
    assert abs(losses[False, 1] - losses[False, 10]) > 1e-3


def test_kappa_warms_up(data):
    method = pot(small(data), warmup=0.5)
    shares = [float(method.share)]
    for step in range(1, 9):
        method.after_step(step, 8)
        shares.append(float(method.share))
    assert shares == [0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1]
    assert float(pot(small(data)).share) == 1


class Halt(gcl.callbacks.Callback):
    """Breaks training off in an epoch, before its checkpoint is written."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, state):
        if state.epoch == self.epoch:
            raise KeyboardInterrupt


def test_an_interrupted_warm_up_is_resumed_bit_for_bit(data, tmp_path):
    def train(path, halt, seed, resume=None):
        torch.manual_seed(seed)
        method = pot(small(data), warmup=0.8)
        callbacks = [Halt(halt), gcl.callbacks.Checkpoint(path)]
        gcl.fit(method, data, epochs=8, callbacks=callbacks, resume=resume)
        return method.state_dict()

    whole, part = tmp_path / "whole.safetensors", tmp_path / "part.safetensors"
    expected = train(whole, 0, seed=0)
    with pytest.raises(KeyboardInterrupt):
        train(part, 4, seed=0)
    found = train(part, 0, seed=9, resume=part)
    assert found.keys() == expected.keys()
    assert "share" in found
    assert all(torch.equal(found[key], expected[key]) for key in found)


def test_steps_reach_the_wrapped_loss(data):
    method = pot(gcl.methods.csgcl(data, hidden=4, proj=4, t0=2))
    gcl.fit(method, data, epochs=5)
    assert int(method.method.objective.t) == 5


def test_single_and_isolated_nodes():
    for n in (1, 4):
        lonely = Data(x=torch.rand(n, 3), edge_index=torch.zeros(2, 0, dtype=torch.long))
        method = POT(small(lonely), kappa=1.0)
        if n == 1:
            with pytest.warns(UserWarning, match="row"):
                loss = method(method.prepare(lonely))
            assert loss.item() == 0
            loss.backward()
            continue
        for mode in MODES:
            check_method(POT(small(lonely), mode=mode), lonely)


def test_autocast(data):
    method = POT(small(data))
    assert gcl.fit(method, data, epochs=2, precision="bf16").finished


def test_embeddings_and_projections_are_those_of_the_method(data):
    plain = small(data)
    method = POT(plain)
    prepared = method.prepare(data)
    assert torch.equal(method.embed(prepared), plain.embed(prepared))
    torch.manual_seed(0)
    expected = plain.project_views(prepared)
    torch.manual_seed(0)
    assert all(map(torch.equal, method.project_views(prepared), expected))


def test_slopes_that_leave_the_range_stop_training(data):
    method = POT(small(data, act="prelu"))
    prepared = method.prepare(data)
    with torch.no_grad():
        method.method.encoder.afters[0][0].weight.fill_(-0.1)
    with pytest.raises(ValueError, match="slopes of the activation"):
        method(prepared)


def test_numbers_outside_their_range_are_refused(data):
    for name in ("kappa", "warmup"):
        for value in (-0.1, 1.1, float("nan")):
            with pytest.raises(ValueError, match=rf"{name} must lie in \[0, 1\]"):
                POT(small(data), **{name: value})
    with pytest.raises(ValueError, match="mode must be one of 'pot', 'sound'"):
        POT(small(data), mode="exact")
    with pytest.raises(ValueError, match="two layers"):
        POT(small(data, num_layers=3), mode="legacy")


def test_the_function_takes_what_the_class_takes_and_hands_it_on(data):
    signatures = [inspect.signature(made) for made in (pot, POT)]
    assert list(signatures[0].parameters.values()) == list(signatures[1].parameters.values())
    assert next(iter(signatures[0].parameters)) == "method"
    options = {
        "kappa": 0.1, "mode": "sound", "warmup": 0.5, "feature_bounds": True, "scale_free": True,
        "detach_target": True, "detach_bounds": True,
    }  # fmt: skip
    assert options.keys() == signatures[0].parameters.keys() - {"method"}
    assert repr(pot(small(data), **options)) == repr(POT(small(data), **options))
    for name, value in options.items():
        assert getattr(pot(small(data), **options), name) == value


def test_batches_normalised_by_the_whole_graph_have_no_bounds():
    data = gcl.datasets.load("karate")
    method = gcl.methods.pot(gcl.methods.grace(data, hidden=4, proj=4), kappa=0.5)
    with pytest.raises(ValueError, match=r"POT: bounds are those of a graph .*PartitionBatches"):
        gcl.fit(method, gcl.loader.NeighborBatches(data, [5], batch_size=17), epochs=1)
    parts = gcl.loader.PartitionBatches(data, 2, parts="random")
    assert gcl.fit(method, parts, epochs=1).step == 2
