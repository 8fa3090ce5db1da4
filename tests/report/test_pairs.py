"""Similarities of positives and negatives."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gcl.experiments.views import two_views
from gcl.report.finished import read_finished
from gcl.report.pairs import BINS, similarities


def test_two_views_of_a_node_against_different_nodes(trained):
    found = read_finished(trained)
    told = similarities(found)
    first, second = two_views(found.run, found.data, found.home)
    exact = torch.cosine_similarity(first, second)
    assert [*told.means] == ["the same node in two views", "different nodes at random"]
    assert told.means["the same node in two views"] == pytest.approx(float(exact.mean()), abs=1e-5)
    width = (1 - told.edges[0]) / BINS
    for counts in told.counts.values():
        assert sum(counts) * width == pytest.approx(1, abs=0.01)
    assert told.note == ""
    # All pairs, of which a sample was drawn.
    every = torch.nn.functional.normalize(first) @ torch.nn.functional.normalize(second).T
    others = every[~torch.eye(34, dtype=torch.bool)]
    assert told.means["different nodes at random"] == pytest.approx(float(others.mean()), abs=0.02)


def test_another_method_is_shown_by_its_edges(trained, monkeypatch):
    monkeypatch.setattr("gcl.report.pairs.two_views", lambda *_: None)
    found = read_finished(trained)
    told = similarities(found)
    source, target = found.data.edge_index
    exact = torch.cosine_similarity(found.z[source], found.z[target])
    assert told.means["nodes with an edge between them"] == pytest.approx(float(exact.mean()))


def test_a_damaged_checkpoint_is_told_of(folder):
    path = folder / "seed-0" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:50])
    told = similarities(read_finished(folder))
    assert "The two views cannot be made again" in told.note
    assert "nodes with an edge between them" in told.means


def test_without_the_data_only_random_pairs(trained):
    told = similarities(read_finished(trained, with_data=False))
    assert [*told.counts] == ["different nodes at random"]
    assert "the data set is not at hand" in told.note


def test_the_same_twice_and_nothing_is_drawn(trained):
    found = read_finished(trained)
    state = torch.get_rng_state()
    assert similarities(found) == similarities(found)
    assert torch.equal(torch.get_rng_state(), state)


def test_one_node_and_equal_nodes(trained):
    found = read_finished(trained, with_data=False)
    assert similarities(replace(found, z=torch.ones(1, 3))) is None
    told = similarities(replace(found, z=torch.ones(5, 3)))
    assert np.isfinite(told.counts["different nodes at random"]).all()
