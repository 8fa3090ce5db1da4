"""Group discrimination against scikit-learn's log loss."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from gcl.losses.group_discrimination import GroupDiscrimination
from gcl.testing import check_loss


def groups(n=9, d=4):
    return torch.randn(2, n, d, generator=torch.manual_seed(n), dtype=torch.float64)


def test_value_from_scikit_learn():
    real, corrupt = groups()
    scores = np.concatenate([real.numpy().sum(1), corrupt.numpy().sum(1)])
    expected = log_loss([1] * 9 + [0] * 9, 1 / (1 + np.exp(-scores)))
    assert GroupDiscrimination()(real, corrupt).item() == pytest.approx(expected, rel=1e-10)


def test_closed_forms():
    z = torch.ones(5, 4, dtype=torch.float64)
    loss = GroupDiscrimination()
    assert loss(0 * z, 0 * z).item() == pytest.approx(math.log(2))
    assert loss(z, -z).item() == pytest.approx(math.log1p(math.exp(-4)), rel=1e-12)
    assert loss(-z, z).item() == pytest.approx(4 + math.log1p(math.exp(-4)), rel=1e-12)
    assert loss(-1000 * z, 1000 * z).item() == pytest.approx(4000)  # no exponential overflows


def test_gradient():
    real, corrupt = (z.requires_grad_() for z in groups().unbind())
    assert torch.autograd.gradcheck(GroupDiscrimination(), (real, corrupt))


def test_groups_need_no_order():
    real, corrupt = groups()
    value = GroupDiscrimination()(real, corrupt)
    assert torch.isclose(GroupDiscrimination()(real, corrupt.flip(0)), value, rtol=1e-12)


def test_contract():
    check_loss(GroupDiscrimination(), compares=False)


def test_sums_are_taken_in_float32():
    z = torch.ones(2, 511, dtype=torch.bfloat16)  # bfloat16 has no 511
    with torch.autocast("cpu", torch.bfloat16):
        value = GroupDiscrimination()(-z, z)
    assert value.item() == 511
    assert value.dtype == torch.float32


def test_few_rows():
    real, corrupt = groups()
    assert GroupDiscrimination()(real[:1], corrupt[:1]).isfinite()
    real.requires_grad_()
    empty = GroupDiscrimination()(real[:0], corrupt[:0])
    empty.backward()
    assert empty.item() == 0
