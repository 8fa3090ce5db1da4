"""PamC and SCGC* alike: against the papers' formulas on dense matrices, contract, start."""

import pytest
import torch
from torch_geometric.data import Data, HeteroData
from torch_geometric.nn import GCN

from gcl.methods.contrastive_clustering import ContrastiveClustering
from gcl.methods.pretraining import pretrain
from gcl.methods.recipes.pamc import pamc
from gcl.methods.recipes.scgc import scgc
from gcl.nn.mlp_encoder import MLPEncoder
from gcl.nn.student_t_clustering import StudentTClustering
from gcl.testing import check_method
from gcl.transforms.add_influence import AddInfluence
from tests.methods.influence import FORMS, SMALL, dense_gamma, karate_with_a_lonely_node


@pytest.fixture
def data():
    return karate_with_a_lonely_node()


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


@pytest.mark.parametrize("form", [*FORMS, "exact"])
@pytest.mark.parametrize("every", [1, 3])
def test_contract(data, form, every):
    recipe = scgc if form == "exact" else pamc
    more = {} if form == "exact" else {"proxy": form, "assign": "soft"}
    check_method(recipe(data, **SMALL, **more, every=every), data)


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


def test_other_encoders_are_not_pretrained(data):
    method = pamc(data, encoder=GCN(12, 8, 2))
    assert method.pretrain_epochs == 0
    method(method.prepare(data)).backward()
    with pytest.raises(ValueError, match="those of an MLPEncoder"):
        pamc(data, encoder=GCN(12, 8, 2), pretrained="x")


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
