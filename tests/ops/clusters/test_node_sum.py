"""The node proxy in blocks of rows."""

import pytest
import torch

import gcl.ops.clusters.node_sum
from gcl.ops.clusters.meta_nodes import meta_node_logsumexp
from tests.ops.clusters.by_loops import clustered, draw, some_shares


@pytest.mark.parametrize("exclude", [False, True])
@pytest.mark.parametrize("kind", ["labels", "shares"])
@pytest.mark.parametrize("normalize", [True, False])
def test_blocks_of_rows_equal_one_block(monkeypatch, kind, exclude, normalize):
    n = 150
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(6, (n,), generator=generator)
    given = labels if kind == "labels" else some_shares(n, 6)
    inputs = [draw(n).requires_grad_(), draw(n, seed=1).requires_grad_()]
    inputs.append(torch.linspace(0.3, 1.0, n, dtype=torch.float64, requires_grad=True))

    def run():
        value = meta_node_logsumexp(
            *inputs, given, exclude=exclude, within_cluster=False, normalize=normalize
        )
        return value, torch.autograd.grad(value.square().sum(), inputs)

    whole, slopes = run()
    monkeypatch.setattr(gcl.ops.clusters.node_sum, "BLOCK", 100)  # 16 rows
    parts, others = run()
    assert torch.allclose(parts, whole, rtol=1e-12)
    for mine, other in zip(slopes, others, strict=True):
        assert torch.allclose(mine, other, rtol=1e-9, atol=1e-12)


def test_no_second_derivative():
    z, labels = clustered(0)
    z.requires_grad_()
    value = meta_node_logsumexp(z, z, 0.5, labels)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(value.sum(), z, create_graph=True)
