"""Several trainings at once, against the same trainings one after another."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader

import gcl
from gcl.methods import several_seeds

STILL = {"drop_edge": 0.0, "mask_feature": 0.0}


@pytest.fixture
def data():
    data = gcl.datasets.karate()
    data.x = torch.rand(34, 10, generator=torch.Generator().manual_seed(0)) + 0.1
    return data


def unit(z):
    return torch.nn.functional.normalize(z)


def test_one_seed_is_the_method_itself(data):
    torch.manual_seed(0)
    method = gcl.methods.grace(data, hidden=8, proj=4)
    state = torch.get_rng_state()
    one = several_seeds(method, seeds=1)
    assert torch.equal(torch.get_rng_state(), state)  # nothing is drawn for it
    losses = []
    for trained in (method, one):
        torch.manual_seed(1)
        losses.append([row["loss"] for row in gcl.fit(trained, data, epochs=4).history])
    assert losses[0] == losses[1]
    torch.testing.assert_close(gcl.embed(one, data), unit(gcl.embed(method, data)))


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_members_train_as_they_do_one_by_one(data, optimizer):
    """Views that draw nothing, so that all trainings have the same draws."""
    together = several_seeds(gcl.methods.cca_ssg(data, hidden=6, **STILL), seeds=3)
    alone = [copy.deepcopy(member) for member in together.members]
    make = partial(optimizer, lr=0.02, weight_decay=1e-3)
    history = gcl.fit(together, data, epochs=5, optimizer=make).history
    lone = [gcl.fit(member, data, epochs=5, optimizer=make).history for member in alone]
    for step, row in enumerate(history):
        assert row["loss"] == pytest.approx(sum(h[step]["loss"] for h in lone), rel=1e-6)
    for mine, theirs in zip(together.members, alone, strict=True):
        for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(a, b)
    z = gcl.embed(together, data)
    torch.testing.assert_close(z, torch.cat([unit(gcl.embed(m, data)) for m in alone], 1))


def test_members_differ_and_no_gradient_goes_from_one_to_another(data):
    together = several_seeds(gcl.methods.dgi(data, hidden=6), seeds=3)
    first, second, third = together.members
    for a, b in ((first, second), (second, third)):
        assert not torch.equal(a.encoder.weights[0], b.encoder.weights[0])
        assert not torch.equal(a.score.weight, b.score.weight)
    prepared = together.prepare(data)
    second.loss(prepared).backward()
    assert all(p.grad is None for m in (first, third) for p in m.parameters())
    assert all(p.grad is not None for p in second.parameters())


def test_fresh_weights_follow_the_global_generator_and_the_first_are_the_given(data):
    method = gcl.methods.grace(data, hidden=6)
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        found.append(several_seeds(method, seeds=2).members)
    assert torch.equal(found[0][1].encoder.weights[0], found[1][1].encoder.weights[0])
    assert not torch.equal(found[0][1].encoder.weights[0], found[2][1].encoder.weights[0])
    assert torch.equal(found[2][0].encoder.weights[0], method.encoder.weights[0])


def test_every_member_is_told_of_a_step_and_starts_from_the_data(data):
    together = several_seeds(gcl.methods.bgrl(data, hidden=4, predictor=4, momentum=0.0), seeds=2)
    together.after_step(0, 10)
    for member in together.members:  # a target without momentum is the encoder
        assert torch.equal(member.target.module.weights[0], member.encoder.weights[0])
    clustering = gcl.methods.pamc(data, hidden=(8,), dim=3, pretrain_epochs=1, restarts=1)
    together = several_seeds(clustering, seeds=2)
    gcl.fit(together, data, epochs=1)
    assert all(bool(member.started) for member in together.members)


def test_what_no_weight_plays_a_part_in_is_prepared_once(data):
    method = gcl.methods.grace(data, hidden=4)
    seen = []
    method.whole_graph = lambda graph: seen.append(graph) or graph
    together = several_seeds(method, seeds=3)
    together.prepare(data)
    assert len(seen) == 1


def test_principal_components_are_scikit_learns_up_to_signs_which_are_fixed(data):
    together = several_seeds(gcl.methods.grace(data, hidden=5), seeds=3, width=4)
    whole = several_seeds(gcl.methods.grace(data, hidden=5), seeds=3)
    whole.load_state_dict(together.state_dict())
    z, full = gcl.embed(together, data), gcl.embed(whole, data)
    assert z.shape == (34, 4)
    assert full.shape == (34, 15)
    pca = PCA(4, svd_solver="full").fit(full.double().numpy())
    expected = pca.transform(full.double().numpy())
    signs = np.sign((expected * z.numpy()).sum(0))
    np.testing.assert_allclose(z.numpy(), expected * signs, atol=1e-5)
    directions = pca.components_ * signs[:, None]
    largest = np.abs(directions).argmax(1)
    assert (directions[range(4), largest] > 0).all()
    assert torch.equal(z, gcl.embed(together, data))


def test_graph_level_methods_stay_so():
    graphs = [gcl.datasets.sbm(20, 2, num_features=5, seed=seed) for seed in range(4)]
    method = gcl.methods.graphcl(Batch.from_data_list(graphs), hidden=4)
    together = several_seeds(method, seeds=2)
    assert together.graph_level
    gcl.fit(together, DataLoader(graphs, 2), epochs=1)
    width = gcl.embed(method, DataLoader(graphs, 2)).shape[1]
    assert gcl.embed(together, DataLoader(graphs, 2)).shape == (4, 2 * width)
    with pytest.raises(TypeError, match=r"a TwoView of graphs is embedded batch by batch"):
        several_seeds(method, seeds=2, width=3)


def test_refuses(data):
    method = gcl.methods.grace(data, hidden=4)
    with pytest.raises(ValueError, match="several_seeds: seeds must be at least 1, got 0"):
        several_seeds(method, seeds=0)
    with pytest.raises(TypeError, match="several_seeds: width must be a whole number"):
        several_seeds(method, width=2.5)
    with pytest.raises(ValueError, match="width must be at most the 8 columns of all members"):
        gcl.embed(several_seeds(method, seeds=2, width=9), data)
    batch = data.clone()
    batch.input_id, batch.batch_size = torch.arange(3), 3
    assert several_seeds(method, seeds=2).eval().embed(batch).shape == (3, 8)
    with pytest.raises(ValueError, match="this is a batch of seed nodes"):
        several_seeds(method, seeds=2, width=3).embed(batch)
    with pytest.raises(ValueError, match=r"members must be a list of methods, got \[\]"):
        gcl.methods.SeveralSeeds([])
    method.bias = torch.nn.Parameter(torch.ones(2))
    with pytest.raises(TypeError, match="several_seeds: TwoView has parameters and no reset_param"):
        several_seeds(method)
