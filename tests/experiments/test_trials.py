"""Lengths that share a training, seeds, and trainings that go on."""

import math
from dataclasses import replace

import pytest
import torch
from torch_geometric.seed import seed_everything
from torch_geometric.transforms import HalfHop

import gcl
from gcl.experiments import trials as module
from gcl.experiments.criteria import CRITERIA, VALIDATION, Seen, Unlabelled
from gcl.experiments.grids import Try
from gcl.experiments.run import load_data
from gcl.experiments.trials import FIRST_SEED, Snapshots, follows_length, trials
from gcl.graphs.digest import data_digest
from tests.boards import masked

NAMES = ("modularity", "neighbour_stability", "hidden_edge_auc", VALIDATION)


def runs(recipe, lengths, **options):
    constant = {"patience": 0, "warmup": -1}
    one = Try(recipe, {"hidden": 8, **constant, **options})
    told = {"protocol": "public"}
    return [one.run("tests.boards:masked", {"epochs": n}, **told) for n in lengths]


def numbers(rows):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def test_lengths_share_a_training_and_are_what_each_alone_gives(monkeypatch, tmp_path):
    trained = []
    whole = module.train

    def counted(run, *arguments, **options):
        trained.append((run.epochs, arguments[3]))
        return whole(run, *arguments, **options)

    monkeypatch.setattr(module, "train", counted)
    (shared,) = trials(runs("dgi", (3, 1, 0)), 2, NAMES, masked())
    assert shared.lengths == (0, 1, 3)
    together = shared.rows(tmp_path)
    assert trained == [(3, FIRST_SEED), (3, FIRST_SEED + 1)]
    alone = []
    for run in runs("dgi", (0, 1, 3)):
        (one,) = trials([run], 2, NAMES, masked())
        alone += one.rows()
    assert numbers(together) == numbers(alone)
    assert [row["epochs"] for row in together] == [0, 1, 3]
    shared.forget(tmp_path)
    assert not tmp_path.exists()


def test_a_row_is_what_the_embeddings_give():
    (run,) = runs("dgi", (2,))
    (one,) = trials([run], 2, NAMES, masked())
    (row,) = one.rows()
    data = load_data(run)
    graph, zs = Unlabelled(data), []
    for seed in (FIRST_SEED, FIRST_SEED + 1):
        seed_everything(seed)
        method = run.build(data)
        gcl.fit(method, data, epochs=2, lr=run.lr, weight_decay=run.weight_decay)
        zs.append(gcl.embed(method, data))
    for name in ("modularity", "neighbour_stability"):
        assert row[name] == pytest.approx(CRITERIA[name].of(Seen(graph, zs)))
    probes = [gcl.evaluate.linear_probe(z, data.y, protocol="public", data=data) for z in zs]
    for name in ("accuracy", VALIDATION):
        assert row[name] == pytest.approx(sum(p[name] for p in probes) / 2)


@pytest.mark.parametrize(
    ("recipe", "options"), [("bgrl", {}), ("dgi", {"warmup": 0}), ("dgi", {"patience": 3})]
)
def test_what_follows_the_length_is_trained_for_each(recipe, options):
    found = trials(runs(recipe, (1, 2), **options), 1, NAMES[:1], masked())
    assert [one.lengths for one in found] == [(1,), (2,)]


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("dgi", False),
        ("grace", False),
        ("progcl", False),
        ("bgrl", True),
        ("csgcl", False),
        ("afgrl", True),
    ],
)
def test_follows_length(recipe, expected):
    method = getattr(gcl.methods, recipe)(gcl.datasets.karate(), hidden=8)
    before = {k: v.clone() for k, v in method.state_dict().items()}
    assert follows_length(method) is expected
    for name, value in method.state_dict().items():
        assert torch.equal(value.nan_to_num(), before[name].nan_to_num())


def test_a_training_that_was_stopped_goes_on(tmp_path, monkeypatch):
    (one,) = trials(runs("grace", (2, 12, 14)), 1, ("modularity",), masked())
    expected = numbers(one.rows())
    end = Snapshots.on_epoch_end

    def stop(self, state):
        end(self, state)
        if state.epoch == 13:
            raise KeyboardInterrupt

    monkeypatch.setattr(Snapshots, "on_epoch_end", stop)
    with pytest.raises(KeyboardInterrupt):
        one.rows(tmp_path)
    seen = []

    def watch(self, state):
        seen.append(state.epoch)
        end(self, state)

    monkeypatch.setattr(Snapshots, "on_epoch_end", watch)
    assert numbers(one.rows(tmp_path)) == expected
    assert seen == [11, 12, 13, 14]  # after the checkpoint of epoch 10


def test_graphs_of_ones_own_and_without_labels():
    data = masked()
    (run,) = runs("dgi", (1,))
    (one,) = trials([replace(run, dataset="data-1")], 1, ("modularity",), data, data)
    row = one.rows()[0]
    assert row["dataset"] == "data-1"
    assert "accuracy" in row
    del data.y
    row = one.rows()[0]
    assert "accuracy" not in row


def test_seeds_that_are_not_asked_for_are_not_read(tmp_path, monkeypatch):
    """Three seeds were begun, the third was stopped, and now two are asked for."""
    (run,) = runs("dgi", (2,))
    (three,) = trials([run], 3, ("modularity",), masked())
    end = Snapshots.on_epoch_end

    def stop(self, state):
        if self.folder.name == f"seed-{FIRST_SEED + 2}" and state.epoch == 1:
            raise KeyboardInterrupt
        end(self, state)

    monkeypatch.setattr(Snapshots, "on_epoch_end", stop)
    with pytest.raises(KeyboardInterrupt):
        three.rows(tmp_path)
    (two,) = trials([run], 2, ("modularity",), masked())
    assert numbers(two.rows(tmp_path)) == numbers(two.rows())
    two.forget(tmp_path)
    assert not tmp_path.exists()


def test_another_graph_has_another_row_and_another_folder(tmp_path):
    data, other = masked(), masked()
    other.x = -other.x
    (one,) = trials(runs("dgi", (1,)), 1, ("modularity",), data)
    (two,) = trials(runs("dgi", (1,)), 1, ("modularity",), other)
    assert one.folder(tmp_path) != two.folder(tmp_path)
    assert one.rows()[0]["data"] == data_digest(data)
    with pytest.raises(ValueError, match="masked gives another graph whenever it is read"):
        two.rows()  # its data set is `masked` still


def test_helper_rows_have_no_embedding_and_no_label():
    torch.manual_seed(0)
    data = HalfHop(p=0.5)(masked())
    (run,) = runs("dgi", (1,))
    names = tuple(name for name in CRITERIA if not CRITERIA[name].hides)
    (one,) = trials([replace(run, dataset="data-1")], 2, names, data, data)
    row = one.rows()[0]
    assert all(math.isfinite(row[name]) for name in (*names, "accuracy"))
