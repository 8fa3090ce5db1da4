"""The loss of random mixtures of rows, against mixtures by hand."""

import pytest
import torch
from torch import nn

import gcl
from gcl.losses.sketched import Sketched
from gcl.ops.sketches import gaussian_sketch
from gcl.testing import check_loss


def test_the_mean_of_the_loss_is_that_of_mixtures_by_hand():
    z1, z2 = torch.randn(8, 4), torch.randn(8, 4)
    head, loss = nn.Linear(4, 3), gcl.losses.InfoNCE(0.5, intra=False)
    torch.manual_seed(1)
    value = Sketched(loss, head, ratio=0.5)(z1, z2)
    torch.manual_seed(1)
    # float32 and float64 draw different numbers; so recover in the precision at hand.
    p = gaussian_sketch(torch.eye(8), 4)
    assert torch.isclose(value, loss(head(p @ z1), head(p @ z2)), rtol=1e-5)
    torch.manual_seed(1)
    apart = Sketched(loss, head, ratio=0.5, shared=False)
    value = apart(z1, z1)
    torch.manual_seed(1)
    p, q = gaussian_sketch(torch.eye(8), 4), gaussian_sketch(torch.eye(8), 4)
    assert torch.isclose(value, loss(head(p @ z1), head(q @ z1)), rtol=1e-5)


@pytest.mark.parametrize("sketch", ["gaussian", "sign"])
def test_contract(sketch):
    loss = Sketched(gcl.losses.InfoNCE(0.5), ratio=0.7, sketch=sketch, density=0.3)
    check_loss(loss, draws=True)
    assert f"sketch={sketch!r}" in repr(loss)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ratio": 0.0}, r"ratio must lie in \(0, 1\]"),
        ({"density": 2.0}, r"density must lie in \(0, 1\]"),
        ({"sketch": "fourier"}, "sketch must be one of"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Sketched(gcl.losses.InfoNCE(), **change)
