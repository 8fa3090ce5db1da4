"""BGRL: encoder, predictor and target as in the paper."""

import math

import torch
from torch.nn.functional import cosine_similarity

import gcl
from gcl.methods.recipes.bgrl import bgrl


def test_parts_are_the_papers():
    data = gcl.datasets.load("karate")
    method = bgrl(data, hidden=4, predictor=9, drop_edge=(0.1, 0.2), mask_feature=(0.3, 0.4))
    assert [w.shape[1] for w in method.encoder.weights] == [8, 4]
    for after in method.encoder.afters:
        norm, act = after
        assert norm.module.momentum == 0.99
        assert isinstance(act, torch.nn.PReLU)
    assert [(lin.in_channels, lin.out_channels) for lin in method.predictor.lins] == [
        (4, 9), (9, 4)
    ]  # fmt: skip
    shown = repr(method)
    for part in (
        "EdgeDropping(p=0.1",
        "EdgeDropping(p=0.2",
        "FeatureMasking(p=0.4)",
        "0.99, cosine",
    ):
        assert part in shown
    assert not torch.equal(method.encoder.weights[0], method.target.module.weights[0])


def test_loss_and_average_by_hand_over_training():
    data = gcl.datasets.karate()
    torch.manual_seed(0)
    method = bgrl(
        data, hidden=4, predictor=9, drop_edge=(0, 0), mask_feature=(0, 0), norm=None, momentum=0.8
    )
    prepared = method.prepare(data)
    average = [p.detach().double().clone() for p in method.target.parameters()]
    seen = []

    class Watch(gcl.callbacks.Callback):
        def on_epoch_end(self, state):
            m = 1 - 0.2 * (1 + math.cos(math.pi * state.step / 4)) / 2
            for old, new in zip(average, method.encoder.parameters(), strict=True):
                old.lerp_(new.detach().double(), 1 - m)
            seen.append(m)

    q = method.predictor(method.embed(prepared))
    y = method.target(prepared.x, prepared.edge_index)
    assert torch.isclose(method(prepared), 2 * (1 - cosine_similarity(q, y)).mean())
    gcl.fit(method, data, epochs=4, lr=0.05, callbacks=[Watch()])
    assert seen[-1] == 1.0
    for mine, theirs in zip(average, method.target.parameters(), strict=True):
        assert torch.allclose(mine.float(), theirs, atol=1e-5)


def test_layer_norm_in_place_of_batch_norm():
    method = bgrl(gcl.datasets.load("karate"), hidden=4, norm="layer")
    assert type(method.encoder.afters[0][0]).__name__ == "LayerNorm"
