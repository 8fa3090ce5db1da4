"""What stands beside a training, and the sentence about it."""

import numpy as np
import pytest

from gcl.experiments.references import (
    PROPAGATED,
    RAW,
    deviation,
    differences,
    reference_rows,
    verdict,
)
from gcl.experiments.run import Run, load_data


def row(features, accuracies):
    told = " ".join(f"{a:.4f}" for a in accuracies)
    return {"features": features, "accuracy": float(np.mean(accuracies)), "accuracies": told}


PROPAGATION = row(PROPAGATED, [0.80, 0.82, 0.81])


def test_differences_are_taken_split_by_split():
    trained = [row("grace", [0.81, 0.84, 0.81]), row("grace", [0.82, 0.83, 0.82])]
    expected = [[0.01, 0.02, 0.0], [0.02, 0.01, 0.01]]
    np.testing.assert_allclose(differences(trained, PROPAGATION), expected, atol=1e-9)
    # of the means over seeds, one a split
    assert deviation(trained, PROPAGATION) == pytest.approx(np.std([0.015, 0.015, 0.005], ddof=1))


def test_one_split_deviates_over_seeds():
    one = row(PROPAGATED, [0.80])
    trained = [row("grace", [0.81]), row("grace", [0.85])]
    assert deviation(trained, one) == pytest.approx(np.std([0.01, 0.05], ddof=1))
    assert deviation(trained[:1], one) is None


def test_rows_of_other_splits_are_not_compared():
    assert differences([row("grace", [0.8])], PROPAGATION) is None
    assert differences([{"features": "grace", "accuracy": 0.8}], PROPAGATION) is None


def test_a_row_of_one_split_needs_no_list():
    old = {"features": "grace", "accuracy": "0.82", "accuracy_std": "0.0"}
    assert differences([old], row(PROPAGATED, [0.80]))[0, 0] == pytest.approx(0.02)
    assert differences([{**old, "accuracy_std": "0.1"}], row(PROPAGATED, [0.80])) is None


@pytest.mark.parametrize(
    ("accuracies", "said"),
    [
        ([0.85, 0.87, 0.87], "Training beats propagated features by 5.3 points: 86.3 against 81.0"),
        ([0.80, 0.82, 0.82], "by 0.3 points, within the deviation: 81.3 against 81.0"),
        ([0.80, 0.79, 0.79], "does not beat propagated features: 79.3 against 81.0"),
    ],
)
def test_the_sentence_says_which_is_better(accuracies, said):
    found = verdict([PROPAGATION, row("untrained", [1.0] * 3), row("grace", accuracies)], "grace")
    assert said in found
    assert "deviation" in found


def test_no_sentence_without_a_reference():
    assert verdict([row("grace", [0.8])], "grace") == ""


def test_references_of_a_graph():
    run = Run("grace", "karate")
    found = reference_rows(run, load_data(run), cluster=False)
    assert [row["features"] for row in found] == [RAW, PROPAGATED]
    assert {row["seed"] for row in found} == {-1}
    assert found[1]["cpu_seconds"] > 0
