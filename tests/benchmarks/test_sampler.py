"""The script that measures samplers, on a small graph; its rival draws what ours may draw."""

import json
import runpy
from pathlib import Path

import pytest
import torch

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "scale" / "sampler.py"))


def test_prints_a_row_for_each_measurement(capsys):
    SCRIPT["main"](["--scale", "0.002", "--repeats", "1", "--json", "--no-parts"])
    told = json.loads(capsys.readouterr().out)
    assert [row["what"] for row in told["rows"]] == [
        "2 seeds, [10, 10]",
        "2 seeds, [15, 10, 5]",
    ] * 2
    assert all(row["seeds_a_second"] > 0 for row in told["rows"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork beside threads of torch
def test_parts_have_a_row():
    pytest.importorskip("pymetis")
    row = SCRIPT["parts"](1000, 4, 4)
    assert row["what"].startswith("METIS, 4 parts of ")


def test_the_plain_sampler_draws_edges_of_the_graph():
    data = SCRIPT["random_graph"](100, 900)
    edges = set(map(tuple, data.edge_index.t().tolist()))
    nodes, found = SCRIPT["PlainSampler"](data)([5, 9, 2], [4, 2])
    assert nodes[:3].tolist() == [5, 9, 2]
    assert len(nodes.unique()) == len(nodes)
    assert set(map(tuple, nodes[found].t().tolist())) <= edges
    arriving = torch.bincount(data.edge_index[1], minlength=100)[nodes[:3]]
    assert torch.equal(torch.bincount(found[1])[:3], arriving.clamp(max=4))
