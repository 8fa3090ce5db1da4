"""Hops beside an embedding against SciPy, and what they are for: neighbours of other classes."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch_geometric.data import Batch

import gcl
from gcl.methods import with_hops


def unit(z):
    length = np.linalg.norm(z, axis=1, keepdims=True)
    return z / np.where(length > 0, length, 1)


def hops_by_scipy(data, hops):
    rows, cols = data.edge_index.numpy()
    n = data.num_nodes
    loops = sp.csr_array((np.ones(len(rows)), (cols, rows)), shape=(n, n)) + sp.eye_array(n)
    scale = sp.diags_array(loops.sum(axis=1) ** -0.5)
    found = [data.x.double().numpy()]
    for _ in range(hops):
        found.append(scale @ loops @ scale @ found[-1])
    return found


def test_columns():
    data = gcl.datasets.load("karate")
    method = gcl.methods.dgi(data, hidden=8, normalize=False)
    z = gcl.embed(with_hops(method, hops=3, weight=0.5), data)
    parts = [0.5 * unit(hop) for hop in hops_by_scipy(data, 3)]
    expected = np.concatenate([unit(gcl.embed(method, data).double().numpy()), *parts], axis=1)
    np.testing.assert_allclose(z.double().numpy(), expected, atol=1e-6)


def test_training_is_that_of_the_method():
    data, losses = gcl.datasets.load("karate"), []
    torch.manual_seed(0)
    method = gcl.methods.bgrl(data, hidden=8, predictor=8)
    for trained in (with_hops(method), method):
        torch.manual_seed(1)
        losses.append([row["loss"] for row in gcl.fit(trained, data, epochs=3).history])
    assert losses[0] == losses[1]


def test_neighbours_of_other_classes():
    """No link is within a class: what an average over neighbours learns is worth less than x."""
    data = gcl.datasets.sbm(1200, 4, homophily=0.0, noise=4.0)
    splits = gcl.evaluate.random_splits(1200, 0.1, 0.1, 5, 0)
    torch.manual_seed(0)
    method = gcl.methods.dgi(data, hidden=64, normalize=False)
    both = with_hops(method)
    gcl.fit(both, data, epochs=30)
    z, alone = gcl.embed(both, data), gcl.embed(both.method, data)
    scores = [
        gcl.evaluate.linear_probe(rows, data.y, splits=splits)["val_accuracy"]
        for rows in (z, alone, data.x)
    ]
    assert scores[0] > scores[2] + 0.02
    assert scores[0] > scores[1] + 0.1


def test_only_seeds_and_no_helpers():
    data = gcl.datasets.load("karate")
    method = with_hops(gcl.methods.dgi(data, hidden=8))
    prepared = method.prepare(data)
    prepared.input_id, prepared.batch_size = torch.arange(5), 5
    assert torch.equal(method.eval().embed(prepared), gcl.embed(method, data)[:5])


def test_what_is_refused():
    data = gcl.datasets.load("karate")
    method = with_hops(gcl.methods.dgi(data, hidden=8))
    with pytest.raises(ValueError, match=r"with_hops: the graph has no hop_rows; call .*prepare"):
        method.embed(data)
    with pytest.raises(ValueError, match="with_hops: weight must be a number above 0, got 0"):
        with_hops(gcl.methods.dgi(data, hidden=8), weight=0)
    graphs = Batch.from_data_list([data, data])
    with pytest.raises(TypeError, match="with_hops: hops are those of nodes"):
        with_hops(gcl.methods.graphcl(graphs, hidden=8))
    assert "hops=2, weight=1" in repr(method)
