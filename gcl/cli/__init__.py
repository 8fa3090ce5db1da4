"""The command line: `gcl list | train | bench | plot`.

Exit codes: 0 done, 1 a fault of this program, 2 bad input, 3 training broke down (non-finite loss),
130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from gcl.cli.bench import bench_command
from gcl.cli.listing import list_command
from gcl.cli.plotting import plot_command
from gcl.cli.train import train_command
from gcl.experiments.config import readable
from gcl.training.state import NonFiniteLossError

_USAGE = """\
usage: gcl COMMAND ...

  gcl list                              recipes, data sets, protocols
  gcl train RECIPE DATASET [options]    train, evaluate, print a table (gcl train RECIPE --help)
  gcl bench CONFIG_DIR [options]        run configurations, ours beside the reported number
  gcl plot DIR                          figures of a folder written by gcl train --out

Add --json for machines and --debug for tracebacks."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    commands: dict[str, Callable[[list[str]], None]] = {
        "list": list_command,
        "train": train_command,
        "bench": bench_command,
        "plot": plot_command,
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
        further = "the same command" if arguments[0] == "bench" else "--resume"
        kept = f"; what was saved stays, go on with {further}" if "--out" in arguments else ""
        return _complain(f"interrupted{kept}", 130)
    except argparse.ArgumentError as error:
        if debug:
            raise
        return _complain(readable(error), 2)
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


def _complain(sentence: str, code: int) -> int:
    print(f"gcl: {' '.join(str(sentence).split())}", file=sys.stderr)
    return code


def _show_warning(message: Any, category: Any, *_: Any, **__: Any) -> None:
    print(f"gcl: warning: {message}", file=sys.stderr)
