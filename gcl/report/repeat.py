"""The command that trains a run again, and its options."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from gcl.experiments.composition import Composition, compose
from gcl.experiments.lookup import is_code
from gcl.experiments.run import Run, as_json
from gcl.training.settings import settings_of

FOLDER = "again"
PLACES = ("device", "root")  # of a machine


def options(run: Run, *, own_code: bool = True) -> list[tuple[str, str, bool]]:
    """Every option of a run as it is typed, and whether it differs from what it is by default.

    Folder and device are left out: they belong to a machine. Where the recipe is not at hand, all
    of its options count as different.

    Args:
        run: what was run.
        own_code: import a recipe that is not gcl's own; if False, it counts as not at hand.

    Example:
        >>> from gcl.experiments.config import run_from
        >>> run = run_from({"recipe": "grace", "dataset": "cora", "tau": 0.3})
        >>> [option for option in options(run) if option[2]]
        [('tau', '0.3', True)]
    """
    usual: dict[str, Any] = {}
    told = asdict(run)
    method = as_json(told.pop("method"))
    at_hand = own_code or not is_code(run.recipe)
    try:
        composition: Composition | None = compose(run.recipe) if at_hand else None
    except (ValueError, ImportError):
        composition = None
    if composition is not None:
        usual = asdict(Run("", "")) | vars(settings_of(composition.recipe).lasting(run.epochs))
        usual["epochs"] = settings_of(composition.recipe).epochs
        usual |= as_json(composition.defaults())
    named = {k: v for k, v in told.items() if k not in ("recipe", "dataset", *PLACES)} | method
    found = []
    for name, value in named.items():
        inside = usual.get(name)
        parts = (
            {f"{name}.{k}": v for k, v in value.items()}
            if isinstance(value, dict)
            else {name: value}
        )
        for full, part in parts.items():
            key = full.rpartition(".")[2]
            known = inside.get(key) if isinstance(inside, dict) else inside
            found.append((full.replace("_", "-"), _typed(part), as_json(part) != as_json(known)))
    return found


def commands(run: Run, seeds: Sequence[int], *, own_code: bool = True) -> list[str]:
    """What to type to train a run again, a line for all its seeds or one for each.

    Args:
        run: what was run.
        seeds: its training seeds.
        own_code: see `options`.

    Example:
        >>> from gcl.experiments.config import run_from
        >>> run = run_from({"recipe": "dgi", "dataset": "karate", "hidden": 4})
        >>> commands(run, [0])
        ['gcl train dgi karate --hidden 4 --out again']
    """
    words = ["gcl", "train", run.recipe, run.dataset]
    for name, value, differs in options(run, own_code=own_code):
        if differs:
            words += [f"--{name}={value}"] if value.startswith("-") else [f"--{name}", value]
    words += ["--out", FOLDER]
    if list(seeds) == list(range(len(seeds))):
        return [shlex.join(words + (["--seeds", str(len(seeds))] if len(seeds) > 1 else []))]
    further = [[], *[["--resume"]] * (len(seeds) - 1)]
    return [
        shlex.join([*words, "--seed", str(seed), *more])
        for seed, more in zip(seeds, further, strict=True)
    ]


def _typed(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
