"""What lies along meta-paths, added to target nodes."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import elu

from gcl.datasets import hetero_sbm
from gcl.nn import MetaPathContexts
from gcl.transforms import AddMetaPaths

PATHS = [
    ["paper", "author", "paper"],
    ["paper", "subject", "paper"],
    ["paper", "author", "paper", "author", "paper"],
]


def graph(paths=PATHS):
    return AddMetaPaths(paths)(hetero_sbm(20, num_authors=15, num_subjects=4))


def states(data):
    torch.manual_seed(0)
    return {kind: torch.randn(data[kind].num_nodes, 4) for kind in data.node_types}


def test_equals_the_sum_written_out():
    data = graph()
    h, layer = states(data), MetaPathContexts([1, 1, 3], 4)
    fused = layer.fuse(h["paper"], layer(data, h))
    assert len(fused) == 3
    pa = torch.zeros(20, 15)
    pa[tuple(data["paper", "to", "author"].edge_index)] = 1
    mean = pa / pa.sum(1, keepdim=True).clamp(min=1)
    torch.testing.assert_close(fused[0], elu(h["paper"] + mean @ h["author"] @ layer.weights[0]))
    total = h["paper"]
    for reach, kind, weight in (
        (pa, "author", layer.weights[2]),
        (pa @ pa.t(), "paper", layer.weights[3]),
        (pa @ pa.t() @ pa, "author", layer.weights[4]),
    ):
        reach = (reach > 0).float()
        mean = reach / reach.sum(1, keepdim=True).clamp(min=1)
        total = total + mean @ h[kind] @ weight
    torch.testing.assert_close(fused[2], elu(total))


def test_order_of_context_nodes_does_not_matter():
    data, layer = graph(PATHS[:1]), MetaPathContexts([1], 4)
    h = states(data)
    order = torch.randperm(15)
    other = hetero_sbm(20, num_authors=15, num_subjects=4)
    place = order.argsort()
    for name in (("paper", "to", "author"), ("author", "to", "paper")):
        edges = other[name].edge_index.clone()
        row = 1 if name[0] == "paper" else 0
        edges[row] = place[edges[row]]
        other[name].edge_index = edges
    other["author"].x = other["author"].x[order]
    other = AddMetaPaths(PATHS[:1])(other)
    moved = {**h, "author": h["author"][order]}
    torch.testing.assert_close(layer(other, moved)[0][0], layer(data, h)[0][0])


def test_another_graph_than_it_was_made_for():
    data = graph(PATHS[:2])
    with pytest.raises(ValueError, match=r"made for \(1, 1, 3\).*the graph has \(1, 1\)"):
        MetaPathContexts([1, 1, 3], 4)(data, states(data))
