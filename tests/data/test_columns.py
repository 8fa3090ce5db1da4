"""Columns as features, against scikit-learn's encoder and imputer."""

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
    values = found.categories["word"]
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
    y, names = classes_of(np.array([3.0, np.nan, 1.0, 3.0]))
    assert (y.tolist(), names) == ([1, -1, 0, 1], [1, 3])
    y, names = classes_of(np.array(["b", "a", None], dtype=object))
    assert (y.tolist(), names) == ([1, 0, -1], ["a", "b"])
