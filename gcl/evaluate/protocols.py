"""The evaluation protocols of the literature, as a table.

Numbers measured under different protocols do not compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Protocol:
    """How a linear probe is trained, selected and averaged.

    Args:
        name: The name to ask for it by.
        train: Share of training nodes; None takes the split of the data set.
        val: Share of validation nodes.
        runs: Random splits or, where the split is fixed and the classifier random, probes.
        l2: Whether rows are scaled to length one.
        classifier: `lbfgs` is the multinomial regression, strength chosen on validation;
            `liblinear` one-vs-rest, strength by 5-fold cross-validation inside the training part;
            `adam` a linear layer; `adam-each` the same, for `hetero_probe`, which looks after
            every step and takes each score at its own best step.
        epochs: Steps of `adam`.
        select: Whether `adam` keeps its best epoch on validation, else its last.
        Cs: Strengths to choose from.
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

    def describe(self, splits: str, runs: int, num_strengths: int) -> str:
        """The line printed with a number."""
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
        return f"{self.name}: {runs} {origin}{noun}, {how}"


STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
"""The strengths of the L-BFGS protocols; they span the range of the GRACE evaluation."""

POWERS_OF_TWO = tuple(2.0**e for e in range(-10, 10))
"""The strengths of GRACE's own evaluation."""

PROTOCOLS = {
    p.name: p
    for p in (
        Protocol("random-10-10-80", 0.1, 0.1, 20, True, "lbfgs", Cs=STRENGTHS),
        Protocol("public", None, 0.0, 1, True, "lbfgs", Cs=STRENGTHS),
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
}
"""The named protocols of `hetero_probe`."""
