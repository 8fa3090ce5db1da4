"""Graphs to learn on: `load(name)`, and generators that need no files."""

from gcl.datasets.digits import digits
from gcl.datasets.files import from_files, to_files
from gcl.datasets.graph_set import GraphSet, as_graph_set, is_set_of_graphs
from gcl.datasets.hetero_sbm import hetero_sbm
from gcl.datasets.karate import karate
from gcl.datasets.load import DATASETS, load, names
from gcl.datasets.sbm import sbm
from gcl.datasets.sbm_files import sbm_to_files
from gcl.datasets.source import Source, resolve_root

__all__ = [
    "DATASETS",
    "GraphSet",
    "as_graph_set",
    "is_set_of_graphs",
    "Source",
    "digits",
    "from_files",
    "hetero_sbm",
    "karate",
    "load",
    "names",
    "resolve_root",
    "sbm",
    "sbm_to_files",
    "to_files",
]
