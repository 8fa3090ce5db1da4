"""Linear layers under Adam: many at once against one at a time."""

from __future__ import annotations

import pytest
import torch

from gcl.evaluate.classifiers.adam_probe import BestLayers, fit_adam, padded_index


def test_adam_equals_separate_layers():
    """One batch of layers is the layers one by one, trained by a plain loop."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(30, 4, generator=generator).double(), torch.arange(30) % 3
    train = torch.zeros(2, 30, dtype=torch.bool)
    train[0, :12], train[1, 5:25] = True, True
    start, _ = fit_adam(x, y, train, train, epochs=0, select=False, seed=5)
    weight, bias = fit_adam(x, y, train, train, epochs=15, select=False, seed=5)
    for s in range(2):
        layer = torch.nn.Linear(4, 3).double()
        with torch.no_grad():
            layer.weight.copy_(start[s].T)
            layer.bias.zero_()
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
        for _ in range(15):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(layer(x[train[s]]), y[train[s]]).backward()
            optimizer.step()
        torch.testing.assert_close(weight[s].T, layer.weight.detach())
        torch.testing.assert_close(bias[s], layer.bias.detach())


def test_the_best_look_at_the_validation_part_is_kept():
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(60, 6, generator=generator), torch.randint(3, (60,), generator=generator)
    train, val = torch.zeros(2, 2, 60, dtype=torch.bool)
    train[:, :20], val[0, 20:40], val[1, 40:] = True, True, True
    found = fit_adam(x, y, train, val, epochs=70, select=True, seed=2)
    for s in range(2):
        # Of what it looks at, after 20, 40, 60 and the last 70 steps, the first of the best.
        looks = [
            [p[s] for p in fit_adam(x, y, train, val, epochs=n, select=False, seed=2)]
            for n in (20, 40, 60, 70)
        ]
        hits = [
            float(((x[val[s]] @ w + b).argmax(1) == y[val[s]]).float().mean()) for w, b in looks
        ]
        weight, bias = looks[hits.index(max(hits))]
        torch.testing.assert_close(found[0][s], weight)
        torch.testing.assert_close(found[1][s], bias)


def test_best_layers_are_told_apart():
    best, weight, bias = BestLayers(), torch.zeros(2, 1, 1), torch.zeros(2, 1, 1)
    for step, score in enumerate(([0.5, 0.1], [0.4, 0.3], [0.5, 0.2])):
        weight.fill_(step)  # in place, as the optimizer does
        best.look(torch.tensor(score), weight, bias)
    assert best.weight.flatten().tolist() == [0, 1]  # the first of equals
    assert best.score.tolist() == pytest.approx([0.5, 0.3])


def test_parts_of_different_sizes_are_padded():
    masks = torch.tensor([[True, False, True, True], [False, True, False, False]])
    index, kept = padded_index(masks)
    assert index[0].tolist() == [0, 2, 3]
    assert index[1, 0] == 1
    assert kept.tolist() == [[True, True, True], [True, False, False]]


def test_training_goes_on_without_gradients_around_it():
    x, y, all_of_it = torch.eye(3), torch.arange(3), torch.ones(1, 3, dtype=torch.bool)
    with torch.no_grad():
        weight, bias = fit_adam(x, y, all_of_it, all_of_it, epochs=300, select=False)
    assert (x @ weight[0] + bias[0]).argmax(1).tolist() == [0, 1, 2]
    assert not weight.requires_grad
