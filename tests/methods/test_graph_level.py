"""The recipes for whole graphs: their losses, JOAO, MACL, perturbation, diffusion, edge cases."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader
from torch_geometric.utils import to_dense_adj

import gcl
from gcl.callbacks import Checkpoint
from gcl.losses import DCL, AdaptiveTemperature
from gcl.methods import JOAO, LocalGlobal, SimGRACE, TwoView
from gcl.methods.joao import project_simplex
from gcl.nn import GINEncoder, ShortcutMLP
from gcl.testing import check_method
from tests.odd_graphs import random_graph

RECIPES = {
    "graphcl": gcl.methods.graphcl,
    "graphcl, MACL, added edges": lambda data, **options: gcl.methods.macl(
        gcl.methods.graphcl(data, add_edge=0.2, **options)
    ),
    "joao": lambda data, **options: gcl.methods.joao(gcl.methods.graphcl(data, **options)),
    "simgrace": gcl.methods.simgrace,
    "infograph": gcl.methods.infograph,
    "mvgrl_graph": gcl.methods.mvgrl_graph,
}
EMPTY = torch.empty(2, 0, dtype=torch.long)


def graphs(count=6):
    return [
        Data(x=g.x, edge_index=g.edge_index, y=torch.tensor([i % 2]))
        for i, g in enumerate(random_graph(3 + i, 6 + i, i) for i in range(count))
    ]


def batch(count=6):
    return Batch.from_data_list(graphs(count))


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_contract(recipe):
    torch.manual_seed(0)
    data = batch()
    method = recipe(data, hidden=8)
    check_method(method, data)
    assert len(method.embed(data)) == 6
    assert "<" not in repr(method)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_embedding_of_a_graph_does_not_depend_on_its_batch(recipe):
    torch.manual_seed(0)
    method = recipe(batch(), hidden=8).eval()
    whole = method.embed(batch())
    alone = torch.cat([method.embed(Batch.from_data_list([g])) for g in graphs()])
    assert torch.allclose(whole, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_resumes_exactly(recipe, tmp_path):
    def run(epochs, path, resume=None):
        torch.manual_seed(0)
        method = recipe(batch(), hidden=4)
        loader = DataLoader(graphs(), 3, shuffle=True)
        saved = Checkpoint(tmp_path / path, every=1)
        gcl.fit(method, loader, epochs=epochs, lr=1e-2, callbacks=[saved], resume=resume)
        return method.state_dict()

    whole = run(3, "a")
    run(1, "b")
    for key, value in run(3, "b", tmp_path / "b").items():
        assert torch.equal(value.nan_to_num(), whole[key].nan_to_num()), key


def test_graphcl_is_dcl_between_graphs():
    torch.manual_seed(0)
    data = batch()
    method = gcl.methods.graphcl(data, hidden=8, drop_edge=0, mask_node=0, walks=0, tau=0.3)
    torch.manual_seed(1)
    h1, h2 = method.project_views(data)
    torch.manual_seed(1)
    value = method(data)
    similarity = nn.functional.cosine_similarity(h1[:, None], h2[None], dim=2) / 0.3
    terms = [
        -similarity[i, i] + similarity[i][torch.arange(6) != i].exp().sum().log() for i in range(6)
    ]
    assert torch.allclose(value, torch.stack(terms).mean(), atol=1e-5)


def test_rates_of_zero_leave_augmentations_out():
    def names(**rates):
        method = gcl.methods.joao(gcl.methods.graphcl(batch(), hidden=4, **rates))
        return [type(t).__name__ for t in method.pool]

    assert names() == ["NodeDropping", "RandomWalkSubgraph", "Compose", "FeatureNoise"]
    assert names(walks=0, drop_edge=0) == ["NodeDropping", "FeatureNoise"]
    assert names(drop_edge=0, add_edge=0.1, drop_node=0, walks=0, mask_node=0) == ["Compose"]
    off = {"drop_node": 0, "drop_edge": 0, "mask_node": 0, "walks": 0}
    with pytest.raises(ValueError, match="no augmentation to contrast with"):
        names(**off)


def test_macl_follows_the_alignment():
    torch.manual_seed(0)
    method = gcl.methods.macl(gcl.methods.graphcl(batch(), hidden=4, tau=0.2), alpha=1.0)
    tau = method.objective.tau
    assert isinstance(tau, AdaptiveTemperature)
    method(batch())
    aligned = float(tau.alignment)
    assert aligned > 0.1
    assert float(tau.eval()(torch.full((3,), aligned))) == pytest.approx(0.2 * (1 + aligned))


class Fixed(nn.Module):
    """Losses that are what the test says, by augmentation."""

    def __init__(self):
        super().__init__()
        self.now = nn.Parameter(torch.tensor(0.0))

    def forward(self, h1, h2):
        return self.now + h2.mean()


def plus(amount):
    def view(data):
        data.x = torch.full_like(data.x, amount)
        return data

    return view


class FirstColumn(nn.Module):
    out_channels = 1

    def forward(self, x, edge_index, edge_weight=None):
        return x[:, :1]


def joao(losses, **options):
    contrast = TwoView(FirstColumn(), (plus(0.0), plus(0.0)), Fixed())
    return JOAO(contrast, [plus(amount) for amount in losses], **options)


def test_joao_reaches_the_closed_form_of_its_maximum():
    # Fixed losses: p maximises  <p, l> - gamma/2 |p - 1/K|^2  over the simplex.
    losses, gamma = [1.0, 1.3, 0.2], 2.0
    torch.manual_seed(0)
    method = joao(losses, lr=0.1, gamma=gamma, every=1)
    for step in range(400):
        method(batch(2))
        method.after_step(step + 1, 400)
    best = minimize(
        lambda p: -p @ np.array(losses) + gamma / 2 * ((p - 1 / 3) ** 2).sum(),
        np.full(3, 1 / 3),
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda p: p.sum() - 1},
        options={"ftol": 1e-12},
    )
    assert np.allclose(method.chances.numpy(), best.x, atol=1e-3)
    assert torch.allclose(method.last, torch.tensor(losses))


def test_joao_compares_losses_of_the_same_batch():
    torch.manual_seed(0)
    contrast = TwoView(FirstColumn(), (plus(0.0), plus(0.0)), Fixed())
    method = JOAO(contrast, [plus(1.0), plus(1.0), plus(1.0)], lr=1.0, gamma=0.0, every=1)
    for step in range(20):
        contrast.objective.now.data.fill_(step % 3)  # batches differ, augmentations do not
        method(batch(2))
        method.after_step(step + 1, 20)
    torch.testing.assert_close(method.chances, torch.full((3,), 1 / 3))


def test_joao_learns_every_so_many_steps_of_training_alone():
    method = joao([1.0, 3.0], every=3, gamma=0.0, lr=0.01)
    seen = []
    for step in range(6):
        method(batch(2))
        method.after_step(step + 1, 6)
        seen.append(float(method.chances[1]))
    assert seen == pytest.approx([0.51, 0.51, 0.51, 0.52, 0.52, 0.52])
    assert method.training
    assert method.method.training
    method.eval()(batch(2))
    assert float(method.chances[1]) == pytest.approx(0.52)


def test_joao_draws_as_its_chances_say():
    method = joao([1.0, 2.0, 3.0]).eval()
    method.chances.copy_(torch.tensor([0.0, 1.0, 0.0]))
    assert [float(method(batch(2)).detach()) for _ in range(5)] == [2.0] * 5
    assert {"chances", "last", "steps"} <= set(method.state_dict())


@pytest.mark.parametrize("seed", range(5))
def test_projection_onto_the_simplex(seed):
    v = torch.randn(6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    p = project_simplex(v)
    assert float(p.sum()) == pytest.approx(1)
    assert bool((p >= 0).all())
    # Optimality: v - p is the same number where p > 0 and not above it elsewhere.
    shift = (v - p)[p > 0]
    assert torch.allclose(shift, shift[:1].expand_as(shift))
    assert bool(((v - p)[p == 0] <= shift[0] + 1e-12).all())


def test_joao_errors():
    with pytest.raises(ValueError, match="at least one transform"):
        joao([])
    with pytest.raises(ValueError, match="lr must be a number above 0"):
        joao([1.0], lr=0)
    with pytest.raises(ValueError, match="gamma must be a number >= 0"):
        joao([1.0], gamma=-1)


def test_simgrace_without_noise_contrasts_equal_projections():
    torch.manual_seed(0)
    data = batch()
    method = gcl.methods.simgrace(data, hidden=4, eta=0.0)
    h = method._project(method.embed(data)).detach()
    expected = DCL(0.2, intra=False, symmetric=False)(h, h)
    assert torch.allclose(method(data), expected, atol=1e-5)


def test_simgrace_noise_has_the_stated_size_and_no_side_effects():
    class Record(nn.Module):
        out_channels = 2

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([1.0, 3.0]).repeat(5000))
            self.single = nn.Parameter(torch.tensor([7.0]))
            self.seen = []

        def forward(self, x, edge_index, edge_weight=None):
            self.seen.append((self.weight.detach().clone(), self.single.detach().clone()))
            return x[:, :2] * self.weight[:2]

    encoder = Record()
    data = batch(3)
    torch.manual_seed(0)
    method = SimGRACE(encoder, DCL(0.5, intra=False), eta=0.5)
    method(data).backward()
    (plain, _), (noisy, single) = encoder.seen
    noise = noisy - plain
    spread = float(plain.std())
    assert float(noise.std()) == pytest.approx(0.5 * spread, rel=0.05)
    assert abs(float(noise.mean())) < 5 * 0.5 * spread / 100
    assert single == 7.0  # a single number has no spread
    assert torch.equal(encoder.weight.detach(), plain)


def test_simgrace_leaves_batch_norm_to_the_plain_encoder():
    torch.manual_seed(0)
    data = batch()
    method, plain = (gcl.methods.simgrace(data, hidden=4) for _ in range(2))
    plain.load_state_dict(method.state_dict())
    method(data)
    plain.encoder(data.x, data.edge_index)
    for key, value in plain.encoder.state_dict().items():
        assert torch.equal(method.encoder.state_dict()[key], value)


def test_infograph_contrasts_nodes_with_graphs():
    torch.manual_seed(0)
    data = batch(3)
    method = gcl.methods.infograph(data, hidden=4).eval()
    z = method.encoders[0](data.x, data.edge_index)
    graph = torch.stack([z[data.batch == g].sum(0) for g in range(3)])
    assert torch.allclose(method.embed(data), graph, atol=1e-4)
    scores = method.local_head(z) @ method.global_head(graph).T
    own = nn.functional.one_hot(data.batch, 3).bool()
    expected = (
        nn.functional.softplus(-scores[own]).mean()
        + nn.functional.softplus(scores[~own]).mean()
        - 2 * np.log(2)
    )
    assert torch.allclose(method(data), expected, rtol=1e-4)


def test_mvgrl_crosses_the_views():
    torch.manual_seed(0)
    data = batch(3)
    seen = []

    def loss(local, summary, batch):
        seen.append((local, summary))
        return local.sum() + summary.sum()

    encoders = [GINEncoder(3, 4, 1), GINEncoder(3, 4, 1)]
    same = copy.copy
    method = LocalGlobal(
        encoders, nn.Identity(), nn.Identity(), views=(same, same), loss=loss
    ).eval()
    method(data)
    first, second = (e(data.x, data.edge_index) for e in encoders)
    pool = method.readout
    for (local, summary), (a, b) in zip(seen, ((first, second), (second, first)), strict=True):
        assert torch.allclose(local, a)
        assert torch.allclose(summary, pool(b, data.batch, 3))
    assert torch.allclose(method.embed(data), pool(first + second, data.batch, 3), atol=1e-4)


def test_mvgrl_diffusion_is_exact_and_prepared_once():
    data = batch(3)
    method = gcl.methods.mvgrl_graph(data, hidden=4)
    prepared = method.prepare(data)
    assert "diffusion_edge_index" not in data
    adjacency = to_dense_adj(data.edge_index, data.batch)[2].double()
    n = graphs()[2].num_nodes
    loops = adjacency[:n, :n] + torch.eye(n)
    scale = loops.sum(1).rsqrt()
    exact = 0.2 * torch.linalg.inv(torch.eye(n) - 0.8 * scale[:, None] * loops * scale)
    part = prepared.to_data_list()[2]
    found = torch.zeros(n, n).index_put_(
        tuple(part.diffusion_edge_index.flip(0)), part.diffusion_edge_weight
    )
    assert torch.allclose(found.double(), exact, atol=1e-5)
    again = Batch.from_data_list(prepared.to_data_list())
    for key in ("diffusion_edge_index", "diffusion_edge_weight", "edge_index"):
        assert torch.equal(again[key], prepared[key])
    method.eval()
    assert torch.allclose(method.embed(data), method.embed(prepared), atol=1e-5)


def test_local_global_errors():
    with pytest.raises(ValueError, match="one or two views with an encoder each"):
        LocalGlobal([GINEncoder(3)], nn.Identity(), nn.Identity(), views=(copy.copy,) * 2)
    assert ShortcutMLP(2, 3)(torch.ones(1, 2)).shape == (1, 3)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize(
    "odd",
    [
        [Data(x=torch.zeros(0, 3), edge_index=EMPTY)],
        [Data(x=torch.ones(1, 3), edge_index=EMPTY)],
        [Data(x=torch.ones(4, 3), edge_index=EMPTY)],
        [Data(x=torch.ones(1, 3), edge_index=torch.zeros(2, 1, dtype=torch.long))],
    ],
    ids=["no node", "one node", "no edge", "a self-loop"],
)
def test_odd_graphs_in_a_batch(recipe, odd):
    torch.manual_seed(0)
    data = Batch.from_data_list([Data(x=g.x, edge_index=g.edge_index) for g in graphs(3)] + odd)
    method = recipe(data, hidden=4)
    for _ in range(6):  # every augmentation has its turn
        loss = method(data)
        loss.backward()
        assert bool(loss.isfinite())
    z = method.eval().embed(data)
    assert len(z) == 4
    assert bool(z.isfinite().all())


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("size", [0, 1, 5])
def test_a_batch_of_one_graph_is_a_zero_with_a_warning(recipe, size):
    torch.manual_seed(0)
    data = Batch.from_data_list([Data(x=torch.ones(size, 3), edge_index=EMPTY)])
    method = recipe(data, hidden=4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loss = method(data)
    assert loss == 0
    loss.backward()
    assert size == 0 or any("no negatives" in str(w.message) for w in caught)
    assert method.eval().embed(data).shape[0] == 1


@pytest.mark.parametrize("name", ["graphcl", "simgrace", "infograph", "mvgrl_graph"])
def test_graphs_without_features_say_what_to_do(name):
    bare = [Data(edge_index=EMPTY, num_nodes=2)]
    for data in (bare, bare[0], Batch.from_data_list(bare), []):
        with pytest.raises(ValueError, match=f"{name}: the graphs have no features x.*AddDegree"):
            getattr(gcl.methods, name)(data)


def test_lists_and_sets_of_graphs_give_the_width():
    assert gcl.methods.infograph(graphs()).encoders[0].in_channels == 3


def test_mvgrl_graph_needs_layers_of_some_width():
    data = gcl.datasets.load("karate")
    for name in ("hidden", "num_layers"):
        with pytest.raises(ValueError, match=f"mvgrl_graph: {name}"):
            gcl.methods.mvgrl_graph(data, **{name: 0})


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_graphs_without_a_loader_are_refused(recipe):
    several = graphs(3)
    method = recipe(several)
    with pytest.raises(TypeError, match="a list of graphs would be trained on graph by graph"):
        gcl.fit(method, several, epochs=1)
    gcl.fit(method, [Batch.from_data_list(several)], epochs=1)


def test_what_gives_no_width():
    with pytest.raises(TypeError, match="of one node type, got HeteroData"):
        gcl.methods.graphcl(gcl.datasets.hetero_sbm(20, num_authors=9, num_subjects=3))
    with pytest.raises(TypeError, match="a list of graphs of one node type, got str"):
        gcl.methods.graphcl("mutag")
    with pytest.raises(TypeError, match="a list of graphs of one node type, got DataLoader"):
        gcl.methods.graphcl(DataLoader(graphs()))


def test_several_targets_a_graph_and_features_of_another_precision():
    several = graphs(4)
    for graph in several:
        graph.x, graph.y = graph.x.double(), torch.tensor([1.0, 2.0])
    method = gcl.methods.graphcl(several, hidden=4)
    gcl.fit(method, DataLoader(several, 4), epochs=1)
    assert gcl.embed(method, DataLoader(several, 4)).shape == (4, 12)
