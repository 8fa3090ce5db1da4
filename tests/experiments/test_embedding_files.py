"""Embeddings in files, read back by other programs."""

import sys

import numpy as np
import pandas
import pytest

from gcl.experiments.embedding_files import write_embeddings

Z = np.random.default_rng(0).normal(size=(5000, 3)).astype(np.float32)
IDS = [f"node, {i}" for i in range(5000)]


def test_npz_without_a_pickle(tmp_path):
    write_embeddings(tmp_path / "z.npz", Z, np.array(IDS, dtype=object))
    with np.load(tmp_path / "z.npz", allow_pickle=False) as found:
        assert found["z"].tobytes() == Z.tobytes()
        assert found["ids"].tolist() == IDS


def test_csv_keeps_every_bit_of_float32(tmp_path):
    write_embeddings(tmp_path / "z.csv", Z, IDS)
    found = pandas.read_csv(tmp_path / "z.csv")
    assert list(found) == ["id", "z0", "z1", "z2"]
    assert found["id"].tolist() == IDS
    assert found[["z0", "z1", "z2"]].to_numpy().astype(np.float32).tobytes() == Z.tobytes()


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    write_embeddings(tmp_path / "z.parquet", Z, range(5000))
    found = pandas.read_parquet(tmp_path / "z.parquet")
    assert found["id"].tolist() == list(range(5000))
    assert np.array_equal(found[["z0", "z1", "z2"]].to_numpy(), Z)


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"needs pyarrow.*pyg-gcl\[parquet\]"):
        write_embeddings(tmp_path / "z.parquet", Z, IDS)


def test_an_old_file_stays_until_the_new_one_is_whole(tmp_path):
    (tmp_path / "z.csv").write_text("old")
    with pytest.raises((TypeError, ValueError)):
        write_embeddings(tmp_path / "z.csv", np.array([["no number"]]), [0])
    assert (tmp_path / "z.csv").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["z.csv"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("z.txt", "must end in one of .npz, .csv, .parquet"),
        ("nowhere/z.csv", "there is no folder"),
        ("folder.csv", "is a folder"),
    ],
)
def test_bad_places(name, said, tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ValueError, match=said):
        write_embeddings(tmp_path / name, Z, IDS)
    with pytest.raises(ValueError, match="3 ids for 5000 rows"):
        write_embeddings(tmp_path / "z.csv", Z, [1, 2, 3])
