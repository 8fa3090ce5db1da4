"""Runs of recipes on data sets, from options to tables: what `gcl train` and `gcl bench` do.

Modules are loaded when they are first asked for: the command line needs some before torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    try:
        return import_module(f"gcl.experiments.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"gcl.experiments.{name}":
            raise  # a library that the module needs
        raise AttributeError(f"module 'gcl.experiments' has no attribute {name!r}") from None
