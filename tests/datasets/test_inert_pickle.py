"""Pickles that are read without building anything: right arrays, and every trick refused."""

import pickle
import random
import struct
from collections import defaultdict

import numpy as np
import pytest
import scipy.sparse as sp

from gcl.datasets.inert_pickle import InertArray, as_matrix, read_inert
from gcl.datasets.planetoid import read_planetoid


def saved(path, value, protocol=4):
    path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol))
    return path


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "i2", "u8", "?", "S3"])
def test_arrays_are_those_of_numpy(tmp_path, dtype, protocol):
    array = np.arange(12).reshape(3, 4).astype(dtype)
    for layout in (array, np.asfortranarray(array)):
        found = as_matrix(read_inert(saved(tmp_path / "a", layout, min(protocol, 4))))
        assert np.array_equal(found, array)
        assert found.dtype == array.dtype.newbyteorder("=")


def test_sparse_matrices_are_those_of_scipy(tmp_path):
    matrix = sp.random(7, 5, 0.4, "csr", np.float32, random_state=0)
    assert np.array_equal(as_matrix(read_inert(saved(tmp_path / "m", matrix))), matrix.toarray())


def test_lists_and_numbers_come_as_they_are(tmp_path):
    graph = defaultdict(list, {0: [1, 2], 5: []})
    assert read_inert(saved(tmp_path / "g", graph)) == {0: [1, 2], 5: []}
    assert read_inert(saved(tmp_path / "g", [1, "a", (2.5, None)])) == [1, "a", (2.5, None)]


class Asks:
    """A pickle whose arrays say of themselves what the test says."""

    def __init__(self, *parts, dtype=("f4", 0, 1), order=(3, "<", None, None, None, -1, -1, 0)):
        self.parts, self.dtype, self.order = parts, dtype, order

    def __reduce__(self):
        reconstruct = np.empty(0).__reduce__()[0]
        shape, content = self.parts
        state = (1, shape, Kind(self.dtype, self.order), False, content)
        return reconstruct, (np.ndarray, (0,), b"b"), state


class Kind:
    def __init__(self, arguments, state):
        self.arguments, self.state = arguments, state

    def __reduce__(self):
        return np.dtype, self.arguments, self.state


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (Asks((2, 2), bytes(16), dtype=("O8", 0, 1)), "array of dtype 'O8'"),
        (Asks((2, 2), bytes(32), dtype=("V8", 0, 1)), "array of dtype 'V8'"),
        (
            # A field of objects, with flags that deny it: NumPy would follow the file's pointers.
            Asks(
                (1, 1), bytes(8), dtype=("V8", 0, 1),
                order=(3, "|", None, ("a",), {"a": ("O", 0)}, 8, 1, 0),
            ),
            "dtype of several parts",
        ),
        (Asks((2, 3), bytes(16)), "array of shape"),
        (Asks((1 << 39, 1 << 39), bytes(16)), "array of shape"),
        (Asks((-1, -4), bytes(16)), "a shape that is none"),
        (Asks((2.0, 2), bytes(16)), "a shape that is none"),
        (Asks((2, 2), [1, 2]), "without its bytes"),
        (Asks((4,), bytes(16)), "holds no matrix"),
        ([1, 2], "holds no matrix"),
    ],
)  # fmt: skip
def test_arrays_that_lie_are_refused(tmp_path, made, message):
    with pytest.raises(ValueError, match=message):
        as_matrix(read_inert(saved(tmp_path / "a", made)))


@pytest.mark.parametrize(
    "change",
    [
        {"_shape": (10**6, 10**6)},
        {"_shape": (3, 1)},
        {"_shape": None},
        {"indices": np.array([10**8, 1, 2], np.int32)},
        {"indptr": np.array([0, 1, 99, 3], np.int32)},
        {"indptr": np.array([0, 2, 1, 3], np.int32)},
        {"data": np.eye(3)},
        {"indices": np.zeros(3)},
        {"data": [1.0, 2.0, 3.0]},
    ],
)
def test_sparse_matrices_that_lie_are_refused(tmp_path, change):
    matrix = sp.csr_matrix(np.eye(3, dtype=np.float32))
    matrix.__dict__.update(change)
    with pytest.raises(ValueError):
        as_matrix(read_inert(saved(tmp_path / "m", matrix)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "asks for os.system, which is refused"),
        (b"cnumpy\nload\n.", "asks for numpy.load"),
        (b"\x80\x02\x82\x01.", "registered extension"),
        # 2**40 bytes announced
        (b"N\x8e" + struct.pack("<Q", 1 << 40) + b".", "EOFError"),
        (b"", "EOFError|Ran out"),
        (b"not a pickle at all", "."),
    ],
)
def test_programs_are_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read_inert(saved(tmp_path / "p", content))


def test_a_memo_of_any_announced_size_takes_no_memory(tmp_path):
    content = b"]r" + struct.pack("<I", (1 << 32) - 1) + b"0N."
    assert read_inert(saved(tmp_path / "p", content)) is None


@pytest.fixture
def toy(tmp_path):
    rng = np.random.default_rng(0)
    onehot = np.eye(3, dtype=np.int32)[rng.integers(3, size=40)]
    x = sp.csr_matrix((rng.random((40, 5)) < 0.4).astype(np.float32))
    graph = {i: rng.integers(40, size=3).tolist() for i in range(40)}
    parts = {"x": x[:6], "allx": x[:30], "tx": x[30:], "graph": graph}
    parts |= {"y": onehot[:6], "ally": onehot[:30], "ty": onehot[30:]}
    for part, value in parts.items():
        saved(tmp_path / f"ind.toy.{part}", value)
    (tmp_path / "ind.toy.test.index").write_text("\n".join(map(str, range(30, 40))))
    return tmp_path


def test_a_list_named_over_and_over_is_refused(toy):
    many = list(range(40)) * 10
    saved(toy / "ind.toy.graph", dict.fromkeys(range(40), many))
    with pytest.raises(ValueError, match=r"ind\.toy\.graph .*more links than it has bytes"):
        read_planetoid(toy, "toy")


def test_an_index_of_any_announced_node_is_refused(toy):
    numbers = [*range(30, 39), 10**12]
    (toy / "ind.toy.test.index").write_text("\n".join(map(str, numbers)))
    with pytest.raises(ValueError, match=r"test\.index .*names node 1000000000000 of 40"):
        read_planetoid(toy, "toy")


def mutated(content, rng):
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(content))
        kind = rng.randrange(4)
        if kind == 0:
            content[at] = rng.randrange(256)
        elif kind == 1:
            content[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del content[at : at + rng.randrange(1, 9)]
        else:
            content[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
        content = content or bytearray(b".")
    return bytes(content)


@pytest.mark.parametrize(
    "count", [300, pytest.param(10_000, marks=pytest.mark.slow, id="ten thousand")]
)
def test_mutated_files_are_read_or_refused(toy, count):
    rng = random.Random(0)
    parts = ["x", "tx", "allx", "y", "ty", "ally", "graph", "test.index"]
    read = named = 0
    for i in range(count):
        path = toy / f"ind.toy.{parts[i % 8]}"
        content = path.read_bytes()
        path.write_bytes(mutated(content, rng))
        try:
            read_planetoid(toy, "toy")
            read += 1
        except ValueError as error:
            named += "ind.toy." in str(error)
        finally:
            path.write_bytes(content)
    assert 0 < read < count
    assert named == count - read  # each says which file


def test_an_array_by_itself_is_no_array(tmp_path):
    assert isinstance(read_inert(saved(tmp_path / "a", np.zeros(2))), InertArray)
