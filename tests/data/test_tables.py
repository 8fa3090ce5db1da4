"""Tables of any make give the same columns; ids are read as they are meant."""

import numpy as np
import pytest
import torch

from gcl.data.tables import as_ids, missing, read_table, refuse_commas, refuse_values, together

COLUMNS = {
    "whole": [1, 2, 3],
    "real": [0.5, None, 1.5],
    "word": ["x", None, "y"],
    "flag": [True, False, True],
}


def same(a, b):
    assert list(a) == list(b)
    for name in a:
        assert a[name].dtype == b[name].dtype, name
        np.testing.assert_array_equal(a[name], b[name])


@pytest.fixture
def expected():
    return {
        "whole": np.array([1, 2, 3]),
        "real": np.array([0.5, np.nan, 1.5]),
        "word": np.array(["x", None, "y"], dtype=object),
        "flag": np.array([1.0, 0.0, 1.0]),
    }


def test_a_dict(expected):
    same(read_table("here", COLUMNS), expected)
    tensors = {"whole": torch.tensor([1, 2, 3], dtype=torch.int32)}
    same(read_table("here", tensors), {"whole": expected["whole"]})


def test_pandas_of_all_its_types(expected):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(COLUMNS)
    same(read_table("here", frame), expected)
    same(read_table("here", frame.convert_dtypes()), expected)
    frame["word"] = frame["word"].astype("category")
    same(read_table("here", frame), expected)
    holes = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [True, None]})
    found = read_table("here", holes)
    np.testing.assert_array_equal(found["a"], [1.0, np.nan])
    np.testing.assert_array_equal(found["b"], [1.0, np.nan])


def test_polars(expected):
    pl = pytest.importorskip("polars")
    same(read_table("here", pl.DataFrame(COLUMNS)), expected)
    as_category = pl.DataFrame(COLUMNS).with_columns(pl.col("word").cast(pl.Categorical))
    same(read_table("here", as_category), expected)


def test_csv_leaves_ids_as_they_are_written(tmp_path):
    pytest.importorskip("pandas")
    path = tmp_path / "nodes.csv"
    path.write_text("id,size\n007,1\n NA ,\n12,3\n")
    found = read_table("here", path, (None,))
    assert found["id"].tolist() == ["007", "NA", "12"]
    np.testing.assert_array_equal(found["size"], [1, np.nan, 3])
    assert as_ids("here", found["id"], "id").tolist() == ["007", "NA", "12"]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("nowhere.csv", FileNotFoundError, "no file nowhere.csv"),
        (5, TypeError, "expected a pandas or Polars DataFrame"),
        (np.eye(2), TypeError, "a dict of columns"),
        ({"a": [1], "b": [1, 2]}, ValueError, "one length, got {'a': 1, 'b': 2}"),
        ({"a": np.eye(2)}, ValueError, r"one value a row, got shape \(2, 2\)"),
        ({"a": "xyz"}, TypeError, "must be a list or an array"),
    ],
)
def test_what_is_no_table(given, error, message):
    with pytest.raises(error, match=message):
        read_table("here", given)


def test_a_broken_file(tmp_path):
    pytest.importorskip("pandas")
    path = tmp_path / "a.csv"
    path.write_text("")
    with pytest.raises(ValueError, match=r"a\.csv is empty"):
        read_table("here", path)
    path.write_text("a,b\n1,2\n1,2,3,4\n")
    with pytest.raises(ValueError, match=r"a\.csv is no table of commas"):
        read_table("here", path)


def test_ids():
    def ids(*values):
        return as_ids("here", read_table("here", {"id": list(values)})["id"], "id").tolist()

    assert ids("1", "20") == [1, 20]
    assert ids("01", "20") == ["01", "20"]
    assert ids(1, "a") == ["1", "a"]
    assert ids(1.0, 2.0) == [1, 2]
    assert ids(2**63, 5) == ["9223372036854775808", "5"]
    with pytest.raises(ValueError, match="id is missing in 1 of 2 rows, first in row 1"):
        ids("a", None)
    with pytest.raises(ValueError, match="id is missing in 1 of 2 rows, first in row 0"):
        ids("", "a")
    with pytest.raises(ValueError, match="got fractions"):
        ids(0.5, 1.0)


def test_together_is_text_where_either_is():
    a, b = together(np.array([1, 2]), np.array(["1", "x"]))
    assert (a == np.array(["1", "2"])).all()
    assert b.dtype.kind == "U"


def test_missing():
    assert missing(np.array([1.0, np.nan])).tolist() == [False, True]
    assert missing(np.array(["a", None], dtype=object)).tolist() == [False, True]
    assert missing(np.array([1, 2])).tolist() == [False, False]


def test_dates_are_refused_where_they_are_used():
    found = read_table("here", {"when": np.array(["2020-01-01"], "M8[D]")})
    with pytest.raises(TypeError, match="'when' holds dates or times"):
        refuse_values("here", "when", found["when"])
    refuse_values("here", "when", np.ones(1))


@pytest.mark.parametrize("value", [[1], {"a": 1}, {1}, np.ones(2)])
def test_lists_are_refused_where_they_are_used(value):
    found = read_table("here", {"id": ["a", "b"], "tags": [None, value]})
    with pytest.raises(TypeError, match=r"'tags' must hold one value a row, got .* in row 1;"):
        refuse_values("here", "tags", found["tags"])
    with pytest.raises(TypeError, match="must hold one value a row"):
        as_ids("here", np.array([value, "a"], dtype=object), "id")


@pytest.mark.parametrize("words", [["1,5", "2"], ["1,000", None], [" -3,25", "7,0 "]])
def test_numbers_with_commas_are_no_words(words):
    with pytest.raises(ValueError, match=r"numbers with commas, .*decimal=','\), or thousands"):
        refuse_commas("here", "km", read_table("here", {"km": words})["km"])
    refuse_commas("here", "km", np.array(["1,5", "a,b", "Rome"], dtype=object))
    assert as_ids("here", np.array(["1,5", "2,0"], dtype=object), "id").tolist() == ["1,5", "2,0"]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_the_mark_between_columns_is_that_of_the_header(mark, tmp_path):
    pytest.importorskip("pandas")
    path = tmp_path / "edges.csv"
    path.write_text(f"source{mark}target\na{mark}b\n")
    assert list(read_table("here", path, (None, None))) == ["source", "target"]


def test_lazy_frames_are_to_be_collected():
    pl = pytest.importorskip("polars")
    with pytest.raises(TypeError, match=r"give frame\.collect\(\)"):
        read_table("here", pl.LazyFrame({"a": [1]}))
