"""COSTA: embeddings mixed before the head, negatives across the views only."""

import pytest
import torch
from torch.nn.functional import normalize

import gcl
from gcl.methods.recipes.costa import costa
from gcl.ops.sketches import gaussian_sketch


@pytest.fixture
def data():
    data = gcl.datasets.karate()
    data.x = torch.rand(34, 7, generator=torch.Generator().manual_seed(0))
    return data


@pytest.mark.parametrize("single", [False, True])
def test_without_augmentation_it_is_the_formula(data, single):
    method = costa(
        data, hidden=8, proj=6, tau=0.5, ratio=0.4, drop_edge=(0, 0), mask_feature=(0, 0),
        single_view=single,
    )  # fmt: skip
    prepared = method.prepare(data)
    torch.manual_seed(4)
    value = method(prepared)
    torch.manual_seed(4)
    p = [gaussian_sketch(torch.eye(34), 14)]  # 0.4 * 34 = 13.6
    p.append(gaussian_sketch(torch.eye(34), 14) if single else p[0])
    z = method.embed(prepared)
    h1, h2 = (normalize(method.objective.head(q @ z)) for q in p)
    logits = h1 @ h2.t() / 0.5
    expected = -(logits.diag() - (logits.logsumexp(1) + logits.logsumexp(0)) / 2).mean()
    assert torch.isclose(value, expected, rtol=1e-4)


def test_rates_sketch_and_widths_reach_their_places(data):
    method = costa(
        data, hidden=8, sketch="sign", density=0.2, drop_edge=(0.1, 0.2), mask_feature=(0.3, 0.4)
    )
    shown = repr(method)
    for part in (
        "EdgeDropping(p=0.1", "EdgeDropping(p=0.2", "FeatureMasking(p=0.3", "FeatureMasking(p=0.4",
        "sketch='sign', density=0.2", "intra=False",
    ):  # fmt: skip
        assert part in shown
    assert [w.shape[1] for w in method.encoder.weights] == [8, 8]
    assert "Dropping" not in repr(costa(data, hidden=8, single_view=True))
