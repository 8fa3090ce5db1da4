"""Geometry against double loops and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gcl.evaluate import geometry


def sample(n, width, seed=0):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def unit(z):
    return [np.array(row) / math.sqrt(sum(v * v for v in row)) for row in z.double().tolist()]


@pytest.mark.parametrize("t", [0.5, 2.0])
def test_alignment_and_uniformity_equal_double_loops(t):
    z1, z2 = sample(25, 4), sample(25, 4, seed=1)
    a, b = unit(z1), unit(z2)
    kernel = [
        math.exp(-t * sum((p - q) ** 2 for p, q in zip(a[i], a[j], strict=True)))
        for i in range(25)
        for j in range(i + 1, 25)
    ]
    distance = [
        sum((p - q) ** 2 for p, q in zip(u, v, strict=True)) for u, v in zip(a, b, strict=True)
    ]
    found = geometry(z1, z2, t=t)
    assert found["uniformity"] == pytest.approx(math.log(sum(kernel) / len(kernel)), rel=1e-9)
    assert found["alignment"] == pytest.approx(sum(distance) / 25, rel=1e-9)
    assert "alignment" not in geometry(z1)


def test_blocks_give_the_same_sum(monkeypatch):
    z = sample(50, 3)
    whole = geometry(z)["uniformity"]
    monkeypatch.setitem(geometry.__globals__, "BLOCK", 7)
    assert geometry(z)["uniformity"] == pytest.approx(whole, rel=1e-12)


def test_closed_forms():
    assert geometry(torch.eye(8))["uniformity"] == pytest.approx(-4)
    both = torch.cat([torch.eye(6), -torch.eye(6)])  # centred already, six equal directions
    assert geometry(both)["effective_rank"] == pytest.approx(6)
    assert geometry(3 * both, both)["alignment"] == pytest.approx(0)
    assert geometry(both, -both)["alignment"] == pytest.approx(4)
    assert geometry(torch.eye(6))["effective_rank"] == pytest.approx(5)  # centring takes one
    signs = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    assert geometry(signs)["column_std"] == pytest.approx(1)


def test_collapse():
    point = geometry(torch.ones(10, 4))
    assert point["uniformity"] == pytest.approx(0, abs=1e-9)
    assert point["effective_rank"] == 0
    assert point["column_std"] == pytest.approx(0, abs=1e-7)
    assert point["rank"] == 0
    line = torch.linspace(-1, 1, 11).unsqueeze(1) * torch.ones(1, 4)
    assert geometry(line)["effective_rank"] == pytest.approx(1, abs=1e-6)
    assert geometry(line)["rank"] == 1


def test_rank_counts_directions_above_one_percent():
    scales = torch.tensor([1.0, 0.5, 0.011, 0.009, 0.0])
    both = torch.cat([torch.diag(scales), -torch.diag(scales)])
    assert geometry(both)["rank"] == 3


@pytest.mark.parametrize("shape", [(40, 6), (6, 40)])
def test_rank_equals_numpy(shape):
    z = sample(*shape).double().numpy()
    s = np.linalg.svd(z - z.mean(0), compute_uv=False)
    s = s[s > 1e-9 * s[0]] / s.sum()
    assert geometry(z)["effective_rank"] == pytest.approx(np.exp(-(s * np.log(s)).sum()))


def test_sample_is_seeded_and_close():
    z, before = sample(600, 5), torch.get_rng_state()
    first = geometry(z, max_nodes=300, seed=1)
    assert first == geometry(z, max_nodes=300, seed=1)
    assert first["uniformity"] != geometry(z, max_nodes=300, seed=2)["uniformity"]
    assert first["uniformity"] == pytest.approx(geometry(z, max_nodes=None)["uniformity"], abs=0.05)
    assert "300 nodes" in first.protocol
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((torch.ones(1, 2),), {}, "two nodes"),
        ((torch.eye(3), torch.eye(4)), {}, "same shape"),
        ((torch.eye(3),), {"t": 0}, "t must"),
        ((torch.eye(3),), {"max_nodes": 1}, "max_nodes"),
    ],
)
def test_mistakes(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        geometry(*arguments, **options)
