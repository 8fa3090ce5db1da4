"""Masked against its formula by hand: what the encoder sees, the second mask, whose rows count."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Data
from torch_geometric.nn import GCN

import gcl
from gcl.methods.masked import Masked


class Seen(nn.Module):
    """An encoder that passes rows on and keeps what it was given."""

    def __init__(self, width):
        super().__init__()
        self.out_channels, self.weight = width, nn.Parameter(torch.ones(()))

    def forward(self, x, edge_index, edge_weight=None):
        self.x = x.detach().clone()
        return self.weight * x


def graph(n=40, f=5):
    x = torch.arange(1.0, n * f + 1).view(n, f)  # rows that all differ
    return Data(x=x, edge_index=torch.tensor([[0, 1], [1, 0]]))


@pytest.mark.parametrize(("mask", "replace"), [(0.5, 0.2), (0.25, 0.0), (1.0, 1.0)])
def test_which_rows_are_shown_and_which_count(mask, replace):
    data, encoder, decoder = graph(), Seen(5), Seen(5)
    heard = []

    def loss(found, right):
        heard.append(right)
        return found.sum()

    method = Masked(encoder, decoder, mask_rate=mask, replace_rate=replace, loss=loss)
    nn.init.constant_(method.token, -7.0)
    nn.init.eye_(method.bridge.weight)
    torch.manual_seed(0)
    method(data).backward()
    hidden = round(40 * mask)
    token = (encoder.x == -7).all(1)
    assert int(token.sum()) == hidden - round(replace * hidden)
    kept = (encoder.x == data.x).all(1)
    others = ~token & ~kept
    assert int(others.sum()) <= round(replace * hidden)
    known = data.x.tolist()
    assert all(row in known for row in encoder.x[others].tolist())
    # The decoder sees zeros where the encoder's features were masked, and all other rows as are.
    again = (decoder.x == 0).all(1)
    assert int(again.sum()) == hidden
    assert torch.equal(decoder.x[~again], data.x[~again])
    assert torch.equal(heard[0].sort(0).values, data.x[again])
    assert torch.equal(method.embed(data), data.x)


def test_the_loss_by_hand():
    data = gcl.datasets.load("karate")
    method = Masked(GCN(34, 8, 2), GCN(8, 8, 1, 34), mask_rate=1.0, replace_rate=0.0)
    nn.init.normal_(method.token)
    value = method(data)
    x = method.token.expand(34, -1)
    r = torch.zeros_like(method.bridge(method.encoder(x, data.edge_index)))
    expected = (
        1 - nn.functional.cosine_similarity(method.decoder(r, data.edge_index), data.x)
    ) ** 3
    torch.testing.assert_close(value, expected.mean())


def test_only_seeds_of_a_batch_are_masked():
    data, encoder = graph(), Seen(5)
    data.input_id, data.batch_size = torch.arange(10), 10
    method = Masked(encoder, Seen(5), mask_rate=1.0, replace_rate=0.0)
    method(data)
    assert not encoder.x[:10].any()
    assert torch.equal(encoder.x[10:], data.x[10:])
    assert len(method.embed(data)) == 10


def test_helper_rows_are_neither_masked_nor_embedded():
    data, encoder = graph(), Seen(5)
    data.helper_mask = torch.arange(40) >= 30
    method = Masked(encoder, Seen(5), mask_rate=1.0, replace_rate=0.0)
    method(data)
    assert not encoder.x[:30].any()
    assert torch.equal(encoder.x[30:], data.x[30:])
    assert len(method.embed(data)) == 30


def test_starts_again_from_other_weights():
    method = Masked(gcl.nn.GCNEncoder(4, 3), gcl.nn.GCNEncoder(3, 4))
    nn.init.ones_(method.token)
    before = [p.clone() for p in method.parameters() if p.dim() == 2]
    method.reset_parameters()
    after = [p for p in method.parameters() if p.dim() == 2]
    assert not any(torch.equal(a, b) for a, b in zip(after, before, strict=True))
    assert not method.token.any()


def test_few_nodes():
    for n in (1, 3):
        data = Data(x=torch.rand(n, 4), edge_index=torch.zeros(2, 0, dtype=torch.long))
        method = Masked(gcl.nn.GCNEncoder(4, 3), gcl.nn.GCNEncoder(3, 4), mask_rate=0.01)
        assert method(data).isfinite()


def test_bad_input():
    encoder, decoder = gcl.nn.GCNEncoder(4, 3), gcl.nn.GCNEncoder(3, 4)
    with pytest.raises(ValueError, match="Masked: mask_rate must be a number above 0, got 0"):
        Masked(encoder, decoder, mask_rate=0)
    with pytest.raises(ValueError, match=r"Masked: replace_rate must lie in \[0, 1\], got 2"):
        Masked(encoder, decoder, replace_rate=2)
    with pytest.raises(TypeError, match="Masked: encoder must be an object"):
        Masked(GCN, decoder)
    assert "mask_rate=0.5, replace_rate=0.05" in repr(Masked(encoder, decoder))
