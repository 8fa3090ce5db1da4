"""What can be told to a run, on the command line or in a file: one reader of both."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import docstring_parser
from jsonargparse import ArgumentParser, Namespace

from gcl import evaluate
from gcl.checks import check_device
from gcl.experiments.composition import (
    Composition,
    compose,
    objects,
    plain_defaults,
    words,
    words_or_objects,
)
from gcl.experiments.lookup import first_line, is_path
from gcl.experiments.run import Run, optimizer_class
from gcl.experiments.spelling import parsed
from gcl.training.settings import settings_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROTOCOLS = {**evaluate.PROTOCOLS, **evaluate.HETERO_PROTOCOLS}
ABOUT_FOLDER = {"seed", "seeds", "config", "out", "resume", "json", "no_cluster"}
TOLD_OTHERWISE = {"recipe", "dataset", "method"}  # fields of a run that are no options


def read_config(path: Path, **told: Any) -> tuple[Run, dict[str, Any]]:
    """The run of a configuration file, and the numbers reported elsewhere.

    Args:
        path: a TOML file with recipe, data set and any option of `gcl train`; the options of
            objects and variants in tables of their own.
        told: options that take the place of the file's, such as `device="cuda"`.

    Raises:
        ValueError: the file is unreadable, names no recipe or no data set, or an option that is
            not one.
    """
    config = load_config(path)
    for key in ("recipe", "dataset"):
        if key not in config:
            raise ValueError(f"{path} lacks the key {key!r}.")
    reported = _reported(path, config.get("reported", {}))
    try:
        run = run_from(config, **told)
    except ValueError as error:
        raise ValueError(f"{path}: {str(error).rstrip('.')}.") from None
    return run, reported


def run_from(config: Mapping[str, Any], **told: Any) -> Run:
    """The run of options by name, see `read_config`.

    Args:
        config: recipe, data set, and any option of `gcl train`.
        told: options that take the place of those.

    Raises:
        ValueError: an option that is not one, or a value that it does not take.
    """
    composition = compose(str(config["recipe"]))
    options = [*options_of(config, composition), *options_of(told, composition)]
    chosen = parsed_run(composition, options)
    dataset = str(config["dataset"])
    if ":" not in dataset and not is_path(dataset):  # one name, one data set, on a board too
        dataset = dataset.lower()
    return run_of(composition, dataset, chosen)


def load_config(path: str | Path) -> dict[str, Any]:
    """A TOML file as a dict.

    Raises:
        ValueError: unreadable, or not valid TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid TOML: {error}.") from None
    except OSError as error:
        raise ValueError(f"Cannot read {path}: {error.strerror}.") from None


def parsed_run(composition: Composition, options: Sequence[str]) -> Namespace:
    """The options of a run as they are typed; those that are not are the recipe's own.

    A warm-up that is not typed keeps its share of the epochs.

    Raises:
        ValueError: an unknown option, or a value that an option does not take.
    """
    parser = run_parser(composition)
    check_typed(options, composition)
    chosen = parsed(parser, options)
    if not any(option.partition("=")[0] == "--warmup" for option in options):
        chosen.warmup = settings_of(composition.recipe).lasting(chosen.epochs).warmup
    return chosen


def run_parser(composition: Composition) -> ArgumentParser:
    """The options of a run: those of its recipe, its variants and of `Run`."""
    parser = ArgumentParser(
        prog=f"gcl train {composition.name} DATASET",
        description=first_line(composition.recipe),
        exit_on_error=False,
        default_env=False,
    )
    taken = {*(f.name for f in fields(Run)), *ABOUT_FOLDER}
    own = {*plain_defaults(composition.recipe), *composition.variants}
    if clash := sorted(own & (taken - TOLD_OTHERWISE)):
        raise ValueError(
            f"{composition.name}: {clash[0]!r} is an option of every run; give the recipe's option "
            "or the variant another name."
        )
    _add_options(parser, composition.recipe, None)
    for name, variant in composition.variants.items():
        _add_options(parser, variant, name)
    for action in parser._actions:  # of a group itself jsonargparse would read a file
        if action.dest in (*composition.variants, *objects(composition.recipe)):
            action.help = argparse.SUPPRESS
    parser.add_class_arguments(Run, skip=TOLD_OTHERWISE)
    parser.set_defaults(asdict(settings_of(composition.recipe)))
    parser.add_argument("--seeds", type=int, default=1, help="how many training seeds: 0, 1, ...")
    parser.add_argument("--seed", type=int | None, default=None, help="one training seed alone")
    parser.add_argument(
        "--config", type=str, default="", help="TOML file with any of these options"
    )
    parser.add_argument("--out", type=str, default="", help="folder for results, logs, checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on in the folder of --out")
    parser.add_argument("--no_cluster", action="store_true", help="leave k-means out")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _add_options(parser: ArgumentParser, function: Any, group: str | None) -> None:
    parameters = _parameters(function)
    either = words_or_objects(function)  # of which the parser shall know the words only
    skipped = {name for name in parameters if name not in words(function) or name in either}
    parser.add_function_arguments(function, group, skip=skipped, fail_untyped=False)
    for name, hint in either.items():
        key = name if group is None else f"{group}.{name}"
        default = plain_defaults(function)[name]
        parser.add_argument(f"--{key}", type=hint, default=default, help=_told_help(function, name))
    for name, kind in objects(function).items():
        key = name if group is None else f"{group}.{name}"
        untold = set(_parameters(kind)) - {*plain_defaults(function)[name]}
        parser.add_class_arguments(kind, key, skip=untold, fail_untyped=False)
        given = plain_defaults(function)[name].items()
        parser.set_defaults({f"{key}.{option}": value for option, value in given})


def _told_help(function: Any, name: str) -> str:
    """What the docstring says of an argument."""
    told = {p.arg_name: p.description for p in docstring_parser.parse_from_object(function).params}
    return told.get(name) or ""


def check_typed(options: Sequence[str], composition: Composition) -> None:
    """Raises ValueError where a group of options is given a value itself: `--macl 0.2`."""
    defaults = composition.defaults()
    for group in (*composition.variants, *objects(composition.recipe)):
        if any(option.partition("=")[0] == f"--{group}" for option in options):
            listed = ", ".join(f"--{group}.{name}" for name in defaults[group])
            raise ValueError(f"--{group} is a group of options; give one of {listed}.")


def options_of(config: Mapping[str, Any], composition: Composition) -> list[str]:
    """The options of a configuration as they are typed."""
    tables = {*composition.variants, *objects(composition.recipe)}
    typed = []
    for key, value in config.items():
        if key in TOLD_OTHERWISE or key == "reported":
            continue
        nested = key in tables and isinstance(value, Mapping)
        parts = {f"{key}.{k}": v for k, v in value.items()} if nested else {key: value}
        for name, part in parts.items():
            try:
                typed += [f"--{name}", part if isinstance(part, str) else json.dumps(part)]
            except TypeError:
                raise ValueError(f"{name} is {part}, and no option takes dates.") from None
    return typed


def run_of(composition: Composition, dataset: str, chosen: Namespace) -> Run:
    """The run that parsed options say, checked.

    Raises:
        ValueError: a device, optimizer or protocol that is not there; a number out of range.
    """
    told = chosen.as_dict()
    names = [f.name for f in fields(Run) if f.name not in TOLD_OTHERWISE]
    run = Run(
        recipe=composition.name,
        dataset=dataset,
        **{name: told[name] for name in names},
        method={name: told[name] for name in composition.defaults() if name in told},
    )
    check_device("--device", run.device)
    optimizer_class(run.optimizer)
    for key in ("lr", "probe_lr"):
        if not getattr(run, key) > 0:
            raise ValueError(f"--{key} must be above 0, got {getattr(run, key):g}.")
    for key in ("weight_decay", "probe_decay", "clip"):
        if not getattr(run, key) >= 0:
            raise ValueError(f"--{key} must be at least 0, got {getattr(run, key):g}.")
    if run.epochs < 0:
        raise ValueError(f"--epochs must be >= 0, got {run.epochs}.")
    if run.warmup >= max(run.epochs, 1):
        raise ValueError(f"--warmup must be below --epochs, got {run.warmup} and {run.epochs}.")
    for key in ("patience", "diagnose"):
        if getattr(run, key) < 0:
            raise ValueError(f"--{key} must be >= 0, got {getattr(run, key)}.")
    if run.protocol and run.protocol not in (*PROTOCOLS, *evaluate.GRAPH_PROTOCOLS):
        known = ", ".join((*PROTOCOLS, *evaluate.GRAPH_PROTOCOLS))
        raise ValueError(f"unknown protocol {run.protocol!r}; known: {known}.")
    return run


def protocol_line(name: str) -> str:
    """How a protocol measures, in a line."""
    if name in evaluate.GRAPH_PROTOCOLS:
        of_graphs = evaluate.GRAPH_PROTOCOLS[name]
        return of_graphs.describe(of_graphs.runs, len(of_graphs.Cs))
    protocol = PROTOCOLS[name]
    return protocol.describe(name, protocol.runs, len(protocol.Cs))


def _parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


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
