"""A method of every recipe and of every variant, and its graph."""

from __future__ import annotations

from functools import partial

from torch_geometric.data import Batch

import gcl
from tests.methods import papers
from tests.test_contracts import GRAPH_RECIPES, RECIPES, VARIANTS


def graphs():
    """By kind; the same in every process."""
    sets = [gcl.datasets.sbm(20, 2, num_features=5, seed=seed) for seed in range(3)]
    return {
        "nodes": gcl.datasets.load("karate"),
        "graphs": Batch.from_data_list(sets),
        "types": papers.graph(),
    }


def cases():
    """`{name: (kind of graph, graph -> method)}`."""
    found = {name: (_kind(name), partial(_of_recipe, name)) for name in (*RECIPES, *GRAPH_RECIPES)}
    found |= {name: ("types", partial(papers.make, name)) for name in papers.RECIPES}
    for name, group in VARIANTS.items():
        for i, (recipe, variant) in enumerate(group):
            found[f"{recipe}+{name}-{i}"] = (_kind(recipe), partial(_varied, recipe, variant))
    return found


def _kind(recipe):
    return "graphs" if recipe in GRAPH_RECIPES else "nodes"


def _of_recipe(name, data):
    return getattr(gcl.methods, name)(data, **{**RECIPES, **GRAPH_RECIPES}[name])


def _varied(recipe, variant, data):
    return variant(_of_recipe(recipe, data))
