"""Tiles: how they are cut, multiplied, and what they leave out."""

import math

import pytest
import torch

from gcl.ops import tiles
from gcl.ops.log_weight import LogWeight
from gcl.ops.streaming import streaming_logsumexp
from tests.ops.by_loops import rows, within


def test_the_scoped_precision_is_put_back(monkeypatch):
    monkeypatch.setattr(tiles, "_has_amx", lambda: True)
    setting = torch.backends.mkldnn.matmul
    before = setting.fp32_precision
    seen = []

    def rule(i, j):
        seen.append(setting.fp32_precision)
        if len(seen) > 2:
            raise KeyboardInterrupt
        return torch.zeros(1, 1)

    q = rows(8, 4, torch.float32)
    with pytest.raises(KeyboardInterrupt):
        within(
            {"implementation": "tiled", "tile": 4, "precision": "bf16"},
            streaming_logsumexp, q, q, tau=1.0, log_weight=LogWeight(rule),
        )  # fmt: skip
    assert seen == [before, "bf16", "bf16"]  # the first call looks at one corner
    assert setting.fp32_precision == before


@pytest.mark.parametrize("start", [0, 7])
@pytest.mark.parametrize("length", [0, 1, 5, 16, 17, 31, 100])
def test_blocks_cover_each_position_once(length, start):
    for tile in (1, 4, 16, 1000):
        found = tiles.blocks(length, tile, start)
        positions = [i for block in found for i in range(block.start, block.stop)]
        assert positions == list(range(start, start + length))
        sizes = [block.stop - block.start for block in found]
        assert len(sizes) == math.ceil(length / tile)
        assert not sizes or (max(sizes) <= tile and max(sizes) - min(sizes) <= 1)


@pytest.mark.parametrize("exclude", [False, True, "some"])
def test_left_out_pairs_by_a_double_loop(exclude):
    positions = [3, -1, 8, 0, 3, 6, -1]
    option = torch.tensor(positions) if exclude == "some" else exclude
    for part in tiles.blocks(7, 3):
        for cols in tiles.blocks(9, 4):
            shape = part.stop - part.start, cols.stop - cols.start
            found = tiles.exclude_from(torch.zeros(shape), part, cols, option)
            out = [
                [
                    j == positions[i] if exclude == "some" else exclude and i == j
                    for j in range(cols.start, cols.stop)
                ]
                for i in range(part.start, part.stop)
            ]
            assert found.isneginf().tolist() == out
            assert not found[found.isfinite()].any()


@pytest.mark.parametrize("amx", [True, False])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_products_in_both_precisions(precision, amx, monkeypatch):
    monkeypatch.setattr(tiles, "_has_amx", lambda: amx)
    q, k, weights = (rows(n, d, torch.float32, s) for n, d, s in ((6, 5, 0), (8, 5, 1), (6, 8, 2)))
    products = tiles.Products(precision, q.device)
    error = 1e-6 if precision == "fp32" else 2e-2
    with products.scope():
        left, right = products.factor(q), products.factor(k)
        assert left.dtype == (torch.bfloat16 if products.cast else torch.float32)
        factor = 1.0 if products.cast else 0.7
        logits = products.logits(left, right, torch.empty(6, 8), factor)
        total = torch.ones(6, 5)
        products.add(total, products.weights(weights), right)
    exact = q.double() @ k.double().t()
    assert (logits.double() - factor * exact).norm() <= error * exact.norm()
    expected = 1 + weights.double() @ k.double()
    assert total.dtype == torch.float32
    assert (total.double() - expected).norm() <= error * expected.norm()


def test_a_rounded_product_passes_gradients(monkeypatch):
    monkeypatch.setattr(tiles, "_has_amx", lambda: False)
    q, k = (rows(n, 5, torch.float32, n).requires_grad_() for n in (6, 8))
    grad = rows(6, 8, torch.float32, 3)
    found = torch.autograd.grad(tiles.Products("bf16", q.device).product(q, k), (q, k), grad)
    expected = grad @ k, grad.t() @ q
    for mine, other in zip(found, expected, strict=True):
        assert mine.dtype == torch.float32
        assert not torch.equal(mine, other)
        assert (mine - other).norm() <= 2e-2 * other.norm()


def test_tiles_shrink_with_what_a_rule_holds_for_every_pair():
    z = torch.ones(1, 1)
    assert [tiles.default_tile(z, width) for width in (0, 1, 4, 64)] == [512, 512, 256, 64]
    assert tiles.default_tile(z, precision="bf16") > 512
    assert tiles.default_tile(z, 10**9) == 16
