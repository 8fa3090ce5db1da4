"""EarlyStopping on hand-made loss sequences."""

import pytest
import torch

import gcl
from gcl.callbacks import Checkpoint, EarlyStopping, Evaluate
from tests.callbacks.scripted import Scripted, train


def test_early_stopping_waits_and_puts_the_best_weights_back():
    method, state = train([5.0, 3.0, 4.0, 3.5, 3.0, 1.0], [EarlyStopping(patience=3)])
    assert state.epoch == 5
    assert "not improved on 3 (epoch 2) for 3 epochs" in state.stop
    assert method.w.item() == -2  # the weights after epoch 2

    method, state = train([5.0, 3.0, 4.0], [EarlyStopping(patience=3, restore_best=False)])
    assert (state.epoch, state.stop, method.w.item()) == (3, None, -3)


@pytest.mark.filterwarnings("ignore:fit. the loss stood still")  # as it is scripted
def test_early_stopping_on_an_evaluated_value_counts_observed_epochs_only():
    scores = iter([0.5, 0.7, 0.6, 0.6])
    watch = Evaluate(lambda z, data: {"val": next(scores)}, every=2)
    stop = EarlyStopping("val", patience=2, mode="max")
    _, state = train([1.0] * 10, [watch, stop])
    assert state.epoch == 8
    assert [r["val"] for r in state.history if "val" in r] == [0.5, 0.7, 0.6, 0.6]


def test_early_stopping_on_a_value_that_never_comes_warns():
    with pytest.warns(UserWarning, match="no epoch had a value 'val_acuracy'"):
        train([1.0, 1.0], [EarlyStopping("val_acuracy")])


def test_a_stopped_run_stays_stopped_when_resumed(tmp_path):
    path, losses = tmp_path / "c", [3.0, 4.0, 4.0, 4.0]
    callbacks = [EarlyStopping(patience=2), Checkpoint(path)]
    first, _ = train(losses, callbacks)
    again = Scripted(losses)
    state = gcl.fit(
        again,
        gcl.datasets.karate(),
        epochs=4,
        optimizer=lambda p: torch.optim.SGD(p, lr=1.0),
        callbacks=[EarlyStopping(patience=2), Checkpoint(path)],
        resume=path,
    )
    assert state.epoch == 3
    assert again.w.item() == first.w.item() == -1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EarlyStopping(patience=0), "patience must be at least 1"),
        (lambda: EarlyStopping(mode="lowest"), "one of 'min', 'max'"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
