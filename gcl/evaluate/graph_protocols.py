"""The protocols for whole graphs, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gcl.checks import check_choice, check_count

INNER = 5
"""Folds of the search for C inside the training part."""
CLASSIFIERS = {
    "svm": ("standardised columns", "linear SVM"),
    "lr": ("standardised columns", "logistic regression"),
    "rbf": ("standardised columns", "RBF SVM"),
    "rbf-raw": ("rows as they are", "RBF SVM"),
    "kernel": ("l2 rows", "SVM on their products"),
}
"""What each classifier reads, and what it is."""


@dataclass(frozen=True)
class GraphProtocol:
    """How embeddings of graphs are classified and averaged.

    Args:
        name: the name to ask for it by.
        classifier: `svm` linear, squared hinge; `lr` logistic regression; `rbf` SVM with a Gaussian
            kernel, `rbf-raw` the same on rows as they are (GraphCL's code); `kernel` SVM on the
            inner products of rows of length one, for histograms.
        folds: parts of the data; each is the test part once.
        runs: random divisions into folds.
        Cs: strengths to choose from.

    Raises:
        ValueError: an unknown classifier, fewer than two folds, no run.
    """

    name: str
    classifier: Literal["svm", "lr", "rbf", "rbf-raw", "kernel"]
    folds: int = 10
    runs: int = 5
    Cs: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)

    def __post_init__(self) -> None:
        check_choice("GraphProtocol", "classifier", self.classifier, tuple(CLASSIFIERS))
        check_count("GraphProtocol", least=2, folds=self.folds)
        check_count("GraphProtocol", runs=self.runs)

    def describe(self, runs: int, num_strengths: int, label_rate: float = 1.0) -> str:
        """The line printed with a number."""
        rows, how = CLASSIFIERS[self.classifier]
        few = "" if label_rate == 1 else f", {100 * label_rate:g} % of the training labels"
        noun = "division" if runs == 1 else "divisions"
        return (
            f"{self.name}: {runs} {noun} into {self.folds} stratified folds, {rows}, {how}, "
            f"C of {num_strengths} by {INNER}-fold CV inside the training folds{few}"
        )


GRAPH_PROTOCOLS = {
    p.name: p
    for p in (
        GraphProtocol("10-fold-svm", "svm"),
        GraphProtocol("10-fold-lr", "lr"),
        GraphProtocol("10-fold-rbf", "rbf"),
        GraphProtocol("10-fold-rbf-raw", "rbf-raw"),
        GraphProtocol("10-fold-kernel", "kernel"),
    )
}
"""The named protocols of `graph_classification`."""
