"""`gcl bench`: a folder of configurations, ours beside the reported numbers."""

from __future__ import annotations

import fnmatch
import json
import math
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from gcl import evaluate
from gcl.checkpoint import make_folder, write_atomically
from gcl.cli.options import Parser
from gcl.cli.tables import print_table
from gcl.cli.train import percent
from gcl.experiments import leaderboard, provenance, results, suite
from gcl.experiments.config import protocol_line, read_config
from gcl.experiments.references import PROPAGATED, RAW
from gcl.experiments.results import SHOWN
from gcl.experiments.run import UNTRAINED
from gcl.experiments.shipped import configs_in, shipped_folder
from gcl.experiments.suite import Entry
from gcl.training.state import NonFiniteLossError


def bench_command(arguments: list[str]) -> None:
    parser = Parser("gcl bench", description="Run benchmark configurations.")
    parser.add_argument(
        "folder",
        nargs="?",
        default="",
        help="folder of <recipe>/<dataset>.toml (default: the configurations of the package)",
    )
    parser.add_argument(
        "--only", nargs="+", default=["*"], help="patterns of recipe/dataset, e.g. 'grace/*'"
    )
    parser.add_argument(
        "--protocol",
        choices=evaluate.PROTOCOLS,
        help="a leaderboard: all under this protocol, with raw and propagated features and (where "
        "it has validation nodes) a supervised GCN",
    )
    parser.add_argument("--seeds", type=int, default=5, help="seeds a configuration (default 5)")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time (default 1)")
    parser.add_argument("--out", default="results.csv", help="results file; what it has is skipped")
    parser.add_argument(
        "--embeddings",
        help="folder that keeps what is trained, for other protocols to measure without training",
    )
    parser.add_argument("--no-cluster", action="store_true", help="leave k-means out")
    parser.add_argument("--page", help="also write the leaderboard as a Markdown page, with a plot")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--precision", choices=("fp32", "bf16"), help="of the trainings, in place of the files'"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args(arguments)
    for option in ("seeds", "jobs"):
        if getattr(chosen, option) < 1:
            raise ValueError(f"--{option} must be at least 1, got {getattr(chosen, option)}.")
    if chosen.page and not chosen.protocol:
        raise ValueError("--page shows one protocol; give --protocol too.")
    if chosen.page and Path(chosen.page).suffix != ".md":
        raise ValueError(f"--page must name a Markdown file, such as board.md, got {chosen.page}.")
    told = {key: getattr(chosen, key) for key in ("device", "precision") if getattr(chosen, key)}
    entries = _entries(Path(chosen.folder) if chosen.folder else None, chosen.only, told)
    if not chosen.protocol:
        entries = suite.with_protocols(entries)
    else:
        every = {entry.run.dataset for entry in entries}
        entries, absent = suite.under(entries, chosen.protocol)
        for name, reason in absent.items():
            _say(f"left out, as its files are missing: {name} ({reason.removeprefix('load: ')})")
        if not entries:
            raise ValueError(f"No configuration has data that {chosen.protocol!r} is for.")
        if without := sorted(every - {entry.run.dataset for entry in entries} - set(absent)):
            _say(f"left out, as protocol {chosen.protocol} is not for them: {', '.join(without)}")
        entries = [*suite.references(entries), *entries]
    out, command = Path(chosen.out), "gcl bench " + shlex.join(arguments)
    rows = results.read_rows(out, ("config", "options", "protocol", "seed", "features", "accuracy"))
    results.check_numbers(out, rows, ("accuracy",))
    kept = Path(chosen.embeddings) if chosen.embeddings else None
    if kept is not None and kept.exists() and not kept.is_dir():
        raise ValueError(f"--embeddings must name a folder, and {kept} is a file.")
    todo = suite.tasks(entries, chosen.seeds, rows, not chosen.no_cluster, kept)
    rows, failed = _fill(out, rows, todo, command, chosen.jobs)
    if chosen.protocol:
        _show_leaderboard(rows, entries, chosen, command)
    else:
        summary = [_summary(entry, rows, chosen.seeds) for entry in entries]
        if chosen.json:
            print(json.dumps(summary))
        else:
            _print_bench(summary)
    if failed:
        broken = all(isinstance(error, NonFiniteLossError) for error in failed.values())
        kind = NonFiniteLossError if broken else ValueError
        raise kind(f"{len(failed)} runs failed: {', '.join(failed)}; the reasons stand above.")


def _entries(folder: Path | None, only: list[str], told: dict[str, str]) -> list[Entry]:
    if folder and not folder.is_dir():
        raise ValueError(f"There is no folder {folder}; without one, those of the package are run.")
    configs = configs_in(folder or shipped_folder())
    selected = {
        n: p for n, p in configs.items() if any(fnmatch.fnmatch(n, pattern) for pattern in only)
    }
    if not selected:
        known = f"there: {', '.join(configs) or 'none'}" if folder else "gcl list shows them"
        raise ValueError(
            f"No configuration in {folder or 'the package'} matches {shlex.join(only)}; {known}."
        )
    return [Entry(name, *read_config(path, **told)) for name, path in selected.items()]


def _fill(
    out: Path, rows: list[dict[str, Any]], todo: list[suite.Task], command: str, jobs: int
) -> tuple[list[dict[str, Any]], dict[str, Exception]]:
    """Run what is missing; every row is kept as soon as it is there. Also what failed, and why."""
    failed: dict[str, Exception] = {}
    if todo:
        provenance.commit()  # before the first row changes a file of the checkout
        # Written before the first long run, so that an unwritable place shows at once.
        rows = results.add_rows(out, [])
    work = out.with_name(f"{out.name}.work")
    for task, found in suite.run_tasks(todo, jobs, work):
        if isinstance(found, Exception):
            failed[f"{task.name} seed {task.seed}"] = found
            _say(f"{task.name} seed {task.seed} failed, {type(found).__name__}: {found}")
            continue
        new = [{**suite.told(task, command), **row} for row in found]
        rows = results.add_rows(out, new, key=("config", "protocol", "seed", "features"))
        task.forget(work)
    return rows, failed


def _say(sentence: str) -> None:
    print(f"gcl: {sentence}", file=sys.stderr)


def _summary(entry: Entry, rows: list[dict[str, Any]], seeds: int) -> dict[str, Any]:
    mine = [row for row in suite.of_entry(rows, entry) if int(row["seed"]) < seeds]
    table = results.summarize(mine, [key for key in SHOWN if all(row.get(key) for row in mine)])
    told = {"config": entry.name, "protocol": entry.run.protocol, "reported": entry.reported}
    return {**told, **table}


def _show_leaderboard(
    rows: list[dict[str, Any]], entries: list[Entry], chosen: Any, command: str
) -> None:
    board = leaderboard.leaderboard(rows, entries, chosen.seeds)
    if chosen.page:
        page = Path(chosen.page)
        picture = page.with_suffix(".png")
        try:
            from gcl import plot
        except ImportError as error:
            raise ValueError(f"{error}; install the extra: pip install 'pyg-gcl[plot]'.") from None
        accuracies = {
            dataset: {line.method: line.values for line in lines}
            for dataset, lines in board.items()
        }
        make_folder(page.parent)
        plot.accuracies(accuracies).savefig(picture, dpi=120)
        text = leaderboard.markdown(board, protocol_line(chosen.protocol), command, picture.name)
        write_atomically(page, text.encode())
    if chosen.json:
        print(json.dumps({name: [asdict(x) for x in lines] for name, lines in board.items()}))
        return
    for dataset, lines in board.items():
        shown = Table(title=f"{dataset}, test accuracy, %", box=box.SIMPLE_HEAD, padding=(0, 1))
        for head in leaderboard.HEADS:
            words = head in ("method", "commit")
            shown.add_column(head, justify="left" if words else "right", no_wrap=True)
        for line in lines:
            shown.add_row(*line.cells())
        print_table(shown)
    print(f"protocol {protocol_line(chosen.protocol)}")


def _print_bench(summary: list[dict[str, Any]]) -> None:
    shown = Table(
        title="test accuracy, %",
        caption="± over training seeds; of raw features, or with one seed, over splits",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for column in ("config", "raw", "propagated", "untrained", "ours", "reported", "protocol"):
        words = column in ("config", "protocol")
        shown.add_column(column, justify="left" if words else "right", no_wrap=True)
    for row in summary:
        ours = next((k for k in row if isinstance(row[k], dict) and _is_trained(k)), "")
        reported = row["reported"]
        cells = [
            percent(row[k]["accuracy"], row[k]["accuracy_std"]) if k in row else ""
            for k in (RAW, PROPAGATED, UNTRAINED, ours)
        ]
        value = reported.get("accuracy", math.nan)
        told = percent(value, reported.get("std", 0.0)) if math.isfinite(value) else "-"
        shown.add_row(row["config"], *cells, told, row["protocol"])
    print_table(shown)
    for row in summary:
        if "source" in row["reported"]:
            protocol = row["reported"].get("protocol", row["protocol"])
            other = (
                "" if protocol == row["protocol"] else f"; protocol {protocol}: does not compare"
            )
            print(f"reported {row['config']}: {row['reported']['source']}{other}")


def _is_trained(features: str) -> bool:
    return features not in ("reported", RAW, PROPAGATED, UNTRAINED)
