"""SelfTraining against the definitions as double loops, and its life over epochs."""

import copy
import math

import pytest
import torch

from gcl import checkpoint
from gcl.losses.self_training import SelfTraining, sharpened


def assignments(n=12, k=4, seed=0, sharp=1.0):
    generator = torch.Generator().manual_seed(seed)
    return (sharp * torch.randn(n, k, generator=generator, dtype=torch.float64)).softmax(1)


def oracle(q):
    q = q.tolist()
    sizes = [sum(row[k] for row in q) for k in range(len(q[0]))]
    target, loss = [], 0.0
    for row in q:
        parts = [share**2 / size for share, size in zip(row, sizes, strict=True)]
        target.append([part / sum(parts) for part in parts])
        loss += sum(p * math.log(p / s) for p, s in zip(target[-1], row, strict=True))
    return torch.tensor(target, dtype=torch.float64), loss / len(q)


@pytest.mark.parametrize("sharp", [0.1, 1.0, 6.0])
def test_definitions(sharp):
    q = assignments(sharp=sharp)
    target, loss = oracle(q)
    assert torch.allclose(sharpened(q), target, rtol=1e-12)
    assert SelfTraining()(q).item() == pytest.approx(loss, rel=1e-9)


def test_gradient_takes_the_target_as_a_constant():
    q = assignments().requires_grad_()
    SelfTraining()(q).backward()
    assert torch.allclose(q.grad, -sharpened(q.detach()) / q.detach() / len(q), rtol=1e-12)


def test_a_given_target_is_used_as_it_is():
    q, target = assignments(), assignments(seed=1)
    expected = torch.nn.functional.kl_div(q.log(), target, reduction="batchmean")
    assert SelfTraining(every=3)(q, target).item() == pytest.approx(expected.item(), rel=1e-12)


def test_certain_and_even_assignments_are_at_rest():
    even = torch.full((6, 3), 1 / 3, dtype=torch.float64)
    certain = torch.eye(3, dtype=torch.float64).repeat(2, 1)
    for q in (even, certain):
        assert SelfTraining()(q).item() == pytest.approx(0, abs=1e-12)
        assert torch.allclose(sharpened(q), q)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_empty_clusters_and_shares_of_zero(dtype):
    q = torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0], [1e-38, 1, 0]]).to(dtype).requires_grad_()
    loss = SelfTraining()(q)
    loss.backward()
    assert loss.isfinite()
    assert loss.dtype == torch.float32
    assert q.grad.isfinite().all()
    assert torch.allclose(sharpened(q).sum(1), torch.ones(3))
    assert sharpened(torch.zeros(2, 3)).eq(0).all()


def test_the_target_is_kept_for_a_few_epochs():
    loss, epochs = SelfTraining(every=3), [assignments(seed=s) for s in range(7)]
    for epoch, q in enumerate(epochs):
        target = sharpened(epochs[epoch - epoch % 3])
        expected = SelfTraining()(q, target)
        assert loss(q).item() == pytest.approx(expected.item(), rel=1e-12)
        loss.eval()
        assert loss(q) == expected  # looks, and does not count
        loss.train()


def test_evaluation_before_training_keeps_nothing():
    loss = SelfTraining(every=2).eval()
    loss(assignments())
    assert loss.target is None


def test_the_kept_target_survives_checkpoint_and_copy(tmp_path):
    loss = SelfTraining(every=3)
    for seed in range(2):
        loss(assignments(seed=seed))
    checkpoint.save(loss.state_dict(), tmp_path / "a")
    other = SelfTraining(every=3)
    other.load_state_dict(checkpoint.load(tmp_path / "a"))
    for again in (other, copy.deepcopy(loss)):
        for seed in range(2, 6):
            q = assignments(seed=seed)
            expected = copy.deepcopy(loss)
            for earlier in range(2, seed):
                expected(assignments(seed=earlier))
            assert again(q) == expected(q)


def test_mini_batches_need_a_target_of_their_own():
    loss = SelfTraining(every=2)
    loss(assignments(12))
    with pytest.raises(ValueError, match="take every=1 with mini-batches"):
        loss(assignments(5))
    every_call = SelfTraining()
    every_call(assignments(12))
    every_call(assignments(5))


def test_bad_input():
    with pytest.raises(ValueError, match="every must be at least 1"):
        SelfTraining(0)
    with pytest.raises(TypeError, match="floating-point tensor"):
        SelfTraining()(torch.ones(3, 2, dtype=torch.long))
    with pytest.raises(ValueError, match=r"must be \[n, K\]"):
        SelfTraining()(torch.ones(3))
    with pytest.raises(ValueError, match="shares >= 0"):
        SelfTraining()(torch.tensor([[1.5, -0.5]]))
    with pytest.raises(ValueError, match="must have the shape"):
        SelfTraining()(assignments(), assignments(5))
    assert SelfTraining()(torch.ones(0, 3)).item() == 0
