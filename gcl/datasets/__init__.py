"""Graphs to learn on: `load(name)`, and generators that need no files."""

from gcl.datasets.digits import digits
from gcl.datasets.hetero_sbm import hetero_sbm
from gcl.datasets.karate import karate
from gcl.datasets.load import DATASETS, load, names
from gcl.datasets.sbm import sbm
from gcl.datasets.source import Source, resolve_root
from gcl.datasets.tu import GraphSet

__all__ = [
    "DATASETS",
    "GraphSet",
    "Source",
    "digits",
    "hetero_sbm",
    "karate",
    "load",
    "names",
    "resolve_root",
    "sbm",
]
