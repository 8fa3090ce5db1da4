"""The graphs of the board on heterophily, by their rules."""

import runpy
from pathlib import Path

import networkx as nx
import pytest
import torch

from gcl.experiments.config import read_config

FOLDER = Path(__file__).parents[2] / "benchmarks" / "heterophily"


@pytest.fixture(scope="module")
def graphs():
    return runpy.run_path(str(FOLDER / "graphs.py"))


def test_no_edge_stays_inside_a_class(graphs):
    data = graphs["opposite"]()
    source, target = data.edge_index
    assert data.num_edges > 20_000
    assert not (data.y[source] == data.y[target]).any()


def test_a_board_is_a_kings_graph_with_counts_of_mines(graphs):
    data = graphs["board"]()
    king = nx.strong_product(nx.path_graph(100), nx.path_graph(100))
    edges = {tuple(sorted((100 * a + b, 100 * c + d))) for (a, b), (c, d) in king.edges}
    assert {tuple(sorted(pair)) for pair in data.edge_index.t().tolist()} == edges
    assert data.num_edges == 2 * len(edges)
    for cell in (0, 57, 4321):
        row = data.x[cell]
        around = data.edge_index[0][data.edge_index[1] == cell]
        if not row[-1]:
            assert int(row[:9].argmax()) == int(data.y[around].sum())
    assert (data.x.sum(1) == 1).all()  # a count, or that there is none
    assert data.y.float().mean() == pytest.approx(0.2, abs=0.02)
    assert torch.equal(data.x, graphs["board"]().x)


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.toml")), ids=lambda p: p.parent.name)
def test_configurations_are_read(path):
    run, _ = read_config(path)
    assert run.protocol == "random-10-10-80"
