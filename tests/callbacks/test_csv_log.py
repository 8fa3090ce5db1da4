"""CSVLog: the history as a table."""

import csv

import pytest

import gcl
from gcl.callbacks import CSVLog, Evaluate
from tests.callbacks.scripted import Scripted, train


def test_csv_log_has_a_line_an_epoch_and_every_column(tmp_path):
    watch = Evaluate(lambda z, data: {"score": 0.25}, every=3)
    train([4.0, 3.0, 2.0, 1.0], [watch, CSVLog(tmp_path / "a" / "log.csv", every=1)])
    with open(tmp_path / "a" / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["loss"]) for r in rows] == [4, 3, 2, 1]
    assert [r["epoch"] for r in rows] == ["1", "2", "3", "4"]
    assert [r["score"] for r in rows] == ["", "", "0.25", "0.25"]


def test_unwritable_folder_shows_before_training(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    method = Scripted([1.0])
    with pytest.raises(OSError, match="file"):
        gcl.fit(method, gcl.datasets.karate(), epochs=1, callbacks=[CSVLog(blocked / "log.csv")])
    assert method.step == 0


def test_every_is_a_number_of_epochs():
    with pytest.raises(ValueError, match="every must be at least 1"):
        CSVLog("c", every=0)
