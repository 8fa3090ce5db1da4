import math
import pickle
from functools import partial

import pytest
import torch
from torch.nn.functional import normalize

from gcl.losses.dcl import DCL
from gcl.losses.infonce import InfoNCE
from gcl.losses.negatives import MixedNegatives
from gcl.testing import check_loss


def rows(n=9, d=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        normalize(torch.randn(n, d, generator=generator, dtype=torch.float64)) for _ in range(2)
    ]


def by_building_them(q, k, tau, num, two, one):
    """Row by row, with the synthetic vectors made and detached."""
    n = len(q)
    picked = torch.randint(min(num, n - 1), (n, 2 * two + one))
    mix = torch.rand(n, two, dtype=torch.float64), torch.rand(n, one, dtype=torch.float64) / 2
    out = []
    for i, t in enumerate(torch.as_tensor(tau, dtype=q.dtype).expand(n)):
        others = [j for j in range(n) if j != i]
        hardest = sorted(others, key=lambda j: -(q[i] @ k[j]).item())[:num]
        candidates = [k[j] for j in others]
        for s in range(two):
            a, first, second = mix[0][i, s], picked[i, s], picked[i, two + s]
            h = a * k[hardest[first]] + (1 - a) * k[hardest[second]]
            candidates.append((h / h.norm()).detach())
        for s in range(one):
            b, first = mix[1][i, s], picked[i, 2 * two + s]
            h = b * q[i] + (1 - b) * k[hardest[first]]
            candidates.append((h / h.norm()).detach())
        out.append(torch.stack([q[i] @ c / t for c in candidates]).logsumexp(0))
    return torch.stack(out)


@pytest.mark.parametrize(("num", "two", "one"), [(3, 4, 0), (3, 0, 2), (4, 3, 2), (20, 2, 3)])
@pytest.mark.parametrize("kind", [InfoNCE, DCL])
def test_value_and_gradient(kind, num, two, one):
    answers = []
    for negatives in (
        MixedNegatives(num, two, one),
        lambda q, k, tau: by_building_them(q, k, tau, num, two, one),
    ):
        torch.manual_seed(3)
        z1, z2 = (3 * z for z in rows())
        inputs = z1.requires_grad_(), z2.requires_grad_()
        value = kind(0.3, negatives=negatives)(*inputs)
        answers.append([value, *torch.autograd.grad(value, inputs)])
    for mine, oracle in zip(*answers, strict=True):
        assert torch.allclose(mine, oracle, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("tau", [torch.tensor(0.4), torch.linspace(0.2, 1.0, 9)])
def test_gradient_of_the_rows_themselves_and_of_tau(tau):
    # Without the projection of the cosine: also the part along the anchor.
    answers = []
    for run in (MixedNegatives(3, 2, 2), partial(by_building_them, num=3, two=2, one=2)):
        torch.manual_seed(0)
        inputs = [t.requires_grad_() for t in (*rows(), tau.double())]
        lse = run(*inputs)
        answers.append([lse, *torch.autograd.grad(lse.square().sum(), inputs)])
    for mine, oracle in zip(*answers, strict=True):
        assert torch.allclose(mine, oracle, rtol=1e-9, atol=1e-11)


def test_harder_than_without():
    q, k = rows(40)
    plain = MixedNegatives(3, 0, 0)(q, k, 0.5)
    assert torch.allclose(plain.exp(), (2 * q @ k.t()).exp().fill_diagonal_(0).sum(1), rtol=1e-12)
    assert (MixedNegatives(3, 5, 0)(q, k, 0.5) > plain).all()


def test_default_number_of_the_hardest():
    z = torch.eye(30, dtype=torch.float64)
    z[:, 0] += torch.linspace(0, 1, 30, dtype=torch.float64)
    z = normalize(z)
    torch.manual_seed(0)
    default = MixedNegatives(synthetic=5)(z, z, 0.5)
    torch.manual_seed(0)
    assert torch.equal(MixedNegatives(3, 5)(z, z, 0.5), default)  # a tenth of 30


def test_opposite_and_zero_rows_stay_finite():
    k = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]], requires_grad=True)
    lse = MixedNegatives(3, 50, 50)(k, k, 0.1)
    lse.sum().backward()
    assert lse.isfinite().all()
    assert k.grad.isfinite().all()


def test_no_array_of_synthetic_vectors():
    n, d, two = 400, 64, 50
    q, k = (normalize(torch.randn(n, d)).requires_grad_() for _ in range(2))
    sizes = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for x in out if isinstance(out, tuple | list) else (out,):
                if isinstance(x, torch.Tensor) and x.layout == torch.strided:
                    sizes.append(x.numel())
            return out

    with Watch():
        MixedNegatives(20, two)(q, k, 0.5).sum().backward()
    assert max(sizes) <= max(1 << 18, 2 * n * two)  # a block of pairs; [n, 2 * two] of numbers
    assert max(sizes) < n * two * d / 4


def test_contract_and_pickling():
    check_loss(InfoNCE(0.4, negatives=MixedNegatives(3, 4, 2)), draws=True, constants=True)
    clone = pickle.loads(pickle.dumps(MixedNegatives(3, 4)))
    assert repr(clone) == "MixedNegatives(num=3, synthetic=4, anchor_synthetic=0)"


def test_one_row_has_none():
    assert MixedNegatives()(torch.ones(1, 1), torch.ones(1, 1), 0.5).item() == -math.inf


def test_bad_input():
    with pytest.raises(ValueError, match="similarity='cosine'"):
        MixedNegatives()(torch.ones(5, 3), torch.ones(5, 3), 0.5)
    with pytest.raises(ValueError, match="synthetic must be at least 0"):
        MixedNegatives(synthetic=-1)
    with pytest.raises(TypeError, match="whole number"):
        MixedNegatives(0.1)
