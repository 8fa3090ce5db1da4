"""Features given as a matrix, whatever holds it."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from gcl.data.matrices import as_feature_matrix


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil"])
def test_sparse_of_scipy_stays_sparse(form):
    given = sp.random_array((7, 5), density=0.4, rng=np.random.default_rng(0))
    x = as_feature_matrix("here", given.asformat(form), 7)
    assert x.layout == torch.sparse_csr
    assert x.dtype == torch.float32
    np.testing.assert_allclose(x.to_dense(), given.toarray(), rtol=1e-6)


def test_entries_that_come_twice_are_added():
    given = sp.coo_array((np.ones(3), ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    assert as_feature_matrix("here", given).to_dense().tolist() == [[0, 2], [1, 0]]


def test_dense():
    given = np.arange(6.0).reshape(3, 2)
    for form in (given, given.tolist(), torch.from_numpy(given), np.asfortranarray(given)):
        x = as_feature_matrix("here", form, 3)
        assert x.dtype == torch.float32
        np.testing.assert_array_equal(x, given)
    assert as_feature_matrix("here", torch.eye(3).to_sparse()).layout == torch.sparse_csr


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (np.ones(3), ValueError, r"must be \[3, columns\]"),
        (np.ones((2, 3)), ValueError, r"must be \[3, columns\].* got \[2, 3\]"),
        (sp.eye_array(2), ValueError, r"must be \[3, columns\]"),
        (np.full((3, 1), np.nan), ValueError, "NaN or infinity"),
        (sp.csr_array(np.full((3, 1), np.inf)), ValueError, "NaN or infinity"),
        (np.array([["a"], ["b"], ["c"]]), TypeError, "a matrix of numbers"),
        ([[1], [1, 2], [3]], TypeError, "a matrix of numbers"),
        (5 + 2j, TypeError, "a matrix of numbers"),
    ],
)
def test_what_is_no_matrix(given, error, message):
    with pytest.raises(error, match=message):
        as_feature_matrix("here", given, 3)
