"""What an epoch has gathered: losses read together, and taken up again."""

import pytest
import torch

from gcl.training.progress import Figures, NonFiniteLossError, Progress, check_finite

METHOD = torch.nn.Linear(2, 1)


def figures(step, loss, gradient=1.0, weight=None):
    largest = None if weight is None else torch.tensor(weight)
    return Figures(step, torch.tensor(loss), torch.tensor(gradient), largest)


def begun(losses):
    progress = Progress()
    for step, loss in enumerate(losses):
        progress.add(figures(step, loss))
        progress.steps += 1
    progress.read(METHOD, 0)
    return progress


def test_goes_on_with_what_was_gathered():
    first = begun([1.0, 2.5])
    first.lr = 0.1
    again = Progress()
    again.load_state_dict(first.state_dict())
    assert (again.steps, again.lr, again.mean) == (2, 0.1, 1.75)
    again.add(figures(2, 4.0))
    assert (again.unread, again.mean) == (1, 1.75)
    again.read(METHOD, 0)
    assert (again.unread, again.mean) == (0, 2.5)
    assert first.mean == 1.75
    again.clear()
    assert again.state_dict()["losses"] == []
    assert again.steps == 0


def test_a_break_takes_no_time():
    progress = Progress()
    progress.load_state_dict({"losses": [1.0], "lr": 0.1, "seconds": 1000.0})
    progress.begin()
    assert 1000 <= progress.seconds < 1010
    progress.clear()
    progress.begin()
    assert progress.seconds < 10


def test_the_first_step_that_is_not_finite_is_named():
    progress = Progress()
    for row in (figures(4, 1.0), figures(5, 1.0, float("nan")), figures(6, float("inf"))):
        progress.add(row)
    with pytest.raises(NonFiniteLossError, match=r"The gradient is nan at step 6 \(epoch 3\)"):
        progress.read(METHOD, 2)


@pytest.mark.parametrize(
    ("precision", "weight", "cause"),
    [
        ("fp32", 2e4, "weights have grown to 2e\\+04"),
        ("bf16", 1.0, "without precision"),
        ("fp32", None, "temperature"),
    ],
)
def test_the_likely_cause_is_named(precision, weight, cause):
    with pytest.raises(NonFiniteLossError, match=cause):
        check_finite("loss", float("nan"), METHOD, precision, 0, 0, weight)
    check_finite("loss", 1.0, METHOD, precision, 0, 0, weight)
