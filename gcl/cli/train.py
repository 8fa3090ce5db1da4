"""`gcl train`: one recipe on one data set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from gcl.cli.options import config_name, config_options, underscored
from gcl.cli.tables import print_table
from gcl.distributed import first_before_others, from_first, is_first, launched, on_first, processes
from gcl.experiments import folder, results
from gcl.experiments.composition import compose
from gcl.experiments.config import (
    load_config,
    parsed_run,
    protocol_line,
    run_of,
    run_parser,
)
from gcl.experiments.provenance import provenance
from gcl.experiments.references import NO_TRAINING, reference_rows, verdict
from gcl.experiments.results import SHOWN, SHOWN_FURTHER
from gcl.experiments.run import (
    Run,
    has_classes,
    has_labels,
    load_data,
    train_seed,
    with_protocol,
)
from gcl.experiments.shipped import config_file

KNOWN = {**SHOWN, **SHOWN_FURTHER}


def train_command(arguments: list[str]) -> None:
    if arguments[0].startswith("-"):
        arguments = [*_named_by_config(arguments), *arguments]
    composition = compose(arguments[0])
    if any(a in ("-h", "--help") for a in arguments):
        run_parser(composition).print_help()
        return
    if len(arguments) < 2 or arguments[1].startswith("-"):
        raise ValueError("gcl train needs RECIPE and DATASET; gcl list shows both.")
    options = underscored(arguments[2:])
    options = config_options(options, composition) + options
    chosen = parsed_run(composition, options)
    run = run_of(composition, arguments[1], chosen)
    seeds = _seeds(chosen)
    out = Path(chosen.out) if chosen.out else None
    if chosen.resume and out is None:
        raise ValueError("--resume needs --out, the folder to go on in.")
    if launched() > 1 and not run.loader:
        raise ValueError(
            f"under torchrun each of the {launched()} processes trains on batches of its own; give "
            "--loader neighbors (or parts, random-parts), or train in one process."
        )
    with processes(run.device):
        _train(run, seeds, out, chosen)


def _train(run: Run, seeds: Sequence[int], out: Path | None, chosen: Any) -> None:
    data = first_before_others(lambda: load_data(run))
    if has_labels(data):
        run = with_protocol(run, data)
    cluster = not chosen.no_cluster and has_classes(data)
    rows = _train_seeds(run, data, seeds, out, resume=chosen.resume, cluster=cluster)
    if not is_first():
        return
    if "accuracy" not in rows[-1]:
        _print_unlabelled(run, rows, out, as_json=chosen.json)
        return
    table = results.summarize(rows, [key for key in KNOWN if all(row.get(key) for row in rows)])
    if chosen.json:
        told = {"run": asdict(run), "results": table, "verdict": verdict(rows, run.recipe)}
        print(json.dumps({**told, **provenance()}))
    else:
        _print_results(run, table, len(seeds))
        if sentence := verdict(rows, run.recipe):
            print(sentence)


def _named_by_config(options: Sequence[str]) -> tuple[str, str]:
    """Recipe and data set of a command that leaves both to its configuration."""
    name = config_name(options)
    config = load_config(config_file(name)) if name else {}
    if not {"recipe", "dataset"} <= config.keys():
        what = f"{name} does not name both" if name else "gcl list shows both"
        raise ValueError(f"gcl train needs RECIPE and DATASET; {what}.")
    return str(config["recipe"]), str(config["dataset"])


def _seeds(chosen: Any) -> list[int]:
    """Which seeds are trained: 0, 1, ... of --seeds, or that of --seed alone."""
    if chosen.seed is not None:
        if chosen.seed < 0:
            raise ValueError(f"--seed must be at least 0, got {chosen.seed}.")
        if chosen.seeds != 1:
            raise ValueError("--seed names one seed and --seeds how many; give one of them.")
        return [chosen.seed]
    if chosen.seeds < 1:
        raise ValueError(f"--seeds must be at least 1, got {chosen.seeds}.")
    return list(range(chosen.seeds))


def _train_seeds(
    run: Run, data: Any, seeds: Sequence[int], out: Path | None, *, resume: bool, cluster: bool
) -> list[dict[str, Any]]:
    if out is None and not has_labels(data):
        raise ValueError(
            f"{run.dataset} has no labels (data.y), so nothing is evaluated; give --out, the "
            "folder for the embedding."
        )
    # Made for its complaints alone: before minutes of probing, and before the folder is written to.
    run.build(data)
    if out is None:
        rows = on_first(lambda: reference_rows(run, data, cluster)) or []
        for seed in seeds:
            rows += train_seed(run, data, seed, cluster=cluster)[0]
        return rows
    if not is_first():
        done, lengths = from_first(lambda: (set[int](), list[int]()))  # the first has the folder
        for seed in (seed for seed in seeds if seed not in done):
            home = out / f"seed-{seed}"
            train_seed(run, data, seed, home, resume=resume, lengths=lengths, cluster=cluster)
        return []
    needs = tuple(key for key in SHOWN if cluster or not key.startswith("cluster_"))
    needs = needs if has_labels(data) else ("loss",)
    with folder.opened(out, run, seeds, data, resume=resume, needs=needs) as (kept, rows):
        done = folder.finished(kept, rows)
        if not any(int(row["seed"]) == NO_TRAINING for row in rows):
            rows += reference_rows(run, data, cluster)
            # A probe of many features takes minutes: not again on --resume.
            results.write_rows(out / "results.csv", rows)
        from_first(lambda: (done, kept.lengths))
        for seed in seeds:
            if seed in done:
                continue
            home = out / f"seed-{seed}"
            train = partial(train_seed, run, data, seed, home, resume=resume, cluster=cluster)
            new = train(lengths=kept.lengths)[0]
            rows = [row for row in rows if int(row["seed"]) != seed] + new
            results.write_rows(out / "results.csv", rows)
    return [row for row in rows if int(row["seed"]) in (NO_TRAINING, *seeds)]


def _print_results(run: Run, table: dict[str, dict[str, Any]], seeds: int) -> None:
    keys = [key for key in KNOWN if key in next(iter(table.values()))]
    clustered = any(key.startswith("cluster_") for key in keys)
    shown = Table(
        padding=(0, 1, 0, 0),
        title=f"{run.recipe} on {run.dataset}",
        box=box.SIMPLE_HEAD,
        caption=f"accuracy, macro-F1: {protocol_line(run.protocol)}\n"
        + "ACC, NMI, ARI: k-means with as many clusters as classes\n" * clustered
        + f"training seeds: {seeds}; "
        + ("± over seeds, of raw features over splits" if seeds > 1 else "± over splits or runs"),
        caption_justify="left",
    )
    shown.add_column("features", no_wrap=True)
    for key in keys:
        shown.add_column(KNOWN[key], justify="right", no_wrap=True)
    for name, row in table.items():
        shown.add_row(name, *(percent(row[key], row[f"{key}_std"]) for key in keys))
    print_table(shown)


def _print_unlabelled(
    run: Run, rows: list[dict[str, Any]], out: Path | None, *, as_json: bool
) -> None:
    """Without labels there is no table: the loss, and where the embeddings are."""
    losses = {int(row["seed"]): float(row["loss"]) for row in rows}
    if as_json:
        print(json.dumps({"run": asdict(run), "loss": losses, **provenance()}))
        return
    for seed, loss in losses.items():
        print(f"{run.name} seed {seed}: loss {loss:.4f}, {out}/seed-{seed}/embedding.npy")
    print(f"{run.dataset} has no labels (data.y): nothing was evaluated")


def percent(value: float, deviation: float) -> str:
    return f"{100 * value:.1f}±{100 * deviation:.1f}"
