"""The softmax losses over chosen negatives, as a float64 double loop in plain Python."""

import math

import pytest
import torch

from gcl.losses.dcl import DCL
from gcl.losses.infonce import InfoNCE


def unit(z):
    rows = []
    for row in z.detach().tolist():
        length = math.sqrt(math.fsum(x * x for x in row))
        rows.append([x / length for x in row])
    return rows


def dot(a, b):
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def double_loop(kind, z1, z2, tau, chosen, intra):
    """`chosen(q, k, i)` lists the negatives j of row i of q among the rows of k."""
    u, v = unit(z1), unit(z2)
    means = []
    for q, k in ((u, v), (v, u)):
        values = []
        for i in range(len(q)):
            powers = [math.exp(dot(q[i], k[j]) / tau) for j in chosen(q, k, i)]
            if intra:
                powers += [math.exp(dot(q[i], q[j]) / tau) for j in chosen(q, q, i)]
            positive = dot(q[i], k[i]) / tau
            if kind is InfoNCE:
                values.append(math.log(math.fsum([*powers, math.exp(positive)])) - positive)
            elif powers:
                values.append(math.log(math.fsum(powers)) - positive)
        means.append(math.fsum(values) / max(1, len(values)))
    return math.fsum(means) / 2


@pytest.fixture
def views():
    def make(n, d=5):
        generator = torch.Generator().manual_seed(n)
        return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2)]

    return make


@pytest.fixture
def agrees(views):
    """Value and slope along a random way, for InfoNCE and DCL, with and without `intra`."""

    def check(negatives, chosen, n, tau=0.4):
        z1, z2 = views(n)
        way = [torch.randn_like(z) for z in (z1, z2)]
        for kind in (InfoNCE, DCL):
            for intra in (True, False):
                a, b = (z.clone().requires_grad_() for z in (z1, z2))
                value = kind(tau, negatives=negatives, intra=intra)(a, b)
                expected = double_loop(kind, z1, z2, tau, chosen, intra)
                assert value.item() == pytest.approx(expected, rel=1e-10)
                slope = sum(
                    (g * w).sum()
                    for g, w in zip(torch.autograd.grad(value, (a, b)), way, strict=True)
                )
                up, down = (
                    double_loop(
                        kind,
                        *(z + s * w for z, w in zip((z1, z2), way, strict=True)),
                        tau,
                        chosen,
                        intra,
                    )
                    for s in (1e-5, -1e-5)
                )
                assert slope.item() == pytest.approx((up - down) / 2e-5, rel=1e-6, abs=1e-8)

    return check
