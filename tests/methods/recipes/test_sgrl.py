"""SGRL: scattering of the target, prediction by the online encoder, two trainings in one."""

import pytest
import torch
from torch.nn.functional import cosine_similarity

import gcl
from gcl.methods.recipes.sgrl import scattering, sgrl


def test_scattering_is_the_double_loop():
    z = torch.randn(9, 4, dtype=torch.float64)
    u = z / z.norm(dim=1, keepdim=True)
    pairs = sum((u[i] - u[j]).square().sum() for i in range(9) for j in range(9)) / (2 * 81)
    assert torch.isclose(scattering(z), -pairs)
    same = torch.ones(5, 3, dtype=torch.float64)
    assert float(scattering(same)) == pytest.approx(0)


def test_loss_by_hand():
    data = gcl.datasets.karate()
    data.x = torch.rand(34, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    method = sgrl(data, hidden=5, predictor=6, hops=2, normalize=False).double()
    a = torch.eye(34, dtype=torch.float64)
    a[data.edge_index[1], data.edge_index[0]] = 1
    a = a / a.sum(1).sqrt() / a.sum(1, keepdim=True).sqrt()
    h = method.encoder(data.x, data.edge_index)
    online = h + a @ a @ h
    y = method.target(data.x, data.edge_index)
    aligned = (1 - cosine_similarity(method.predictor(online), y)).mean()
    assert torch.isclose(method(data), aligned + scattering(y), rtol=1e-10)
    assert torch.allclose(method.embed(data), online)


def test_one_adam_trains_both_as_two_would():
    data = gcl.datasets.karate()
    torch.manual_seed(0)
    method = sgrl(data, hidden=5, predictor=6, momentum=0.9)
    prepared = method.prepare(data)
    torch.manual_seed(0)
    other = sgrl(data, hidden=5, predictor=6, momentum=0.9)
    gcl.fit(method, data, epochs=3, lr=0.01, weight_decay=0.0)
    online = [*other.encoder.parameters(), *other.predictor.parameters()]
    optimizers = [torch.optim.Adam(p, lr=0.01) for p in (online, other.target.parameters())]
    for _ in range(3):
        y = other.target(prepared.x, prepared.edge_index)
        q = other.predictor(other.embed(prepared))
        losses = [(1 - cosine_similarity(q, y.detach())).mean(), scattering(y)]
        for optimizer, loss in zip(optimizers, losses, strict=True):
            optimizer.zero_grad()
            loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        with torch.no_grad():
            for mine, theirs in zip(
                other.target.parameters(), other.encoder.parameters(), strict=True
            ):
                mine.copy_(0.9 * mine + 0.1 * theirs)
    for a, b in zip(method.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)
