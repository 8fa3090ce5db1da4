"""The row of propagation alone: its choice, its figures, its kinds of data."""

import copy
import os
from dataclasses import replace

import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import HalfHop

import gcl
from gcl.baselines import (
    propagated_candidates,
    propagated_features,
    propagated_probe,
    there_and_back,
)
from gcl.evaluate import PROTOCOLS, Splits, graph_classification, linear_probe, random_splits
from gcl.evaluate.protocols import GraphProtocol
from gcl.transforms import AddPropagated, NormalizeRows


@pytest.fixture(scope="module")
def graph():
    """Homophilous, with words so few that a step or two help."""
    return gcl.datasets.sbm(300, 3, num_features=12, seed=1)


def test_every_split_takes_what_is_best_on_its_validation_nodes(graph):
    found = propagated_probe(graph, protocol="random-10-10-80")
    options = propagated_candidates(graph, protocol="random-10-10-80")
    hops = {name: int(name.split("-")[1]) for name in options}
    for split in range(20):
        val = {name: one.per_run["val_accuracy"][split] for name, one in options.items()}
        best = min((n for n in val if val[n] == max(val.values())), key=hops.get)
        assert found.per_run["hops"][split] == hops[best]
        assert found.per_run["accuracy"][split] == options[best].per_run["accuracy"][split]
    assert len(set(found.per_run["hops"])) > 1
    assert found["accuracy"] == pytest.approx(sum(found.per_run["accuracy"]) / 20)
    assert found.protocol.endswith("; unit rows of SGC-2, SGC-4, SGC-8, SSGC-16 on validation")


def test_the_choice_reads_no_test_label(graph):
    splits = random_splits(300, 0.1, 0.1, 6)
    before = propagated_probe(graph, protocol="random-10-10-80", splits=splits).per_run
    for split in range(6):
        poisoned = graph.clone()
        test = splits.test[split]
        poisoned.y = graph.y.where(~test, (graph.y + 1) % 3)
        masks = (splits.train, splits.val, splits.test)
        one = Splits("one", *(mask[split : split + 1] for mask in masks))
        after = propagated_probe(poisoned, protocol="random-10-10-80", splits=one).per_run
        for name in ("hops", "C", "val_accuracy"):
            assert after[name] == [before[name][split]]
        assert after["accuracy"][0] < before["accuracy"][split]


def test_one_rule_where_nothing_is_chosen_on_validation(graph):
    splits = random_splits(300, 0.2, 0, 2)
    rule = replace(PROTOCOLS["e1"], Cs=(0.5, 2.0))
    found = propagated_probe(graph, protocol=rule, splits=splits)
    rows = torch.nn.functional.normalize(propagated_features(graph, 16, "mean"))
    expected = linear_probe(rows, graph.y, protocol=rule, splits=splits)
    assert found["accuracy"] == pytest.approx(expected["accuracy"], abs=0.01)
    assert found.protocol == f"{expected.protocol}; unit rows of SSGC-16"


def test_features_of_every_kind_of_data(graph):
    expected = AddPropagated(16, "mean")(NormalizeRows()(graph.clone())).x
    assert torch.equal(propagated_features(graph), expected)
    raw = AddPropagated(3, "concat")(graph.clone()).x
    assert torch.equal(propagated_features(graph, 3, "concat", normalize=False), raw)

    graphs = [
        Data(x=torch.rand(n, 3), edge_index=torch.randint(0, n, (2, 8)), y=torch.tensor([n % 2]))
        for n in range(3, 9)
    ]
    sums = [propagated_features(one, 2, "mean").sum(0) for one in graphs]
    torch.testing.assert_close(propagated_features(graphs, 2, "mean"), torch.stack(sums))
    batch = Batch.from_data_list(graphs)
    nodes = torch.cat([propagated_features(one, 2, "mean") for one in graphs])
    torch.testing.assert_close(propagated_features(batch, 2, "mean"), nodes)

    types = gcl.datasets.hetero_sbm(30, num_authors=20, num_subjects=5)
    powers = there_and_back(NormalizeRows()(types.clone()), "paper", 2)
    assert torch.equal(propagated_features(types, 2, "last"), powers[2])
    assert torch.equal(propagated_features(types, 2, "concat"), torch.cat(powers, 1))
    mean = 0.95 * (powers[1] + powers[2]) / 2 + 0.05 * powers[0]
    torch.testing.assert_close(propagated_features(types, 2, "mean"), mean)


def test_principal_components(graph):
    rows = propagated_features(graph, 2).double()
    u, s, _ = torch.linalg.svd(rows - rows.mean(0), full_matrices=False)
    found = propagated_features(graph, 2, columns=3).double()
    torch.testing.assert_close(
        found @ found.t(), (u * s**2)[:, :3] @ u[:, :3].t(), atol=1e-5, rtol=1e-3
    )
    assert propagated_features(graph, 2, columns=99).shape == (300, 12)


def test_probes_of_graphs_and_of_types():
    graphs = [
        Data(x=torch.rand(n, 3) + at % 2, edge_index=torch.randint(0, n, (2, 8)), y=at % 2)
        for at, n in enumerate(torch.randint(3, 9, (40,)).tolist())
    ]
    rule = GraphProtocol("mine", "lr", folds=3, runs=1)
    found = propagated_probe(graphs, protocol=rule)
    rows = propagated_features(graphs)
    assert found == graph_classification(rows, torch.arange(40) % 2, protocol=rule)
    assert found.protocol.endswith("; sums of SSGC-16")
    types = gcl.datasets.load("hetero-sbm")
    found = propagated_probe(types, protocol="hetero-20")
    assert found["micro_f1"] > 0.5


def test_what_cannot_be_propagated():
    types = gcl.datasets.hetero_sbm(30, num_authors=20, num_subjects=5)
    del types["paper"].x
    with pytest.raises(ValueError, match="no features at 'paper'"):
        propagated_features(types)
    del types["paper"].y
    with pytest.raises(ValueError, match="no node type with labels"):
        propagated_features(types)
    with pytest.raises(ValueError, match="at least one graph"):
        propagated_features([])
    with pytest.raises(TypeError, match=r"^propagated_features: expected a graph of one node type"):
        propagated_features(3)


FIGURES = {  # measured before, with the package's own probe
    "cora": (81.5, 82.3),
    "citeseer": (71.0, 71.3),
    "pubmed": (80.2, 80.2),
}


@pytest.mark.skipif("GCL_DATA" not in os.environ, reason="needs the files of Planetoid in GCL_DATA")
@pytest.mark.parametrize(
    "name", ["cora", *(pytest.param(n, marks=pytest.mark.slow) for n in ("citeseer", "pubmed"))]
)
def test_figures_of_the_public_splits(name):
    data = gcl.datasets.load(name)
    chosen, best = FIGURES[name]
    assert 100 * propagated_probe(data)["accuracy"] == pytest.approx(chosen, abs=0.3)
    options = propagated_candidates(data).values()
    assert 100 * max(one["accuracy"] for one in options) == pytest.approx(best, abs=0.3)


def test_helper_rows_take_part_and_are_left_out(graph):
    torch.manual_seed(0)
    data = HalfHop(p=0.5)(copy.copy(graph))
    whole = copy.copy(data)
    del whole.slow_node_mask
    rows = propagated_features(data, 2)
    assert torch.equal(rows, propagated_features(whole, 2)[: len(graph.x)])
    found = propagated_probe(data, protocol="random-10-10-80")
    assert found.per_run["hops"]
