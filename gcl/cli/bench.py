"""`gcl bench`: a folder of configurations, ours beside the reported numbers."""

from __future__ import annotations

import fnmatch
import json
import math
import shlex
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from gcl import benchmark, results
from gcl.benchmark import Run
from gcl.cli.options import SHOWN, Parser, read_config
from gcl.cli.train import percent


def bench_command(arguments: list[str]) -> None:
    parser = Parser("gcl bench", description="Run benchmark configurations.")
    parser.add_argument("folder", help="folder of <recipe>/<dataset>.toml")
    parser.add_argument("--only", default="*", help="pattern of recipe/dataset, e.g. 'grace/*'")
    parser.add_argument("--seeds", type=int, default=5, help="seeds a configuration (default 5)")
    parser.add_argument("--out", default="results.csv", help="results file; what it has is skipped")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args(arguments)
    if chosen.seeds < 1:
        raise ValueError(f"--seeds must be at least 1, got {chosen.seeds}.")
    folder, out = Path(chosen.folder), Path(chosen.out)
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}.")
    configs = {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in sorted(folder.rglob("*.toml"))
    }
    selected = {n: p for n, p in configs.items() if fnmatch.fnmatch(n, chosen.only)}
    if not selected:
        known = ", ".join(configs) or "none"
        raise ValueError(f"No configuration in {folder} matches {chosen.only!r}; there: {known}.")
    rows = results.read_rows(out, ("config", "options", "seed", "features", *SHOWN))
    summary = []
    for name, path in selected.items():
        run, reported = read_config(path, chosen.device)
        rows = _bench_one(name, run, chosen.seeds, rows, out, arguments)
        mine = [r for r in rows if r["config"] == name and int(r["seed"]) < chosen.seeds]
        table = results.summarize(mine, list(SHOWN))
        summary.append({"config": name, "protocol": run.protocol, "reported": reported, **table})
    if chosen.json:
        print(json.dumps(summary))
        return
    _print_bench(summary)


def _bench_one(
    name: str,
    run: Run,
    seeds: int,
    rows: list[dict[str, Any]],
    out: Path,
    arguments: list[str],
) -> list[dict[str, Any]]:
    mine = [row for row in rows if row["config"] == name]
    if any(row["options"] != benchmark.options_digest(run) for row in mine):
        raise ValueError(
            f"{out} holds results of {name} with other options than its configuration has now; "
            "give another --out, or take those rows out."
        )
    done = {int(row["seed"]) for row in mine}
    missing = [seed for seed in (-1, *range(seeds)) if seed not in done]
    if not missing:
        return rows
    # Written before the first long run, so that an unwritable place shows at once.
    results.write_rows(out, rows)
    data = benchmark.load_data(run)
    told = {
        "config": name,
        "options": benchmark.options_digest(run),
        "protocol": run.protocol,
        "command": "gcl bench " + shlex.join(arguments),
        **results.provenance(),
    }
    for seed in missing:
        if seed < 0:
            new = benchmark.raw_rows(run, data)
        else:
            new, _ = benchmark.train_seed(run, data, seed)
        rows = [*rows, *({**told, **row} for row in new)]
        results.write_rows(out, rows)
    return rows


def _print_bench(summary: list[dict[str, Any]]) -> None:
    shown = Table(
        title="test accuracy, %",
        caption="± over training seeds; of raw features, or with one seed, over splits",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for column in ("config", "raw", "untrained", "ours", "reported", "protocol"):
        words = column in ("config", "protocol")
        shown.add_column(column, justify="left" if words else "right", no_wrap=True)
    for row in summary:
        ours = next(k for k in row if isinstance(row[k], dict) and _is_trained(k))
        reported = row["reported"]
        cells = [
            percent(row[k]["accuracy"], row[k]["accuracy_std"]) if k in row else ""
            for k in (benchmark.RAW, benchmark.UNTRAINED, ours)
        ]
        value = reported.get("accuracy", math.nan)
        told = percent(value, reported.get("std", 0.0)) if math.isfinite(value) else "-"
        shown.add_row(row["config"], *cells, told, row["protocol"])
    Console().print(shown)
    for row in summary:
        if "source" in row["reported"]:
            protocol = row["reported"].get("protocol", row["protocol"])
            other = (
                "" if protocol == row["protocol"] else f"; protocol {protocol}: does not compare"
            )
            print(f"reported {row['config']}: {row['reported']['source']}{other}")


def _is_trained(features: str) -> bool:
    return features not in ("reported", benchmark.RAW, benchmark.UNTRAINED)
