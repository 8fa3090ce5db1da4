"""What every evaluation returns: numbers by name, with the protocol that made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


class Result(dict[str, float]):
    """A dict of numbers that knows, and prints, how they were measured.

    Args:
        values: The numbers by name; shares are fractions in [0, 1], and `<name>_std` is the
            standard deviation that belongs to `<name>`.
        protocol: One line that says how they were measured.
        per_run: The values of the single splits or runs, by name, for significance tests.

    Example:
        >>> Result({"accuracy": 0.8312, "accuracy_std": 0.0091}, protocol="public: 1 split")
        accuracy 0.8312 ± 0.0091 (protocol public: 1 split)
    """

    def __init__(
        self,
        values: Mapping[str, float],
        protocol: str,
        per_run: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        super().__init__(values)
        self.protocol = protocol
        self.per_run = {name: list(run) for name, run in (per_run or {}).items()}

    @classmethod
    def from_runs(cls, runs: Mapping[str, Sequence[float]], protocol: str) -> Result:
        """Mean and population standard deviation over runs, as `<name>` and `<name>_std`."""
        values: dict[str, float] = {}
        for name, run in runs.items():
            values[name], values[f"{name}_std"] = float(np.mean(run)), float(np.std(run))
        return cls(values, protocol, runs)

    def __repr__(self) -> str:
        parts = []
        for name, value in self.items():
            if name.endswith("_std") and name[:-4] in self:
                continue
            spread = self.get(f"{name}_std")
            parts.append(f"{name} {value:.4f}" + ("" if spread is None else f" ± {spread:.4f}"))
        return f"{', '.join(parts)} (protocol {self.protocol})"

    __str__ = __repr__
