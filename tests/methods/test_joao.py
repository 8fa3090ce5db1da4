"""JOAO: the probabilities of its augmentations against SciPy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from gcl.methods import JOAO, TwoView
from gcl.methods.joao import project_simplex
from tests.methods.small_graphs import batch


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


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_joao_learns_nothing_of_losses_that_are_no_numbers(bad):
    method = joao([1.0, bad, 2.0], every=1)
    method.chances.copy_(torch.tensor([0.2, 0.3, 0.5]))
    method(batch(2))
    torch.testing.assert_close(method.chances, torch.tensor([0.2, 0.3, 0.5]))


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
