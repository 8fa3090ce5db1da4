"""Graphs to learn on: `load(name)`, and generators that need no files."""

from gcl.datasets.digits import digits
from gcl.datasets.graph_set import GraphSet, as_graph_set, is_set_of_graphs
from gcl.datasets.hetero_sbm import hetero_sbm
from gcl.datasets.karate import karate
from gcl.datasets.load import DATASETS, load, names
from gcl.datasets.sbm import sbm
from gcl.datasets.source import Source, resolve_root

__all__ = [
    "DATASETS",
    "GraphSet",
    "as_graph_set",
    "is_set_of_graphs",
    "Source",
    "digits",
    "hetero_sbm",
    "karate",
    "load",
    "names",
    "resolve_root",
    "sbm",
]
