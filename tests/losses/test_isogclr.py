"""ISogCLR: values and temperatures against NumPy and SciPy root finding."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import logsumexp, softmax

from gcl.losses.isogclr import ISogCLR
from gcl.testing import check_loss


def views(n=9, d=5):
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2)]


def candidates(z1, z2, intra=True):
    """Cosines of the positive pairs `[n]` and of the negatives in both directions `[n, M]`."""
    u, v = (z.detach().numpy() for z in (z1, z2))
    u, v = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (u, v))
    n = len(u)
    parts = [u @ v.T, v @ u.T, *([u @ u.T, v @ v.T] if intra else [])]
    other = ~np.eye(n, dtype=bool)
    return (u * v).sum(1), np.hstack([s[other].reshape(n, n - 1) for s in parts])


def robust(own, others, tau, perplexity):
    h = others - own[:, None]
    m = h.shape[1]
    mean = logsumexp(h / tau[:, None], axis=1) - math.log(m)
    return tau * mean + tau * math.log(m / perplexity)


def entropy(s, tau):
    p = softmax(s / tau)
    return -(p * np.log(p)).sum()


@pytest.mark.parametrize("intra", [True, False])
def test_value_and_step_from_the_definition(intra, implementation):
    z1, z2 = views()
    loss = ISogCLR(
        9, perplexity=5, lr=0.1, momentum=0.8, intra=intra, reduction="none",
    ).double()  # fmt: skip
    tau = np.linspace(0.2, 1.0, 9)
    loss.tau.copy_(torch.from_numpy(tau))
    loss.velocity.fill_(0.3)
    own, others = candidates(z1, z2, intra)
    assert loss(z1, z2).tolist() == pytest.approx(robust(own, others, tau, 5).tolist(), rel=1e-9)
    h = 1e-6
    slope = (robust(own, others, tau + h, 5) - robust(own, others, tau - h, 5)) / (2 * h)
    velocity = 0.8 * 0.3 + 0.2 * slope
    assert loss.velocity.tolist() == pytest.approx(velocity.tolist(), abs=1e-8)
    assert loss.tau.tolist() == pytest.approx(
        np.clip(tau - 0.1 * velocity, 0.1, 2).tolist(), abs=1e-9
    )


def test_converges_to_the_perplexity_asked_for(implementation):
    z1, z2 = views(12)
    loss = ISogCLR(12, perplexity=15, lr=0.2, bounds=(0.01, 50))
    loss = loss.double()
    for _ in range(250):
        loss(z1, z2)
    _, others = candidates(z1, z2)
    best = [brentq(lambda t, s=s: entropy(s, t) - math.log(15), 1e-2, 50) for s in others]
    assert loss.tau.tolist() == pytest.approx(best, rel=1e-5)
    perplexity = [math.exp(entropy(s, float(t))) for s, t in zip(others, loss.tau, strict=True)]
    assert perplexity == pytest.approx([15] * 12, rel=1e-5)
    assert loss.tau.std() > 0.01  # nodes do differ


def test_gradient_of_the_embeddings(implementation):
    z1, z2 = (z.requires_grad_() for z in views(6, 3))
    loss = ISogCLR(6, perplexity=4).double()
    with torch.no_grad():
        loss.tau.copy_(torch.linspace(0.2, 0.9, 6))
    start = copy.deepcopy(loss.state_dict())

    def run(a, b):
        loss.load_state_dict(start)  # every call steps
        return loss(a, b)

    assert torch.autograd.gradcheck(run, (z1, z2))
    # sum_j p_ij dh_ij, by autograd of the plain similarities with p held constant
    run(z1, z2)
    u, v = (torch.nn.functional.normalize(z, dim=1) for z in (z1, z2))
    parts = torch.stack([u @ v.t(), v @ u.t(), u @ u.t(), v @ v.t()], 1)
    parts = parts.masked_fill(torch.eye(6, dtype=torch.bool)[:, None], -torch.inf)
    tau = start["tau"][:, None]
    p = (parts.flatten(1) / tau).softmax(1).detach()
    s = parts.flatten(1).masked_fill(p == 0, 0.0)
    surrogate = ((p * s).sum(1) - (u * v).sum(1)).mean()
    for mine, theirs in zip(
        torch.autograd.grad(run(z1, z2), (z1, z2)),
        torch.autograd.grad(surrogate, (z1, z2)),
        strict=True,
    ):
        assert torch.allclose(mine, theirs, atol=1e-12)


def test_mini_batches_move_their_own_nodes_only():
    z1, z2 = views(4)
    ids = torch.tensor([7, 2, 9, 0])
    loss, small = ISogCLR(10, perplexity=3), ISogCLR(4, perplexity=3)
    assert loss(z1, z2, ids) == small(z1, z2)
    assert torch.equal(loss.tau[ids], small.tau)
    rest = torch.tensor([1, 3, 4, 5, 6, 8])
    assert (loss.tau[rest] == 0.4).all()
    assert (loss.tau[ids] != 0.4).all()


def test_evaluation_moves_nothing_and_falls_back_to_the_median():
    z1, z2 = views(7)
    loss = ISogCLR(7, perplexity=6, reduction="none").double()
    loss.tau.copy_(torch.linspace(0.2, 0.8, 7, dtype=torch.float64))
    before = copy.deepcopy(loss.state_dict())
    loss.eval()
    loss(z1, z2)
    own, others = candidates(z1[:5], z2[:5])
    new = robust(own, others, np.full(5, 0.5), 6)
    assert loss(z1[:5], z2[:5]).tolist() == pytest.approx(new.tolist(), rel=1e-9)
    known = robust(own, others, np.linspace(0.2, 0.8, 7)[:5], 6)
    assert loss(z1[:5], z2[:5], torch.arange(5)).tolist() == pytest.approx(known.tolist(), rel=1e-9)
    assert all(torch.equal(loss.state_dict()[k], v) for k, v in before.items())


def test_state_travels():
    z1, z2 = views()
    loss = ISogCLR(9, perplexity=5, lr=0.1)
    for _ in range(3):
        loss(z1, z2)
    twin, fresh = copy.deepcopy(loss), ISogCLR(9, perplexity=5, lr=0.1)
    fresh.load_state_dict(loss.state_dict())
    values = [x(z1, z2).item() for x in (loss, twin, fresh)]
    assert values[0] == values[1] == values[2]
    assert torch.equal(loss.tau, twin.tau)
    assert torch.equal(loss.tau, fresh.tau)
    assert sorted(loss.state_dict()) == ["tau", "velocity"]
    with torch.no_grad():
        loss.tau.fill_(1.0)
    assert not torch.equal(loss.tau, twin.tau)


def test_bounds_hold_and_a_huge_perplexity_is_cut():
    z1, z2 = views()
    for perplexity, end in ((1e-3, 0.3), (1e9, 0.6)):
        loss = ISogCLR(9, perplexity=perplexity, lr=10, bounds=(0.3, 0.6))
        for _ in range(30):
            assert loss(z1, z2).isfinite()
        assert loss.tau.tolist() == pytest.approx([end] * 9)
    own, others = candidates(z1, z2)
    loss = ISogCLR(9, perplexity=1e9, reduction="none").double().eval()
    cut = robust(own, others, np.full(9, loss.tau[0].item()), 4 * 8 - 1)
    assert loss(z1, z2).tolist() == pytest.approx(cut.tolist(), rel=1e-9)


def test_contract(implementation):
    loss = ISogCLR(17, perplexity=5).eval()
    check_loss(loss, rows=(2, 3, 17, 300))


def test_autocast_and_bfloat16_in_training():
    z1, z2 = (z.bfloat16().requires_grad_() for z in views())
    loss = ISogCLR(9)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(z1, z2)
    value.backward()
    assert value.dtype == torch.float32
    assert z1.grad.isfinite().all()


def test_one_row_and_no_row():
    z = torch.ones(1, 3, requires_grad=True)
    loss = ISogCLR(1)
    with pytest.warns(UserWarning, match="no negatives"):
        loss(z, z).backward()
    assert z.grad.abs().sum() == 0
    assert loss.tau.tolist() == pytest.approx([0.4])
    assert ISogCLR(5)(z[:0], z[:0], torch.zeros(0, dtype=torch.long)).item() == 0


def test_bad_input():
    z = torch.ones(3, 2)
    with pytest.raises(ValueError, match="rows of all 4 nodes, got 3; give node_id"):
        ISogCLR(4)(z, z)
    with pytest.raises(ValueError, match=r"must lie in \[0, 4\), got values from 1 to 4"):
        ISogCLR(4)(z, z, torch.tensor([1, 2, 4]))
    for ids in ([1, 2], [1, 2, 2]):
        with pytest.raises(ValueError, match="3 different ids"):
            ISogCLR(4)(z, z, torch.tensor(ids))
    with pytest.raises(TypeError, match="int64"):
        ISogCLR(4)(z, z, torch.tensor([0.0, 1.0, 2.0]))
    for bad in (
        {"perplexity": 0}, {"lr": 0}, {"momentum": 1.0}, {"bounds": (0.5, 1)}, {"bounds": (0, 1)},
        {"reduction": "sum"}, {"num_nodes": 0},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="ISogCLR: "):
            ISogCLR(**{"num_nodes": 4, **bad})
