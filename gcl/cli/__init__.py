"""The command line: `gcl list | train | embed | bench | select | plot | report`.

Exit codes: 0 done, 1 a fault of this program, 2 bad input, 3 training broke down (non-finite loss),
4 another process of the same training has failed, 130 interrupted (SIGINT), 143 ended by SIGTERM,
129 by SIGHUP; what was reached is saved.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from gcl import __version__
from gcl.cli.names import check_names, recipe_names, variant_names
from gcl.experiments import interrupts
from gcl.names import did_you_mean

# Loaded when they are called: help and complaints need no torch.
COMMANDS = {
    "list": "gcl.cli.listing:list_command",
    "train": "gcl.cli.train:train_command",
    "embed": "gcl.cli.embed:embed_command",
    "bench": "gcl.cli.bench:bench_command",
    "select": "gcl.cli.select:select_command",
    "plot": "gcl.cli.plotting:plot_command",
    "report": "gcl.cli.report:report_command",
}
_USAGE = """\
usage: gcl COMMAND ...

  gcl list                              recipes, data sets, protocols
  gcl train RECIPE DATASET [options]    train, evaluate, print a table (gcl train RECIPE --help);
                                        RECIPE may have variants around it: grace+macl+pot
  gcl train --config grace/cora         as configured: a file, or a configuration of the package
  gcl embed FOLDER DATA --out z.csv     embeddings of any graph by a method that was trained
  gcl bench [CONFIG_DIR] [options]      run configurations, ours beside the reported number
  gcl select DATASET GRID.toml          choose a recipe and its settings, without labels
  gcl plot DIR                          figures of a folder written by gcl train --out
  gcl report DIR                        the same folder as one page of HTML, with a map of the nodes

Add --json for machines and --debug for tracebacks."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_USAGE)
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(__version__)
        return 0
    if arguments[0] not in COMMANDS:
        meant = did_you_mean(arguments[0], COMMANDS)
        known = ", ".join(COMMANDS)
        return _complain(f"unknown command {arguments[0]!r}; {meant}expected one of {known}", 2)
    try:
        with interrupts.handled(), warnings.catch_warnings():
            warnings.showwarning = _show_warning
            _run(arguments[0], arguments[1:])
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt as error:
        always = arguments[0] in ("bench", "select")
        further = "the same command" if always else "--resume"
        out = always or any(a.partition("=")[0] == "--out" for a in arguments)
        kept = f"; what was saved stays, go on with {further}" if out else ""
        return _complain(f"{interrupts.sentence(error)}{kept}", interrupts.exit_code(error))
    except (ArithmeticError, ValueError, TypeError, OSError, RuntimeError) as error:
        sentence, code = _told(error)
        if debug or code == 1:
            raise
        return _complain(sentence, code)
    return 0


def _run(command: str, arguments: list[str]) -> None:
    under_torchrun = "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("WORLD_SIZE") != "1"
    if under_torchrun and command != "train":
        further = "; it starts its own with --jobs" if command in ("bench", "select") else ""
        raise ValueError(f"gcl {command} is one process{further}: leave torchrun out.")
    if command == "train":
        configured = any(a.partition("=")[0] == "--config" for a in arguments)
        if not arguments or (arguments[0].startswith("-") and not configured):
            print(
                "usage: gcl train RECIPE[+VARIANT...] DATASET [options]\n"
                f"recipes: {', '.join(recipe_names())}\nvariants: {', '.join(variant_names())}"
            )
            raise SystemExit(0 if arguments[:1] in (["-h"], ["--help"]) else 2)
        named = len(arguments) > 1 and not arguments[1].startswith("-")
        if not arguments[0].startswith("-"):
            check_names(arguments[0], arguments[1] if named else None)
    module, _, function = COMMANDS[command].partition(":")
    with interrupts.ending_at_once():
        loaded = import_module(module)
    getattr(loaded, function)(arguments)


def _told(error: Exception) -> tuple[str, int]:
    """What to say of an error, and the exit code; 1 for a fault of this program."""
    if isinstance(error, RuntimeError):
        return str(error), 4 if type(error).__name__ == "RankFailedError" else 1
    if isinstance(error, ArithmeticError):
        from gcl.training import NonFiniteLossError

        return str(error), 3 if isinstance(error, NonFiniteLossError) else 1
    if isinstance(error, OSError) and error.filename:
        return f"cannot use {error.filename}: {error.strerror}", 2
    return str(error), 2


def _complain(sentence: str, code: int) -> int:
    print(f"gcl: {' '.join(str(sentence).split())}", file=sys.stderr)
    return code


def _show_warning(message: Any, category: Any, *_: Any, **__: Any) -> None:
    if os.environ.get("TORCHELASTIC_RUN_ID") is None or os.environ.get("RANK") == "0":
        print(f"gcl: warning: {message}", file=sys.stderr)
