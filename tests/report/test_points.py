"""Points as the page's script reads them."""

import base64

import numpy as np
import pytest

from gcl.report.finished import read_finished
from gcl.report.points import packed, points


def unpacked(told):
    return np.frombuffer(base64.b64decode(told["bytes"]), dtype=f"<{told['kind']}")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, -1, 127], "i1"),
        ([0, 128], "i2"),
        ([-40_000, 3], "i4"),
        ([1.0, 300.0], "i2"),
        ([0.5, -2.0], "f4"),
        ([np.nan, 1.0], "f4"),
        ([1e12, 1.0], "f4"),
        ([], "i1"),
    ],
)
def test_numbers_come_back(values, kind):
    told = packed(np.array(values, dtype=None if values else int))
    assert told["kind"] == kind
    assert np.allclose(unpacked(told), values, rtol=1e-7, equal_nan=True)


def test_all_points_with_their_labels(trained):
    found = read_finished(trained)
    told, notes = points(found, 100_000)
    assert told["n"] == 34
    assert told["rows"] is None
    label, cluster, *_ = told["attributes"]
    assert unpacked(label["codes"]).tolist() == found.data.y.tolist()
    assert [label["name"], cluster["name"]] == ["label", "cluster"]
    assert [unpacked(layout["x"]).shape for layout in told["layouts"]] == [(34,), (34,)]
    assert notes == ["Seed 0; unit rows in the plane."]


def test_what_has_no_room_is_named(trained):
    room = len(str(points(read_finished(trained), 100_000)[0])) - 60
    told, notes = points(read_finished(trained), room)
    assert "degree" not in [one["name"] for one in told["attributes"]]
    assert notes[-1] == "Left out, for the page would get too large: degree."


def test_a_sample_of_many(trained, monkeypatch):
    monkeypatch.setattr("gcl.report.points.POINTS", 20)
    found = read_finished(trained)
    told, notes = points(found, 100_000)
    rows = unpacked(told["rows"])
    assert len(rows) == 20
    assert unpacked(told["attributes"][0]["codes"]).tolist() == found.data.y[rows.copy()].tolist()
    assert "20 of 34 nodes are drawn, a sample." in notes


def test_without_the_data_there_are_clusters(trained):
    told, notes = points(read_finished(trained, with_data=False), 100_000)
    assert [one["name"] for one in told["attributes"]] == ["cluster"]
    assert "the data set is not at hand: it was not asked for." in notes[1]
