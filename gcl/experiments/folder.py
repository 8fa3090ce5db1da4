"""The folder of `gcl train --out`: what it came from, and whether a run may go on in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from gcl.checkpoint import make_folder, sweep, write_atomically
from gcl.experiments import results
from gcl.experiments.composition import compose
from gcl.experiments.locks import locked
from gcl.experiments.provenance import provenance
from gcl.experiments.references import NO_TRAINING
from gcl.experiments.run import Run, as_json
from gcl.graphs.digest import data_digest

PLACES = ("device", "root", "diagnose")  # decide no number


@dataclass
class Kept:
    """What a folder says of itself.

    Args:
        run: what it was made with; `epochs` as asked for last.
        seeds: the training seeds.
        data: the digest of its data; empty if an earlier version wrote the folder.
        lengths: the epochs asked for, one after another.
    """

    run: Run
    seeds: list[int]
    data: str = ""
    lengths: list[int] = field(default_factory=list)

    def write(self, path: Path) -> None:
        content = {
            "run": asdict(self.run),
            "seeds": self.seeds,
            "data": self.data,
            "lengths": self.lengths,
            **provenance(),
        }
        write_atomically(path, json.dumps(content, indent=2).encode())


def read_run(folder: Path) -> Kept:
    """What a folder says of itself.

    Raises:
        ValueError: it holds no readable run.
    """
    path = folder / "run.json"
    try:
        content = json.loads(path.read_text())
        seeds = content["seeds"]
        if isinstance(seeds, int) and (isinstance(seeds, bool) or seeds < 1):
            raise TypeError(f"seeds is {seeds!r:.80}")
        _check_kinds(content["run"])
        kept = Kept(
            Run(**content["run"]),
            list(range(seeds)) if isinstance(seeds, int) else [int(seed) for seed in seeds],
            str(content.get("data", "")),
            [int(epochs) for epochs in content.get("lengths", [content["run"]["epochs"]])],
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        advice = "give a folder made by gcl train --out"
        if folder.exists() and (folder.parent / "run.json").is_file():
            advice = f"its run is in {folder.parent}"
        raise ValueError(
            f"{folder} holds no readable run.json ({_why(folder, error)}); {advice}."
        ) from None
    return kept


def _why(folder: Path, error: Exception) -> str:
    if not folder.exists():
        return "there is no such folder"
    if not folder.is_dir():
        return "it is a file"
    if isinstance(error, FileNotFoundError):
        return "it is empty" if not any(folder.iterdir()) else "there is none"
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return f"it is cut or damaged: {error}"
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    return str(error) if isinstance(error, OSError) else f"it is damaged: {error}"


def _check_kinds(run: Mapping[str, Any]) -> None:
    """Raises TypeError where a field of a run is of another kind than the run's own."""
    kinds = {f.name: type(getattr(Run("", ""), f.name)) for f in fields(Run)}
    for key, value in run.items():
        kind = kinds.get(key, type(value))
        if kind is not type(value) and (kind, type(value)) != (float, int):
            raise TypeError(f"{key} is {value!r:.80}")


def finished(kept: Kept, rows: Sequence[dict[str, Any]]) -> set[int]:
    """The seeds that have all their rows, trained for as many epochs as are asked for."""
    shorter = {str(epochs) for epochs in kept.lengths if epochs < kept.run.epochs}
    return {
        int(row["seed"])
        for row in rows
        if row["features"] == kept.run.recipe and str(row.get("trained_epochs")) not in shorter
    }


@contextmanager
def opened(
    out: Path, run: Run, seeds: Sequence[int], data: Any, *, resume: bool, needs: Sequence[str]
) -> Iterator[tuple[Kept, list[dict[str, Any]]]]:
    """A folder for a run, locked until the block ends, with the rows that its results hold.

    Rows of a seed that has no trained row are left out: they are measured again. Those of a seed
    that was trained for fewer epochs than are asked for stay until its longer training has ended.

    Args:
        out: the folder; made if missing.
        run: what is run.
        seeds: its training seeds.
        data: its data.
        resume: go on in a folder that holds the same run, perhaps with fewer epochs.
        needs: columns of numbers that every row must have.

    Raises:
        ValueError: the folder is used by another program, holds a run and `resume` is False, or
            holds another run; what differs is named.
    """
    make_folder(out)
    busy = f"Another program trains into {out}: wait for its end, or give another --out."
    with locked(out / ".lock", patience=0, otherwise=busy):
        for folder in (out, *out.glob("seed-*")):
            sweep(folder)
        begun = (out / "results.csv").exists() or any(out.glob("seed-*"))
        if begun and not resume:
            raise ValueError(
                f"{out} holds a run already; go on with --resume, or choose another folder."
            )
        if begun and not (out / "run.json").is_file():
            raise ValueError(f"{out} has results but no run.json, so nothing tells their options.")
        digest = data_digest(data)
        kept = Kept(run, [], digest)
        rows: list[dict[str, Any]] = []
        if resume and (out / "run.json").is_file():
            kept = read_run(out)
            _check_same(out, kept, run, digest)
            rows = results.read_rows(out / "results.csv", ("seed", "features", *needs))
            whole = {row["seed"] for row in rows if row["features"] == run.recipe}
            rows = [row for row in rows if row["seed"] in {*whole, str(NO_TRAINING)}]
            results.check_numbers(out / "results.csv", rows, ("seed", *needs))
        lengths = [*kept.lengths, *([] if run.epochs in kept.lengths else [run.epochs])]
        kept = Kept(run, sorted({*kept.seeds, *seeds}), kept.data, lengths)
        kept.write(out / "run.json")
        yield kept, rows


def _check_same(out: Path, kept: Kept, run: Run, digest: str) -> None:
    """Raises ValueError where a folder was made with other options or data."""
    found = _differences(kept.run, run)
    if run.epochs < kept.run.epochs:
        found.append(f"--epochs was {kept.run.epochs} and is {run.epochs} (more would lengthen it)")
    elif run.epochs > kept.run.epochs and run.warmup >= 0:
        found.append(f"--epochs was {kept.run.epochs}, for which --warmup set every step's lr")
    if found:
        raise ValueError(
            f"{out} was made with other options: {'; '.join(found)}. Resume with the same ones, or "
            "train into another folder."
        )
    if kept.data and kept.data != digest:
        raise ValueError(
            f"The data of {run.dataset} are not those that {out} was made with; train into another "
            "folder."
        )


def _differences(earlier: Run, now: Run) -> list[str]:
    """Options that decide numbers and have other values, in words."""
    if earlier.recipe != now.recipe:  # and with it most options
        return [f"the recipe was {earlier.recipe!r} and is {now.recipe!r}"]
    if earlier.dataset != now.dataset:
        return [f"the data set was {earlier.dataset!r} and is {now.dataset!r}"]
    old, new = (_options(run) for run in (earlier, now))
    return [
        f"--{name} was {old.get(name)!r} and is {new.get(name)!r}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _options(run: Run) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    try:
        defaults = compose(run.recipe).defaults()
    except ValueError:  # a recipe of an earlier version; its name differs
        defaults = {}
    told = asdict(run)
    method = as_json(defaults) | as_json(told.pop("method"))
    for name, value in {**as_json(told), **method}.items():
        if name in (*PLACES, "epochs"):
            continue
        if isinstance(value, Mapping):
            usual = as_json(defaults).get(name) or {}
            flat |= {f"{name}.{key}": part for key, part in {**usual, **value}.items()}
        else:
            flat[name] = value
    return flat
