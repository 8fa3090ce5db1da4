"""The named protocols, as the papers have them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData, InMemoryDataset

from gcl import datasets
from gcl.evaluate import (
    GRAPH_PROTOCOLS,
    HETERO_PROTOCOLS,
    PROTOCOLS,
    GraphProtocol,
    Protocol,
    default_protocol,
    linear_probe,
)


def test_named_protocols():
    names = {f"10-fold-{kind}" for kind in ("svm", "lr", "rbf", "rbf-raw", "kernel")}
    assert set(GRAPH_PROTOCOLS) == names
    for options, message in (
        ({"classifier": "forest"}, "classifier must be one of"),
        ({"classifier": "svm", "folds": 1}, "folds must be at least 2"),
        ({"classifier": "svm", "runs": 0}, "runs must be at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            GraphProtocol("mine", **options)
    assert all(p.folds == 10 for p in GRAPH_PROTOCOLS.values())


def test_strengths_and_shares_are_those_of_the_papers_code():
    # GRACE: C of 2^-10 ... 2^9, one tenth for training, 20 splits.
    assert PROTOCOLS["e1"].Cs == tuple(np.logspace(-10, 9, 20, base=2))
    assert (PROTOCOLS["e1"].train, PROTOCOLS["e1"].runs) == (0.1, 20)
    # GCA: as much for validation, and 3000 epochs of a linear layer.
    e2 = PROTOCOLS["e2"]
    assert (e2.train, e2.val, e2.epochs, e2.select, e2.l2) == (0.1, 0.1, 3000, True, False)
    # DGI: 50 layers of 100 epochs on the public split, the last of each.
    e3 = PROTOCOLS["e3"]
    assert (e3.train, e3.runs, e3.epochs, e3.select) == (None, 50, 100, False)
    assert set(HETERO_PROTOCOLS) == {"hetero-20", "hetero-40", "hetero-60", "hetero-random"}
    assert {(p.runs, p.epochs) for p in HETERO_PROTOCOLS.values()} == {(50, 200)}


def test_few_labels_a_class_and_raw_rows():
    few = PROTOCOLS["random-20-30-rest"]
    assert (few.train, few.val, few.runs, few.by_class) == (20, 30, 100, True)
    for name in ("random-10-10-80", "random-20-30-rest", "public"):
        raw, own = PROTOCOLS[f"{name}-raw"], PROTOCOLS[name]
        assert (raw.train, raw.val, raw.runs) == (own.train, own.val, own.runs)
        assert (raw.l2, own.l2) == (False, True)
        assert set(own.Cs) < set(raw.Cs)
    with pytest.raises(TypeError, match="Protocol: train must be"):
        Protocol("mine", 0.1, 30, 10, True, "lbfgs", by_class=True)


def test_a_protocol_says_what_is_done():
    line = PROTOCOLS["random-10-10-80"].describe("random-10-10-80", 20, 6)
    assert line == "random-10-10-80: 20 splits, l2 rows, L-BFGS, C of 6 on validation"
    assert PROTOCOLS["public"].describe("public", 1, 6).startswith("public: 1 split, l2 rows")
    mine = PROTOCOLS["e2"].describe("mine", 1, 0)
    assert mine == "e2: 1 mine split, raw rows, Adam 3000 epochs, best on validation"


def test_few_labels_are_told():
    told = GRAPH_PROTOCOLS["10-fold-kernel"].describe(1, 7, 0.1)
    assert told.startswith("10-fold-kernel: 1 division into 10 stratified folds, l2 rows, SVM on")
    assert told.endswith("10 % of the training labels")


def graph(y, **masks):
    return Data(y=y, num_nodes=len(y), **masks)


def test_the_default_follows_the_data():
    assert default_protocol(graph(torch.arange(30) % 2)) == "random-10-10-80"
    assert default_protocol(Data(num_nodes=30)) == "random-10-10-80"
    # Masks are of one split, which ranks no methods.
    mask = torch.arange(30) < 10
    masked = graph(torch.arange(30) % 2, train_mask=mask, val_mask=mask, test_mask=~mask)
    assert default_protocol(masked) == "random-10-10-80"
    known = torch.where(torch.arange(30) < 5, torch.arange(30) % 2, -1)
    assert default_protocol(graph(known)) == "random-20-30-rest"
    assert default_protocol(datasets.load("karate")) == "random-10-10-80"
    graphs = [graph(torch.tensor([i % 2])) for i in range(4)]
    of_pyg = datasets.GraphSet("toy", *InMemoryDataset.collate(graphs))
    for several in (graphs, Batch.from_data_list(graphs), of_pyg):
        assert default_protocol(several) == "10-fold-svm"
    hetero = HeteroData()
    hetero["paper"].y, hetero["author"].num_nodes = torch.arange(30) % 2, 4
    assert default_protocol(hetero) == "hetero-random"
    for name in ("train", "val", "test"):
        hetero["paper"][f"{name}_mask_20"] = mask
    assert default_protocol(hetero) == "hetero-20"


def test_every_default_works():
    for name in ("karate", "sbm"):
        data = datasets.load(name)
        linear_probe(data.x, data.y, protocol=default_protocol(data))
    few = graph(torch.arange(6) % 2)
    linear_probe(torch.eye(6), few.y, protocol=default_protocol(few))
