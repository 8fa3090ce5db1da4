"""Rows of settings, and what makes those that are missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch_geometric.data import Data

from gcl.experiments import results
from gcl.experiments.composition import compose
from gcl.experiments.provenance import provenance
from gcl.experiments.run import Run, as_json, has_labels, is_function, options_digest
from gcl.experiments.suite import run_tasks
from gcl.experiments.trials import Trial, key, trials
from gcl.graphs.digest import data_digest
from gcl.training.settings import settings_of

NEEDS = ("dataset", "recipe", "epochs", "options", "protocol", "seeds")


class Keeping:
    """Rows of settings, in a file or in memory, and what makes those that are missing.

    Args:
        seeds: trainings of a setting.
        names: criteria.
        data: the graph.
        given: the same, where it is not known by name.
        jobs: processes.
        out: the file.
        report: see `select`.
        kind: what trains.
    """

    def __init__(
        self,
        seeds: int,
        names: Sequence[str],
        data: Data,
        given: Data | None = None,
        jobs: int = 1,
        out: Path | None = None,
        report: Callable[[str], None] = lambda _: None,
        kind: type[Trial] = Trial,
    ):
        self.seeds, self.names, self.data, self.given = seeds, list(names), data, given
        self.jobs, self.out, self.report, self.kind = jobs, out, report, kind
        self.digest = data_digest(data)
        self.failed: dict[str, Exception] = {}
        self.rows = [] if out is None else results.read_rows(out, NEEDS)

    def of(self, run: Run) -> dict[str, Any] | None:
        """The row of a setting that has every criterion; the last if there are several."""
        wanted = key(run, self.seeds, self.digest)
        columns = [*self.names, *(["accuracy"] if has_labels(self.data) else [])]
        for row in reversed(self.rows):
            # Rows of before do not tell their graph. A name of gcl's own is always the same one.
            if not row.get("data") and not is_function(run.dataset):
                row = {**row, "data": self.digest}
            if all(str(row.get(k)) == str(v) for k, v in wanted.items()) and all(
                row.get(column) not in (None, "") for column in columns
            ):
                return row
        return None

    def fill(self, runs: Sequence[Run]) -> None:
        """Train and measure what has no row yet; every row is kept as it comes."""
        missing = [run for run in runs if self.of(run) is None]
        todo = trials(missing, self.seeds, self.names, self.data, self.given, self.kind)
        work = None if self.out is None else self.out.with_name(f"{self.out.name}.work")
        if todo and self.out is not None:
            results.add_rows(self.out, [])  # an unwritable place shows before the first training
        settings = {options_digest(run): run for run in runs}
        for trial, found in run_tasks(todo, self.jobs, work):
            if isinstance(found, Exception):
                self.failed[trial.name] = found
                self.report(f"{trial.name} failed, {type(found).__name__}: {found}")
                continue
            new = [
                {**row, "setting": json.dumps(told(settings[row["options"]])), **provenance()}
                for row in found
            ]
            self.rows = [*self.rows, *new] if self.out is None else results.add_rows(self.out, new)
            if work is not None:
                trial.forget(work)
            for row in new:
                numbers = ", ".join(f"{name} {row[name]:.4f}" for name in self.names)
                self.report(f"{row['recipe']} {row['setting']}: {numbers}")


def told(run: Run) -> dict[str, Any]:
    """Length, protocol, and what differs from the recipe's own settings, by name of its option."""
    composition = compose(run.recipe)
    found: dict[str, Any] = {"epochs": run.epochs}
    if run.protocol:
        found["protocol"] = run.protocol
    usual = vars(settings_of(composition.recipe).lasting(run.epochs))
    found |= {k: getattr(run, k) for k in usual if getattr(run, k) != usual[k]}
    defaults = as_json(composition.defaults())
    for name, value in as_json(run.method).items():
        if isinstance(value, dict):
            inside = defaults.get(name) or {}
            found |= {f"{name}.{k}": part for k, part in value.items() if part != inside.get(k)}
        elif value != defaults.get(name):
            found[name] = value
    return found
