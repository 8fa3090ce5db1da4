"""The command line: `gcl list | train | bench | plot`.

Exit codes: 0 done, 1 a fault of this program, 2 bad input, 3 training broke down (non-finite loss),
130 interrupted.
"""

from __future__ import annotations

import argparse
import fnmatch
import inspect
import json
import math
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, Namespace
from rich import box
from rich.console import Console
from rich.table import Table

from gcl import benchmark, datasets, evaluate, methods, results
from gcl.benchmark import Run
from gcl.training import NonFiniteLossError

_USAGE = """\
usage: gcl COMMAND ...

  gcl list                              recipes, data sets, protocols
  gcl train RECIPE DATASET [options]    train, evaluate, print a table (gcl train RECIPE --help)
  gcl bench CONFIG_DIR [options]        run configurations, ours beside the reported number
  gcl plot DIR                          figures of a folder written by gcl train --out

Add --json for machines and --debug for tracebacks."""
# Arguments of recipes that are objects, which no option can name.
_OBJECTS = ("data", "encoder", "negatives")
_PROTOCOLS = {**evaluate.PROTOCOLS, **evaluate.HETERO_PROTOCOLS}
_SHOWN = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "cluster_accuracy": "ACC",
    "cluster_nmi": "NMI",
    "cluster_ari": "ARI",
}


class _Parser(argparse.ArgumentParser):
    """One sentence in place of usage and error."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{self.prog}: {message}; see {self.prog} --help.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    commands: dict[str, Callable[[list[str]], None]] = {
        "list": _list,
        "train": _train,
        "bench": _bench,
        "plot": _plot,
    }
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_USAGE)
        return 0 if arguments else 2
    if arguments[0] == "--version":
        from gcl import __version__

        print(__version__)
        return 0
    command = commands.get(arguments[0])
    if command is None:
        known = ", ".join(commands)
        return _complain(f"unknown command {arguments[0]!r}; expected one of {known}", 2)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            command(arguments[1:])
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt:
        kept = "; what was saved stays, go on with --resume" if "--out" in arguments else ""
        return _complain(f"interrupted{kept}", 130)
    except argparse.ArgumentError as error:
        if debug:
            raise
        return _complain(_readable(error), 2)
    except NonFiniteLossError as error:
        if debug:
            raise
        return _complain(str(error), 3)
    except (ValueError, TypeError, OSError) as error:
        if debug:
            raise
        if isinstance(error, OSError) and error.filename:
            return _complain(f"cannot use {error.filename}: {error.strerror}", 2)
        return _complain(str(error), 2)
    return 0


def _list(arguments: list[str]) -> None:
    parser = _Parser("gcl list")
    parser.add_argument("--json", action="store_true", help="print JSON")
    as_json = parser.parse_args(arguments).json
    content: dict[str, dict[str, str]] = {
        "recipes": {name: _first_line(getattr(methods, name)) for name in benchmark.recipes()},
        "data sets": {name: source.about for name, source in datasets.DATASETS.items()},
        "protocols": {name: _protocol_line(name) for name in _PROTOCOLS},
        "protocols for sets of graphs": {
            name: _protocol_line(name) for name in evaluate.GRAPH_PROTOCOLS
        },
    }
    if as_json:
        print(json.dumps(content, indent=2))
        return
    for title, entries in content.items():
        table = Table(title=title, title_justify="left", show_header=False, box=None)
        for name, line in entries.items():
            table.add_row(f"[bold]{name}[/bold]", line)
        Console().print(table, "")


def _train(arguments: list[str]) -> None:
    if not arguments or arguments[0].startswith("-"):
        print(
            f"usage: gcl train RECIPE DATASET [options]\nrecipes: {', '.join(benchmark.recipes())}"
        )
        raise SystemExit(0 if arguments[:1] in (["-h"], ["--help"]) else 2)
    recipe = benchmark.resolve(arguments[0], methods, "recipe")
    parser = _run_parser(arguments[0], recipe)
    if any(a in ("-h", "--help") for a in arguments):
        parser.print_help()
        return
    if len(arguments) < 2 or arguments[1].startswith("-"):
        raise ValueError("gcl train needs RECIPE and DATASET; gcl list shows both.")
    options = _underscored(arguments[2:])
    chosen = parser.parse_args(_config_options(options) + options)
    run = _run_of(arguments[0], arguments[1], recipe, chosen)
    if chosen.seeds < 1:
        raise ValueError(f"--seeds must be at least 1, got {chosen.seeds}.")
    out = Path(chosen.out) if chosen.out else None
    if chosen.resume and out is None:
        raise ValueError("--resume needs --out, the folder to go on in.")
    rows = _train_seeds(run, chosen.seeds, out, resume=chosen.resume)
    table = results.summarize(rows, list(_SHOWN))
    if chosen.json:
        print(json.dumps({"run": asdict(run), "results": table, **results.provenance()}))
    else:
        _print_results(run, table, chosen.seeds)


def _train_seeds(run: Run, seeds: int, out: Path | None, *, resume: bool) -> list[dict[str, Any]]:
    data = benchmark.load_data(run)
    rows: list[dict[str, Any]] = []
    if out is not None:
        if not resume and any((out / name).exists() for name in ("results.csv", "seed-0")):
            raise ValueError(
                f"{out} holds a run already; go on with --resume, or choose another folder."
            )
        if resume and (out / "run.json").is_file():
            earlier, _ = benchmark.read_run(out)
            if asdict(earlier) != json.loads(json.dumps(asdict(run))):
                raise ValueError(f"{out} was made with other options; resume with the same ones.")
            rows = results.read_rows(out / "results.csv", ("seed", "features", *_SHOWN))
        elif (out / "results.csv").exists() or (out / "seed-0").exists():
            raise ValueError(f"{out} has results but no run.json, so nothing tells their options.")
        benchmark.write_run(out / "run.json", run, seeds)
    done = {int(row["seed"]) for row in rows}
    if -1 not in done:
        rows += benchmark.raw_rows(run, data)
        if out is not None:  # a probe of many features takes minutes: not again on --resume
            results.write_rows(out / "results.csv", rows)
    for seed in range(seeds):
        if seed in done:
            continue
        folder = None if out is None else out / f"seed-{seed}"
        rows += benchmark.train_seed(run, data, seed, folder, resume=resume)[0]
        if out is not None:
            results.write_rows(out / "results.csv", rows)
    return [row for row in rows if int(row["seed"]) < seeds]


def _bench(arguments: list[str]) -> None:
    parser = _Parser("gcl bench", description="Run benchmark configurations.")
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
    rows = results.read_rows(out, ("config", "options", "seed", "features", *_SHOWN))
    summary = []
    for name, path in selected.items():
        run, reported = _read_config(path, chosen.device)
        rows = _bench_one(name, run, chosen.seeds, rows, out, arguments)
        mine = [r for r in rows if r["config"] == name and int(r["seed"]) < chosen.seeds]
        table = results.summarize(mine, list(_SHOWN))
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


def _plot(arguments: list[str]) -> None:
    parser = _Parser("gcl plot", description="Figures of a finished run.")
    parser.add_argument("folder", help="a folder written by gcl train --out")
    parser.add_argument("--seed", type=int, default=0, help="which seed's run (default 0)")
    parser.add_argument("--projection", choices=("tsne", "pca"), default="tsne")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args(arguments)
    try:
        from gcl import plot
    except ImportError as error:
        raise ValueError(f"{error}; install the extra: pip install 'pyg-gcl[plot]'.") from None
    files = plot.plot_run(Path(chosen.folder), seed=chosen.seed, projection=chosen.projection)
    if chosen.json:
        print(json.dumps({"files": [str(f) for f in files]}))
    else:
        print("\n".join(str(f) for f in files))


def _run_parser(name: str, recipe: Callable[..., Any]) -> ArgumentParser:
    parser = ArgumentParser(
        prog=f"gcl train {name} DATASET",
        description=_first_line(recipe),
        exit_on_error=False,
        default_env=False,
    )
    parser.add_function_arguments(recipe, skip=set(_OBJECTS), fail_untyped=False)
    parser.add_class_arguments(Run, skip={"recipe", "dataset", "method"})
    parser.add_argument("--seeds", type=int, default=1, help="training seeds 0, 1, ...")
    parser.add_argument(
        "--config", type=str, default="", help="TOML file with any of these options"
    )
    parser.add_argument("--out", type=str, default="", help="folder for results, logs, checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on in the folder of --out")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _underscored(options: Sequence[str]) -> list[str]:
    """`--weight-decay=1` -> `--weight_decay=1`: options are spelt as in the signature, or so."""
    spelt = []
    for option in options:
        name, equals, value = option.partition("=")
        if name.startswith("--"):
            name = "--" + name[2:].replace("-", "_")
        spelt.append(name + equals + value)
    return spelt


def _config_options(options: Sequence[str]) -> list[str]:
    """Options of the file named by --config, to be put before those given by hand."""
    finder = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    finder.add_argument("--config", default="")
    path = finder.parse_known_args(list(options))[0].config
    return _options_of(benchmark.load_config(path)) if path else []


def _options_of(config: dict[str, Any]) -> list[str]:
    told = {"recipe", "dataset", "reported"}
    return [
        part
        for key, value in config.items()
        if key not in told
        for part in (f"--{key}", value if isinstance(value, str) else json.dumps(value))
    ]


def _read_config(path: Path, device: str) -> tuple[Run, dict[str, Any]]:
    config = benchmark.load_config(path)
    for key in ("recipe", "dataset"):
        if key not in config:
            raise ValueError(f"{path} lacks the key {key!r}.")
    recipe = benchmark.resolve(config["recipe"], methods, "recipe")
    try:
        chosen = _run_parser(config["recipe"], recipe).parse_args(
            [*_options_of(config), "--device", device]
        )
    except (argparse.ArgumentError, SystemExit) as error:
        reason = _readable(error) if isinstance(error, argparse.ArgumentError) else error
        raise ValueError(f"{path}: {reason}") from None
    run = _run_of(config["recipe"], config["dataset"], recipe, chosen)
    return run, config.get("reported", {})


def _run_of(name: str, dataset: str, recipe: Callable[..., Any], chosen: Namespace) -> Run:
    fields = [f for f in Run.__dataclass_fields__ if f not in ("recipe", "dataset", "method")]
    parameters = [p for p in inspect.signature(recipe).parameters if p not in _OBJECTS]
    run = Run(
        recipe=name,
        dataset=dataset,
        **{f: getattr(chosen, f) for f in fields},
        method={p: getattr(chosen, p) for p in parameters},
    )
    benchmark.check_device(run.device)
    if run.epochs < 0:
        raise ValueError(f"--epochs must be >= 0, got {run.epochs}.")
    if run.patience < 0:
        raise ValueError(f"--patience must be >= 0, got {run.patience}.")
    if run.protocol not in (*_PROTOCOLS, *evaluate.GRAPH_PROTOCOLS):
        known = ", ".join((*_PROTOCOLS, *evaluate.GRAPH_PROTOCOLS))
        raise ValueError(f"unknown protocol {run.protocol!r}; known: {known}.")
    return run


def _print_results(run: Run, table: dict[str, dict[str, Any]], seeds: int) -> None:
    shown = Table(
        padding=(0, 1, 0, 0),
        title=f"{run.recipe} on {run.dataset}",
        box=box.SIMPLE_HEAD,
        caption=f"accuracy, macro-F1: {_protocol_line(run.protocol)}\n"
        "ACC, NMI, ARI: k-means with as many clusters as classes\n"
        f"training seeds: {seeds}; "
        + ("± over seeds, of raw features over splits" if seeds > 1 else "± over splits or runs"),
        caption_justify="left",
    )
    shown.add_column("features", no_wrap=True)
    for key in _SHOWN:
        shown.add_column(_SHOWN[key], justify="right", no_wrap=True)
    for name, row in table.items():
        shown.add_row(name, *(_percent(row[key], row[f"{key}_std"]) for key in _SHOWN))
    Console().print(shown)


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
            _percent(row[k]["accuracy"], row[k]["accuracy_std"]) if k in row else ""
            for k in (benchmark.RAW, benchmark.UNTRAINED, ours)
        ]
        value = reported.get("accuracy", math.nan)
        told = _percent(value, reported.get("std", 0.0)) if math.isfinite(value) else "-"
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


def _protocol_line(name: str) -> str:
    if name in evaluate.GRAPH_PROTOCOLS:
        of_graphs = evaluate.GRAPH_PROTOCOLS[name]
        return of_graphs.describe(of_graphs.runs, len(of_graphs.Cs))
    protocol = _PROTOCOLS[name]
    return protocol.describe(name, protocol.runs, len(protocol.Cs))


def _percent(value: float, deviation: float) -> str:
    return f"{100 * value:.1f}±{100 * deviation:.1f}"


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _readable(error: argparse.ArgumentError) -> str:
    """jsonargparse's message with the option as it is typed."""
    return re.sub(r'Parser key "([^"]+)":?', r"option --\1:", str(error))


def _complain(sentence: str, code: int) -> int:
    print(f"gcl: {' '.join(str(sentence).split())}", file=sys.stderr)
    return code


def _show_warning(message: Any, category: Any, *_: Any, **__: Any) -> None:
    print(f"gcl: warning: {message}", file=sys.stderr)
