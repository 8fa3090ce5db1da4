"""Result: means, deviations, and how they print."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gcl.evaluate import Result


def test_result_prints_its_protocol():
    result = Result.from_runs({"accuracy": [0.5, 0.7], "loss": [1.0, 1.0]}, "mine: 2 splits")
    assert str(result) == "accuracy 0.6000 ± 0.1000, loss 1.0000 ± 0.0000 (protocol mine: 2 splits)"
    assert result["accuracy_std"] == pytest.approx(0.1)
    assert result.per_run["accuracy"] == [0.5, 0.7]


def test_mean_and_population_deviation_are_numpys():
    runs = {"f1": [0.1, 0.4, 0.7, 0.9], "auc": [0.5]}
    result = Result.from_runs(runs, "mine")
    for name, values in runs.items():
        assert result[name] == pytest.approx(np.mean(values))
        assert result[f"{name}_std"] == pytest.approx(np.std(values, ddof=0))
    assert json.loads(json.dumps(result)) == dict(result)


def test_runs_are_kept_as_they_came():
    runs = {"f1": [0.1, 0.4]}
    result = Result.from_runs(runs, "mine")
    runs["f1"].append(9.0)
    assert result.per_run == {"f1": [0.1, 0.4]}
    assert Result({"x": 1.0}, "mine").per_run == {}


def test_a_deviation_without_its_value_is_printed_by_itself():
    assert repr(Result({"b_std": 0.5, "a": 1.0}, "p")) == "b_std 0.5000, a 1.0000 (protocol p)"
