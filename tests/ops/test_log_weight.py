"""Rules for the weights of pairs: what they give and what is refused."""

import pytest
import torch

from gcl.ops.log_weight import LogWeight
from gcl.ops.streaming import streaming_logsumexp
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
