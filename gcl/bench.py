"""Many runs into one results file: what `gcl bench` does, in one process or in several."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import torch

from gcl import benchmark, results
from gcl.benchmark import Run

REFERENCE = "reference"  # stands where the name of a recipe does
SUPERVISED_PROTOCOLS = ("public", "random-10-10-80")  # which have validation nodes


@dataclass(frozen=True)
class Entry:
    """A configuration: its name `<recipe>/<file>`, its run, and the numbers reported elsewhere."""

    name: str
    run: Run
    reported: dict[str, Any]


@dataclass(frozen=True)
class Task:
    """One seed of one entry; the raw features and the supervised GCN are tasks of their own."""

    name: str
    run: Run
    seed: int
    kind: Literal["train", "raw", "supervised"] = "train"

    def rows(self) -> list[dict[str, Any]]:
        data = _load(self.run.dataset, self.run.root, self.run.protocol)
        if self.kind == "raw":
            return benchmark.raw_rows(self.run, data)
        if self.kind == "supervised":
            return [benchmark.supervised_row(self.run, data, self.seed)]
        return benchmark.train_seed(self.run, data, self.seed)[0]


def under(entries: Sequence[Entry], protocol: str) -> list[Entry]:
    """The entries under one protocol, one for every recipe and data set.

    Of several configurations of a recipe and a data set the one that is written for the protocol
    counts, else the one named like the data set. Data sets that the protocol is not for (no masks,
    graphs in sets, several node types) are left out.
    """
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.run.recipe, entry.run.dataset), []).append(entry)
    chosen = []
    for (_, dataset), group in groups.items():
        own = [e for e in group if e.run.protocol == protocol]
        named = [e for e in group if e.name.rpartition("/")[2] == dataset]
        entry = (own or named or group)[0]
        run = replace(entry.run, protocol=protocol)
        if _is_for(run):
            chosen.append(replace(entry, run=run))
    return chosen


def references(entries: Sequence[Entry]) -> list[Entry]:
    """For every data set and protocol of the entries, one for raw features and supervised GCN."""
    runs = {(e.run.dataset, e.run.protocol): e.run for e in entries}
    return [
        Entry(f"{REFERENCE}/{dataset}", Run(REFERENCE, dataset, protocol, root=run.root), {})
        for (dataset, protocol), run in runs.items()
    ]


def tasks(entries: Sequence[Entry], seeds: int, rows: Sequence[dict[str, Any]]) -> list[Task]:
    """What the file does not have yet, seed by seed, so that an interrupted table compares equals.

    Raises:
        ValueError: the file has rows of an entry that came from other options.
    """
    done: dict[str, set[int]] = {}
    for entry in entries:
        mine = [row for row in rows if row["config"] == entry.name]
        if any(row["options"] != benchmark.options_digest(entry.run) for row in mine):
            raise ValueError(
                f"The results file holds rows of {entry.name} from other options than its "
                "configuration has now; give another --out, or take those rows out."
            )
        done[entry.name] = {int(row["seed"]) for row in mine}
    referred = {e.run.dataset for e in entries if e.run.recipe == REFERENCE}
    todo = []
    for seed in (-1, *range(seeds)):
        for entry in entries:
            run = entry.run
            if seed in done[entry.name]:
                continue
            if seed < 0:
                if run.recipe == REFERENCE or run.dataset not in referred:
                    todo.append(Task(entry.name, run, seed, "raw"))
            elif run.recipe != REFERENCE:
                todo.append(Task(entry.name, run, seed))
            elif run.protocol in SUPERVISED_PROTOCOLS:
                todo.append(Task(entry.name, run, seed, "supervised"))
    return todo


def run_tasks(todo: Sequence[Task], jobs: int = 1) -> Iterator[tuple[Task, list[dict[str, Any]]]]:
    """The tasks and their rows, in the order in which they are done.

    Args:
        todo: the tasks.
        jobs: processes, >= 1; the threads of this one are shared out among them.
    """
    if jobs == 1 or len(todo) < 2:
        for task in todo:
            yield task, task.rows()
        return
    threads = max(1, torch.get_num_threads() // jobs)
    # Started anew, not forked: torch's threads would not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, torch.set_num_threads, (threads,)) as pool:
        futures = {pool.submit(task.rows): task for task in todo}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            # What runs ends by itself; nothing new begins.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def told(task: Task, command: str) -> dict[str, Any]:
    """What stands before the numbers of a row."""
    return {
        "config": task.name,
        "options": benchmark.options_digest(task.run),
        "dataset": task.run.dataset,
        "protocol": task.run.protocol,
        "command": command,
        **results.provenance(),
    }


def _is_for(run: Run) -> bool:
    """Whether the protocol knows what to do with the data set."""
    try:
        data = _load(run.dataset, run.root, run.protocol)
    except ValueError:
        return False
    return run.protocol != "public" or "train_mask" in data


@lru_cache(maxsize=2)
def _load(dataset: str, root: str, protocol: str) -> Any:
    return benchmark.load_data(Run("", dataset, protocol, root=root))
