"""Rules for the weights of pairs: what they give and what is refused."""

import math
import pickle

import pytest
import torch

from gcl.ops.log_weight import LogWeight, RuleGradient, add_rule
from gcl.ops.streaming import streaming_logsumexp
from gcl.ops.tiles import blocks
from tests.ops.by_loops import F64, IMPLEMENTATIONS, rows, within


def test_rules_add_up():
    a = LogWeight(lambda i, j, x: x[i, None], torch.ones(4), bound=1)
    b = LogWeight(lambda i, j, y: y[None, j], torch.arange(4.0), symmetric=True, bound=3)
    both = a + b
    assert both(slice(0, 2), slice(1, 3)).tolist() == [[2, 3], [2, 3]]
    assert (both.bound, both.symmetric, len(both.tensors)) == (4, False, 2)


def test_a_rule_of_the_wrong_shape():
    q = rows(9, 3)
    for how in IMPLEMENTATIONS:
        with pytest.raises(ValueError, match="broadcasts to"):
            within(
                how,
                streaming_logsumexp,
                q,
                q,
                tau=1.0,
                log_weight=LogWeight(lambda i, j: torch.zeros(2, 7)),
            )


def test_parameters_of_a_rule_that_are_not_among_its_tensors_are_refused(implementation):
    q, w = rows(9, 3), torch.nn.Parameter(torch.tensor(1.0, dtype=F64))
    with pytest.raises(ValueError, match="pass it as one of the tensors"):
        streaming_logsumexp(
            q, q, tau=1.0, log_weight=LogWeight(lambda i, j: w.view(1, 1)),
        )  # fmt: skip


def test_a_rule_for_other_rows_is_refused():
    q = rows(9, 3)
    rule = LogWeight(lambda i, j: torch.zeros(1, 1), shape=(12, 12))
    with pytest.raises(ValueError, match=r"is for \[12, 12\] pairs of rows, got \[9, 9\]"):
        streaming_logsumexp(q, q, tau=1.0, log_weight=rule)


def decay(i, j, rate, age):
    return -rate * (age[i, None] - age[None, j]).abs()


def test_parameters_are_trained_and_saved_and_other_tensors_only_move():
    rate = torch.nn.Parameter(torch.tensor(0.5))
    rule = LogWeight(decay, rate, torch.arange(4.0))
    assert [id(p) for p in rule.parameters()] == [id(rate)]
    assert list(rule.state_dict()) == ["tensor0"]
    moved = pickle.loads(pickle.dumps(rule)).double()
    assert {t.dtype for t in moved.tensors} == {F64}
    assert moved(slice(1, 2), slice(0, 4)).tolist() == [[-0.5, 0, -0.5, -1]]


def test_numbers_are_refused():
    with pytest.raises(TypeError, match="expected tensors, got float; a number can be part of the"):
        LogWeight(decay, 0.5, torch.arange(4.0))


def test_what_a_sum_of_rules_is_for():
    one = torch.zeros(1, 1)
    some = LogWeight(lambda i, j: one, bound=2, width=3, symmetric=True, shape=(4, 4))
    other = LogWeight(lambda i, j: one, symmetric=True)
    for both in (some + other, other + some):
        assert (both.shape, both.width, both.bound, both.symmetric) == ((4, 4), 4, math.inf, True)


@pytest.mark.parametrize("by_pair", [True, False])
def test_gradients_of_tiles_add_up_to_those_of_the_whole(by_pair):
    age = torch.linspace(0, 2, 7, dtype=F64).requires_grad_()
    rate = torch.tensor(0.8, dtype=F64, requires_grad=True)
    fixed = torch.linspace(-1, 1, 7, dtype=F64)

    def function(i, j, rate, age, fixed):
        if by_pair:
            return decay(i, j, rate, age.square()) + fixed[None, j]
        return rate * (age * fixed)[i, None]  # a column, which broadcasts

    rule = LogWeight(function, rate, age, fixed)
    slope = rows(7, 7)
    collected = RuleGradient(rule, rule.tensors, [True, True, False])
    for i in blocks(7, 3):
        for j in blocks(7, 4):
            collected.add(collected.tile(i, j), slope[i, j])
    a = age.square() if by_pair else age * fixed
    whole = -rate * (a[:, None] - a).abs() if by_pair else rate * a[:, None].expand(7, 7)
    expected = torch.autograd.grad((slope * whole).sum(), (rate, age))
    torch.testing.assert_close(tuple(collected.grads[:2]), expected)
    assert collected.grads[2] is None


def test_a_tile_is_added_in_place_and_without_its_gradient():
    logits = torch.ones(2, 3)
    tile = torch.tensor([[1.0], [2.0]], dtype=F64, requires_grad=True)
    assert add_rule(logits, tile, 0.5) is logits
    assert logits.tolist() == [[1.5] * 3, [2.0] * 3]
    assert not logits.requires_grad
    assert add_rule(logits, None, 0.5) is logits
