"""Which criterion without labels chooses settings well: a study over graphs, recipes and lengths.

    python benchmarks/selection_study.py --jobs 2
    python benchmarks/selection_study.py --page docs/selection.md

Run from the root of the repository. The first command trains every setting of
benchmarks/selection/study/ from two seeds and adds a row to benchmarks/results/selection-study.csv
as soon as it is there; after an interrupt the same command goes on. Embeddings are scored by every
criterion on a graph without labels, and then by the probe over 20 splits with 20 labels a class.
The second command makes the table and the plot from the stored rows alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from torch import Tensor
from torch_geometric.data import Data

from gcl.checkpoint import write_atomically
from gcl.evaluate import linear_probe, random_splits_by_class
from gcl.experiments import interrupts, results
from gcl.experiments.config import load_config
from gcl.experiments.criteria import CRITERIA, VALIDATION, merits, parts
from gcl.experiments.grids import read_grid
from gcl.experiments.keeping import Keeping
from gcl.experiments.run import Run, open_data
from gcl.experiments.select import grid_runs
from gcl.experiments.trials import Trial

ROOT = Path(__file__).parent
SEEDS = 2
GRAPHS, SETTINGS = 6, 30  # of the whole study; settings are those of a graph, at the least
# Fixed before the study ran: of all pairs the best on six graphs would be a matter of luck.
PAIRS = (
    "modularity+neighbour_stability",
    "modularity_several+cluster_stability",
    "modularity+effective_rank",
    "modularity+hidden_edge_auc",
    "modularity+as_propagated",
)
NO_TRAINING = "propagated"


class LowLabels(Trial):
    """Accuracies over splits with few labels; those of every split are kept."""

    def accuracies(self, zs: Sequence[Tensor], data: Data) -> dict[str, Any]:
        splits = random_splits_by_class(data.y, num_splits=20)
        found = [linear_probe(z, data.y, splits=splits).per_run for z in zs]
        row: dict[str, Any] = {}
        for name, several in (("accuracy", "accuracies"), (VALIDATION, "val_accuracies")):
            by_split = np.mean([one[name] for one in found], axis=0)
            row[name] = float(by_split.mean())
            row[several] = " ".join(f"{value:.5f}" for value in by_split)
        return row


def fill(folder: Path, out: Path, only: Sequence[str], jobs: int) -> None:
    """Train and measure what the file lacks."""
    for path in sorted(folder.glob("*.toml")):
        if only and path.stem not in only:
            continue
        content = load_config(path)
        dataset = content["dataset"]
        data = open_data(Run("", dataset))
        runs = grid_runs(read_grid(content), dataset, {}, data)
        names = [*CRITERIA, VALIDATION]
        keeping = Keeping(SEEDS, names, data, None, jobs, out, _say, LowLabels)
        keeping.fill(runs)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


@lru_cache
def _read(path: Path) -> tuple[tuple[str, tuple[dict[str, Any], ...]], ...]:
    """The last row of every setting, by graph."""
    last: dict[str, dict[str, dict[str, Any]]] = {}
    for row in results.read_rows(path, ("dataset", "options", "accuracy", *CRITERIA)):
        last.setdefault(row["dataset"], {})[row["options"]] = row
    return tuple((name, tuple(rows.values())) for name, rows in last.items())


def is_trained(row: Mapping[str, Any]) -> bool:
    return not row["recipe"].endswith(NO_TRAINING)


def compare(rows: Sequence[dict[str, Any]], criterion: str) -> tuple[float, float, str]:
    """Spearman's correlation with the accuracy, the regret of the pick in points, and the pick."""
    accuracy = np.array([float(row["accuracy"]) for row in rows])
    values = {name: [float(row[name]) for row in rows] for name in parts(criterion)}
    merit = merits(criterion, values)
    pick = int(merit.argmax())
    flat = len(set(merit)) == 1
    correlation = 0.0 if flat else float(spearmanr(merit, accuracy).statistic)
    return correlation, 100 * (accuracy.max() - accuracy[pick]), _name(rows[pick])


def by_validation(rows: Sequence[dict[str, Any]]) -> float:
    """Regret where each split takes the setting that is best on its own validation nodes."""
    test, val = (
        np.array([[float(v) for v in row[key].split()] for row in rows])
        for key in ("accuracies", "val_accuracies")
    )
    chosen = test[val.argmax(0), np.arange(test.shape[1])]
    return float(100 * (test.mean(1).max() - chosen.mean()))


def _name(row: Mapping[str, Any]) -> str:
    if not is_trained(row):
        hops = row["setting"].partition('"hops": ')[2].partition("}")[0] or "2"
        return f"propagated, {hops} hops"
    return f"{row['recipe']}, {row['epochs']} epochs"


def table(path: Path, *, trained_only: bool) -> dict[str, dict[str, tuple[float, float, str]]]:
    """By criterion and graph; the criteria by their mean regret."""
    graphs = {
        graph: [row for row in rows if is_trained(row) or not trained_only]
        for graph, rows in _read(path)
    }
    found = {
        criterion: {graph: compare(rows, criterion) for graph, rows in graphs.items()}
        for criterion in (*CRITERIA, *PAIRS)
    }
    return dict(sorted(found.items(), key=lambda item: mean_regret(item[1])))


def mean_regret(cells: Mapping[str, tuple[float, float, str]]) -> float:
    return float(np.mean([regret for _, regret, _ in cells.values()]))


def left_out(found: Mapping[str, Mapping[str, tuple[float, float, str]]]) -> float:
    """Mean regret on a graph of the criterion that is best on all others."""
    graphs = list(next(iter(found.values())))
    regrets = []
    for graph in graphs:
        others = {
            name: np.mean([cells[g][1] for g in graphs if g != graph] or [0.0])
            for name, cells in found.items()
        }
        regrets.append(found[min(others, key=lambda name: others[name])][graph][1])
    return float(np.mean(regrets))


def _not_complete(graphs: Mapping[str, Sequence[Any]]) -> list[str]:
    """What the first figure is not to be believed for yet."""
    short = [f"{graph} ({len(rows)})" for graph, rows in graphs.items() if len(rows) < SETTINGS]
    absent = max(0, GRAPHS - len(graphs))
    told = [f"fewer than {SETTINGS} settings so far: {', '.join(short)}"] if short else []
    told += [f"graphs without any: {absent}"] if absent else []
    return [f"**Not complete**: {'; '.join(told)}.", ""] if told else []


def page(path: Path, picture: str) -> str:
    """The page of the study, from the stored rows."""
    graphs = dict(_read(path))
    trained = table(path, trained_only=True)
    every = table(path, trained_only=False)
    best = next(iter(trained))
    head = ["criterion", *graphs, "mean regret", "with no training among them"]
    lines = [
        "# Choosing settings without labels",
        "",
        f"Smallest mean regret: `{best}`, {mean_regret(trained[best]):.1f} points over "
        f"{len(graphs)} graphs. Chosen on all graphs but one and tried on that one, criteria lose "
        f"{left_out(trained):.1f} points on average.",
        "",
        *_not_complete(graphs),
        "In a cell: Spearman's rank correlation of criterion and test accuracy over the trained "
        "settings of a graph, then the regret: the best accuracy of these settings less that of "
        "the one which the criterion picks, in points. In the last column, features "
        "propagated over the graph with no training (1, 2, 4, 8 hops) may be picked too.",
        "",
        "| " + " | ".join(head) + " |",
        "| --- |" + " ---: |" * (len(head) - 1),
    ]
    for name, cells in trained.items():
        shown = [f"{rho:.2f}, {regret:.1f}" for rho, regret, _ in cells.values()]
        means = [f"{mean_regret(cells):.1f}", f"{mean_regret(every[name]):.1f}"]
        lines.append("| " + " | ".join([f"`{name}`", *shown, *means]) + " |")
    for name, regret_of in REFERENCES.items():
        shown, means = [], []
        for only in (True, False):
            regrets = [
                regret_of([row for row in rows if is_trained(row) or not only])
                for rows in graphs.values()
            ]
            means.append(f"{np.mean(regrets):.1f}")
            if only:
                shown = [f"{regret:.1f}" for regret in regrets]
        lines.append("| " + " | ".join([name, *shown, *means]) + " |")
    counts = {g: sum(is_trained(row) for row in rows) for g, rows in graphs.items()}
    lines += [
        "",
        f"![Regret of every criterion on every graph]({picture})",
        "",
        "| graph | trained settings | worst | best | best setting | best of no training |",
        "| --- | ---: | ---: | ---: | --- | ---: |",
    ]
    for graph, rows in graphs.items():
        mine = sorted((r for r in rows if is_trained(r)), key=lambda r: float(r["accuracy"]))
        free = [float(r["accuracy"]) for r in rows if not is_trained(r)]
        ends = [f"{100 * float(mine[i]['accuracy']):.1f}" for i in (0, -1)]
        told = f"{100 * max(free):.1f}" if free else "-"
        cells = [graph, str(counts[graph]), *ends, _name(mine[-1]), told]
        lines.append("| " + " | ".join(cells) + " |")
    commits = sorted({row["commit"] for rows in graphs.values() for row in rows})
    lines += [
        "",
        "Every setting is trained from two seeds; criterion and accuracy are means over both. "
        "Accuracy: the linear probe (rows of length one, C on validation) over 20 random splits "
        "with 20 labels a class for training and 30 for validation. No label is read by a "
        "criterion. `val_accuracy` picks by the validation nodes of each split for that split. "
        "Two trainings of what does not train agree perfectly, and propagated features with "
        "themselves, so that stability and `as_propagated` pick no training where they may.",
        "",
        *(f"- `{name}`: {criterion.about}." for name, criterion in CRITERIA.items()),
        "- `a+b`: the mean of the ranks; these pairs were fixed before the study ran.",
        "",
        f"From `benchmarks/results/{path.name}`, commits {', '.join(commits)}, by "
        "`python benchmarks/selection_study.py`.",
    ]
    return "\n".join(lines) + "\n"


def _any(rows: Sequence[dict[str, Any]]) -> float:
    accuracy = np.array([float(row["accuracy"]) for row in rows])
    return float(100 * (accuracy.max() - accuracy.mean()))


REFERENCES = {"`val_accuracy`, each split its own": by_validation, "any setting, the mean": _any}


def plot(path: Path, picture: Path) -> None:
    """Regret of every criterion: a dot a graph, a line at the mean."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    found = table(path, trained_only=True)
    figure, axes = pyplot.subplots(figsize=(8, 0.32 * len(found) + 1.2), layout="constrained")
    names = list(found)[::-1]
    for graph in next(iter(found.values())):
        regrets = [found[name][graph][1] for name in names]
        axes.plot(regrets, range(len(names)), "o", alpha=0.7, label=graph)
    means = [mean_regret(found[name]) for name in names]
    axes.plot(means, range(len(names)), "k|", markersize=14, markeredgewidth=2, label="mean")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("regret, points of test accuracy")
    axes.grid(axis="x", alpha=0.3)
    figure.legend(
        loc="outside lower center", ncols=len(next(iter(found.values()))) + 1, fontsize="small"
    )
    figure.savefig(picture, dpi=120)
    pyplot.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=ROOT / "selection" / "study")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "selection-study.csv")
    parser.add_argument("--only", nargs="*", default=[], help="graphs, by the names of the files")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--page", type=Path, help="write the table and the plot, and train nothing")
    chosen = parser.parse_args(arguments)
    if chosen.page is None:
        with interrupts.handled():
            fill(chosen.folder, chosen.out, chosen.only, chosen.jobs)
        return
    picture = chosen.page.with_suffix(".png")
    plot(chosen.out, picture)
    write_atomically(chosen.page, page(chosen.out, picture.name).encode())


if __name__ == "__main__":
    main()
