"""The door of every evaluation: matrices of any kind, labels as codes, blocks of cosines."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.preprocessing import normalize

from gcl.evaluate.inputs import as_labels, as_matrix, as_targets, cosine_blocks, of_one_scale, take


@pytest.fixture
def rows():
    values = np.random.default_rng(0).normal(size=(7, 5))
    values[np.abs(values) < 0.7] = 0
    values[3] = 0
    return values


def kinds(values):
    tensor = torch.from_numpy(values)
    return {
        "tensor": tensor,
        "array": values,
        "fortran": np.asfortranarray(values),
        "coo": tensor.to_sparse_coo(),
        "csr": tensor.to_sparse_csr(),
        "csc": tensor.to_sparse_csc(),
        "scipy csr": sp.csr_array(values),
        "scipy coo matrix": sp.coo_matrix(values),
    }


@pytest.mark.parametrize("kind", kinds(np.eye(2)))
def test_every_kind_is_the_same_matrix(kind, rows):
    for dtype in (np.float64, np.float32):
        given = kinds(rows.astype(dtype))[kind]
        for l2 in (False, True):
            found = as_matrix(given, "here", l2=l2)
            assert isinstance(found, torch.Tensor) == (kind in ("tensor", "array", "fortran"))
            dense = take(found, torch.arange(7)).numpy()
            assert dense.dtype == dtype
            expected = normalize(rows) if l2 else rows
            np.testing.assert_allclose(dense, expected, rtol=1e-6, atol=1e-7)


def test_other_precisions_become_float32():
    for z in (
        torch.ones(2, 2).half(),
        torch.ones(2, 2, dtype=torch.long),
        np.ones((2, 2), np.int8),
    ):
        assert as_matrix(z, "here").dtype == torch.float32


@pytest.mark.parametrize(
    ("z", "error", "message"),
    [
        ([[1.0]], TypeError, "here: expected embeddings as a tensor, .* got list"),
        (torch.ones(3), ValueError, r"here: expected a matrix .* got shape \(3,\)"),
        (torch.ones(0, 3), ValueError, r"got shape \(0, 3\)"),
        (torch.tensor([[1.0, torch.inf]]), ValueError, "here: the embeddings hold NaN or infinity"),
        (sp.csr_array([[np.nan, 1.0]]), ValueError, "NaN or infinity"),
    ],
)
def test_what_is_no_matrix(z, error, message):
    with pytest.raises(error, match=message):
        as_matrix(z, "here")


def test_frames_are_their_matrices(rows):
    for make in ("pandas", "polars"):
        frame = pytest.importorskip(make).DataFrame(rows)
        np.testing.assert_array_equal(as_matrix(frame, "here"), rows)
        single = pytest.importorskip(make).DataFrame(rows.astype(np.float32))
        assert as_matrix(single, "here").dtype == torch.float32
    pd = pytest.importorskip("pandas")
    with pytest.raises(TypeError, match="a table of numbers, got something else"):
        as_matrix(pd.DataFrame({"id": ["a"], "z": [1.0]}), "here")
    with pytest.raises(ValueError, match=r"got shape \(7,\)"):
        as_matrix(pd.DataFrame(rows)[0], "here")
    with pytest.raises(TypeError, match="got an array of object"):
        as_matrix(rows.astype(object), "here")


def test_labels_become_codes_in_their_order():
    numbers = [7, 3, 3, 12]
    for y in (
        numbers,
        tuple(numbers),
        np.array(numbers, np.uint16),
        torch.tensor(numbers).float().view(4, 1),
        torch.tensor(numbers, dtype=torch.int8),
        torch.tensor(numbers).to_sparse(),
        [torch.tensor(n) for n in numbers],
    ):
        codes, labels = as_labels(y, 4, "here")
        assert codes.tolist() == [1, 0, 0, 2]
        assert labels == [3, 7, 12]
    codes, labels = as_labels([5, -1, 2, -1, 5], 5, "here")
    assert (codes.tolist(), labels) == ([1, -1, 0, -1, 1], [2, 5])
    codes, labels = as_labels([-1, 1, 1], 3, "here", of="graph")
    assert (codes.tolist(), labels) == ([0, 1, 1], [-1, 1])


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (None, TypeError, r"one label a node, got None; pass y, e\.g\. data\.y"),
        ([0, 1], ValueError, r"expected 3 labels, one a node, got shape \(2,\)"),
        ([0.5, 1, 0], ValueError, "whole numbers"),
        ([0, -1, -1], ValueError, "every node with a label has label 0"),
        ([-1, -1, -1], ValueError, "no node has a label"),
        ([0, -2, -100], ValueError, "2 labels are below -1, which alone marks a node without"),
        ([4, 4, 4], ValueError, "every node has label 4"),
        ([np.nan, 1, 0], ValueError, "NaN or fractions"),
        ([np.inf, 1, 0], ValueError, "NaN or fractions"),
        ([1e300, 1, 0], ValueError, "NaN or fractions"),
        ([1j, 1, 0], ValueError, "NaN or fractions"),
        (np.array([2**63, 1, 0], np.uint64), ValueError, r"below 2\^63"),
        (
            torch.eye(3),
            ValueError,
            r"a matrix \[3, 3\]; pass y\.argmax\(1\) if its rows are one-hot",
        ),
        (np.ones((1, 3)), ValueError, r"expected 3 labels, one a node, got shape \(1, 3\)"),
        (2, ValueError, r"got shape \(\)"),
        (["a", "b", "b"], TypeError, r"got text; number the classes, for example by numpy\.unique"),
        (np.array([0, 1, None]), TypeError, "got object; number the classes"),
        ([[0], [1, 2], [0]], ValueError, "ragged"),
    ],
)
def test_what_are_no_labels(y, error, message):
    with pytest.raises(error, match=message):
        as_labels(y, 3, "here")


def test_several_targets():
    nan = np.nan
    rows = [[0, 1.0, 1], [1, nan, 0], [-1, 0, 1], [0, 0, 0]]
    for y in (np.array(rows), torch.tensor(rows), torch.tensor(rows).to_sparse()):
        assert as_targets(y, 4, "here").tolist() == [[0, 1, 1], [1, -1, 0], [-1, 0, 1], [0, 0, 0]]
    # One label a node: a column, one-hot rows, or another number of rows.
    for y in (np.ones((4, 1)), torch.eye(4), torch.arange(4), np.ones((3, 2)), None):
        assert as_targets(y, 4, "here") is None
    for y, message in (
        (torch.tensor([[0, 2], [1, 0]]), r"here: expected targets of 0 and 1, .* in y \[2, 2\]"),
        (torch.tensor([[0, 1], [1, 1]]), "target 1 of y is 1 for every node"),
        (torch.tensor([[-1, 0], [-1, 1]]), "target 0 of y is unknown everywhere"),
    ):
        with pytest.raises(ValueError, match=message):
            as_targets(y, 2, "here")


def test_rows_of_one_scale():
    x = np.random.default_rng(0).normal(size=(50, 6)) * [1, 1, 1e3, 1e-3, 1, 1] + 7
    length = np.sqrt(x.var(0).sum())
    for given in (torch.from_numpy(x), sp.csr_array(x)):
        found = of_one_scale(as_matrix(given, "here"))
        found = found.numpy() if isinstance(found, torch.Tensor) else found.toarray()
        np.testing.assert_allclose(found, x / length, rtol=1e-9)
    assert torch.equal(of_one_scale(torch.ones(4, 2)), torch.ones(4, 2))


@pytest.mark.parametrize("budget", [1, 9, 1000])
def test_blocks_of_cosines_cover_every_query_once(rows, budget):
    queries, reference = torch.tensor([6, 0, 2, 1, 5]), torch.tensor([1, 4, 6])
    expected = cosine_similarity(rows[queries], rows[reference])
    for given in (torch.from_numpy(rows), sp.csr_array(rows)):
        found, seen = np.zeros_like(expected), []
        for where, block in cosine_blocks(
            as_matrix(given, "x", l2=True), queries, reference, budget
        ):
            assert block.numel() <= max(budget, len(reference))
            found[where] = block.numpy()
            seen += list(range(*where.indices(5)))
        assert seen == [0, 1, 2, 3, 4]
        np.testing.assert_allclose(found, expected, atol=1e-12)
