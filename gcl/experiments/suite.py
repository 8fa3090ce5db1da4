"""Many runs into one results file: what `gcl bench` does, in one process or in several."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, ProcessPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import torch
from torch_geometric.data import Data

from gcl import datasets
from gcl.checkpoint import make_folder, sweep
from gcl.experiments import interrupts
from gcl.experiments.locks import locked
from gcl.experiments.malloc import keep_freed_memory
from gcl.experiments.provenance import provenance
from gcl.experiments.references import (
    NO_TRAINING,
    PROPAGATED,
    RAW,
    SUPERVISED,
    propagated_rows,
    raw_rows,
    supervised_row,
)
from gcl.experiments.run import (
    DRAWS,
    Run,
    check_protocol,
    open_data,
    options_digest,
    train_seed,
    with_protocol,
)

REFERENCES = "reference-2"  # their version: raised when their rows come out otherwise
REFERENCE = "reference"  # stands where the name of a recipe does in that of an entry
# which have validation nodes
SUPERVISED_PROTOCOLS = ("public", "random-20-30-rest", "random-10-10-80", "e2")


@dataclass(frozen=True)
class Entry:
    """A configuration: its name `<recipe>/<file>`, its run, and the numbers reported elsewhere.

    A reference has no recipe: it stands for the raw and the propagated features and the supervised
    GCN of a data set under a protocol.
    """

    name: str
    run: Run
    reported: dict[str, Any]

    @property
    def is_reference(self) -> bool:
        return self.name.startswith(f"{REFERENCE}/")

    @property
    def options(self) -> str:
        """What its rows were made with, see `options_digest`."""
        return f"{DRAWS}-{REFERENCES}" if self.is_reference else options_digest(self.run)


@dataclass(frozen=True)
class Task:
    """One seed of one entry; the references are tasks of their own."""

    name: str
    run: Run
    options: str
    seed: int
    kind: Literal["train", "raw", "propagated", "supervised"] = "train"
    cluster: bool = True
    kept: Path | None = None  # a folder of embeddings

    def rows(self, work: Path | None = None) -> list[dict[str, Any]]:
        """What is measured; a training keeps its checkpoint in a folder of `work`.

        Raises:
            ValueError: another program trains it there.
        """
        data = _load(self.run.dataset, self.run.root)
        check_protocol(self.run, data)
        if self.kind == "raw":
            return raw_rows(self.run, data, self.cluster)
        if self.kind == "propagated":
            return propagated_rows(self.run, data, self.cluster)
        if self.kind == "supervised":
            return [supervised_row(self.run, data, self.seed)]
        train = partial(train_seed, self.run, data, self.seed, kept=self.kept, cluster=self.cluster)
        if work is None:
            return train()[0]
        folder = self.folder(work)
        make_folder(folder)
        with locked(folder / ".lock", patience=0, otherwise="Another program trains it."):
            sweep(folder)
            try:
                return train(folder, resume=True)[0]
            except Exception:
                if not (folder / "checkpoint.safetensors").exists():  # it never began
                    shutil.rmtree(folder, ignore_errors=True)
                raise

    def folder(self, work: Path) -> Path:
        """Where its checkpoint is, until its rows are in a file; see `forget`."""
        return work / f"{self.options}-{self.seed}"

    def forget(self, work: Path) -> None:
        """Take its checkpoint away, and with the last one the folder of all."""
        shutil.rmtree(self.folder(work), ignore_errors=True)
        with suppress(OSError):  # there are others
            work.rmdir()


class Work(Protocol):
    """What `run_tasks` runs; it is pickled for other processes."""

    def rows(self, work: Path | None = None) -> list[dict[str, Any]]: ...


W = TypeVar("W", bound=Work)


def with_protocols(entries: Sequence[Entry]) -> list[Entry]:
    """The entries with the protocol of their data where their configuration asks for none.

    What has no files keeps none: its task says why.
    """
    found = []
    for entry in entries:
        run = entry.run
        if not run.protocol:
            with suppress(ValueError, FileNotFoundError):
                run = with_protocol(run, _load(run.dataset, run.root))
        found.append(replace(entry, run=run))
    return found


def under(entries: Sequence[Entry], protocol: str) -> tuple[list[Entry], dict[str, str]]:
    """The entries under one protocol, one for every recipe and data set, and what is not there.

    Of several configurations of a recipe and a data set the one that is written for the protocol
    counts, else the one named like the data set. Data sets that the protocol is not for (no masks,
    graphs in sets, several node types) are left out, and so are those whose files are missing;
    these come back by name with the reason.

    Raises:
        ValueError: unknown or malformed data.
    """
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.run.recipe, entry.run.dataset), []).append(entry)
    chosen, absent = [], {}
    for (_, dataset), group in groups.items():
        own = [e for e in group if e.run.protocol == protocol]
        named = [e for e in group if e.name.rpartition("/")[2] == dataset]
        entry = (own or named or group)[0]
        run = replace(entry.run, protocol=protocol)
        try:
            fits = dataset not in absent and _is_for(run)
        except FileNotFoundError as error:
            fits, absent[dataset] = False, str(error)
        if fits:
            # A report is of the protocol its configuration is for, unless it says otherwise.
            known = with_protocol(entry.run, _load(dataset, run.root)).protocol
            told = {"protocol": known, **entry.reported} if entry.reported else {}
            chosen.append(replace(entry, run=run, reported=told))
    return chosen, absent


def references(entries: Sequence[Entry]) -> list[Entry]:
    """For every data set and protocol of the entries, one entry for what no recipe made."""
    runs = {(e.run.dataset, e.run.protocol): e.run for e in entries}
    return [
        Entry(f"{REFERENCE}/{dataset}", Run("", dataset, protocol, root=run.root), {})
        for (dataset, protocol), run in runs.items()
    ]


def tasks(
    entries: Sequence[Entry],
    seeds: int,
    rows: Sequence[dict[str, Any]],
    cluster: bool = True,
    kept: Path | None = None,
) -> list[Task]:
    """What the file does not have yet, seed by seed, so that an interrupted table compares equals.

    Args:
        entries: what is run.
        seeds: trainings of each.
        rows: what the file has.
        cluster: whether k-means is run on each representation.
        kept: a folder of embeddings: only what it has not is trained.

    Raises:
        ValueError: the file has rows of an entry that came from other options.
    """
    done = {entry.name: _done(rows, entry) for entry in entries}
    referred = {e.run.dataset for e in entries if e.is_reference}
    todo = []
    for seed in (NO_TRAINING, *range(seeds)):
        for entry in entries:
            for kind in _kinds(entry, seed, referred):
                if (kind, seed) not in done[entry.name]:
                    told = (entry.name, entry.run, entry.options, seed)
                    todo.append(Task(*told, kind, cluster, kept))
    return todo


def _done(rows: Sequence[dict[str, Any]], entry: Entry) -> set[tuple[str, int]]:
    """What of an entry the rows have: kind and seed."""
    kinds = {RAW: "raw", PROPAGATED: "propagated", SUPERVISED: "supervised"}
    mine = of_entry(rows, entry)
    for found in {row["options"] for row in mine} - {entry.options}:
        version, _, rest = str(found).partition("-")
        older = not rest or version != str(DRAWS)
        made = (
            "were made by an earlier version, whose seeds give other draws or options"
            if older
            else "come from other options than its configuration has now"
        )
        raise ValueError(
            f"Rows of {entry.name} in the results file {made}; give another --out, or take "
            "those rows out."
        )
    return {(kinds.get(row["features"], "train"), int(row["seed"])) for row in mine}


def _kinds(entry: Entry, seed: int, referred: set[str]) -> tuple[Any, ...]:
    """The tasks of an entry at a seed; where a reference stands for its data, it has none."""
    if seed == NO_TRAINING:
        told = entry.is_reference or entry.run.dataset not in referred
        return ("raw", "propagated") if told else ()
    if not entry.is_reference:
        return ("train",)
    return ("supervised",) if entry.run.protocol in SUPERVISED_PROTOCOLS else ()


def of_entry(rows: Sequence[dict[str, Any]], entry: Entry) -> list[dict[str, Any]]:
    """The rows of one configuration under its protocol."""
    key = (entry.name, entry.run.protocol)
    return [row for row in rows if (row["config"], row["protocol"]) == key]


def run_tasks(
    todo: Sequence[W], jobs: int = 1, work: Path | None = None
) -> Iterator[tuple[W, list[dict[str, Any]] | Exception]]:
    """The tasks with their rows, or with what went wrong, in the order in which they are done.

    Args:
        todo: the tasks.
        jobs: processes, >= 1; the threads of this one are shared out among them.
        work: a folder for the checkpoints of trainings that have not ended; none if None.
    """
    if jobs == 1 or len(todo) < 2:
        for task in todo:
            try:
                found: list[dict[str, Any]] | Exception = task.rows(work)
            except Exception as error:
                found = error
            yield task, found
        return
    yield from _in_processes(todo, jobs, work)


def _in_processes(
    todo: Sequence[W], jobs: int, work: Path | None
) -> Iterator[tuple[W, list[dict[str, Any]] | Exception]]:
    threads = max(1, torch.get_num_threads() // jobs)
    # Started anew, not forked: torch's threads would not survive a fork.
    context = multiprocessing.get_context("spawn")
    others = {process.pid for process in multiprocessing.active_children()}
    with (
        interrupts.deferred(),  # rows that are there are written first
        ProcessPoolExecutor(jobs, context, _start_worker, (threads,)) as pool,
    ):
        with _for_the_parent_alone():
            futures = {pool.submit(task.rows, work): task for task in todo}
        waiting = set(futures)
        try:
            while waiting and not interrupts.asked_to_leave():
                done, waiting = wait(waiting, timeout=0.1, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=lambda f: f.exception() is not None):
                    problem = future.exception()
                    if isinstance(problem, BrokenExecutor):
                        time.sleep(0.5)  # a signal to all reaches this process, too
                        if interrupts.asked_to_leave():
                            break
                        raise ValueError(
                            "A process of --jobs was killed, perhaps for its memory; what is done "
                            "is kept, go on with fewer jobs."
                        )
                    found = problem if isinstance(problem, Exception) else future.result()
                    yield futures[future], found
        finally:
            # Their checkpoints stay. What has not begun breaks with them: futures that are
            # cancelled first make the executor's thread raise.
            if waiting:
                for process in multiprocessing.active_children():
                    if process.pid not in others:
                        process.terminate()


@contextmanager
def _for_the_parent_alone() -> Iterator[None]:
    """Processes that begin here do not hear Ctrl-C, which a terminal sends to all."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def told(task: Task, command: str) -> dict[str, Any]:
    """What stands before the numbers of a row."""
    return {
        "config": task.name,
        "options": task.options,
        "dataset": task.run.dataset,
        "protocol": task.run.protocol,
        "command": command,
        **provenance(),
    }


def _is_for(run: Run) -> bool:
    """Whether the protocol knows what to do with the data set."""
    source = datasets.DATASETS.get(run.dataset.lower().replace("_", "-"))
    if source is not None and (source.graphs or source.hetero):
        return False  # without reading it
    data = _load(run.dataset, run.root)
    if not isinstance(data, Data):
        return False
    return run.protocol != "public" or "train_mask" in data


@lru_cache(maxsize=2)
def _load(dataset: str, root: str) -> Any:
    return open_data(Run("", dataset, root=root))


def _start_worker(threads: int) -> None:
    keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed can tell its workers nothing."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
