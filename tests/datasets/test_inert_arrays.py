"""Arrays that are those of NumPy, or refused before they take memory."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
import scipy.sparse as sp

from gcl.datasets.inert_arrays import (
    check_cells,
    check_csr,
    check_shape,
    read_array,
    read_arrays,
    whole_numbers,
)


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "i2", "u8", "?", "S3"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_arrays_are_those_of_numpy(tmp_path, dtype, version):
    for array in (
        np.arange(12).reshape(3, 4),
        np.asfortranarray(np.eye(3)),
        np.array(7),
        np.ones(0),
    ):
        array = array.astype(dtype)
        with open(tmp_path / "a.npy", "wb") as file:
            np.lib.format.write_array(file, array, version)
        found = read_array(tmp_path / "a.npy")
        assert np.array_equal(found, array)
        assert found.dtype == array.dtype.newbyteorder("=")
        assert found.flags.writeable


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_are_those_of_numpy(tmp_path, save):
    arrays = {"a": np.arange(5), "b.c": np.eye(2), "text": np.array(b"csr")}
    save(tmp_path / "a.npz", **arrays)
    found = read_arrays(tmp_path / "a.npz")
    assert found.keys() == arrays.keys()
    assert all(np.array_equal(found[name], array) for name, array in arrays.items())


def test_missing_files_are_missing(tmp_path):
    for read in (read_array, read_arrays):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "none")


def test_archives_packed_otherwise_are_refused(tmp_path):
    with io.BytesIO() as file:
        np.save(file, np.ones(3))
        content = file.getvalue()
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.npy", content)
    with pytest.raises(ValueError, match="packed in a way"):
        read_arrays(tmp_path / "a.npz")


def test_matrices_by_rows_are_those_of_scipy():
    matrix = sp.random(7, 5, 0.4, "csr", np.float32, random_state=0)
    data, cols, starts, shape = check_csr(
        matrix.data, matrix.indices, matrix.indptr, np.array(matrix.shape)
    )
    again = sp.csr_matrix((data, cols, starts), shape)
    assert np.array_equal(again.toarray(), matrix.toarray())


def test_a_matrix_is_as_large_as_what_is_there_of_it():
    check_cells((2708, 1433), 49216)  # Cora
    check_cells((1, 1 << 20), 0)
    for shape, numbers in (((10**6, 10**6), 10**6), ((3, 10**12), 5), ((1 << 11, 1 << 11), 3)):
        with pytest.raises(ValueError, match=f"of which it holds {numbers} numbers"):
            check_cells(shape, numbers)
    for shape in ((1,), (1, 2, 3), [2.0, 2.0], np.array([-1, 2]), "ab", None, np.array([[1, 2]])):
        with pytest.raises(ValueError, match="a sparse matrix of shape"):
            check_shape(shape)


def test_whole_numbers_of_any_kind():
    for dtype in (np.float64, np.float32, np.uint8, bool):
        found = whole_numbers(np.array([0, 1, 1], dtype))
        assert found.tolist() == [0, 1, 1]
        assert found.dtype == np.int64
    for array, message in (
        (np.array([0.5]), "fractions"),
        (np.array([np.nan]), "not finite"),
        (np.array([1e300]), "too large"),
        (np.array(["a"]), "no numbers"),
        (np.array([2**63], np.uint64), "too large"),
    ):
        with pytest.raises(ValueError, match=message):
            whole_numbers(array)
