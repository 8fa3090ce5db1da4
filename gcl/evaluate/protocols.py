"""The evaluation protocols of the literature, as a table.

Numbers measured under different protocols do not compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor
from torch_geometric.data import Batch, Data, HeteroData

from gcl.checks import check_choice, check_count


@dataclass(frozen=True)
class Protocol:
    """How a linear probe is trained, selected and averaged.

    Args:
        name: The name to ask for it by.
        train: Share of training nodes, or with `by_class` their number a class; None takes the
            split of the data set.
        val: Share of validation nodes, or with `by_class` their number a class.
        runs: Random splits or, where the split is fixed and the classifier random, probes.
        l2: Whether rows are scaled to length one.
        classifier: `lbfgs` is the multinomial regression, strength chosen on validation;
            `liblinear` one-vs-rest, strength by 5-fold cross-validation inside the training part;
            `adam` a linear layer; `adam-each` the same, for `hetero_probe`, which looks after
            every step and takes each score at its own best step.
        epochs: Steps of `adam`.
        select: Whether `adam` keeps its best epoch on validation, else its last.
        Cs: Strengths to choose from.
        by_class: Whether `train` and `val` are whole numbers of nodes a class.

    Raises:
        TypeError, ValueError: numbers a class that are not whole, or below 1.
    """

    name: str
    train: float | None
    val: float
    runs: int
    l2: bool
    classifier: Literal["lbfgs", "liblinear", "adam", "adam-each"]
    epochs: int = 0
    select: bool = False
    Cs: tuple[float, ...] = ()
    by_class: bool = False

    def __post_init__(self) -> None:
        if self.by_class:
            sizes: dict[str, Any] = {"train": self.train, "val": self.val}
            check_count("Protocol", **sizes)

    def describe(self, splits: str, runs: int, num_strengths: int, *, own: bool = True) -> str:
        """The line printed with a number.

        Args:
            splits: what the splits are called.
            runs: how many runs there were.
            num_strengths: how many strengths were to choose from.
            own: whether the splits are those that the protocol's name promises.
        """
        rows = "l2 rows" if self.l2 else "raw rows"
        how = {
            "lbfgs": f"{rows}, L-BFGS, C of {num_strengths} on validation",
            "liblinear": f"{rows}, one-vs-rest liblinear, C of {num_strengths} by 5-fold CV",
            "adam": f"{rows}, Adam {self.epochs} epochs, "
            + ("best on validation" if self.select else "last epoch"),
            "adam-each": f"{rows}, Adam {self.epochs} epochs, each score at its best on validation",
        }[self.classifier]
        origin = "" if splits == self.name else f"{splits} "
        is_probe = self.train is None and self.classifier.startswith("adam")
        noun = "probes" if is_probe else "splits"
        noun = noun[:-1] if runs == 1 else noun
        if not own:
            return f"{splits}: {runs} {noun}, {how}"
        return f"{self.name}: {runs} {origin}{noun}, {how}"


STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
"""The strengths of the L-BFGS protocols; they span the range of the GRACE evaluation."""

RAW_STRENGTHS = tuple(10.0**e for e in range(-3, 6))
"""The same for rows as they are: further, since some columns may be much shorter than others."""

POWERS_OF_TWO = tuple(2.0**e for e in range(-10, 10))
"""The strengths of GRACE's own evaluation."""

PROTOCOLS = {
    p.name: p
    for p in (
        Protocol("random-10-10-80", 0.1, 0.1, 20, True, "lbfgs", Cs=STRENGTHS),
        Protocol("public", None, 0.0, 1, True, "lbfgs", Cs=STRENGTHS),
        # Shchur et al. 2018: few labels, and enough splits to rank by
        Protocol("random-20-30-rest", 20, 30, 100, True, "lbfgs", Cs=STRENGTHS, by_class=True),
        # A second opinion on the same splits: lengths count
        Protocol("random-10-10-80-raw", 0.1, 0.1, 20, False, "lbfgs", Cs=RAW_STRENGTHS),
        Protocol("public-raw", None, 0.0, 1, False, "lbfgs", Cs=RAW_STRENGTHS),
        Protocol(
            "random-20-30-rest-raw", 20, 30, 100, False, "lbfgs", Cs=RAW_STRENGTHS, by_class=True
        ),
        # GRACE, Graph Barlow Twins: the 20 powers of two of the authors' code
        Protocol("e1", 0.1, 0.0, 20, True, "liblinear", Cs=POWERS_OF_TWO),
        # The same on the split of the data set; its validation nodes stay unused.
        Protocol("e1-public", None, 0.0, 1, True, "liblinear", Cs=POWERS_OF_TWO),
        # GCA, CSGCL
        Protocol("e2", 0.1, 0.1, 20, False, "adam", epochs=3000, select=True),
        # DGI, MVGRL, GGD
        Protocol("e3", None, 0.0, 50, False, "adam", epochs=100),
    )
}
"""The named protocols of `linear_probe`."""

HETERO_PROTOCOLS = {
    # HeCo, MEOW, AdaMEOW: 20, 40 or 60 labelled nodes a class
    name: Protocol(name, None, 0.0, 50, False, "adam-each", epochs=200, select=True, Cs=STRENGTHS)
    for name in ("hetero-20", "hetero-40", "hetero-60")
} | {
    # The same where the data has no such masks
    "hetero-random": Protocol(
        "hetero-random",
        20,
        30,
        50,
        False,
        "adam-each",
        epochs=200,
        select=True,
        Cs=STRENGTHS,
        by_class=True,
    )
}
"""The named protocols of `hetero_probe`."""


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

    def describe(
        self, runs: int, num_strengths: int, label_rate: float = 1.0, targets: int = 1
    ) -> str:
        """The line printed with a number."""
        rows, how = CLASSIFIERS[self.classifier]
        few = "" if label_rate == 1 else f", {100 * label_rate:g} % of the training labels"
        noun = "division" if runs == 1 else "divisions"
        kind, criterion = "stratified folds", f"{INNER}-fold CV"
        if targets > 1:
            kind, how, criterion = (
                "folds",
                f"{how} for each of {targets} targets",
                "AUC in 5-fold CV",
            )
        return (
            f"{self.name}: {runs} {noun} into {self.folds} {kind}, {rows}, {how}, "
            f"C of {num_strengths} by {criterion} inside the training folds{few}"
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


@dataclass(frozen=True)
class RegressionProtocol:
    """How numbers are read off embeddings of graphs and averaged.

    Args:
        name: the name to ask for it by.
        regressor: `ridge`, or `svr`, a support vector regression with a Gaussian kernel.
        folds: parts of the data; each is the test part once.
        runs: random divisions into folds.
        strengths: to choose from: scikit-learn's `alpha` of ridge, `C` of SVR.

    Raises:
        ValueError: an unknown regressor, fewer than two folds, no run.
    """

    name: str
    regressor: Literal["ridge", "svr"]
    folds: int = 10
    runs: int = 5
    strengths: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4)

    def __post_init__(self) -> None:
        check_choice("RegressionProtocol", "regressor", self.regressor, ("ridge", "svr"))
        check_count("RegressionProtocol", least=2, folds=self.folds)
        check_count("RegressionProtocol", runs=self.runs)

    def describe(self, runs: int, num_strengths: int, targets: int = 1) -> str:
        """The line printed with a number."""
        how, strength = {"ridge": ("ridge", "alpha"), "svr": ("RBF SVR", "C")}[self.regressor]
        noun = "division" if runs == 1 else "divisions"
        each = f" for each of {targets} targets" if targets > 1 else ""
        return (
            f"{self.name}: {runs} {noun} into {self.folds} folds, standardised columns, {how}"
            f"{each}, {strength} of {num_strengths} by {INNER}-fold CV inside the training folds"
        )


REGRESSION_PROTOCOLS = {
    p.name: p
    for p in (
        RegressionProtocol("10-fold-ridge", "ridge"),
        RegressionProtocol("10-fold-svr", "svr", strengths=(1e-1, 1.0, 1e1, 1e2, 1e3)),
    )
}
"""The named protocols of `graph_regression`."""


def default_protocol(data: Any) -> str:
    """The protocol for data when none is asked for, by what it is and not by its name.

    Args:
        data: A graph, or a set of graphs: a list, a data set of PyG, a `GraphSet`.

    Returns:
        `10-fold-svm` for a set of graphs; `hetero-20` for a `HeteroData` with the masks of it, else
        `hetero-random`; `random-10-10-80` for a `Data`, or `random-20-30-rest` where a tenth of its
        nodes with a label is less than one.

    Example:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> default_protocol(Data(y=torch.arange(200) % 2, num_nodes=200))
        'random-10-10-80'
    """
    if isinstance(data, HeteroData):
        names = ("y", "train_mask_20", "val_mask_20", "test_mask_20")
        split = any(all(name in nodes for name in names) for nodes in data.node_stores)
        return "hetero-20" if split else "hetero-random"
    if not isinstance(data, Data) or isinstance(data, Batch):
        return "10-fold-svm"
    y = data.get("y")
    known = int(data.num_nodes or 0)
    if isinstance(y, Tensor) and y.dim() == 1 and len(y) == known:
        known = int((y >= 0).sum())
    return "random-10-10-80" if round(0.1 * known) else "random-20-30-rest"
