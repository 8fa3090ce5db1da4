"""AdaMEOW: MEOW's views under the published objective, written densely."""

from __future__ import annotations

import pytest
import torch

import gcl
from tests.methods.papers import graph, make


@pytest.mark.parametrize("weights", ["none", "mean"])
def test_the_loss_is_the_papers_with_a_weight_for_every_pair(weights):
    data = graph(15)
    method = make("adameow", data, weights=weights, tau=0.7, weight_hidden=5).double().eval()
    prepared = method.prepare(data)
    coarse, fine = method.views(prepared)
    network = method.objective.weights
    pairs = fine[:, None] + coarse[None]  # anchors are rows of the fine view
    w = network.second(network.first(pairs).tanh())[..., 0].sigmoid()
    if weights == "mean":
        others = w.masked_fill(torch.eye(15, dtype=torch.bool), 0)
        w = 14 * w / others.sum(1, keepdim=True)
    similar = fine @ coarse.t() / 0.7
    expected = ((w * similar.exp()).sum(1).log() - similar.diagonal()).mean()
    assert torch.isclose(method(prepared), expected, rtol=1e-6)


def test_published_weights_sink_and_ours_do_not():
    means = {}
    for weights in ("none", "mean"):
        torch.manual_seed(0)
        watch = gcl.callbacks.MonitorWeights(every=20)
        method = make("adameow", graph(), weights=weights)
        state = gcl.fit(method, graph(), epochs=20, lr=0.05, callbacks=[watch])
        means[weights] = state.history[-1]["weight_mean"]
    assert means["none"] < 0.2  # it began at about a half
    assert means["mean"] == pytest.approx(1, abs=1e-4)


def test_width_and_rates_are_told():
    method = make("adameow", graph(), hidden=12, proj=5, mask_edge=[0.1, 0.4], mask_feature=0.6)
    assert gcl.embed(method, graph()).shape == (40, 12)
    coarse, fine = method.views(method.prepare(graph()))
    assert coarse.shape == fine.shape == (40, 5)
    assert torch.allclose(fine.norm(dim=1), torch.ones(40))
    assert method.mask_edge == [0.1, 0.4]
    assert "(mask_feature): 0.6" in repr(method)


def test_weights_are_of_three_kinds():
    with pytest.raises(ValueError, match="normalize must be one of"):
        make("adameow", graph(), weights="sum")
    with pytest.raises(ValueError, match="tau must be a number above 0"):
        make("adameow", graph(), tau=0)
