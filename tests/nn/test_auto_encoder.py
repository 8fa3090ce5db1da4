"""Pre-training against the same loop in plain PyTorch, and its file."""

import copy

import pytest
import torch
from torch import nn

from gcl import checkpoint
from gcl.methods.pretraining import pretrain
from gcl.nn.auto_encoder import AutoEncoder
from gcl.nn.mlp_encoder import MLPEncoder
from gcl.training.state import NonFiniteLossError


def features(n=50, f=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(n, f, generator=generator) < 0.1).float()


def encoder(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MLPEncoder(12, (9, 7), 3)


def plain(module):
    layers = [part for layer in module.layers for part in (layer, nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def test_the_loop_is_that_of_the_papers():
    x = features()
    model = pretrain(encoder(), x, epochs=4, batch_size=16, lr=1e-2, seed=7)
    # What the initial decoder was: the same call without epochs.
    start = pretrain(encoder(), x, epochs=0, seed=7)
    net = nn.Sequential(plain(start.encoder), plain(start.decoder))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    generator, history = torch.Generator().manual_seed(7), []
    for _ in range(4):
        losses = []
        for rows in torch.randperm(50, generator=generator).split(16):
            loss = ((net(x[rows]) - x[rows]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        history.append(sum(losses) / len(losses))
    assert model.history == pytest.approx(history, rel=1e-5)
    assert torch.allclose(model(x), net(x), atol=1e-5)
    assert model.history[-1] < model.history[0]
    assert model.decoder.widths == (3, 7, 9, 12)
    assert all(p.grad is None for p in model.parameters())


def test_sparse_features_train_the_same():
    x = features()
    dense, sparse = (pretrain(encoder(), f, epochs=3) for f in (x, x.to_sparse_csr()))
    assert dense.history == pytest.approx(sparse.history, rel=1e-5)
    assert torch.allclose(dense(x), sparse(x), atol=1e-5)


def test_deterministic_and_apart_from_the_global_generator():
    x = features()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = pretrain(encoder(), x, epochs=2, seed=3)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(2)
    second = pretrain(encoder(), x, epochs=2, seed=3)
    other = pretrain(encoder(), x, epochs=2, seed=4)
    assert torch.equal(first(x), second(x))
    assert not torch.equal(first(x), other(x))


def test_saved_and_restored(tmp_path):
    x, path = features(), tmp_path / "folder" / "auto-encoder"
    model = pretrain(encoder(), x, epochs=2, path=path)
    other = AutoEncoder(encoder(seed=1))
    assert not torch.equal(other(x), model(x))
    other.restore(path)
    assert torch.equal(other(x), model(x))
    assert torch.equal(other.encoder(x), model.encoder(x))
    assert other.history == model.history


def test_files_that_do_not_fit(tmp_path):
    path = tmp_path / "auto-encoder"
    pretrain(encoder(), features(), epochs=0, path=path)
    other = AutoEncoder(MLPEncoder(12, (9, 8), 3))
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(checkpoint.CheckpointError, match="12 -> 9 -> 7 -> 3, but this one is 12"):
        other.restore(path)
    assert all(torch.equal(before[key], value) for key, value in other.state_dict().items())
    checkpoint.save({"epoch": 3}, tmp_path / "run")
    with pytest.raises(checkpoint.CheckpointError, match="not of an auto-encoder"):
        other.restore(tmp_path / "run")
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(checkpoint.CheckpointError, match="damaged"):
        AutoEncoder(encoder()).restore(path)
    with pytest.raises(FileNotFoundError):
        other.restore(tmp_path / "nowhere")


def test_bad_input():
    with pytest.raises(TypeError, match="expected an MLPEncoder, got Linear"):
        pretrain(nn.Linear(3, 2), torch.ones(4, 3))
    with pytest.raises(ValueError, match=r"expected features \[n, 12\], got \[4, 3\]"):
        pretrain(encoder(), torch.ones(4, 3))
    for bad in ({"batch_size": 0}, {"epochs": -1}, {"lr": 0.0}):
        with pytest.raises(ValueError, match="must be"):
            pretrain(encoder(), features(), **bad)
    with pytest.raises(NonFiniteLossError):
        pretrain(encoder(), 1e30 * torch.ones(4, 12), epochs=1)
