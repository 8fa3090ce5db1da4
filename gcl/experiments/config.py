"""What can be given to a run, on the command line or in a file."""

from __future__ import annotations

import argparse
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from gcl import evaluate, methods
from gcl.experiments import run as benchmark
from gcl.experiments.run import Run

# Arguments of recipes that are objects, which no option can name.
OBJECTS = ("data", "encoder", "negatives")


PROTOCOLS = {**evaluate.PROTOCOLS, **evaluate.HETERO_PROTOCOLS}


def run_parser(name: str, recipe: Callable[..., Any]) -> ArgumentParser:
    parser = ArgumentParser(
        prog=f"gcl train {name} DATASET",
        description=first_line(recipe),
        exit_on_error=False,
        default_env=False,
    )
    parser.add_function_arguments(recipe, skip=set(OBJECTS), fail_untyped=False)
    parser.add_class_arguments(Run, skip={"recipe", "dataset", "method"})
    parser.add_argument("--seeds", type=int, default=1, help="training seeds 0, 1, ...")
    parser.add_argument(
        "--config", type=str, default="", help="TOML file with any of these options"
    )
    parser.add_argument("--out", type=str, default="", help="folder for results, logs, checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on in the folder of --out")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def options_of(config: dict[str, Any]) -> list[str]:
    told = {"recipe", "dataset", "reported"}
    return [
        part
        for key, value in config.items()
        if key not in told
        for part in (f"--{key}", value if isinstance(value, str) else json.dumps(value))
    ]


def read_config(path: Path, device: str) -> tuple[Run, dict[str, Any]]:
    config = benchmark.load_config(path)
    for key in ("recipe", "dataset"):
        if key not in config:
            raise ValueError(f"{path} lacks the key {key!r}.")
    recipe = benchmark.resolve(config["recipe"], methods, "recipe")
    try:
        chosen = run_parser(config["recipe"], recipe).parse_args(
            [*options_of(config), "--device", device]
        )
    except (argparse.ArgumentError, SystemExit) as error:
        reason = readable(error) if isinstance(error, argparse.ArgumentError) else error
        raise ValueError(f"{path}: {reason}") from None
    dataset = str(config["dataset"]).lower()  # one name, one data set, on a board too
    run = run_of(config["recipe"], dataset, recipe, chosen)
    return run, _reported(path, config.get("reported", {}))


def _reported(path: Path, told: Any) -> dict[str, Any]:
    """The numbers reported elsewhere, if they are of the form that tables expect."""
    number: tuple[type, ...] = (int, float)
    kinds = {"accuracy": number, "std": number, "source": (str,), "protocol": (str,)}
    if not isinstance(told, dict):
        raise ValueError(f"{path}: [reported] must be a table, got {told!r}.")
    for key, kind in kinds.items():
        if key in told and not isinstance(told[key], kind):
            raise ValueError(
                f"{path}: of [reported], accuracy and std are numbers (fractions), source and "
                f"protocol texts; got {key} = {told[key]!r}."
            )
    return told


def run_of(name: str, dataset: str, recipe: Callable[..., Any], chosen: Namespace) -> Run:
    fields = [f for f in Run.__dataclass_fields__ if f not in ("recipe", "dataset", "method")]
    parameters = [p for p in inspect.signature(recipe).parameters if p not in OBJECTS]
    run = Run(
        recipe=name,
        dataset=dataset,
        **{f: getattr(chosen, f) for f in fields},
        method={p: getattr(chosen, p) for p in parameters},
    )
    benchmark.check_device(run.device)
    benchmark.optimizer_class(run.optimizer)
    if run.epochs < 0:
        raise ValueError(f"--epochs must be >= 0, got {run.epochs}.")
    if run.patience < 0:
        raise ValueError(f"--patience must be >= 0, got {run.patience}.")
    if run.protocol not in (*PROTOCOLS, *evaluate.GRAPH_PROTOCOLS):
        known = ", ".join((*PROTOCOLS, *evaluate.GRAPH_PROTOCOLS))
        raise ValueError(f"unknown protocol {run.protocol!r}; known: {known}.")
    return run


def first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def readable(error: argparse.ArgumentError) -> str:
    """jsonargparse's message with the option as it is typed."""
    return re.sub(r'Parser key "([^"]+)":?', r"option --\1:", str(error))
