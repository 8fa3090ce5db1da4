"""What can be given to a run: the options of recipes and training, by hand or from a file."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import NoReturn

from gcl.experiments.composition import Composition
from gcl.experiments.config import load_config, options_of
from gcl.experiments.shipped import config_file
from gcl.names import did_you_mean


class Parser(argparse.ArgumentParser):
    """One sentence in place of usage and error; names of options are written out."""

    def __init__(self, prog: str, description: str | None = None):
        super().__init__(prog, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        message = message.replace("invalid int value:", "expected a whole number, got")
        if found := re.match(r"unrecognized arguments: (\S+)", message):
            known = [name for action in self._actions for name in action.option_strings]
            message = f"unexpected {found[1]!r}; {did_you_mean(found[1], known)}".rstrip("; ")
        stop = " See" if message.endswith("?") else "; see"
        raise ValueError(f"{self.prog}: {message}{stop} {self.prog} --help.")


def underscored(options: Sequence[str]) -> list[str]:
    """`--weight-decay=1` -> `--weight_decay=1`: options are spelt as in the signature, or so."""
    spelt = []
    for option in options:
        name, equals, value = option.partition("=")
        if name.startswith("--"):
            name = "--" + name[2:].replace("-", "_")
        spelt.append(name + equals + value)
    return spelt


def config_options(options: Sequence[str], composition: Composition) -> list[str]:
    """Options of the configuration named by --config, to be put before those given by hand."""
    name = config_name(options)
    return options_of(load_config(config_file(name)), composition) if name else []


def config_name(options: Sequence[str]) -> str:
    """What --config is given; empty without it."""
    finder = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    finder.add_argument("--config", default="")
    try:
        return str(finder.parse_known_args(list(options))[0].config)
    except argparse.ArgumentError as error:
        raise ValueError(f"{error}; give a file, or a name such as grace/cora.") from None
