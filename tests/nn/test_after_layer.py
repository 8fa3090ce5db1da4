"""What stands behind a layer, against plain torch."""

import pytest
import torch
from torch import nn

from gcl.nn.after_layer import after_layer, reset_all


def test_normalises_then_activates():
    after, x = after_layer("Mine", 4, "elu", "batch", {"momentum": 0.5}), torch.randn(6, 4)
    plain = nn.BatchNorm1d(4, momentum=0.5)
    assert torch.equal(after(x), nn.functional.elu(plain(x)))
    assert torch.equal(after[0].module.running_mean, plain.running_mean)
    assert torch.equal(after_layer("Mine", 4, None, None)(x), x)
    assert torch.equal(after_layer("Mine", 4, nn.Tanh, None)(x), x.tanh())


def test_one_node_is_normalised_as_in_evaluation():
    after, x = after_layer("Mine", 4, None, "batch"), torch.randn(1, 4)
    assert torch.allclose(after(x), x, atol=1e-4)


@pytest.mark.filterwarnings("error")
def test_a_layer_norm_takes_any_number_of_nodes():
    after, x = after_layer("Mine", 4, None, "layer", {"eps": 0.1}), torch.randn(6, 4)
    plain = (x - x.mean()) / (x.std(correction=0) + 0.1)
    torch.testing.assert_close(after(x), plain)
    assert after(x[:0]).shape == (0, 4)


def test_start_values_come_back():
    after = after_layer("Mine", 4, "prelu", "batch")
    after(torch.randn(6, 4) + 3)
    with torch.no_grad():
        after[1].weight.fill_(0.7)
    reset_all(after)
    assert after[1].weight.item() == 0.25
    assert not after[0].module.running_mean.any()


def test_unknown_names_are_told_for_the_owner():
    for options, error, message in (
        (("rely", None), ValueError, r"^Mine: unknown activation 'rely'"),
        ((3, None), TypeError, r"^Mine: act must be the name"),
        ((None, "bach"), ValueError, r"^Mine: unknown norm 'bach'"),
        ((None, 3), TypeError, r"^Mine: norm must be the name"),
    ):
        with pytest.raises(error, match=message):
            after_layer("Mine", 4, *options)
