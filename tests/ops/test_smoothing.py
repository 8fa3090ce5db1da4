"""Smoothed features against dense powers in float64, SciPy and PyG."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch_geometric.nn import SGConv, SSGConv

import gcl
from gcl.ops.smoothing import smooth

F64 = torch.float64


def random_graph(n=30, e=90, seed=0):
    """Directed, with repeated edges and loops; the last nodes are isolated."""
    generator = torch.Generator().manual_seed(seed)
    edges = torch.randint(0, n - 3, (2, e), generator=generator)
    x = torch.rand(n, 7, generator=generator, dtype=F64)
    return x.masked_fill(x < 0.6, 0), edges, torch.rand(e, generator=generator, dtype=F64)


def dense_powers(x, edges, weight, hops):
    """`S^k x` by entries: a node's own loop takes the place of the added one."""
    n = len(x)
    a = torch.zeros(n, n, dtype=F64)
    loops = torch.ones(n, dtype=F64)
    for (source, target), w in zip(edges.t().tolist(), weight.tolist(), strict=True):
        if source == target:
            loops[source] = w if w else 1.0
        else:
            a[target, source] += w
    a += loops.diag()
    root = a.sum(1).rsqrt()
    s = root[:, None] * a * root
    powers = [x]
    for _ in range(hops):
        powers.append(s @ powers[-1])
    return powers


EXPECTED = {
    "last": lambda powers: powers[-1],
    "mean": lambda powers: 0.7 * torch.stack(powers[1:]).mean(0) + 0.3 * powers[0],
    "concat": lambda powers: torch.cat(powers, 1),
}


@pytest.mark.parametrize("keep", EXPECTED)
@pytest.mark.parametrize("budget", [1, 4 * 30 * 3, 1 << 24])
def test_equals_dense_powers_in_blocks_of_any_size(keep, budget):
    x, edges, weight = random_graph()
    for hops in (1, 4):
        expected = EXPECTED[keep](dense_powers(x, edges, weight, hops))
        for given in (x, x.to_sparse_csr(), x.to_sparse()):
            options = {"hops": hops, "keep": keep, "residual": 0.3, "budget": budget}
            found = smooth(given, edges, weight, **options)
            assert found.layout == torch.strided
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


def test_equals_scipy_on_a_graph_without_weights():
    data = gcl.datasets.load("karate")
    x = torch.eye(34, dtype=F64)
    a = sp.coo_array((np.ones(data.num_edges), data.edge_index.numpy()), shape=(34, 34)).tocsr()
    a = sp.csr_array(a + sp.eye_array(34))
    root = sp.diags_array(1 / np.sqrt(a.sum(1)))
    s = root @ a @ root
    expected = torch.from_numpy((s @ s @ s).toarray())
    torch.testing.assert_close(smooth(x, data.edge_index, hops=3, keep="last"), expected)


@pytest.mark.parametrize(("keep", "Conv"), [("last", SGConv), ("mean", SSGConv)])
def test_equals_pyg(keep, Conv):
    x, edges, weight = random_graph(seed=1)
    edges, weight = edges[:, edges[0] != edges[1]], weight[edges[0] != edges[1]]
    options = {} if keep == "last" else {"alpha": 0.1}
    conv = Conv(7, 7, K=4, **options).double()
    with torch.no_grad():
        conv.lin.weight.copy_(torch.eye(7))
        conv.lin.bias.zero_()
        expected = conv(x, edges, weight)
    found = smooth(x, edges, weight, hops=4, keep=keep, residual=0.1)
    torch.testing.assert_close(found, expected)


def test_an_isolated_node_keeps_its_row():
    x, edges, weight = random_graph()
    for keep in ("last", "mean"):
        torch.testing.assert_close(smooth(x, edges, weight, hops=5, keep=keep)[-3:], x[-3:])


def test_whole_numbers_and_half_precision():
    x, edges, _ = random_graph()
    whole = (x > 0).long()
    found = smooth(whole, edges, hops=3)
    assert found.dtype == torch.float32
    assert torch.equal(found, smooth(whole.float(), edges, hops=3))
    half = smooth(whole.half(), edges, hops=3)
    assert half.dtype == torch.float16
    assert torch.equal(half, found.half())  # summed in float32


def test_needs_no_gradient_and_leaves_the_features():
    x, edges, weight = random_graph()
    x.requires_grad_()
    before = x.detach().clone()
    assert not smooth(x, edges, weight, hops=2).requires_grad
    assert torch.equal(x, before)


@pytest.mark.parametrize("keep", EXPECTED)
def test_holds_blocks_only_beyond_the_result(keep):
    n, f, budget = 500, 400, 1 << 14
    x = torch.rand(n, f)
    edges = torch.randint(0, n, (2, 2000))
    for given in (x, (x * (x > 0.95)).to_sparse_csr()):
        smooth(given, edges, hops=1)  # the edge list is sorted, and remembered
        watch = Allocated(x)
        with watch:
            out = smooth(given, edges, hops=3, keep=keep, budget=budget)
        sizes = sorted(watch.sizes, reverse=True)
        assert sizes[0] == 4 * out.numel()  # the result alone is that large,
        nnz = given.values().numel() if given is not x else 0
        assert max(size for size in sizes if size < sizes[0]) <= max(budget, 16 * nnz)
        # and a block a quarter of the budget of numbers of 4 bytes
        assert 4 * 8 * n in sizes


class Allocated(TorchDispatchMode):
    """The bytes of every dense tensor that any operation makes, but for views of x."""

    def __init__(self, x):
        super().__init__()
        self.known, self.sizes = x.untyped_storage().data_ptr(), []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for x in out if isinstance(out, tuple | list) else (out,):
            if isinstance(x, torch.Tensor) and x.layout == torch.strided:
                memory = x.untyped_storage()
                if memory.data_ptr() != self.known:
                    self.sizes.append(memory.nbytes())
        return out


def test_no_columns_and_no_nodes():
    _, edges, _ = random_graph()
    assert smooth(torch.zeros(30, 0), edges, hops=2, keep="concat").shape == (30, 0)
    assert smooth(torch.zeros(0, 3), edges[:, :0], hops=2, keep="concat").shape == (0, 9)
