"""Configurations: those of the benchmarks, and what is wrong with one."""

from pathlib import Path

import pytest
import torch
from torch_geometric.data import Batch, HeteroData
from torch_geometric.transforms import ToUndirected

import gcl
from gcl.datasets.hetero import SCHEMAS
from gcl.experiments.config import read_config


def hetero_graph(name):
    """A small graph of the types of a published one."""
    schema = SCHEMAS[name]
    data = HeteroData()
    data.metapaths = [schema.spell(letters) for letters in schema.metapaths]
    for kind in schema.sizes:
        data[kind].num_nodes = 9
    for letters in schema.links:
        source, target = schema.spell(letters)
        data[source, "to", target].edge_index = torch.randint(9, (2, 20))
    return ToUndirected()(data)


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "benchmarks" / "configs").rglob("*.toml")), ids=str
)
def test_every_configuration_is_understood(path):
    run, reported = read_config(path)
    assert path.parent.name == run.recipe
    assert path.stem.startswith(run.dataset)
    if reported:
        assert 0 < reported["accuracy"] < 1
        assert reported["source"]
    data = gcl.datasets.sbm(20, 2, num_features=5)
    if run.protocol.startswith("hetero"):
        data = hetero_graph(run.dataset)
    elif gcl.datasets.DATASETS[run.dataset].graphs:
        assert run.protocol in gcl.evaluate.GRAPH_PROTOCOLS
        run.method["hidden"] = 8
        data = Batch.from_data_list([data, gcl.datasets.sbm(20, 2, num_features=5, seed=1)])
    method = run.build(data)
    assert torch.isfinite(method(method.prepare(data)))
