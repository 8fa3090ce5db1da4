"""Optimizers and schedulers that `fit` is given."""

import math

import pytest
import torch

from gcl.training.optimizers import check_scheduler, made_optimizer, made_scheduler, warmup_cosine


class One(torch.nn.Linear):
    def __init__(self):
        super().__init__(2, 1, bias=False)


def test_warmup_is_linear_and_then_a_cosine():
    optimizer = torch.optim.SGD(One().parameters(), lr=0.1)
    scheduler = warmup_cosine(4, 10)(optimizer)
    found = []
    for _ in range(10):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    expected = [0.1 * (t + 1) / 4 for t in range(4)]
    expected += [0.05 * (1 + math.cos(math.pi * (t - 4) / 6)) for t in range(4, 10)]
    assert found == pytest.approx(expected)


def test_adam_is_made_where_nothing_is_given():
    made = made_optimizer(One(), None, None, 0.5)
    assert type(made) is torch.optim.Adam
    (group,) = made.param_groups
    assert (group["lr"], group["weight_decay"], group["foreach"]) == (1e-3, 0.5, True)


def test_what_is_given_is_kept_or_called():
    method = One()
    given = torch.optim.SGD(method.parameters(), lr=0.2)
    assert made_optimizer(method, given, None, None) is given
    assert type(made_optimizer(method, torch.optim.AdamW, None, None)) is torch.optim.AdamW
    kept = torch.optim.lr_scheduler.ConstantLR(given)
    assert made_scheduler(given, kept) is kept
    assert made_scheduler(given, None) is None


def test_what_is_none_is_refused():
    with pytest.raises(TypeError, match="fit: scheduler must be a learning-rate scheduler"):
        check_scheduler(3)
    other = torch.optim.SGD(One().parameters(), lr=0.2)
    with pytest.raises(ValueError, match="holds no parameter of the method"):
        made_optimizer(One(), other, None, None)
    with pytest.raises(TypeError, match="takes more than the optimizer"):
        made_scheduler(other, torch.optim.lr_scheduler.StepLR)
