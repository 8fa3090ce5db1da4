"""Which columns name nodes, and which first lines are no names."""

import numpy as np
import pytest

from gcl.data.naming import are_known, counts_rows, id_names, is_index, is_unnamed, names_are_ids

TWO, ONE = (None, None), (None,)


def test_names_of_ids():
    assert id_names(["a", "b", "c"], TWO) == ["a", "b"]
    assert id_names(["Target", "x", "Source"], TWO) == ["Source", "Target"]
    assert id_names(["a"], TWO) == ["a"]
    assert id_names(["x", "node_id"], ONE) == ["node_id"]


def test_told_or_usual():
    assert are_known(["a", "b"], ("a", None))
    assert are_known(["a", "ID"], ONE)
    assert not are_known(["a", "b"], ONE)


def test_columns_without_a_name():
    assert [is_unnamed(n) for n in ("", "Unnamed: 0", "name")] == [True, True, False]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([0, 1, 2], True),
        ([5, 9, 7], True),  # of rows that were chosen
        (["0", "1"], True),
        ([0.0, 1.0], True),
        ([0, 1, 1], False),
        ([0.5, 1.0], False),
        (["a", "b"], False),
        (["0", None], False),
        ([np.nan, 1.0], False),
    ],
)
def test_an_index_counts_rows(column, expected):
    values = np.array(column, dtype=object if isinstance(column[0], str) else None)
    with np.errstate(invalid="ignore"):
        assert counts_rows(values) is expected


def test_where_the_first_column_is_an_index():
    index = "Unnamed: 0"
    assert is_index("here", [index, "a", "b"], TWO, True)
    assert is_index("here", [index, "id", "b"], ONE, True)
    assert is_index("here", [index, "name"], ("name",), True)
    assert not is_index("here", [index, "a"], TWO, True)  # one end would be left
    assert not is_index("here", [index, "a", "b"], TWO, False)
    assert not is_index("here", [index, "a", "b"], (index, None), True)
    assert not is_index("here", ["a", "b", "c"], TWO, True)
    assert not is_index("here", [index, "a", "b"], (), True)
    with pytest.raises(ValueError, match="id='name', or id='Unnamed: 0' where these numbers"):
        is_index("here", [index, "name"], ONE, True)


def test_names_that_look_like_ids():
    known = np.array(["ann", "bob", "word"])
    assert names_are_ids(["ann", "bob"], ["ann", "bob"], TWO, known) == [True, True]
    assert names_are_ids(["word", "other"], ["word", "other"], TWO, known) == [True, False]
    assert names_are_ids(["0", "1.5"], ["0", "1.5"], TWO, np.arange(3)) == [True, True]
    assert names_are_ids(["nan", "inf"], ["nan", "inf"], TWO, known) == [False, False]
    # A node may be called source, and what the user names is no id.
    flow = np.array(["source", "target"])
    assert names_are_ids(["source", "target"], ["source", "target"], TWO, flow) == [False, False]
    assert names_are_ids(["ann", "bob"], ["ann", "bob"], ("ann", "bob"), known) == [False, False]
