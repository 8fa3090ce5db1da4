from __future__ import annotations

from urllib.error import URLError

import pytest
import torch
from torch_geometric.datasets import Amazon, Coauthor, Planetoid, WikiCS

from gcl.datasets import DATASETS, digits, hetero_sbm, karate, load, names, sbm


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


@pytest.mark.parametrize(("name", "make"), [("digits", digits), ("karate", karate), ("sbm", sbm)])
def test_embedded_graphs_need_no_files(offline, name, make):
    loaded, made = load(name), make()
    for key in ("x", "edge_index", "y"):
        assert torch.equal(loaded[key], made[key])


def test_embedded_heterogeneous_graph(offline):
    assert torch.equal(load("hetero-sbm")["author"].x, hetero_sbm()["author"].x)


@pytest.mark.parametrize("name", ["KARATE", "Karate", "Hetero_SBM"])
def test_case_and_underscores_do_not_matter(name):
    assert load(name) is not None


@pytest.mark.parametrize("name", [name for name in names() if DATASETS[name].files])
def test_missing_files_name_what_to_do(tmp_path, offline, name):
    with pytest.raises(FileNotFoundError) as caught:
        load(name, tmp_path)
    message = str(caught.value)
    source = DATASETS[name]
    for part in (name, *source.files, str(tmp_path / source.folder), "GCL_DATA"):
        assert part in message
    assert not list(tmp_path.iterdir())


def test_unknown_name_suggests_and_lists():
    with pytest.raises(
        ValueError, match=r"unknown data set 'coraa'; did you mean 'cora'\?"
    ) as info:
        load("coraa")
    assert all(name in str(info.value) for name in names())
    with pytest.raises(ValueError, match="unknown data set 'zzz'; Known are"):
        load("zzz")


@pytest.mark.parametrize("name", [None, 3, karate])
def test_name_must_be_a_string(name):
    with pytest.raises(TypeError, match="load: name must be a string"):
        load(name)


def test_folders_and_files_are_those_of_pyg():
    # The properties of PyG's classes, read without running their constructors, which download.
    def layout(cls, name, base, **attributes):
        shell = object.__new__(cls)
        shell.root, shell.name = base, name
        for key, value in attributes.items():
            setattr(shell, key, value)
        files = shell.raw_file_names
        return shell.raw_dir, {files} if isinstance(files, str) else set(files)

    expected = {
        name.lower(): layout(Planetoid, name, "planetoid", split="public")
        for name in ("Cora", "CiteSeer", "PubMed")
    }
    expected |= {name: layout(Amazon, name, "amazon") for name in ("computers", "photo")}
    expected |= {name.lower(): layout(Coauthor, name, "coauthor") for name in ("CS", "Physics")}
    expected["wikics"] = layout(WikiCS, "wikics", "wikics")
    for name, (folder, files) in expected.items():
        assert (DATASETS[name].folder, set(DATASETS[name].files)) == (folder, files)


def test_table_is_complete_and_read_only():
    for source in DATASETS.values():
        assert source.about
        assert source.origin
    with pytest.raises(TypeError):
        DATASETS["mine"] = DATASETS["cora"]
