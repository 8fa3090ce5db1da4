"""The search of settings by Optuna."""

import builtins

import pytest

import gcl
from gcl.experiments import results
from gcl.experiments.select import select
from gcl.experiments.suite import run_tasks
from gcl.experiments.trials import Snapshots, Trial

optuna = pytest.importorskip("optuna")

TRIES = [
    {"recipe": "dgi", "epochs": 1, "ranges": {"hidden": {"low": 2, "high": 12, "step": 2}}},
    {
        "recipe": "sugrl",
        "epochs": 1,
        "grid": {"hidden": [[4], [8, 8]]},
        "ranges": {"lr": {"low": 1e-3, "high": 1e-1, "log": True}},
    },
]


def test_as_many_as_asked_for_within_their_ranges():
    found = select("karate", TRIES, trials=6)
    assert 2 <= len(found.runs) <= 6
    for run in found.runs:
        if run.recipe == "dgi":
            assert run.method["hidden"] in range(2, 13, 2)
        else:
            assert run.method["hidden"] in ((4,), (8, 8))
            assert 1e-3 <= run.lr <= 1e-1
    values = [row[found.criterion] for row in found.rows]
    assert values == sorted(values, reverse=True)
    again = select("karate", TRIES, trials=6)
    assert [run.method for run in again.runs] == [run.method for run in found.runs]


def test_it_goes_on_where_it_was(tmp_path, monkeypatch):
    out, rows, trained = tmp_path / "rows.csv", Trial.rows, []

    def stopped(self, work):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(self)
        return rows(self, work)

    monkeypatch.setattr(Trial, "rows", stopped)
    with pytest.raises(KeyboardInterrupt):
        select("karate", TRIES, trials=4, out=out)
    kept = results.read_rows(out)
    assert len(kept) == 2
    monkeypatch.setattr(Trial, "rows", rows)
    found = select("karate", TRIES, trials=4, out=out)
    assert results.read_rows(out)[:2] == kept
    assert {row["options"] for row in kept} <= {row["options"] for row in found.rows}
    monkeypatch.setattr(Trial, "rows", stopped)  # nothing is left to do
    again = select("karate", TRIES, trials=4, out=out)
    assert [run.method for run in again.runs] == [run.method for run in found.runs]


def test_what_cannot_be_trained_is_none_of_them(tmp_path):
    tries = [{"recipe": "dgi", "hidden": 8, "optimizer": "SGD", "epochs": 30,
              "grid": {"lr": [1e-3, 1e30]}}]  # fmt: skip
    found = select("karate", tries, trials=5)
    assert [run.lr for run in found.runs] == [1e-3]
    assert found.failed


def test_messages(monkeypatch):
    with pytest.raises(ValueError, match="a search needs one criterion"):
        select("karate", TRIES, trials=2, criterion="modularity+edge_auc")
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name == "optuna":
            raise ImportError("No module named 'optuna'")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=r"No module named 'optuna'; .*pip install 'pyg-gcl\[sele"):
        select("karate", TRIES, trials=2)


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_was_stopped_goes_on_from_its_checkpoint(tmp_path, monkeypatch, jobs):
    """The setting that was being trained is the first again, and nothing of it is left."""
    out, end, seen = tmp_path / "rows.csv", Snapshots.on_epoch_end, []
    tries = [{**TRIES[0], "epochs": 13}]

    def stop(self, state):
        end(self, state)
        if state.epoch == 12:
            raise KeyboardInterrupt

    monkeypatch.setattr(Snapshots, "on_epoch_end", stop)
    # In one process, whatever jobs says: it is told how many settings are drawn at a time.
    monkeypatch.setattr(
        "gcl.experiments.keeping.run_tasks", lambda todo, _, work: run_tasks(todo, 1, work)
    )
    with pytest.raises(KeyboardInterrupt):
        select("karate", tries, trials=3, out=out, jobs=jobs)
    (begun,) = [p.name for p in (tmp_path / "rows.csv.work").iterdir()]

    def watch(self, state):
        seen.append((self.folder.parent.name, state.epoch))
        end(self, state)

    monkeypatch.setattr(Snapshots, "on_epoch_end", watch)
    found = select("karate", tries, trials=3, out=out)
    assert seen[:3] == [(begun, 11), (begun, 12), (begun, 13)]  # after the checkpoint of epoch 10
    assert any(begun.startswith(row["options"]) for row in found.rows)
    assert not (tmp_path / "rows.csv.work").exists()
    study = optuna.load_study(study_name=None, storage=storage_of(out))
    assert [trial.state.name for trial in study.get_trials()] == ["COMPLETE"] * 3


def storage_of(out):
    backend = optuna.storages.journal.JournalFileBackend(f"{out}.optuna")
    return optuna.storages.JournalStorage(backend)


def test_rows_that_lack_are_measured_again(tmp_path):
    out = tmp_path / "rows.csv"
    found = select("karate", TRIES, trials=2, out=out)
    again = select("karate", TRIES, trials=2, out=out, also=["uniformity"])
    assert [run.method for run in again.runs] == [run.method for run in found.runs]
    assert all(row["uniformity"] for row in again.rows)


def test_another_graph_is_another_search(tmp_path):
    data = gcl.datasets.karate()
    other = gcl.datasets.karate()
    other.x = -other.x
    for graph in (data, other):
        select(graph, TRIES, trials=2, out=tmp_path / "rows.csv")
    storage = storage_of(tmp_path / "rows.csv")
    assert [study.n_trials for study in optuna.get_all_study_summaries(storage)] == [2, 2]
