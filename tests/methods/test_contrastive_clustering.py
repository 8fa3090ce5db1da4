"""PamC and SCGC* against the papers' formulas on dense matrices, and their life in training."""

import copy
import math

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch_geometric.data import Data, HeteroData
from torch_geometric.nn import GCN

import gcl
from gcl.callbacks import Checkpoint, MonitorMetaNodes
from gcl.methods.contrastive_clustering import ContrastiveClustering, influence_logsumexp
from gcl.methods.denominators import ClusterMetaNodes, ExactNegatives
from gcl.methods.pretraining import pretrain
from gcl.methods.recipes.pamc import pamc
from gcl.methods.recipes.scgc import scgc
from gcl.nn.mlp_encoder import MLPEncoder
from gcl.nn.student_t_clustering import StudentTClustering
from gcl.testing import check_method
from gcl.transforms.add_influence import AddInfluence

SMALL = {"hidden": (16,), "dim": 6, "pretrain_epochs": 2}
FORMS = ["node", "pair", "paper", "none"]


@pytest.fixture
def data():
    data = gcl.datasets.karate()
    data.x = torch.rand(34, 12, generator=torch.Generator().manual_seed(0))
    # One node by itself, as hundreds are in ACM.
    data.edge_index = data.edge_index[:, (data.edge_index != 3).all(0)]
    return data


def dense_gamma(data, order):
    n = data.num_nodes
    walk = torch.eye(n, dtype=torch.float64)
    walk[data.edge_index[1], data.edge_index[0]] = 1
    walk = walk / walk.sum(1, keepdim=True)
    return sum(torch.linalg.matrix_power(walk, p) for p in range(1, order + 1))


def released(z, q, gamma, tau, alpha, beta, form):
    """The loss of spec and released code with multiplied temperature `1 / tau`, all dense."""
    z, q = z.double(), q.double()
    u = z / z.norm(dim=1, keepdim=True)
    s = u @ u.t()
    zeroed = s * (1 - torch.eye(len(s), dtype=torch.float64))
    positive = (gamma * (zeroed / tau).exp()).sum(1).log().mean()
    h = q.argmax(1)
    hot = torch.nn.functional.one_hot(h, q.shape[1]).double()
    hot = hot[:, hot.sum(0) > 0]
    size = hot.sum(0)
    if form == "exact":
        negative = (zeroed / tau).exp().sum(1).log().mean()
    elif form == "paper":
        meta = hot.t() @ z
        meta = meta / meta.norm(dim=1, keepdim=True)
        cosine = meta @ meta.t()
        cosine = cosine * (1 - torch.eye(len(cosine), dtype=torch.float64))
        negative = (cosine / tau).exp().sum(1).log().mean()
    elif form == "none":
        negative = 0.0
    else:
        mean = (hot.t() @ u) / size[:, None]
        anchors = u if form == "node" else mean[hot.argmax(1)]
        negative = ((anchors @ mean.t() / tau).exp() @ size).log().mean()
    p = q**2 / q.sum(0)
    p = (p / p.sum(1, keepdim=True)).detach()
    kl = (p * (p / q).log()).sum(1).mean()
    return beta * kl + alpha * (negative - positive)


def student_t(z, centres):
    kernel = 1 / (1 + torch.cdist(z.double(), centres.double()) ** 2)
    return kernel / kernel.sum(1, keepdim=True)


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("form", [*FORMS, "exact"])
def test_the_loss_is_the_papers(data, form, order):
    options = {**SMALL, "tau": 0.6, "alpha": 1.7, "beta": 0.8, "influence": AddInfluence(order)}
    torch.manual_seed(0)
    method = scgc(data, **options) if form == "exact" else pamc(data, proxy=form, **options)
    prepared = method.prepare(data)
    loss = method(prepared)
    loss.backward()
    found = [p.grad.clone() for p in method.parameters()]
    method.zero_grad()
    z = method.encoder(data.x)
    q = student_t(z, method.clustering.centres)
    expected = released(z, q, dense_gamma(data, order), 0.6, 1.7, 0.8, form)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    expected.backward()
    for ours, p in zip(found, method.parameters(), strict=True):
        assert torch.allclose(ours, p.grad, rtol=1e-3, atol=1e-6)


def test_scgc_without_own_pairs_leaves_the_diagonal_out(data):
    method = scgc(data, **SMALL, tau=0.5, influence=AddInfluence(own=False))
    prepared = method.prepare(data)
    z = method.encoder(data.x).double()
    u = z / z.norm(dim=1, keepdim=True)
    powers = (u @ u.t() / 0.5).exp().fill_diagonal_(0)
    gamma = dense_gamma(data, 1).fill_diagonal_(0)
    some = gamma.sum(1) > 0  # node 3 has no positive
    assert some.sum() == 33
    contrast = powers.sum(1).log().mean() - (gamma * powers).sum(1)[some].log().mean()
    kl = method.self_training(method.clustering(method.encoder(data.x)))
    assert method(prepared).item() == pytest.approx((0.1 * kl + contrast).item(), rel=1e-5)


def test_the_node_form_without_own_pairs_is_exact_for_singletons():
    z = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    q = torch.eye(7)
    exact = ExactNegatives(own=False)(z, q, 0.3)
    assert torch.allclose(ClusterMetaNodes(exclude=True)(z, q, 0.3), exact, atol=1e-5)
    soft = ClusterMetaNodes(assign="soft", exclude=True)(z, q, 0.3)
    assert torch.allclose(soft, exact, atol=1e-5)


def test_soft_meta_nodes_pass_gradient_through_the_memberships():
    z = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    q = torch.rand(9, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    ClusterMetaNodes(assign="soft")(z, q, 0.5).sum().backward()
    assert q.grad.abs().max() > 0
    assert not ClusterMetaNodes()(z, q, 0.5).requires_grad


@pytest.mark.parametrize("exact", [False, True])
def test_proxy_is_below_exact_by_a_bounded_gap(exact):
    z = torch.randn(60, 5, generator=torch.Generator().manual_seed(2))
    q = torch.rand(60, 4, generator=torch.Generator().manual_seed(3))
    u = torch.nn.functional.normalize(z)
    whole = (u @ u.t() / 0.9).exp().sum(1).log()
    gap = whole - ClusterMetaNodes()(z, q, 0.9)
    labels = q.argmax(1)
    diameter = max(torch.cdist(u[labels == k], u[labels == k]).max() for k in range(4))
    assert gap.min() > -1e-5
    assert gap.max() <= diameter**2 / (8 * 0.9**2)


@pytest.mark.parametrize("form", [*FORMS, "exact"])
@pytest.mark.parametrize("every", [1, 3])
def test_contract(data, form, every):
    recipe = scgc if form == "exact" else pamc
    more = {} if form == "exact" else {"proxy": form, "assign": "soft"}
    check_method(recipe(data, **SMALL, **more, every=every), data)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("assign", ["hard", "soft"])
def test_odd_graphs(form, assign):
    # Isolated nodes, rows of zeros, equal rows, more clusters than nodes.
    options = {"proxy": form, "assign": assign, "hidden": (5,), "pretrain_epochs": 1}
    edges = torch.tensor([[0, 1], [1, 0]])
    for x in (torch.zeros(4, 3), torch.ones(4, 3), torch.eye(4), torch.ones(1, 2)):
        graph = Data(x=x, edge_index=edges[:, : 2 * (len(x) > 1)])
        method = pamc(graph, clusters=6, **options)
        loss = method(method.prepare(graph))
        loss.backward()
        assert loss.isfinite()
        assert all(p.grad.isfinite().all() for p in method.parameters() if p.grad is not None)


@pytest.mark.parametrize("form", FORMS)
def test_bfloat16(data, form):
    method = pamc(data, **SMALL, proxy=form)
    prepared = method.prepare(data)
    whole = method(prepared)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = method(prepared)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(whole.item(), abs=0.05)
    assert all(p.grad.isfinite().all() for p in method.parameters())


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


def test_variants_share_a_pretrained_encoder(data, tmp_path):
    path = str(tmp_path / "auto-encoder")
    encoder = MLPEncoder(12, (16,), 6)
    pretrain(encoder, data.x, epochs=2, path=path)
    methods = [
        pamc(data, **SMALL, pretrained=path),
        pamc(data, **SMALL, pretrained=path, proxy="paper"),
        scgc(data, **SMALL, pretrained=path),
    ]
    for method in methods:
        method.prepare(data)
        assert torch.equal(method.encoder(data.x), encoder(data.x))
        assert torch.equal(method.clustering.centres, methods[0].clustering.centres)


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


def test_other_encoders_are_not_pretrained(data):
    method = pamc(data, encoder=GCN(12, 8, 2))
    assert method.pretrain_epochs == 0
    method(method.prepare(data)).backward()
    with pytest.raises(ValueError, match="those of an MLPEncoder"):
        pamc(data, encoder=GCN(12, 8, 2), pretrained="x")


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


def test_printed_readably(data):
    shown = repr(pamc(data, **SMALL, influence=AddInfluence(2, topk=7), proxy="pair"))
    for part in (
        "(influence): AddInfluence(order=2, cumulative=True, topk=7, ppr=None, own=True)",
        "(denominator): ClusterMetaNodes(proxy='pair', assign='hard'",
        "(tau): 2.0",
        "12 -> 16 -> 6",
        "StudentTClustering(clusters=4, in_channels=6, v=1)",
        "SelfTraining(every=1)",
    ):
        assert part in shown


def test_bad_input(data):
    with pytest.raises(ValueError, match="proxy must be one of 'node'"):
        pamc(data, proxy="all")
    with pytest.raises(ValueError, match="assign must be one of"):
        pamc(data, assign="none")
    for bad, message in (
        ({"tau": 0}, "tau must be a number above 0"),
        ({"alpha": -1}, "alpha must be >= 0"),
        ({"alpha": 0, "beta": 0}, "alpha or beta must be above 0"),
        ({"clusters": 0}, "clusters must be at least 1"),
        ({"every": 0}, "every must be at least 1"),
        ({"pretrain_epochs": -1}, "pretrain_epochs must be at least 0"),
        ({"restarts": 0}, "restarts must be at least 1"),
    ):
        for recipe in (pamc, scgc):
            with pytest.raises(ValueError, match=message):
                recipe(data, **bad)
    with pytest.raises(ValueError, match="number of clusters must be given"):
        pamc(Data(x=data.x, edge_index=data.edge_index))
    with pytest.raises(FileNotFoundError, match="No checkpoint"):
        scgc(data, pretrained="nowhere")
    with pytest.raises(TypeError, match="got HeteroData"):
        pamc(data, **SMALL).prepare(HeteroData())
    with pytest.raises(ValueError, match="only an MLPEncoder is pre-trained"):
        ContrastiveClustering(
            GCN(3, 4, 1), StudentTClustering(2, 4), AddInfluence(), None, pretrain_epochs=3
        )


def test_resuming_does_not_start_again(data, tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.safetensors"
    options = {"weight_decay": 0.0, "callbacks": [Checkpoint(path, every=1)]}
    gcl.fit(pamc(data, **SMALL), data, epochs=1, **options)

    def fail(*args, **kwargs):
        raise AssertionError("pre-trained again")

    monkeypatch.setattr("gcl.methods.contrastive_clustering.pretrain", fail)
    state = gcl.fit(pamc(data, **SMALL), data, epochs=2, resume=path, **options)
    assert state.epoch == 2


@pytest.mark.parametrize("proxy", ["node", "pair", "paper"])
def test_training_is_watched(data, proxy):
    state = gcl.fit(
        pamc(data, **SMALL, proxy=proxy), data, epochs=2, callbacks=[MonitorMetaNodes(every=2)]
    )
    last = state.history[-1]
    if proxy == "paper":
        assert "meta_bound" not in last
    if proxy == "node":
        assert 0 <= last["meta_gap"] <= last["meta_mean_bound"] + 1e-6
        assert last["meta_gap_max"] <= last["meta_bound"] + 1e-6


def test_gap_of_cluster_meta_nodes_is_the_difference():
    torch.manual_seed(0)
    z, q = torch.randn(9, 4, dtype=torch.double), torch.rand(9, 3, dtype=torch.double)
    u = z / z.norm(dim=1, keepdim=True)
    for within in (True, False):
        negatives = ClusterMetaNodes(within_cluster=within)
        with pytest.raises(ValueError, match="nothing to measure"):
            negatives.gap()
        negatives.remember = True
        value = negatives(z, q, 0.5)
        labels, gaps = q.argmax(1), []
        for i in range(9):
            terms = [
                math.exp(float(u[i] @ u[j]) / 0.5)
                for j in range(9)
                if within or labels[i] != labels[j]
            ]
            gaps.append(math.log(sum(terms)) - float(value[i]))
        found = negatives.gap()
        assert found["gap"] == pytest.approx(sum(gaps) / 9)
        assert found["gap_max"] == pytest.approx(max(map(abs, gaps)))
        assert found["gap"] <= negatives.bound()["mean_bound"]


def test_clusters_need_a_start_and_labels_that_count(data):
    method = pamc(data, **SMALL)
    with pytest.raises(ValueError, match="no start"):
        method.predict(data)
    data.y[:5] = -1
    assert pamc(data, **SMALL).clustering.centres.shape[0] == len(data.y[5:].unique())
    data.y = torch.ones(34, 3)
    with pytest.raises(ValueError, match="no list of classes"):
        pamc(data, **SMALL)
    with pytest.raises(TypeError, match=r"a tuple of widths such as \(8,\)"):
        pamc(data, clusters=2, hidden=8)
