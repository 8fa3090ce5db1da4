"""The leaderboard of one protocol: a table for each data set, and the page that shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gcl.evaluate import paired_test
from gcl.experiments.references import (
    PROPAGATED,
    RAW,
    SUPERVISED,
    deviation,
    differences,
)
from gcl.experiments.run import UNTRAINED
from gcl.experiments.suite import Entry, of_entry

HEADS = (
    "method", "ours", "over propagated", "p", "raw rows", "seeds", "untrained", "reported",
    "epochs", "s", "peak MB", "commits",
)  # fmt: skip
CLUSTERS = {"cluster_accuracy": "ACC", "cluster_nmi": "NMI", "cluster_ari": "ARI"}
ABOVE = "▲"  # marks a gain over propagated features above its deviation


@dataclass(frozen=True)
class Line:
    """One method on one data set; accuracies are fractions, NaN where unknown.

    Args:
        method: its name.
        values: accuracy of every training, the mean over its splits.
        std: deviation over seeds and splits together; NaN where there is one of each.
        untrained: accuracy before training, the mean.
        reported: the figure reported elsewhere.
        source: where, and under which protocol if it is another one.
        compares: whether the reported figure is of this protocol.
        epochs: of training, the mean.
        seconds: of training, the mean; CPU seconds where rows tell them.
        peak_mb: memory of training beyond what was there before, the largest, in MB.
        commits: of the code that trained and measured, all of them.
        raw_rows: accuracy of the second probe, on rows as they are.
        gain: accuracy beyond that of propagated features, the mean over splits and seeds; NaN of
            references and where rows do not tell their splits.
        gain_std: its deviation, see `gcl.experiments.references.deviation`.
        p: of the corrected resampled t-test of the gain; of a paired one over seeds where there is
            one split.
        clusters: of k-means after the last epoch against the classes, mean and deviation of ACC,
            NMI and ARI over trainings, or over runs of k-means; empty where it was left out.
    """

    method: str
    values: tuple[float, ...]
    std: float
    untrained: float
    reported: float
    source: str
    compares: bool
    epochs: float
    seconds: float
    peak_mb: float
    commits: tuple[str, ...]
    raw_rows: float = math.nan
    gain: float = math.nan
    gain_std: float = math.nan
    p: float = math.nan
    clusters: tuple[tuple[float, float], ...] = ()

    @property
    def accuracy(self) -> float:
        return float(np.mean(self.values))

    def cells(self) -> list[str]:
        """What a table shows, in the order of its heads."""
        ours = _percent(self.accuracy)
        return [
            self.method,
            ours if math.isnan(self.std) else f"{ours} ± {_percent(self.std)}",
            self._told_gain(),
            _chance(self.p),
            _percent(self.raw_rows),
            str(len(self.values)),
            _percent(self.untrained),
            _percent(self.reported) if self.compares else f"({_percent(self.reported)})",
            *(_number(value) for value in (self.epochs, self.seconds, self.peak_mb)),
            ", ".join(self.commits),
        ]

    def cluster_cells(self) -> list[str]:
        """What the table of clusters shows."""
        told = (f"{_percent(mean)} ± {_percent(std)}" for mean, std in self.clusters)
        return [self.method, *told, str(len(self.values)), ", ".join(self.commits)]

    def _told_gain(self) -> str:
        if math.isnan(self.gain):
            return ""
        spread = "" if math.isnan(self.gain_std) else f" ± {_percent(self.gain_std)}"
        return f"{100 * self.gain:+.1f}{spread}{f' {ABOVE}' if self.is_above else ''}"

    @property
    def is_above(self) -> bool:
        """Whether it is above propagated features by more than the deviation."""
        return self.gain > (0 if math.isnan(self.gain_std) else self.gain_std)


def leaderboard(
    rows: Sequence[dict[str, Any]], entries: Sequence[Entry], seeds: int
) -> dict[str, list[Line]]:
    """Lines by data set, the best first, the references among them.

    Args:
        rows: of a results file.
        entries: what of it is shown.
        seeds: trainings of each that count, the first ones.
    """
    board: dict[str, list[Line]] = {}
    propagated = {
        entry.run.dataset: row
        for entry in entries
        for row in of_entry(rows, entry)
        if row["features"] == PROPAGATED
    }
    for entry in entries:
        mine = [row for row in of_entry(rows, entry) if int(row["seed"]) < seeds]
        groups: dict[str, list[dict[str, Any]]] = {}
        for row in mine:
            groups.setdefault(str(row["features"]), []).append(row)
        for features, group in groups.items():
            if not entry.is_reference and features in (RAW, PROPAGATED, UNTRAINED, SUPERVISED):
                continue
            name = features if entry.is_reference else entry.run.recipe
            before = _column(groups.get(UNTRAINED, []), "accuracy")
            board.setdefault(entry.run.dataset, []).append(
                _line(name, group, before, entry, propagated.get(entry.run.dataset))
            )
    return {name: sorted(lines, key=lambda x: -x.accuracy) for name, lines in board.items()}


def markdown(board: dict[str, list[Line]], protocol: str, command: str, picture: str = "") -> str:
    """The page: a table a data set, and the sources of the reported figures.

    Args:
        board: from `leaderboard`.
        protocol: name and description of the protocol.
        command: what makes the page.
        picture: a file beside the page to show; none if empty.
    """
    parts = [
        f"# Leaderboard, {protocol.partition(':')[0]}",
        _said(board),
        f"Test accuracy in percent, protocol {protocol}. “Ours” is the mean ± the deviation over "
        "training seeds and splits. “Over propagated” is the difference to features smoothed over "
        f"the graph without training, in pairs over seeds and splits, ± its deviation; {ABOVE} "
        f"stands where it is larger than that. {_about_p(protocol)} “Raw rows” is a second probe, "
        "on rows as they are; “untrained” the same encoder before training; "
        "“reported” in brackets is of another protocol and does not compare. Seconds (of the "
        "processor, where rows tell them) and memory are those of one training. Sorted by "
        "accuracy.",
    ]
    if picture:
        parts.append(f"![accuracy of every method and seed]({picture})")
    for dataset, lines in board.items():
        parts.append(f"## {dataset}")
        parts.append(_as_table(HEADS, [line.cells() for line in lines]))
        sources = [f"- {x.method}: {x.source}" for x in lines if x.source]
        if sources:
            parts.append("\n".join(["Reported by:", "", *sources]))
        if found := sorted((x for x in lines if x.clusters), key=lambda x: -x.clusters[1][0]):
            parts.append(
                f"Clusters of {dataset}: k-means with as many clusters as classes after the last "
                "epoch, sorted by NMI; ± over seeds, with one over runs of k-means."
            )
            heads = ("method", *CLUSTERS.values(), "seeds", "commits")
            parts.append(_as_table(heads, [line.cluster_cells() for line in found]))
    parts.append(f"Made by `{command}`; do not edit.")
    return "\n\n".join(parts) + "\n"


def _said(board: dict[str, list[Line]]) -> str:
    """What the tables say, before they are read."""
    told = []
    for dataset, lines in board.items():
        trained = [x for x in lines if x.method not in (RAW, PROPAGATED, SUPERVISED)]
        if above := [f"{x.method} ({100 * x.gain:+.1f})" for x in trained if x.is_above]:
            told.append(f"{len(above)} of {len(trained)} on {dataset}: {', '.join(above)}")
        else:
            told.append(f"none of {len(trained)} on {dataset}")
    return (
        "Methods above propagated features, which need no training, by more than the deviation of "
        f"the difference (in points): {'; '.join(told)}."
    )


def _about_p(protocol: str) -> str:
    if ": 1 split" not in protocol:
        return (
            "“p” is of the corrected resampled t-test (Nadeau and Bengio, 2003) of that "
            "difference, which takes splits for samples that overlap."
        )
    return (
        "“p” is of a paired t-test over seeds. Neither it nor ± knows that the test nodes are one "
        "draw: the standard error of an accuracy a on n of them is sqrt(a (1 - a) / n), 1.2 points "
        "at 82 % of 1,000 nodes, so that this board ranks nobody within a point."
    )


def _as_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(heads) - 2), "---"]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows))


def _line(
    name: str,
    group: list[dict[str, Any]],
    before: list[float],
    entry: Entry,
    propagated: dict[str, Any] | None,
) -> Line:
    values, within = _column(group, "accuracy"), _column(group, "accuracy_std")
    between = float(np.var(values, ddof=1)) if len(values) > 1 else 0.0
    spread = math.sqrt(between + float(np.mean(np.square(within)) if within else 0.0))
    protocol = entry.reported.get("protocol", entry.run.protocol)
    other = "" if protocol == entry.run.protocol else f" (protocol {protocol}: does not compare)"
    source = f"{entry.reported['source']}{other}" if "source" in entry.reported else ""
    memory = _column(group, "peak_mb")
    return Line(
        name,
        tuple(values),
        spread if len(values) > 1 or spread > 0 else math.nan,
        _mean(before),
        float(entry.reported.get("accuracy", math.nan)),
        source,
        protocol == entry.run.protocol or "accuracy" not in entry.reported,
        _mean(_column(group, "trained_epochs")),
        _mean(_column(group, "cpu_seconds") or _column(group, "seconds")),
        max(memory, default=math.nan),
        tuple(
            dict.fromkeys(
                str(row[key])
                for row in group
                for key in ("trained_commit", "commit")
                if row.get(key)
            )
        ),
        _mean(_column(group, "raw_rows_accuracy")),
        *(_gain(group, propagated) if name not in (RAW, PROPAGATED) else (math.nan,) * 3),
        _clusters(group),
    )


def _clusters(group: list[dict[str, Any]]) -> tuple[tuple[float, float], ...]:
    found = []
    for key in CLUSTERS:
        values = _column(group, key)
        if len(values) < len(group):
            return ()
        within = float(_column(group, f"{key}_std")[0])
        found.append((_mean(values), float(np.std(values, ddof=1)) if len(values) > 1 else within))
    return tuple(found)


def _gain(
    group: list[dict[str, Any]], propagated: dict[str, Any] | None
) -> tuple[float, float, float]:
    """Accuracy beyond propagated features, its deviation, and p of the corrected t-test."""
    found = None if propagated is None else differences(group, propagated)
    if found is None or propagated is None:
        return math.nan, math.nan, math.nan
    spread = deviation(group, propagated)
    p = math.nan
    # Of one fixed split nothing is resampled: the pairs are seeds.
    ratio = propagated.get("test_over_train") if found.shape[1] > 1 else 0.0
    if found.size > 1 and ratio is not None:
        p = paired_test(found, np.zeros_like(found), ratio=float(ratio))["p"]
    return float(found.mean()), math.nan if spread is None else spread, p


def _column(rows: Sequence[dict[str, Any]], key: str) -> list[float]:
    return [float(row[key]) for row in rows if row.get(key) not in (None, "")]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _percent(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.1f}"


def _chance(p: float) -> str:
    """No chance is 0: a smaller one than the digits can show is told as such."""
    if math.isnan(p):
        return ""
    return f"{p:.3f}" if p >= 0.0005 else "<0.001"


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.0f}"
