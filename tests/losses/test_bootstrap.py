"""The bootstrap cosine against scikit-learn, and its one-sided gradient."""

import pytest
import torch
from sklearn.metrics.pairwise import paired_cosine_distances

from gcl.losses.bootstrap import BootstrapCosine
from gcl.testing import check_loss


def views(n=9, d=4):
    return torch.randn(2, n, d, generator=torch.manual_seed(n), dtype=torch.float64)


def test_value_from_scikit_learn():
    q, y = views()
    distances = paired_cosine_distances(q.numpy(), y.numpy())
    assert BootstrapCosine()(q, y).item() == pytest.approx(distances.mean(), rel=1e-12)
    each = BootstrapCosine(reduction="none")(q, y)
    assert each.tolist() == pytest.approx(distances.tolist(), rel=1e-12)


def test_range_and_sign():
    q, _ = views()
    assert BootstrapCosine()(q, 3 * q).item() == pytest.approx(0, abs=1e-12)
    assert BootstrapCosine()(q, -q).item() == pytest.approx(2, rel=1e-12)


def test_two_directions_are_bgrl():
    (q1, q2), (y1, y2) = views(), views(9)
    cosine = torch.nn.functional.cosine_similarity
    published = 2 - cosine(q1, y2).mean() - cosine(q2, y1).mean()
    loss = BootstrapCosine()
    assert (loss(q1, y2) + loss(q2, y1)).item() == pytest.approx(published.item(), rel=1e-12)


def test_gradient_reaches_the_prediction_only():
    q, y = (z.requires_grad_() for z in views().unbind())
    assert torch.autograd.gradcheck(lambda a: BootstrapCosine()(a, y), (q,))
    BootstrapCosine()(q, y).backward()
    assert y.grad is None
    # A step along the gradient brings the prediction nearer.
    with torch.no_grad():
        assert BootstrapCosine()(q - q.grad, y) < BootstrapCosine()(q, y)


def test_contract():
    check_loss(BootstrapCosine(), one_sided=True)


def test_zero_rows_count_as_cosine_zero():
    q = torch.tensor([[0.0, 0.0], [1.0, 0.0]], requires_grad=True)
    value = BootstrapCosine()(q, torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    value.backward()
    assert value.item() == 0.5
    assert q.grad.isfinite().all()


def test_few_rows_and_autocast():
    q, y = views()
    q.requires_grad_()
    empty = BootstrapCosine()(q[:0], y[:0])
    empty.backward()
    assert empty.item() == 0
    assert BootstrapCosine()(q[:1], y[:1]).isfinite()
    with torch.autocast("cpu", torch.bfloat16):
        value = BootstrapCosine()(q.float(), y.float())
    assert value.item() == pytest.approx(BootstrapCosine()(q, y).item(), rel=1e-5)


def test_bad_input():
    with pytest.raises(ValueError, match="one shape"):
        BootstrapCosine()(torch.ones(2, 3), torch.ones(3, 3))
    with pytest.raises(ValueError, match="one of 'mean', 'none'"):
        BootstrapCosine(reduction="sum")
