"""What a report is made from: a folder of `gcl train --out`, read and checked."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gcl.datasets.inert_arrays import read_array
from gcl.experiments.folder import finished, read_run
from gcl.experiments.results import read_rows
from gcl.experiments.run import Run, has_labels, labels_of, load_data
from gcl.graphs.digest import data_digest


@dataclass(frozen=True)
class Finished:
    """A run that has ended.

    Args:
        run: its options.
        seeds: the seeds that have ended.
        unfinished: those that have not.
        rows: of results.csv, those of seeds that have ended and of what needs no training.
        logs: by seed the rows of log.csv, the numbers of an epoch by name.
        shown: the seed whose embedding is drawn.
        home: its folder.
        z: its embedding `[n, d]`.
        data: what was embedded; None where it could not be had.
        absent: why not, in a sentence.
        made: commit, machine and torch of the training.
        own_code: whether code that the folder names, and that is not gcl's own, may run.
    """

    run: Run
    seeds: Sequence[int]
    unfinished: Sequence[int]
    rows: Sequence[dict[str, Any]]
    logs: Mapping[int, Sequence[Mapping[str, float]]]
    shown: int
    home: Path
    z: Tensor
    data: Any
    absent: str
    made: Mapping[str, str]
    own_code: bool = False


def read_finished(folder: Path, seed: int | None = None, *, with_data: bool = True) -> Finished:
    """A run from its folder; nothing is trained, and nothing written.

    Args:
        folder: of `gcl train --out`.
        seed: whose embedding is drawn; the first that has ended if None.
        with_data: load the data set again, for labels and attributes. If False, nothing that the
            folder names is imported.

    Raises:
        ValueError: no such folder, no seed has ended, or a file of it is damaged.
    """
    kept = read_run(folder)
    rows = read_rows(folder / "results.csv", ("seed", "features"))
    try:
        ended = sorted(s for s in finished(kept, rows) if (_home(folder, s) / NAME).is_file())
        rows = [row for row in rows if int(row["seed"]) in {-1, *ended}]
    except ValueError as error:
        raise ValueError(f"{folder / 'results.csv'} is damaged: {error}.") from None
    if not ended:
        raise ValueError(
            f"{folder} has no finished training; end it first with gcl train --out "
            f"{shlex.quote(str(folder))} --resume and the options it was begun with."
        )
    if seed is not None and seed not in ended:
        known = ", ".join(map(str, ended))
        raise ValueError(f"{folder} has no finished training of seed {seed}; it has {known}.")
    shown = ended[0] if seed is None else seed
    z = _embedding(_home(folder, shown) / NAME)
    data, absent = None, "it was not asked for."
    if with_data:
        data, absent = _data(kept.run, kept.data, len(z))
    return Finished(
        kept.run,
        ended,
        [s for s in kept.seeds if s not in ended],
        rows,
        {s: _log(_home(folder, s) / "log.csv") for s in ended},
        shown,
        _home(folder, shown),
        z,
        data,
        absent,
        _made(folder / "run.json"),
        with_data,
    )


NAME = "embedding.npy"


def _home(folder: Path, seed: int) -> Path:
    return folder / f"seed-{seed}"


def _embedding(path: Path) -> Tensor:
    try:
        z = torch.from_numpy(read_array(path))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({str(error).rstrip('.')}); {_again(path)}.") from None
    if z.dim() != 2 or 0 in z.shape or not z.is_floating_point():
        raise ValueError(
            f"{path} is damaged (expected an embedding [nodes, columns], got {z.dtype} of shape "
            f"{tuple(z.shape)}); {_again(path)}."
        )
    if not bool(z.isfinite().all()):
        raise ValueError(f"{path} holds NaN or infinite numbers: its training broke down.")
    return z.float()


def _again(path: Path) -> str:
    return f"take the folder {path.parent} away and train its seed again by gcl train --resume"


def _log(path: Path) -> list[dict[str, float]]:
    """Numbers by name, without those that an epoch has none of."""
    rows = read_rows(path)
    try:
        return [{k: float(v) for k, v in row.items() if v != ""} for row in rows]
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}.") from None


def _data(run: Run, digest: str, rows: int) -> tuple[Any, str]:
    """The data of a run, or None and why it is not to be had."""
    try:
        data = load_data(replace(run, device="cpu"))
        if digest and data_digest(data) != digest:
            return None, "it is not what it was when the folder was made."
        if has_labels(data) and len(labels_of(data)) != rows:
            return None, f"it has {len(labels_of(data))} labels for {rows} embeddings."
    except Exception as error:  # a function of one's own may raise anything
        said = " ".join(str(error).split()) or type(error).__name__
        return None, said if said.endswith(".") else f"{said}."
    return data, ""


def _made(path: Path) -> dict[str, str]:
    """Where the numbers come from."""
    content = json.loads(path.read_text())
    return {k: str(content[k]) for k in ("commit", "machine", "torch") if k in content}
