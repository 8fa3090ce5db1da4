from __future__ import annotations

from http.client import IncompleteRead
from pathlib import Path

import pytest

from gcl.datasets import Source, resolve_root


def _source(url: str = "") -> Source:
    return Source("toy", "here", lambda folder: folder, "toy/raw", ("a.txt", "b.txt"), url)


def test_root_is_the_argument_then_gcl_data_then_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GCL_DATA", str(tmp_path / "env"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert resolve_root("here") == Path("here")
    assert resolve_root() == tmp_path / "env"
    monkeypatch.setenv("GCL_DATA", "")
    assert resolve_root() == tmp_path / "cache" / "gcl"
    for unset in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert resolve_root() == Path.home() / ".cache" / "gcl"


def test_only_missing_files_are_fetched(tmp_path):
    server, root = tmp_path / "server", tmp_path / "root"
    server.mkdir()
    (server / "b.txt").write_text("fetched")
    folder = root / "toy" / "raw"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("mine")
    assert _source(server.as_uri()).fetch("toy", root) == folder
    assert (folder / "a.txt").read_text() == "mine"
    assert (folder / "b.txt").read_text() == "fetched"
    assert len(list(folder.iterdir())) == 2


def test_nothing_is_touched_where_all_files_are_there(tmp_path, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("network"))
    folder = tmp_path / "toy" / "raw"
    folder.mkdir(parents=True)
    for file in ("a.txt", "b.txt"):
        (folder / file).touch()
    assert _source("https://example.org").fetch("toy", tmp_path) == folder


@pytest.mark.parametrize("error", [OSError("no route"), IncompleteRead(b"x"), TimeoutError("slow")])
def test_failure_names_files_folder_and_variable_and_leaves_nothing(tmp_path, monkeypatch, error):
    def fail(url, timeout):
        assert 0 < timeout <= 10
        raise error

    monkeypatch.setattr("urllib.request.urlopen", fail)
    with pytest.raises(FileNotFoundError) as caught:
        _source("https://example.org/toy").fetch("toy", tmp_path)
    message = str(caught.value)
    for part in ("toy misses a.txt, b.txt", str(tmp_path / "toy" / "raw"), "GCL_DATA", "example"):
        assert part in message
    assert not list(tmp_path.iterdir())


def test_no_address(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no address to download from"):
        _source().fetch("toy", tmp_path)
