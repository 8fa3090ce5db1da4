"""Graph contrastive learning on PyTorch Geometric.

data = gcl.datasets.load("cora")
method = gcl.methods.grace(data, hidden=128, tau=0.4)
gcl.fit(method, data, epochs=200)
z = gcl.embed(method, data)
gcl.evaluate.linear_probe(z, data.y)

Rooms are loaded when they are first asked for: `gcl --help` needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcl import (
        augment,
        baselines,
        callbacks,
        checkpoint,
        data,
        datasets,
        evaluate,
        loader,
        losses,
        methods,
        nn,
        ops,
        testing,
        transforms,
    )
    from gcl.contracts import Method
    from gcl.evaluate.nearest import nearest
    from gcl.experiments.embedder import Embedder
    from gcl.experiments.saving import load, save
    from gcl.experiments.select import select
    from gcl.training import embed, fit

__version__ = "0.1.0"

__all__ = [
    "Embedder",
    "Method",
    "augment",
    "baselines",
    "callbacks",
    "checkpoint",
    "data",
    "datasets",
    "embed",
    "evaluate",
    "fit",
    "load",
    "loader",
    "losses",
    "methods",
    "nearest",
    "nn",
    "ops",
    "save",
    "select",
    "testing",
    "transforms",
]

_HOMES = {
    "Embedder": "gcl.experiments.embedder",
    "Method": "gcl.contracts",
    "embed": "gcl.training",
    "fit": "gcl.training",
    "load": "gcl.experiments.saving",
    "save": "gcl.experiments.saving",
    "nearest": "gcl.evaluate.nearest",
    "select": "gcl.experiments.select",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    try:
        return import_module(f"gcl.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"gcl.{name}":
            raise  # a library that the room needs
        raise AttributeError(f"module 'gcl' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
