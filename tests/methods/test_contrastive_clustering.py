"""ContrastiveClustering: its start, its terms, its life in training."""

import copy

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

import gcl
from gcl.callbacks import Checkpoint
from gcl.methods.contrastive_clustering import influence_logsumexp
from gcl.methods.recipes.pamc import pamc
from gcl.transforms.add_influence import AddInfluence
from tests.methods.influence import SMALL, karate_with_a_lonely_node


@pytest.fixture
def data():
    return karate_with_a_lonely_node()


def test_prepare_starts_the_clusters_once(data):
    method = pamc(data, **SMALL, influence=AddInfluence(2))
    prepared = method.prepare(data)
    z = method.encoder(data.x).detach().numpy()
    best = KMeans(4, n_init=20, random_state=0).fit(z)
    assert np.allclose(method.clustering.centres.detach().numpy(), best.cluster_centers_, atol=1e-5)
    assert np.array_equal(method.predict(data).numpy(), best.labels_)
    expected = AddInfluence(2)(data)
    assert torch.equal(prepared.pos_edge_index, expected.pos_edge_index)
    weights = copy.deepcopy(method.state_dict())
    method.prepare(data)
    assert all(
        torch.equal(weights[k], v) for k, v in method.state_dict().items() if "extra" not in k
    )


def test_the_start_draws_from_its_own_generators(data):
    torch.manual_seed(0)
    first, second = (pamc(data, **SMALL) for _ in range(2))
    second.load_state_dict(first.state_dict())
    state = torch.get_rng_state()
    first.prepare(data)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(5)
    second.prepare(data)
    assert torch.equal(first.clustering.centres, second.clustering.centres)


def test_training_finds_blocks_and_resumes_bit_for_bit(tmp_path):
    data = gcl.datasets.sbm(200, 3, num_features=16)
    options = {"hidden": (32,), "pretrain_epochs": 5, "influence": AddInfluence(2), "every": 4}
    file = tmp_path / "run.safetensors"

    def run(epochs, resume=None):
        torch.manual_seed(1)
        method = pamc(data, **options)
        gcl.fit(
            method,
            data,
            epochs=epochs,
            weight_decay=0.0,
            resume=resume,
            callbacks=[Checkpoint(file)],
        )
        return method

    whole = run(30)
    run(14)
    again = run(30, resume=file)  # in the middle of the life of a target
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(gcl.embed(whole, data), gcl.embed(again, data))
    before = pamc(data, **options)
    before.prepare(data)
    nmi = [
        gcl.evaluate.clustering.cluster_scores(m.predict(data), data.y)["nmi"]
        for m in (before, whole)
    ]
    assert nmi[1] > nmi[0] + 0.1


def test_batches_bring_their_own_positives(data):
    from torch_geometric.loader import RandomNodeLoader

    method = pamc(data, **SMALL, influence=AddInfluence(2))
    loader = RandomNodeLoader(data, 3)
    with pytest.raises(ValueError, match=r"call method\.prepare\(data\) on the whole graph"):
        gcl.fit(method, loader, epochs=1)
    prepared = method.prepare(data)
    state = gcl.fit(method, loader, epochs=3, weight_decay=0.0)
    assert state.step == 9
    part = prepared.subgraph(torch.arange(20))
    with pytest.raises(ValueError, match="load batches from the graph before prepare"):
        method(part)


def test_seed_nodes_of_a_sampled_batch_alone_are_embedded(data):
    method = pamc(data, **SMALL)
    method.prepare(data)
    data.input_id, data.batch_size = torch.tensor([4, 5, 6]), 3
    assert method.embed(data).shape == (3, 6)


def test_a_term_of_weight_zero_is_left_out(data):
    torch.manual_seed(0)
    method = pamc(data, **SMALL, alpha=0.0, beta=2.0)
    kl = method.self_training(method.clustering(method.encoder(data.x)))
    method.started.fill_(True)
    assert torch.equal(method(data), 2 * kl)
    contrast = pamc(data, **SMALL, beta=0.0)
    contrast(contrast.prepare(data)).backward()
    assert contrast.clustering.centres.grad is None


def test_no_positive_at_all_gives_minus_infinity_and_no_gradient():
    z = torch.randn(3, 2, requires_grad=True)
    pairs = torch.tensor([[0], [1]])
    value = influence_logsumexp(z, pairs, None, 0.5)
    assert torch.equal(value == -torch.inf, torch.tensor([False, True, True]))
    value[0].backward()
    assert z.grad.isfinite().all()


def test_resuming_does_not_start_again(data, tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.safetensors"
    options = {"weight_decay": 0.0, "callbacks": [Checkpoint(path, every=1)]}
    gcl.fit(pamc(data, **SMALL), data, epochs=1, **options)

    def fail(*args, **kwargs):
        raise AssertionError("pre-trained again")

    monkeypatch.setattr("gcl.methods.contrastive_clustering.pretrain", fail)
    state = gcl.fit(pamc(data, **SMALL), data, epochs=2, resume=path, **options)
    assert state.epoch == 2


@pytest.mark.parametrize("recipe", ["pamc", "scgc"])
def test_what_is_begun_under_inference_mode_can_be_trained(recipe):
    data = gcl.datasets.load("karate")
    torch.manual_seed(0)
    method = getattr(gcl.methods, recipe)(data, pretrain_epochs=2)
    with torch.inference_mode():
        z = gcl.embed(method, data)
    torch.manual_seed(0)
    other = getattr(gcl.methods, recipe)(data, pretrain_epochs=2)
    assert torch.equal(gcl.embed(other, data), z)
    assert gcl.fit(method, data, epochs=1).finished
