"""A random graph of three node types, and its paths counted one by one."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import torch
from torch_geometric.data import HeteroData

SIZES = {"t": 9, "a": 6, "b": 4}
CITES = ("t", "cites", "t")
PATHS = {
    "length 2": ["t", "a", "t"],
    "length 3": ["t", "a", "b", "t"],
    "length 4": ["t", "a", "b", "a", "t"],
    "length 6": ["t", "a", "t", "b", "t", "a", "t"],
    "length 1": [CITES],
    "no palindrome": [CITES, ("t", "to", "a"), ("a", "to", "t")],
    "directed": [CITES, CITES],
}


def random_graph(seed=0):
    """Three types, parallel edges, directed citations; the last t has no edge at all."""
    rng = np.random.default_rng(seed)
    data = HeteroData()
    for kind, size in SIZES.items():
        data[kind].num_nodes = size
    for source, target, edges in (("t", "a", 16), ("t", "b", 12), ("a", "b", 9)):
        ends = rng.integers(0, (SIZES[source] - 1, SIZES[target]), size=(edges, 2))
        data[source, "to", target].edge_index = torch.tensor(ends.T)
        data[target, "to", source].edge_index = torch.tensor(ends.T[::-1].copy())
    data[CITES].edge_index = torch.tensor(rng.integers(0, 8, size=(2, 14)))
    return data


def steps_of(metapath):
    if isinstance(metapath[0], tuple):
        return metapath
    return [(a, "to", b) for a, b in pairwise(metapath)]


def walk_counts(data, steps):
    """How often each node is reached from each target node, by following edges one by one."""
    found = {}
    for start in range(SIZES["t"]):
        here = Counter({start: 1})
        for step in steps:
            there = Counter()
            for source, target in data[step].edge_index.t().tolist():
                there[target] += here[source]
            here = +there
        found.update({(start, end): count for end, count in here.items()})
    return found


def as_dict(store):
    """`(target, source) -> weight`: entry (i, j) of the matrix whose rows listen."""
    pairs = store.edge_index.t().tolist()
    assert len({tuple(p) for p in pairs}) == len(pairs)
    assert sorted(pairs, key=lambda p: p[::-1]) == pairs
    weights = store.edge_weight.tolist()
    return {(i, j): w for (j, i), w in zip(pairs, weights, strict=True)}


def turned(entries):
    return {(j, i): value for (i, j), value in entries.items()}
