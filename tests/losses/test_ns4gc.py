"""NS4GC's loss against a float64 double loop, also where nearly all pairs are edges."""

import math

import pytest
import torch

from gcl.losses.ns4gc import NS4GC
from gcl.ops import tiling


@pytest.fixture(autouse=True)
def small_tiles():
    with tiling(tile=4):
        yield


def views(n=9, d=5, dtype=torch.float64):
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(n, d, generator=generator, dtype=dtype) for _ in range(2)]


def loop(z1, z2, edges, threshold=0.6, tau=0.1, lam=1.0, gam=1.0):
    """The three means, pair by pair in plain Python."""
    rows = [[row.tolist() for row in z.double()] for z in (z1, z2)]
    u, v = [[[x / math.hypot(*row) for x in row] for row in z] for z in rows]
    own, near, apart = [], [], []
    for i, a in enumerate(u):
        for j, b in enumerate(v):
            s = math.fsum(x * y for x, y in zip(a, b, strict=True))
            if i == j:
                own.append(-s)
            elif (i, j) in edges:
                near.append(-lam * s)
            else:
                apart.append(gam / (1 + math.exp(-(s - threshold) / tau)))
    return sum(math.fsum(part) / len(part) for part in (own, near, apart) if part)


FEW = {(0, 3), (3, 0), (1, 2), (7, 4)}  # one of them in one direction only
EVERY = {(i, j) for i in range(9) for j in range(9) if i != j}
EDGES = {"none": set(), "few": FEW, "nearly all": EVERY - {(2, 5), (8, 0)}, "all": EVERY}


def listed(pairs):
    return torch.tensor(sorted(pairs), dtype=torch.long).view(-1, 2).t()


@pytest.mark.parametrize("edges", EDGES.values(), ids=EDGES)
def test_double_loop(edges, implementation):
    z1, z2 = views()
    options = {"threshold": 0.2, "tau": 0.3, "lam": 0.7, "gam": 2.0}
    value = NS4GC(**options)(z1, z2, listed(edges))
    assert value.item() == pytest.approx(loop(z1, z2, edges, **options), rel=1e-10)


@pytest.mark.parametrize("edges", EDGES.values(), ids=EDGES)
def test_gradients(edges, implementation):
    pairs, loss = listed(edges), NS4GC(0.1, 0.4)
    inputs = [z.requires_grad_() for z in views(9, 3)]
    assert torch.autograd.gradcheck(lambda u, v: loss(u, v, pairs), inputs)


def test_loops_and_repetitions_are_ignored(implementation):
    z1, z2 = views()
    more = torch.cat([listed(FEW), listed(FEW), torch.tensor([[4], [4]])], 1)
    assert NS4GC()(z1, z2, more) == NS4GC()(z1, z2, listed(FEW))
    assert NS4GC()(z1, z2, listed(set())) == NS4GC()(z1, z2)


def test_no_digits_are_lost_where_nearly_all_pairs_are_edges():
    """In float32: sigmoids of 1 for the edges, and of a millionth for the others."""
    n = 200
    z1, z2 = (z.abs() for z in views(n, 4, torch.float32))
    z2[0] *= -1  # unlike all
    edges = {(i, j) for i in range(n) for j in range(1, n) if i != j}
    options = {"threshold": 0.2, "tau": 0.05, "lam": 0.0}
    with tiling(implementation="tiled", tile=64):
        values = [NS4GC(**options, gam=gam)(z1, z2, listed(edges)) for gam in (1e6, 0.0)]
    expected = [loop(z1, z2, edges, **options, gam=gam) for gam in (1e6, 0.0)]
    repulsion = expected[0] - expected[1]
    assert 1e-3 < repulsion < 1e3
    assert (values[0] - values[1]).item() == pytest.approx(repulsion, rel=1e-4)


def test_closed_form():
    n = 12
    z = torch.eye(n, 16, dtype=torch.float64)
    ring = torch.stack([torch.arange(n), (torch.arange(n) + 1) % n])
    expected = -1 + 3.0 / (1 + math.exp(6))
    assert NS4GC(gam=3.0)(z, z, ring).item() == pytest.approx(expected, rel=1e-12)


def test_few_rows():
    z = torch.tensor([[3.0, 4.0]])
    assert NS4GC()(z, z).item() == pytest.approx(-1)
    nothing = torch.zeros(0, 3, requires_grad=True)
    value = NS4GC()(nothing, nothing)
    value.backward()
    assert value.item() == 0


def test_bad_input():
    with pytest.raises(ValueError, match="NS4GC: tau must be a number above 0"):
        NS4GC(tau=0)
    with pytest.raises(ValueError, match="NS4GC: lam must be at least 0"):
        NS4GC(lam=-1)
    with pytest.raises(ValueError, match=r"NS4GC: pos_edge_index must lie in \[0, 3\)"):
        NS4GC()(torch.ones(3, 2), torch.ones(3, 2), torch.tensor([[0], [3]]))
    assert repr(NS4GC()) == "NS4GC(threshold=0.6, tau=0.1, lam=1, gam=1)"
