from __future__ import annotations

from math import exp, log

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gcl.losses import JSD, LocalGlobalJSD
from gcl.ops import tiling


def inputs(sizes, d=5, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    local, summary = (
        torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
        for n in (len(batch), len(sizes))
    )
    return local, summary, batch


def double_loop(local, summary, batch):
    """The formula, pair by pair."""
    positive, negative, pairs = 0.0, 0.0, 0
    for i, own in enumerate(batch.tolist()):
        for g in range(len(summary)):
            score = float((local[i] @ summary[g]).detach())
            if g == own:
                positive += log(2) - log(1 + exp(-score))
            else:
                negative += log(1 + exp(score)) - log(2)
                pairs += 1
    return negative / pairs - positive / len(local)


@pytest.mark.parametrize("sizes", [[3, 1, 4], [2, 2], [1, 0, 3], [5, 1, 1, 1, 2]])
def test_equal_to_a_double_loop(sizes, implementation):
    local, summary, batch = inputs(sizes)
    value = LocalGlobalJSD()(local, summary, batch)
    assert float(value.detach()) == pytest.approx(double_loop(local, summary, batch), abs=1e-12)


def test_gradient_of_the_tiled_form_is_that_of_the_dense_form():
    grads = []
    for implementation in ("dense", "tiled"):
        local, summary, batch = inputs([300, 2, 400])
        with tiling(implementation=implementation):
            LocalGlobalJSD()(local, summary, batch).backward()
        grads.append((local.grad, summary.grad))
    for dense, tiled in zip(*grads, strict=True):
        assert torch.allclose(dense, tiled, rtol=1e-9, atol=1e-12)


def test_graphs_of_one_node_are_jsd_of_their_rows():
    # One direction of a symmetric pair of matrices: both directions are the same number.
    local, _, batch = inputs([1] * 6)
    value = LocalGlobalJSD()(local, local, batch)
    assert torch.allclose(value, JSD()(local, local))


def test_batch_may_be_unsorted():
    local, summary, batch = inputs([3, 2, 4])
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    loss = LocalGlobalJSD()
    assert torch.allclose(loss(local[order], summary, batch[order]), loss(local, summary, batch))


class Largest(TorchDispatchMode):
    """The largest tensor that any operation gives."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            # The size of a sparse matrix says nothing of its memory.
            if isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided:
                self.numel = max(self.numel, tensor.numel())
        return out


def test_no_array_of_nodes_by_graphs():
    local, summary, batch = inputs([2] * 1500, dtype=torch.float32)
    with Largest() as seen:
        LocalGlobalJSD()(local, summary, batch).backward()
    assert seen.numel <= 512 * 512 < len(local) * len(summary) / 10


def test_one_graph_and_no_node():
    local, summary, batch = inputs([4])
    with pytest.warns(UserWarning, match="one graph has no negatives"):
        value = LocalGlobalJSD()(local, summary, batch)
    value.backward()
    assert value == 0
    assert bool((local.grad == 0).all())
    local, summary, batch = inputs([0, 0])
    assert LocalGlobalJSD()(local, summary, batch) == 0


def test_large_scores_stay_finite():
    local, summary, batch = inputs([3, 2])
    value = LocalGlobalJSD()(1e4 * local, 1e4 * summary, batch)
    value.backward()
    assert bool(value.isfinite() & local.grad.isfinite().all())


def test_errors():
    local, summary, batch = inputs([3, 2])
    loss = LocalGlobalJSD()
    with pytest.raises(ValueError, match="of one width"):
        loss(local[:, :3], summary, batch)
    with pytest.raises(TypeError, match="batch must be a tensor of int64"):
        loss(local, summary, batch.float())
    with pytest.raises(ValueError, match="each of the 5 nodes"):
        loss(local, summary, batch[:3])
    with pytest.raises(ValueError, match=r"must lie in \[0, 2\)"):
        loss(local, summary, batch + 1)
