"""What a run is trained on."""

from pathlib import Path

import pytest

import gcl
from gcl.cli import main
from gcl.experiments import results
from gcl.experiments.feeding import FANOUT, Feed, fanout_of, feed
from gcl.loader import NeighborBatches, PartitionBatches


@pytest.fixture
def data():
    return gcl.datasets.karate()


def test_without_a_loader_the_graph_itself(data):
    method = gcl.methods.grace(data, hidden=4)
    assert feed(Feed("karate", "", FANOUT, 0), method, data, 0) == (data, data)


def test_the_batches_that_are_asked_for(data):
    method = gcl.methods.gca(data, hidden=4)  # needs centralities of the whole graph
    near, whole = feed(Feed("karate", "neighbors", "3,2", 8), method, data, 5)
    assert isinstance(near, NeighborBatches)
    assert whole is data
    assert (near.seed, len(near)) == (5, 5)
    assert set(near.num_neighbors.values()) == {(3, 2)}
    assert "edge_importance" in next(iter(near))
    for name in ("parts", "random-parts"):
        parts, _ = feed(Feed("karate", name, FANOUT, 10), method, data, 5)
        assert isinstance(parts, PartitionBatches)
        assert sum(batch.num_nodes for batch in parts) == data.num_nodes
        assert len(parts) == 4


def test_spellings_of_the_fanout():
    for text in ("10,5", "[10,5]", "[10, 5]", "10 5", "(10, 5)"):
        assert fanout_of(text) == [10, 5]
    assert fanout_of("[]") == []


def test_a_batch_is_no_larger_than_the_graph(data):
    method = gcl.methods.grace(data, hidden=4)
    assert len(feed(Feed("karate", "neighbors", "3", 0), method, data, 0)[0]) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["meow", "hetero-sbm", "--loader", "parts"], "--loader is for graphs of one node type"),
        (["dgi", "karate", "--loader", "part"], "loader"),
        (["dgi", "karate", "--loader", "neighbors", "--fanout", "-2"], "at least 0, or -1 for all"),
        (["dgi", "karate", "--loader", "neighbors", "--fanout", "ten"], "--fanout must be whole"),
        (["dgi", "karate", "--fanout", "5,5"], "--fanout is for --loader neighbors"),
        (["dgi", "karate", "--batch-size", "-1"], "--batch_size must be >= 0"),
    ],
)
def test_what_cannot_be(words, said, capsys):
    assert main(["train", *words, "--epochs", "1"]) == 2
    assert said in capsys.readouterr().err


def test_an_interrupted_training_by_batches_goes_on(tmp_path, capsys):
    command = ["train", "grace", "karate", "--hidden=4", "--loader=neighbors", "--fanout=3,3"]
    command += ["--batch-size=8", "--no-cluster"]
    whole, parts = str(tmp_path / "whole"), str(tmp_path / "parts")
    assert main([*command, "--epochs=4", "--out", whole]) == 0
    assert main([*command, "--epochs=2", "--out", parts]) == 0
    assert main([*command, "--epochs=4", "--out", parts, "--resume"]) == 0
    one, other = (results.read_rows(Path(out, "results.csv"))[-1] for out in (whole, parts))
    assert one["accuracies"] == other["accuracies"]


def test_select_trains_on_the_whole_graph():
    with pytest.raises(ValueError, match="leave loader out"):
        gcl.select("karate", [{"recipe": "dgi", "hidden": 4, "loader": "parts"}])


@pytest.mark.parametrize("text", ["10,,10", "[10 10", "", "10;10", "[10,10", "ten"])
def test_what_is_no_fanout_is_refused(text):
    with pytest.raises(ValueError, match="whole numbers, one a hop"):
        fanout_of(text)
