"""SimGRACE: the noise of its second encoder."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import gcl
from gcl.losses import DCL
from gcl.methods import SimGRACE
from tests.methods.small_graphs import batch


def test_simgrace_without_noise_contrasts_equal_projections():
    torch.manual_seed(0)
    data = batch()
    method = gcl.methods.simgrace(data, hidden=4, eta=0.0)
    h = method._project(method.embed(data)).detach()
    expected = DCL(0.2, intra=False, symmetric=False)(h, h)
    assert torch.allclose(method(data), expected, atol=1e-5)


def test_simgrace_noise_has_the_stated_size_and_no_side_effects():
    class Record(nn.Module):
        out_channels = 2

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([1.0, 3.0]).repeat(5000))
            self.single = nn.Parameter(torch.tensor([7.0]))
            self.seen = []

        def forward(self, x, edge_index, edge_weight=None):
            self.seen.append((self.weight.detach().clone(), self.single.detach().clone()))
            return x[:, :2] * self.weight[:2]

    encoder = Record()
    data = batch(3)
    torch.manual_seed(0)
    method = SimGRACE(encoder, DCL(0.5, intra=False), eta=0.5)
    method(data).backward()
    (plain, _), (noisy, single) = encoder.seen
    noise = noisy - plain
    spread = float(plain.std())
    assert float(noise.std()) == pytest.approx(0.5 * spread, rel=0.05)
    assert abs(float(noise.mean())) < 5 * 0.5 * spread / 100
    assert single == 7.0  # a single number has no spread
    assert torch.equal(encoder.weight.detach(), plain)


def test_simgrace_leaves_batch_norm_to_the_plain_encoder():
    torch.manual_seed(0)
    data = batch()
    method, plain = (gcl.methods.simgrace(data, hidden=4) for _ in range(2))
    plain.load_state_dict(method.state_dict())
    method(data)
    plain.encoder(data.x, data.edge_index)
    for key, value in plain.encoder.state_dict().items():
        assert torch.equal(method.encoder.state_dict()[key], value)
