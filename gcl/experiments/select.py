"""Which setting to take, without labels: `gcl.select`."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch_geometric.data import Data

from gcl.checks import check_count
from gcl.evaluate import PROTOCOLS
from gcl.evaluate.linear_probe import probed_splits
from gcl.experiments.config import load_config
from gcl.experiments.criteria import (
    CRITERIA,
    DEFAULT,
    DEFAULT_OF_SEARCH,
    VALIDATION,
    Unlabelled,
    check_criteria,
    merits,
    parts,
)
from gcl.experiments.grids import Try, read_grid
from gcl.experiments.keeping import Keeping, told
from gcl.experiments.run import (
    Run,
    check_protocol,
    has_labels,
    open_data,
    options_digest,
    with_protocol,
)
from gcl.experiments.search import search
from gcl.graphs.digest import data_digest
from gcl.graphs.rows import with_counted_labels
from gcl.graphs.validate import validate_graph


@dataclass
class Selection:
    """What was chosen, and of what.

    Attributes:
        criterion: by which.
        runs: the settings, the best first.
        rows: their numbers, in the same order.
        failed: what went wrong, by the name of the setting.
        given: the graph, where it is not known by name.
    """

    criterion: str
    runs: list[Run]
    rows: list[dict[str, Any]]
    failed: dict[str, Exception] = field(default_factory=dict)
    given: Data | None = None

    @property
    def run(self) -> Run:
        """The chosen setting; `run.build(data)` is its method, untrained."""
        return self.runs[0]

    @property
    def options(self) -> dict[str, Any]:
        """The chosen setting in words, see `gcl.experiments.keeping.told`."""
        return told(self.run)

    @property
    def command(self) -> str:
        """What trains the chosen setting."""
        dataset = self.run.dataset if self.given is None else "DATASET"
        words = [f"--{name}={spelt(value)}" for name, value in self.options.items()]
        return shlex.join(["gcl", "train", self.run.recipe, dataset, *words])

    @property
    def regret(self) -> float | None:
        """Best accuracy of all settings less that of the choice; None without labels."""
        accuracies = [_number(row.get("accuracy")) for row in self.rows]
        if not accuracies or any(math.isnan(a) for a in accuracies):
            return None
        return max(accuracies) - accuracies[0]


def select(
    data: str | Data,
    tries: Any,
    *,
    criterion: str = "",
    also: Sequence[str] = (),
    seeds: int = 0,
    jobs: int = 1,
    out: str | Path | None = None,
    trials: int = 0,
    options: Mapping[str, Any] | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Selection:
    """Train settings, score their embeddings without labels, and rank them.

    No label is read before the choice but by `criterion="val_accuracy"`, which reads those of
    validation nodes (with random splits the validation nodes of one are test nodes of others, so
    take a protocol of one split there, or call the result tuned). Trainings and criteria do not
    even see a graph with labels. Accuracies stand beside the criteria where there are labels, for
    the regret.

    | criterion | large where |
    | --- | --- |
    | `effective_rank`, `uniformity` | the rows are spread out |
    | `alignment`, `alignment_uniformity` | linked nodes are near each other; and others are not |
    | `edge_auc`, `hidden_edge_auc` | links are told from pairs without one; from links not shown |
    | `modularity`, `conductance`, `.._several` | clusters of k-means follow the links |
    | `as_propagated` | nearest neighbours are those of features propagated over the graph |
    | `neighbour_stability`, `cluster_stability` | two training seeds agree |
    | `val_accuracy` | a probe is right on validation nodes |
    | `a+b` | the mean of the ranks by a and by b is small |

    Args:
        data: a name known to `gcl.datasets.load`, "package.module:function", or a graph.
        tries: what to try: a TOML file, or a list of mappings with `recipe`, fixed options,
            `grid` and `ranges`, see `gcl.experiments.grids.Try`.
        criterion: by which to choose. If empty, what lost least in a study over six graphs:
            "modularity_several+cluster_stability", and "cluster_stability" with trials, which
            cannot rank what is not drawn yet.
        also: further criteria to put into the rows.
        seeds: trainings of each setting, from seed 100 on; as many as the criteria need if 0, which
            is one, or two for stability.
        jobs: processes, >= 1.
        out: a CSV file that keeps every row; what it has is not trained again, and trainings that
            were interrupted go on.
        trials: draw so many settings from grids and ranges by Optuna (an extra) in place of trying
            all; each one learns from those before.
        options: those of `gcl train` for all settings, such as `device` or `protocol`.
        report: is told what happens, a sentence at a time.

    Raises:
        TypeError, ValueError: a setting, a criterion or a number that does not fit; Optuna is not
            there; no setting could be trained.

    Example:
        >>> found = select("karate", [{"recipe": "dgi", "hidden": 8, "grid": {"epochs": [1, 5]}}])
        >>> found.run.recipe, len(found.rows), found.regret >= 0
        ('dgi', 2, True)
    """
    criterion = criterion or (DEFAULT_OF_SEARCH if trials else DEFAULT)
    check_count("select", jobs=jobs)
    check_count("select", least=0, seeds=seeds, trials=trials)
    names = list(dict.fromkeys(name for text in (criterion, *also) for name in parts(text)))
    if isinstance(tries, str | Path):
        tries = load_config(tries)
    tried = read_grid(tries)
    given, dataset = (None, data) if isinstance(data, str) else (data, f"data-{_digest(data)}")
    common = dict(options or {})
    graph = open_data(Run("", dataset, root=common.get("root", ""))) if given is None else data
    if not isinstance(graph, Data):
        raise TypeError("select: expected one graph with nodes of one type; give such a data set.")
    if given is not None:
        validate_graph(given)
    needed = max([1, *(CRITERIA[name].seeds for name in names if name in CRITERIA)])
    if seeds and seeds < needed:
        raise ValueError(
            f"select: {criterion} compares trainings: seeds must be at least {needed}, or choose "
            "by a criterion without stability."
        )
    keeping = Keeping(
        seeds or needed, names, graph, given, jobs, None if out is None else Path(out), report
    )
    if trials:
        samples = [one.run(dataset, s, **common) for one in tried for s in one.samples()]
        _check([with_protocol(run, graph) for run in samples], names, graph)
        runs = search(tried, dataset, common, criterion, trials, keeping)
    else:
        runs = grid_runs(tried, dataset, common, graph)
        _check(runs, names, graph)
        keeping.fill(runs)
    return ranked(criterion, runs, keeping)


def grid_runs(tries: Sequence[Try], dataset: str, told: Mapping[str, Any], data: Data) -> list[Run]:
    """Every setting of the grids, each once, under the protocol of the data if none is told.

    Raises:
        ValueError: a range, which only a search draws from; options that are none.
    """
    found: dict[str, Run] = {}
    for one in tries:
        if one.ranges:
            raise ValueError(
                f"select: {', '.join(one.ranges)} of {one.recipe} is a range; give --trials, how "
                "many settings to draw from it, or a grid of values."
            )
        for setting in one.settings():
            run = with_protocol(one.run(dataset, setting, **told), data)
            found.setdefault(options_digest(run), run)
    return list(found.values())


def ranked(criterion: str, runs: Sequence[Run], keeping: Keeping) -> Selection:
    """The settings that have rows, the best first; the first of equals as they were given.

    Only the columns of the criterion are read.

    Raises:
        ValueError: none has a row.
    """
    found = [(run, row) for run in runs if (row := keeping.of(run)) is not None]
    if not found:
        reasons = "; ".join(str(error) for error in keeping.failed.values())
        raise ValueError(f"select: no setting could be trained: {reasons}")
    values = {name: [_number(row[name]) for _, row in found] for name in parts(criterion)}
    order = (-merits(criterion, values)).argsort(kind="stable")
    return Selection(
        criterion,
        [found[i][0] for i in order],
        [found[i][1] for i in order],
        keeping.failed,
        keeping.given,
    )


def _check(runs: Sequence[Run], names: Sequence[str], data: Data) -> None:
    """Raises ValueError where something could not be measured, before anything is trained."""
    if any(run.loader for run in runs):
        raise ValueError("select: settings are trained on the whole graph; leave loader out.")
    if VALIDATION in names and not has_labels(data):
        raise ValueError("select: val_accuracy needs labels (data.y); choose another criterion.")
    graph = Unlabelled(data)
    check_criteria(names, graph)
    for run in {run.protocol: run for run in runs}.values():
        if has_labels(data):
            _check_measured(run, data, VALIDATION in names)
    for run in {run.recipe: run for run in runs}.values():
        run.build(graph.data)  # for its complaints, before the first training


def _check_measured(run: Run, data: Data, validates: bool) -> None:
    """Raises ValueError where a protocol is not for the data; its splits are drawn once."""
    check_protocol(run, data)
    table, shown = PROTOCOLS[run.protocol], with_counted_labels(data)
    there = table.train is None or table.val > 0  # validation nodes, where there is a choice
    if there or not validates:
        try:
            there = bool(probed_splits(shown.y, table, shown).val.any(1).all())
        except ValueError as error:
            raise ValueError(f"select: protocol {run.protocol} does not fit: {error}") from None
    if validates and not there:
        raise ValueError(
            f"select: protocol {run.protocol} has no validation nodes to choose by; take another."
        )


def spelt(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _digest(data: Any) -> str:
    if not isinstance(data, Data):
        raise TypeError(
            "select: data must be a graph (torch_geometric.data.Data) or the name of a data set, "
            f"got {type(data).__name__}."
        )
    return data_digest(data)
