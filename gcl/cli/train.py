"""`gcl train`: one recipe on one data set."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from gcl.cli.options import SHOWN, SHOWN_FURTHER, config_options, protocol_line, underscored
from gcl.cli.tables import print_table
from gcl.experiments import results
from gcl.experiments.composition import compose
from gcl.experiments.config import check_typed, run_of, run_parser
from gcl.experiments.provenance import provenance
from gcl.experiments.run import (
    NO_TRAINING,
    Run,
    load_data,
    raw_rows,
    read_run,
    train_seed,
    write_run,
)


def train_command(arguments: list[str]) -> None:
    composition = compose(arguments[0])
    parser = run_parser(composition)
    if any(a in ("-h", "--help") for a in arguments):
        parser.print_help()
        return
    if len(arguments) < 2 or arguments[1].startswith("-"):
        raise ValueError("gcl train needs RECIPE and DATASET; gcl list shows both.")
    options = underscored(arguments[2:])
    options = config_options(options, composition) + options
    check_typed(options, composition)
    chosen = parser.parse_args(options)
    run = run_of(composition, arguments[1], chosen)
    if chosen.seeds < 1:
        raise ValueError(f"--seeds must be at least 1, got {chosen.seeds}.")
    out = Path(chosen.out) if chosen.out else None
    if chosen.resume and out is None:
        raise ValueError("--resume needs --out, the folder to go on in.")
    rows = _train_seeds(run, chosen.seeds, out, resume=chosen.resume)
    further = [key for key in SHOWN_FURTHER if key in rows[-1]]
    table = results.summarize(rows, [*SHOWN, *further])
    if chosen.json:
        print(json.dumps({"run": asdict(run), "results": table, **provenance()}))
    else:
        _print_results(run, table, chosen.seeds)


def _train_seeds(run: Run, seeds: int, out: Path | None, *, resume: bool) -> list[dict[str, Any]]:
    data = load_data(run)
    # Made for its complaints alone: before minutes of probing, and before the folder is written to.
    run.build(data)
    rows: list[dict[str, Any]] = []
    if out is not None:
        if not resume and any((out / name).exists() for name in ("results.csv", "seed-0")):
            raise ValueError(
                f"{out} holds a run already; go on with --resume, or choose another folder."
            )
        if resume and (out / "run.json").is_file():
            earlier, _ = read_run(out)
            if asdict(earlier) != json.loads(json.dumps(asdict(run))):
                raise ValueError(
                    f"{out} was made with other options, or by an earlier version; resume with the "
                    "same ones, or train into another folder."
                )
            rows = results.read_rows(out / "results.csv", ("seed", "features", *SHOWN))
        elif (out / "results.csv").exists() or (out / "seed-0").exists():
            raise ValueError(f"{out} has results but no run.json, so nothing tells their options.")
        write_run(out / "run.json", run, seeds)
    done = {int(row["seed"]) for row in rows}
    if NO_TRAINING not in done:
        rows += raw_rows(run, data)
        if out is not None:  # a probe of many features takes minutes: not again on --resume
            results.write_rows(out / "results.csv", rows)
    for seed in range(seeds):
        if seed in done:
            continue
        folder = None if out is None else out / f"seed-{seed}"
        rows += train_seed(run, data, seed, folder, resume=resume)[0]
        if out is not None:
            results.write_rows(out / "results.csv", rows)
    return [row for row in rows if int(row["seed"]) < seeds]


def _print_results(run: Run, table: dict[str, dict[str, Any]], seeds: int) -> None:
    shown = Table(
        padding=(0, 1, 0, 0),
        title=f"{run.recipe} on {run.dataset}",
        box=box.SIMPLE_HEAD,
        caption=f"accuracy, macro-F1: {protocol_line(run.protocol)}\n"
        "ACC, NMI, ARI: k-means with as many clusters as classes\n"
        f"training seeds: {seeds}; "
        + ("± over seeds, of raw features over splits" if seeds > 1 else "± over splits or runs"),
        caption_justify="left",
    )
    shown.add_column("features", no_wrap=True)
    known = {**SHOWN, **SHOWN_FURTHER}
    keys = [key for key in known if key in next(iter(table.values()))]
    for key in keys:
        shown.add_column(known[key], justify="right", no_wrap=True)
    for name, row in table.items():
        shown.add_row(name, *(percent(row[key], row[f"{key}_std"]) for key in keys))
    print_table(shown)


def percent(value: float, deviation: float) -> str:
    return f"{100 * value:.1f}±{100 * deviation:.1f}"
