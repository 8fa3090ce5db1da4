"""Evaluate: when it looks, and at what."""

import pytest

from gcl.callbacks import Evaluate
from tests.callbacks.scripted import train


def test_evaluate_sees_embeddings_in_evaluation_mode_and_the_last_epoch():
    seen = []

    def look(z, data):
        seen.append(float((z - data.x).mean()))
        return {"shift": seen[-1]}

    _, state = train([1.0] * 5, [Evaluate(look, every=2, prefix="a_")])
    assert seen == pytest.approx([-2, -4, -5])
    assert state.history[-1]["a_shift"] == pytest.approx(-5)


def test_every_is_a_number_of_epochs():
    with pytest.raises(ValueError, match="every must be at least 1"):
        Evaluate(lambda z, d: {}, every=0)
