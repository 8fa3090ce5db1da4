"""Columns as features, against scikit-learn's encoder and imputer."""

import datetime

import numpy as np
import pytest
import torch
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

from gcl.data.columns import classes_of, features_of


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    number = rng.normal(size=80)
    number[::7] = np.nan
    word = rng.choice(list("aabbbcde"), 80).astype(object)
    word[::9] = None
    return {"number": number, "whole": np.arange(80), "word": word}


def test_numbers_are_imputed_as_by_scikit_learn(table):
    found = features_of("here", {"number": table["number"]}, "one_hot", 50)
    expected = SimpleImputer(add_indicator=True).fit_transform(table["number"][:, None])
    np.testing.assert_allclose(found.x, expected, rtol=1e-6)
    assert found.names == ["number", "number=missing"]


def test_words_are_encoded_as_by_scikit_learn(table):
    found = features_of("here", {"word": table["word"]}, "one_hot", 50)
    words = np.array([str(v) for v in table["word"]])[:, None]
    encoder = OneHotEncoder(categories=[[*"abcde", "None"]], sparse_output=False)
    np.testing.assert_array_equal(found.x, encoder.fit_transform(words))
    assert found.names == [f"word={v}" for v in (*"abcde", "missing")]


def test_rare_words_share_a_column_as_those_of_scikit_learn():
    word = np.array(list("aaaabbbccd"), dtype=object)
    with pytest.warns(UserWarning, match="different words"):
        found = features_of("here", {"w": word}, "one_hot", 3)
    encoder = OneHotEncoder(max_categories=3, sparse_output=False)
    np.testing.assert_array_equal(found.x, encoder.fit_transform(word[:, None]))
    assert found.names == ["w=a", "w=b", "w=other"]


def test_columns_keep_their_order(table):
    found = features_of("here", table, "one_hot", 50)
    assert found.names[:4] == ["number", "number=missing", "whole", "word=a"]
    assert found.x.dtype == torch.float32
    np.testing.assert_array_equal(found.x[:, 2], np.arange(80))


def test_codes(table):
    found = features_of("here", {"word": table["word"]}, "codes", 50)
    assert found.x.dtype == torch.int64
    assert found.categories["word"] == list("abcde")
    values = ["missing", *found.categories["word"]]  # code 0 is what is unknown, as in an embedding
    read = [values[code] for code in found.x[:, 0]]
    assert read == ["missing" if v is None else v for v in table["word"]]
    mixed = features_of("here", table, "codes", 50)
    assert mixed.x.dtype == torch.float32
    np.testing.assert_array_equal(mixed.x[:, -1], found.x[:, 0])


def test_no_columns():
    assert features_of("here", {}, "one_hot", 50).x.shape == (0, 0)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (np.array([np.nan, np.nan]), "'c' has no values"),
        (np.array([None, None], dtype=object), "'c' has no values"),
        (np.array([np.inf, 1.0]), "'c' holds infinity"),
        (np.array([1e300, 1.0]), "'c' holds infinity"),
        (np.array([f"title {i}" for i in range(60)], dtype=object), "'c' has other words in each"),
    ],
)
def test_what_is_no_feature(column, message):
    with pytest.raises(ValueError, match=message):
        features_of("here", {"c": column}, "one_hot", 50)


def test_classes():
    y, names = classes_of("here", "kind", np.array([3.0, np.nan, 1.0, 3.0]))
    assert (y.tolist(), names) == ([1, -1, 0, 1], [1, 3])
    y, names = classes_of("here", "kind", np.array(["b", "a", None], dtype=object))
    assert (y.tolist(), names) == ([1, 0, -1], ["a", "b"])


def test_more_words_than_columns_are_told():
    word = np.array(list("aaaabbbccd"), dtype=object)
    with pytest.warns(UserWarning, match="'w' has 4 different words; all but the 2 most frequent"):
        features_of("here", {"w": word}, "one_hot", 3)


def test_missing_and_other_are_one_value_each():
    found = features_of("here", {"w": np.array(["missing", None, "x"], dtype=object)}, "codes", 50)
    assert (found.x[:, 0].tolist(), found.categories["w"]) == ([0, 0, 1], ["x"])
    word = np.array([*["other"] * 5, *"aabbbcd"], dtype=object)
    with pytest.warns(UserWarning, match="different words"):
        found = features_of("here", {"w": word}, "one_hot", 3)
    assert found.names == ["w=a", "w=b", "w=other"]
    assert found.x[:, 2].tolist() == [1] * 5 + [0] * 5 + [1, 1]


@pytest.mark.parametrize("form", ["2020-01-{:02}", "{}.1.20", "2020/1/{}", "2020-01-{:02} 10:00"])
def test_many_dates_are_no_words(form):
    days = [form.format(i % 28 + 1) for i in range(100)]
    column = np.array(days, dtype=object)
    with pytest.raises(TypeError, match="'when' holds 28 different dates, such as '"):
        features_of("here", {"when": column}, "one_hot", 20)
    assert len(features_of("here", {"when": column}, "one_hot", 28).names) == 28
    as_objects = np.array([datetime.date(2020, 1, 1)] * 3, dtype=object)
    with pytest.raises(TypeError, match="'when' holds dates or times"):
        features_of("here", {"when": as_objects}, "one_hot", 20)


@pytest.mark.parametrize("column", [[np.inf, 1.0], [1e300, 1.0]])
def test_labels_are_finite(column):
    with pytest.raises(ValueError, match="here: the label 'kind' holds infinity"):
        classes_of("here", "kind", np.array(column))


def test_a_few_words_among_numbers_are_told():
    column = np.array(["1", "2.5", "?", "3", "-"], dtype=object)
    with pytest.warns(UserWarning, match="'age' holds words among numbers, '-', '[?]', and is"):
        found = features_of("here", {"age": column}, "one_hot", 50)
    assert found.names == [f"age={v}" for v in ("-", "1", "2.5", "3", "?")]


@pytest.mark.filterwarnings("error")
def test_words_and_numbers_that_are_names_are_not_told():
    for words in (["1", "2", "10"], ["a1", "b2", "3"], ["x", "y"]):
        features_of("here", {"k": np.array(words, dtype=object)}, "one_hot", 50)


def test_whole_numbers_of_a_categorical_column_stay_classes_in_their_order():
    y, names = classes_of("here", "kind", np.array([10, None, 9], dtype=object))
    assert (y.tolist(), names) == ([1, -1, 0], [9, 10])
