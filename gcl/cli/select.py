"""`gcl select`: which setting to take, without labels."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from gcl import evaluate
from gcl.cli.options import Parser
from gcl.cli.tables import print_table
from gcl.experiments.criteria import CRITERIA, DEFAULT, DEFAULT_OF_SEARCH, VALIDATION, parts
from gcl.experiments.keeping import told
from gcl.experiments.select import Selection, select, spelt

SHOWN = 10  # settings of the table; the file has all


def select_command(arguments: list[str]) -> None:
    known = ", ".join((*CRITERIA, VALIDATION))
    parser = Parser("gcl select", description="Choose a setting, without labels.")
    parser.add_argument("dataset", help="a data set, as of gcl train")
    parser.add_argument(
        "grid", help="a TOML file: [[try]] with recipe, options and [try.grid] of lists of values"
    )
    parser.add_argument(
        "--criterion",
        default="",
        help=f"by which to choose (default {DEFAULT}, of trials {DEFAULT_OF_SEARCH}): {known}; "
        "or several joined by +",
    )
    parser.add_argument("--also", nargs="+", default=[], help="further criteria to show and keep")
    parser.add_argument(
        "--trials", type=int, default=0, help="draw so many settings by Optuna, also from ranges"
    )
    parser.add_argument(
        "--seeds", type=int, default=0, help="trainings of a setting (as the criterion needs)"
    )
    parser.add_argument("--protocol", choices=evaluate.PROTOCOLS, help="of accuracies")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time (default 1)")
    parser.add_argument(
        "--out", default="selection.csv", help="results file; what it has is skipped"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--root", default="", help="folder of the data sets")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args(arguments)
    options = {
        key: getattr(chosen, key)
        for key in ("protocol", "device", "root")
        if getattr(chosen, key) not in (None, "")
    }
    found = select(
        chosen.dataset,
        Path(chosen.grid),
        criterion=chosen.criterion,
        also=chosen.also,
        seeds=chosen.seeds,
        jobs=chosen.jobs,
        out=chosen.out,
        trials=chosen.trials,
        options=options,
        report=_say,
    )
    names = list(dict.fromkeys(n for text in (found.criterion, *chosen.also) for n in parts(text)))
    if chosen.json:
        print(json.dumps(_as_json(found, names)))
    else:
        _print(found, names)
    if found.failed:
        raise ValueError(
            f"{len(found.failed)} trainings failed: {', '.join(found.failed)}; the reasons stand "
            "above."
        )


def _say(sentence: str) -> None:
    print(f"gcl: {sentence}", file=sys.stderr)


def _as_json(found: Selection, names: list[str]) -> dict[str, Any]:
    return {
        "criterion": found.criterion,
        "chosen": {"recipe": found.run.recipe, **found.options},
        "command": found.command,
        "regret": found.regret,
        "settings": [
            {"recipe": run.recipe, **told(run), "scores": {n: float(row[n]) for n in names}}
            for run, row in zip(found.runs, found.rows, strict=True)
        ],
    }


def _print(found: Selection, names: list[str]) -> None:
    shown = Table(
        title=f"settings of {found.run.dataset} by {found.criterion}, the best first",
        caption=f"{min(SHOWN, len(found.rows))} of {len(found.rows)}, means over "
        f"{found.rows[0]['seeds']} training seeds",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for head in ("recipe", "setting", *names):
        words = head in ("recipe", "setting")
        shown.add_column(head, justify="left" if words else "right", no_wrap=True)
    for run, row in list(zip(found.runs, found.rows, strict=True))[:SHOWN]:
        setting = " ".join(f"{name}={spelt(value)}" for name, value in told(run).items())
        shown.add_row(run.recipe, setting, *(f"{float(row[name]):.4f}" for name in names))
    print_table(shown)
    print(f"chosen: {found.command}")
    if found.regret is not None:  # labels come after the choice
        accuracies = [100 * float(row["accuracy"]) for row in found.rows]
        print(
            f"test accuracy of the choice {accuracies[0]:.1f}, the best of the settings "
            f"{max(accuracies):.1f}: a regret of {100 * found.regret:.1f} ({found.run.protocol})"
        )
