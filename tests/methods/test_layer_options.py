"""What PyG's models hide in **kwargs comes back, in another process, bit for bit."""

import numpy as np
import pytest
import torch
from torch_geometric import nn as gnn

import gcl
from gcl.methods.layer_options import layer_options
from gcl.methods.made import spell


@pytest.fixture
def data():
    return gcl.datasets.load("karate")


def of_pyg():
    """Models of PyG with what they hand on to their layers, and do not keep."""
    degrees = torch.tensor([0, 1, 11, 6, 6, 3, 2, 0, 1, 1, 1, 0, 1])
    return {
        "attention": gnn.GAT(34, 8, 2, heads=4),
        "with edges": gnn.GAT(34, 8, 2, edge_dim=3, v2=True, heads=2),
        "one layer": gnn.GAT(34, 8, 1, 6, edge_dim=3, heads=2, concat=False, bias=False),
        "skips": gnn.GAT(34, 8, 3, 6, heads=2, residual=True, add_self_loops=False, jk="cat"),
        "trained eps": gnn.GIN(34, 8, 2, train_eps=True, eps=0.5),
        "max": gnn.GraphSAGE(34, 8, 2, aggr="max", root_weight=False, bias=False),
        "two": gnn.GraphSAGE(34, 8, 2, 8, aggr=["max", "mean"], project=True, jk="last"),
        "plain": gnn.GCN(34, 8, 2, normalize=False),
        "improved": gnn.GCN(34, 8, 2, improved=True, bias=False, flow="target_to_source"),
        "edges": gnn.EdgeCNN(34, 8, 2, aggr="mean"),
        "principal": gnn.PNA(
            34, 8, 2, aggregators=["mean", "max", "std"], scalers=["identity", "amplification"],
            deg=degrees, towers=2, edge_dim=3, pre_layers=2, train_norm=True,
        ),
    }  # fmt: skip


AGAIN = """
from pathlib import Path
import numpy as np
import torch
import gcl
data = gcl.datasets.load("karate")
data.edge_attr = torch.from_numpy(np.load("edge_attr.npy"))
for folder in Path().glob("kept-*"):
    np.save(folder / "again.npy", gcl.embed(gcl.load(folder), data).numpy())
"""


@pytest.fixture(scope="module")
def kept_models(run_script, tmp_path_factory):
    folder, embeddings = tmp_path_factory.mktemp("models"), {}
    graph = gcl.datasets.load("karate")
    graph.edge_attr = torch.rand(graph.num_edges, 3)
    np.save(folder / "edge_attr.npy", graph.edge_attr.numpy())
    for name, encoder in of_pyg().items():
        method = gcl.methods.grace(graph, encoder=encoder)
        gcl.fit(method, graph, epochs=2)
        embeddings[name] = gcl.embed(method, graph)
        gcl.save(method, folder / f"kept-{name}")
    done = run_script(folder / "again.py", folder=folder, code=AGAIN)
    assert done.returncode == 0, done.stderr
    return folder, embeddings


@pytest.mark.parametrize("name", of_pyg())
def test_models_of_pyg_come_back_in_another_process_with_all_their_arguments(name, kept_models):
    folder, embeddings = kept_models
    again = np.load(folder / f"kept-{name}" / "again.npy")
    assert again.tobytes() == embeddings[name].numpy().tobytes()
    method, encoder = gcl.load(folder / f"kept-{name}"), of_pyg()[name]
    trained = {key: p.shape for key, p in method.encoder.named_parameters()}
    assert trained == {key: p.shape for key, p in encoder.named_parameters()}


def test_the_degrees_of_a_pna_are_kept_by_their_means(kept_models):
    again = gcl.load(kept_models[0] / "kept-principal").encoder.convs[0].aggr_module
    given = of_pyg()["principal"].convs[0].aggr_module
    for name in ("init_avg_deg_lin", "init_avg_deg_log"):
        assert getattr(again, name) == pytest.approx(getattr(given, name), rel=1e-6)


def test_reading_arguments_of_a_model_draws_nothing(data):
    encoder = of_pyg()["two"]
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    spelt = spell(encoder)
    assert spelt["init_args"]["project"] is True
    assert torch.equal(torch.rand(1), expected)


def test_a_model_with_no_further_arguments_has_none():
    known = {"in_channels": 34, "hidden_channels": 8, "num_layers": 2}
    for kind in (gnn.GIN, gnn.GAT, gnn.GraphSAGE, gnn.EdgeCNN):
        assert layer_options(kind(34, 8, 2), known) == {}
