import pytest
import torch

from gcl.nn.dropout import Dropout


def test_mean_and_gradient():
    torch.manual_seed(0)
    x = torch.ones(200, 500, requires_grad=True)
    y = Dropout(0.3)(x)
    y.sum().backward()
    kept = y != 0
    assert torch.equal(y[kept], torch.full_like(y[kept], 1 / 0.7))
    assert torch.equal(x.grad, y.detach())
    # 10^5 draws: the share lies within five deviations.
    assert abs(kept.double().mean() - 0.7) < 5 * (0.21 / 1e5) ** 0.5


def test_nothing_in_evaluation_or_at_rate_0():
    x = torch.randn(5, 3)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_half_precision_keeps_the_rate():
    torch.manual_seed(0)
    y = Dropout(0.001)(torch.ones(1000, 1000, dtype=torch.bfloat16))
    assert 800 < int((y == 0).sum()) < 1200


@pytest.mark.parametrize("p", [-0.1, 1.0, float("nan")])
def test_rates_out_of_range(p):
    with pytest.raises(ValueError, match=r"p must lie in \[0, 1\)"):
        Dropout(p)
