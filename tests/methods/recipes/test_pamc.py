"""PamC: odd graphs, other precisions, what it prints."""

import pytest
import torch
from torch_geometric.data import Data

from gcl.methods.recipes.pamc import pamc
from gcl.transforms.add_influence import AddInfluence
from tests.methods.influence import FORMS, SMALL, karate_with_a_lonely_node


@pytest.fixture
def data():
    return karate_with_a_lonely_node()


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
