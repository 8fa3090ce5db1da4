"""Where a data set comes from, and how its raw files get onto this machine."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from gcl.checkpoint import make_folder

TIMEOUT = 5.0
"""Seconds a silent server is waited for."""


def resolve_root(root: str | os.PathLike[str] | None = None) -> Path:
    """The folder of all data sets: the argument, else `GCL_DATA`, else the user's cache.

    Args:
        root: a folder, or None for `$GCL_DATA`, or where that is unset `$XDG_CACHE_HOME/gcl`, which
            is `~/.cache/gcl` by default.

    Example:
        >>> resolve_root("data").name
        'data'
    """
    if root is not None:
        return Path(root).expanduser()
    if os.environ.get("GCL_DATA"):
        return Path(os.environ["GCL_DATA"]).expanduser()
    # The XDG specification asks to ignore an empty or relative value.
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if os.path.isabs(cache) else Path.home() / ".cache") / "gcl"


@dataclass(frozen=True)
class Source:
    """One data set: what it is, where its files lie and come from, and what reads them.

    Args:
        about: one line for tables: nodes, classes, what it is.
        origin: who published it.
        read: the folder of the raw files -> graph or `GraphSet`; embedded data sets ignore it.
        folder: the folder of the raw files below the root.
        files: names of the raw files; empty for a data set that is embedded in the package.
        url: the address that holds these files, or "" where there is none to fetch from.
        graphs: whether it is a set of graphs, one label each, and not one graph.
        hetero: whether it is one graph of several node types.
    """

    about: str
    origin: str
    read: Callable[[Path], Any]
    folder: str = ""
    files: tuple[str, ...] = ()
    url: str = ""
    graphs: bool = False
    hetero: bool = False

    def fetch(self, name: str, root: Path) -> Path:
        """The folder of the raw files, after downloading those that are missing.

        Args:
            name: what the data set is called in messages.
            root: the folder of all data sets.

        Raises:
            FileNotFoundError: if files are missing and cannot be downloaded.
        """
        folder = root / self.folder
        missing = self._missing(folder)
        reason = "there is no address to download from"
        if self.url:
            try:
                for file in missing:
                    _download(f"{self.url}/{file}", folder / file)
            except (OSError, HTTPException) as error:
                reason = f"downloading from {self.url} failed ({error})"
            missing = self._missing(folder)
        if missing:
            raise FileNotFoundError(
                f"load: {name} misses {', '.join(missing)} in {folder} and {reason}; put the "
                f"files there, or set GCL_DATA (or root) to a folder with them in {self.folder}."
            )
        return folder

    def _missing(self, folder: Path) -> list[str]:
        return [file for file in self.files if not (folder / file).is_file()]


def _download(url: str, path: Path) -> None:
    # Not PyG's download_url, which waits forever, skips the certificate check and leaves half a
    # file behind when the connection breaks.
    with urllib.request.urlopen(url, timeout=TIMEOUT) as reply:
        content = reply.read()
    make_folder(path.parent)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
