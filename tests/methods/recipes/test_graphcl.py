"""GraphCL: its loss written plainly, and what its rates take out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import gcl
from gcl.losses import AdaptiveTemperature
from tests.methods.small_graphs import batch


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


def test_one_augmentation_is_drawn_for_every_graph():
    torch.manual_seed(0)
    method = gcl.methods.graphcl(
        batch(), hidden=4, drop_node=0.5, drop_edge=0, mask_node=0.5, walks=0
    )
    same, drawn = method.views
    data, seen = batch(), set()
    assert torch.equal(same(batch()).x, data.x)
    for _ in range(30):
        view = drawn(batch())
        for g in range(6):
            x, before = view.x[view.batch == g], data.x[data.batch == g]
            lost = len(x) < len(before)
            noisy = not lost and not torch.equal(x, before)
            seen.add((lost, noisy))
            # Dropped nodes leave the features of the others, noise leaves their number.
            if lost:
                assert {tuple(row) for row in x.tolist()} <= {tuple(row) for row in before.tolist()}
    assert seen >= {(True, False), (False, True)}


def test_the_head_is_as_wide_as_all_layers():
    method = gcl.methods.graphcl(batch(), hidden=5, num_layers=2)
    assert [(lin.in_channels, lin.out_channels) for lin in method.projector.lins] == [(10, 10)] * 2
    with pytest.raises(ValueError, match=r"p must lie in \[0, 1\], got 2"):
        gcl.methods.graphcl(batch(), drop_node=2)
