"""The mixture finds the distributions that numbers were drawn from; weights as a double loop."""

import math

import pytest
import torch
from scipy import stats

from gcl.losses.weights.beta_mixture import EDGE, fit_beta_mixture, mixture_weights
from gcl.ops.similarity import unit_rows
from gcl.ops.streaming import streaming_logsumexp


@pytest.mark.parametrize(
    ("false", "share"), [((30, 6), 0.1), ((30, 6), 0.3), ((12, 4), 0.2)]
)  # the first two are fixed points of the released code far from the truth
def test_a_known_mixture_is_recovered(false, share):
    count = round(10000 * share)
    true = stats.beta.rvs(4, 12, size=10000 - count, random_state=0)
    others = stats.beta.rvs(*false, size=count, random_state=1)
    s = torch.cat([torch.from_numpy(true), torch.from_numpy(others)])
    w, a0, b0, a1, b1 = fit_beta_mixture(s, iterations=50).tolist()
    assert w == pytest.approx(1 - share, abs=0.01)
    assert (a0, b0) == (pytest.approx(4, rel=0.05), pytest.approx(12, rel=0.05))
    assert (a1, b1) == (pytest.approx(false[0], rel=0.1), pytest.approx(false[1], rel=0.1))


def test_one_step_is_the_weighted_moments_by_hand():
    s = torch.tensor([0.1, 0.2, 0.35, 0.7, 0.9], dtype=torch.float64)
    found = fit_beta_mixture(s, share=0.2, iterations=1)
    parts = [0.8 * stats.beta.pdf(s, 1, 2), 0.2 * stats.beta.pdf(s, 2, 1)]
    expected = []
    for part in parts:
        r = torch.from_numpy(part / (parts[0] + parts[1]))
        m = float((r * s).sum() / r.sum())
        v = float((r * (s - m) ** 2).sum() / r.sum())
        c = max(m * (1 - m) / v - 1, 1.01 / min(m, 1 - m))
        expected.append((float(r.sum()) / 5, c * m, c * (1 - m)))
    (w, a0, b0), (_, a1, b1) = expected
    assert found.tolist() == pytest.approx([w, a0, b0, a1, b1])


@pytest.mark.parametrize(
    "s",
    [torch.full((4,), 0.5), torch.zeros(3), torch.ones(3), torch.tensor([0.0, 1.0]),
     torch.tensor([0.3])],
)  # fmt: skip
def test_degenerate_numbers_give_finite_parameters(s):
    found = fit_beta_mixture(s)
    assert found.isfinite().all()
    assert (found > 0).all()


def test_what_does_not_fit_is_refused():
    for s in (torch.tensor([0.5, 1.5]), torch.tensor([torch.nan]), torch.empty(0)):
        with pytest.raises(ValueError, match=r"numbers \[n\] in \[0, 1\]"):
            fit_beta_mixture(s)
    with pytest.raises(ValueError, match="share must lie"):
        fit_beta_mixture(torch.rand(3), share=1.0)
    with pytest.raises(ValueError, match="iterations must be at least 1"):
        fit_beta_mixture(torch.rand(3), iterations=0)
    with pytest.raises(ValueError, match="five numbers"):
        mixture_weights(torch.eye(3), torch.eye(3), torch.ones(4))


MIXTURE = torch.tensor([0.93, 5.0, 7.0, 14.0, 2.5], dtype=torch.float64)


def dense_weights(q, k, mixture):
    """The weights as a double loop over SciPy's densities."""
    w, a0, b0, a1, b1 = mixture.tolist()
    n = len(q)
    b = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            s = min(max((float(q[i] @ k[j]) + 1) / 2, EDGE), 1 - EDGE)
            true = w * stats.beta.pdf(s, a0, b0)
            b[i, j] = s * true / (true + (1 - w) * stats.beta.pdf(s, a1, b1))
        b[i] /= (b[i].sum() - b[i, i]) / (n - 1)
    return b


def test_weights_are_the_double_loop():
    generator = torch.Generator().manual_seed(0)
    q, k = (unit_rows(torch.randn(13, 3, generator=generator).double()) for _ in range(2))
    rule, expected = mixture_weights(q, k, MIXTURE), dense_weights(q, k, MIXTURE)
    for rows, cols in ((slice(0, 13), slice(0, 13)), (slice(4, 7), slice(2, 13))):
        assert torch.allclose(rule(rows, cols).exp(), expected[rows, cols], rtol=1e-9)
    assert float(rule(slice(0, 13), slice(0, 13)).abs().max()) <= rule.bound
    others = ~torch.eye(13, dtype=torch.bool)
    assert torch.allclose(expected[others].view(13, 12).mean(1), torch.ones(13).double())


def test_streams_as_dense(implementation):
    q = unit_rows(torch.randn(13, 3).double()).requires_grad_()
    k = unit_rows(torch.randn(13, 3).double())
    rule = mixture_weights(q, k, MIXTURE)
    lse = streaming_logsumexp(q, k, tau=0.3, exclude=True, log_weight=rule)
    logits = q @ k.t() / 0.3 + dense_weights(q.detach(), k, MIXTURE).log()
    expected = logits.masked_fill(torch.eye(13, dtype=torch.bool), -math.inf).logsumexp(1)
    assert torch.allclose(lse, expected)
    ours, theirs = (torch.autograd.grad(v.square().sum(), q)[0] for v in (lse, expected))
    assert torch.allclose(ours, theirs)  # and the weights are constants in both


def test_one_node_has_no_weights_to_average():
    rule = mixture_weights(torch.eye(1), torch.eye(1), MIXTURE)
    assert rule(slice(0, 1), slice(0, 1)).isfinite().all()
