"""`compare`: one evaluation over several embeddings."""

from __future__ import annotations

import pytest
import torch

from gcl.evaluate import Result, cluster, compare, geometry, similarity_search


def test_compare_runs_one_evaluation_on_each():
    y = torch.arange(30) % 3
    zs = {"raw features": torch.ones(30, 3) + 0.01 * torch.eye(30, 3), "trained": torch.eye(3)[y]}
    results = compare(similarity_search, zs, y, ks=[2])
    assert list(results) == ["raw features", "trained"]
    assert results["trained"] == {"sim@2": 1.0}
    assert compare(geometry, zs)["trained"] == geometry(zs["trained"])
    trained = compare(cluster, {"trained": zs["trained"]}, y, runs=1)["trained"]
    assert trained["accuracy"] == 1


def test_every_embedding_gets_the_same_options_in_the_order_given():
    seen = []

    def evaluator(z, *args, **options):
        seen.append((z, args, options))
        return Result({"x": float(z)}, "mine")

    found = compare(evaluator, {"b": 2, "a": 1}, "labels", seed=3)
    assert list(found) == ["b", "a"]
    assert found["a"]["x"] == 1
    assert seen == [(2, ("labels",), {"seed": 3}), (1, ("labels",), {"seed": 3})]


def test_an_error_of_the_evaluation_is_not_hidden():
    with pytest.raises(ValueError, match="NaN"):
        compare(geometry, {"good": torch.eye(3), "bad": torch.full((3, 2), torch.nan)})
