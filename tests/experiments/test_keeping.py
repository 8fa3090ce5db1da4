"""Rows of settings: found again, kept as they come, and measured anew where a number lacks."""

import pytest

from gcl.datasets import karate
from gcl.experiments import results
from gcl.experiments.grids import Try
from gcl.experiments.keeping import Keeping, told
from gcl.experiments.trials import Trial
from gcl.methods import bgrl
from gcl.training.settings import settings_of
from tests.boards import masked

ONE = Try("dgi", {"hidden": 8, "protocol": "public"})
RUNS = [ONE.run("tests.boards:masked", {"epochs": n}) for n in (1, 2)]


def keeping(out, names=("modularity",), **options):
    return Keeping(1, names, masked(), out=out, **options)


@pytest.fixture
def trained(monkeypatch):
    seen, rows = [], Trial.rows
    monkeypatch.setattr(Trial, "rows", lambda self, work: seen.append(self) or rows(self, work))
    return seen


def test_what_is_there_is_not_trained_again(tmp_path, trained):
    out, said = tmp_path / "rows.csv", []
    first = keeping(out, report=said.append)
    first.fill(RUNS[:1])
    assert len(said) == 1
    assert said[0].startswith('dgi {"epochs": 1, "protocol": "public", "hidden": 8}: modularity ')
    kept = results.read_rows(out)
    again = keeping(out)
    again.fill(RUNS)
    assert [trial.lengths for trial in trained] == [(1,), (2,)]
    assert results.read_rows(out)[:1] == kept
    assert float(again.of(RUNS[0])["modularity"]) == float(first.of(RUNS[0])["modularity"])
    assert not (tmp_path / "rows.csv.work").exists()


def test_a_criterion_that_lacks_is_measured(tmp_path, trained):
    keeping(tmp_path / "rows.csv").fill(RUNS[:1])
    more = keeping(tmp_path / "rows.csv", ("modularity", "edge_auc"))
    assert more.of(RUNS[0]) is None
    more.fill(RUNS[:1])
    assert len(trained) == 2
    assert float(more.of(RUNS[0])["edge_auc"]) > 0


def test_what_fails_is_told_and_the_rest_goes_on(monkeypatch):
    rows, said = Trial.rows, []

    def failing(self, work):
        if self.run.lr == 7:
            raise ArithmeticError("no number")
        return rows(self, work)

    monkeypatch.setattr(Trial, "rows", failing)
    bad = ONE.run("tests.boards:masked", {"epochs": 1, "lr": 7.0})
    some = keeping(None, report=said.append)
    some.fill([bad, RUNS[0]])
    assert some.of(bad) is None
    assert some.of(RUNS[0]) is not None
    assert [str(error) for error in some.failed.values()] == ["no number"]
    assert "failed, ArithmeticError: no number" in said[0]


def test_other_files_are_refused(tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="no results file of gcl"):
        keeping(tmp_path / "other.csv")


def test_a_setting_in_words():
    run = Try("grace+macl", {"tau": 0.3, "macl": {"alpha": 0.25}, "lr": 0.1}).run("karate", {})
    assert told(run) == {"epochs": 200, "lr": 0.1, "tau": 0.3, "macl.alpha": 0.25}


def test_words_are_what_differs_from_the_recipes_own_settings():
    assert told(Try("dgi").run("karate", {"epochs": 5})) == {"epochs": 5}
    assert told(Try("dgi").run("karate", {"patience": 0})) == {"epochs": 10_000, "patience": 0}
    own = settings_of(bgrl)
    assert 0 < own.lasting(10).warmup < own.warmup
    assert told(Try("bgrl").run("karate", {"epochs": 10})) == {"epochs": 10}
    assert told(Try("bgrl").run("karate", {"epochs": 10, "warmup": 0}))["warmup"] == 0


def test_rows_of_another_graph_do_not_count(tmp_path, trained):
    out, other = tmp_path / "rows.csv", masked()
    other.x = -other.x
    keeping(out).fill(RUNS[:1])
    assert Keeping(1, ["modularity"], other, out=out).of(RUNS[0]) is None
    assert keeping(out).of(RUNS[0]) is not None


@pytest.mark.parametrize(("dataset", "counts"), [("karate", True), (RUNS[0].dataset, False)])
def test_rows_that_do_not_tell_their_graph_count_for_names_only(tmp_path, dataset, counts):
    out, data = tmp_path / "rows.csv", karate() if dataset == "karate" else masked()
    run = Try("dgi", {"hidden": 8, "protocol": "random-10-10-80"}).run(dataset, {"epochs": 1})
    first = Keeping(1, ["modularity"], data, out=out)
    first.fill([run])
    results.write_rows(out, [{k: v for k, v in r.items() if k != "data"} for r in first.rows])
    again = Keeping(1, ["modularity"], data, out=out)
    assert (again.of(run) is not None) is counts
