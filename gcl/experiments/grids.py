"""Settings to choose from: a list of recipes, each with options and their values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gcl.experiments.config import run_from
from gcl.experiments.run import Run

ENDS = {"low", "high", "log", "step"}


@dataclass(frozen=True)
class Try:
    """A recipe, its options, and values of some of them.

    Args:
        recipe: as of `gcl train`, with variants too.
        options: fixed ones, by name.
        grid: lists of values; every combination is a setting.
        ranges: `{"low": 1e-4, "high": 1e-2, "log": True}` or `{"low": 64, "high": 512, "step":
            64}`: what only a search draws from (`trials`); whole numbers where both ends are.
    """

    recipe: str
    options: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    ranges: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def settings(self) -> Iterator[dict[str, Any]]:
        """Every combination of the values of the grid."""
        for values in itertools.product(*self.grid.values()):
            yield dict(zip(self.grid, values, strict=True))

    def samples(self) -> Iterator[dict[str, Any]]:
        """Settings in which every value of the grid is found, and the low end of every range."""
        first = {name: values[0] for name, values in self.grid.items()}
        first |= {name: ends["low"] for name, ends in self.ranges.items()}
        yield first
        for name, values in self.grid.items():
            for value in values[1:]:
                yield {**first, name: value}

    def run(self, dataset: str, setting: Mapping[str, Any], **told: Any) -> Run:
        """The run of a setting; `told` takes the place of options.

        Raises:
            ValueError: an option that is not one, or a value that it does not take.
        """
        config = {**self.options, **setting, "recipe": self.recipe, "dataset": dataset}
        try:
            return run_from(config, **told)
        except ValueError as error:
            raise ValueError(f"{self.recipe}: {error}") from None


def read_grid(content: Any) -> list[Try]:
    """What to try, from the content of a file: `try`, a list of tables, see `Try`.

    Options that stand beside `try` are those of all; a table's own take their place.

        epochs = 100
        [[try]]
        recipe = "dgi"
        [try.grid]
        hidden = [256, 512]
        [try.ranges]
        lr = {low = 1e-4, high = 1e-2, log = true}

    Raises:
        ValueError: it is of another form.
    """
    if not isinstance(content, Mapping):
        content = {"try": content}
    common = {key: value for key, value in content.items() if key not in ("try", "dataset")}
    tables = content.get("try")
    if not isinstance(tables, Sequence) or isinstance(tables, str) or not tables:
        raise ValueError(
            "select: expected what to try as a list of tables, [[try]] in a file, each with a "
            "recipe and a grid."
        )
    return [_table(dict(_mapping("[[try]]", table)), common) for table in tables]


def _table(table: dict[str, Any], common: Mapping[str, Any]) -> Try:
    recipe = table.pop("recipe", common.get("recipe"))
    if not isinstance(recipe, str):
        raise ValueError("select: a [[try]] lacks its recipe; give recipe = 'dgi' or another.")
    grid = _mapping(f"grid of {recipe}", table.pop("grid", {}))
    ranges = _mapping(f"ranges of {recipe}", table.pop("ranges", {}))
    for key, values in grid.items():
        if not isinstance(values, Sequence) or isinstance(values, str) or not len(values):
            raise ValueError(
                f"select: the grid of {recipe} must hold lists of values, got {key} = {values!r}."
            )
    for key, ends in ranges.items():
        _check_range(recipe, key, _mapping(f"range {key} of {recipe}", ends))
    if twice := sorted((set(grid) & set(ranges)) | (set(table) & {*grid, *ranges})):
        raise ValueError(f"select: {twice[0]} of {recipe} is told twice; give one of them.")
    shared = {k: v for k, v in common.items() if k not in {*grid, *ranges, "recipe"}}
    return Try(recipe, {**shared, **table}, grid, ranges)


def _check_range(recipe: str, key: str, told: Mapping[str, Any]) -> None:
    """Raises ValueError where nothing could be drawn from a range."""
    low: Any = told.get("low")
    high: Any = told.get("high")
    step: Any = told.get("step")
    log = told.get("log")
    if set(told) - ENDS or not _is_number(low) or not _is_number(high):
        raise ValueError(
            f"select: a range is {{low = 1e-4, high = 1e-2, log = true}}, or with a step; got "
            f"{key} = {dict(told)} for {recipe}."
        )
    whole = isinstance(low, int) and isinstance(high, int)
    wrong = ""
    if low > high:
        wrong = "low must not be above high"
    elif log is not None and not isinstance(log, bool):
        wrong = "log must be true or false"
    elif log and low <= 0:
        wrong = "low must be above 0 with log"
    elif step is not None and log:
        wrong = "a step does not go with log; leave one of them out"
    elif step is not None and (not _is_number(step) or step <= 0):
        wrong = "step must be a number above 0"
    elif step is not None and whole and not isinstance(step, int):
        wrong = "step must be a whole number, as both ends are"
    if wrong:
        raise ValueError(f"select: range {key} of {recipe}: {wrong}, got {dict(told)}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _mapping(what: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"select: {what} must be a table of options, got {value!r:.80}.")
    return value
