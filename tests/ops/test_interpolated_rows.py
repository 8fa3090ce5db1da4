"""Interpolated rows against the matrix written out, row by row, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gcl.nn import GCNEncoder
from gcl.ops.interpolated_rows import InterpolatedRows


def parts(sparse: bool) -> tuple[Tensor, InterpolatedRows, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(4, 5, generator=generator, dtype=torch.float64)
    x = x * (torch.rand(4, 5, generator=generator) < 0.5)
    pairs = torch.tensor([[0, 3, 3], [1, 2, 2]])
    rows = [*x, *(0.3 * x[j] + 0.7 * x[i] for j, i in pairs.t().tolist())]
    return torch.stack(rows), InterpolatedRows(x.to_sparse_csr() if sparse else x, pairs, 0.3), x


@pytest.mark.parametrize("sparse", [False, True])
def test_it_is_the_matrix(sparse: bool) -> None:
    full, rows, _ = parts(sparse)
    assert (rows.shape, rows.dtype, len(rows), rows.dim()) == (full.shape, full.dtype, 7, 2)
    assert rows.to(torch.float64) is rows
    for got, wanted in (
        (rows.written_out(), full),
        (rows * 2, full * 2),
        (rows[5], full[5]),
        (torch.cat([rows, rows]), torch.cat([full, full])),
        (rows.t() @ rows, full.t() @ full),
        (rows.float(), full.float()),
        (rows.relu().sum(0), full.relu().sum(0)),
    ):
        assert type(got) is Tensor
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("sparse", [False, True])
def test_linear_maps_and_their_gradients(sparse: bool) -> None:
    full, rows, _ = parts(sparse)
    grads = []
    for x in (full, rows):
        layer = nn.Linear(5, 3, dtype=torch.float64)
        nn.init.constant_(layer.bias, 0.2)
        with torch.no_grad():
            layer.weight.copy_(torch.arange(15.0).view(3, 5).sin())
        out = torch.cat([layer(x), x @ layer.weight.t(), torch.mm(x, layer.weight.t())])
        out.square().sum().backward()
        grads.append((out.detach(), layer.weight.grad, layer.bias.grad))
    for got, wanted in zip(grads[1], grads[0], strict=True):
        torch.testing.assert_close(got, wanted)


def test_a_product_writes_no_row_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InterpolatedRows, "written_out", None)
    _, rows, _ = parts(False)
    edges = torch.tensor([[4, 5, 6, 0], [0, 1, 2, 3]])
    assert GCNEncoder(5, 3).double()(rows, edges).shape == (7, 3)


def test_an_encoder_that_propagates_first_sees_the_matrix() -> None:
    full, rows, _ = parts(False)
    edges = torch.tensor([[4, 5, 6, 0], [0, 1, 2, 3]])
    encoder = GCNEncoder(5, 8, dropout=0.0).double()  # wider than its input
    torch.testing.assert_close(encoder(rows, edges), encoder(full, edges))
