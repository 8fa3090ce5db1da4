"""Diagnose: measurements that leave training as it is."""

from __future__ import annotations

import pytest
import torch

import gcl
from gcl.evaluate import diagnostics


class Bare(gcl.Method):
    """One view only."""

    def __init__(self):
        super().__init__()
        self.lin = torch.nn.Linear(34, 4)

    def loss(self, data):
        return self.lin(data.x).square().mean()

    def embed(self, data):
        return self.lin(data.x)


def grace_with_dropout(data):
    # Batch norm and dropout: what a measurement in training mode would disturb.
    encoder = gcl.nn.GCNEncoder(data.num_features, 8)
    head = torch.nn.Sequential(
        torch.nn.Linear(8, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.2)
    )
    view = gcl.augment.EdgeDropping(0.3)
    return gcl.methods.TwoView(encoder, (view, view), gcl.losses.InfoNCE(0.4), head)


def train(callbacks, data, make=grace_with_dropout):
    torch.manual_seed(0)
    method = make(data)
    return gcl.fit(method, data, epochs=5, callbacks=callbacks)


def test_diagnose_leaves_training_bit_for_bit():
    data = gcl.datasets.karate()
    plain = train([], data)
    after = torch.get_rng_state()
    watched = train([gcl.callbacks.Diagnose(every=2, labels=True, anchors=10, prefix="d_")], data)
    assert torch.equal(after, torch.get_rng_state())
    assert [r["loss"] for r in plain.history] == [r["loss"] for r in watched.history]
    for key, value in plain.method.state_dict().items():
        assert torch.equal(value, watched.method.state_dict()[key]), key
    assert ["d_auc" in row for row in watched.history] == [False, True, False, True, True]


def test_diagnose_measures_projections_of_fixed_views(tmp_path):
    data = gcl.datasets.karate()
    log = gcl.callbacks.CSVLog(tmp_path / "log.csv")
    state = train([gcl.callbacks.Diagnose(every=5, labels=True, seed=3), log], data)
    state.method.eval()
    torch.manual_seed(3)
    h1, h2 = state.method.project_views(data)
    expected = diagnostics(h1, h2, data.y, edge_index=data.edge_index, seed=3)
    assert {key: state.history[-1][key] for key in expected} == dict(expected)
    assert "false_negative_rate@10" in (tmp_path / "log.csv").read_text().splitlines()[0]


def test_diagnose_of_one_view_and_of_a_loader():
    data = gcl.datasets.karate()
    row = train([gcl.callbacks.Diagnose()], data, lambda data: Bare()).history[-1]
    assert "perplexity" in row
    assert "neighbour_purity" in row
    assert not {"auc", "gap", "tolerance"} & set(row)
    batches = [data.subgraph(torch.arange(20)), data.subgraph(torch.arange(20, 34))]
    method = grace_with_dropout(data)
    watch = gcl.callbacks.Diagnose(labels=True)
    state = gcl.fit(method, batches, epochs=1, callbacks=[watch])
    assert "tolerance" in state.history[-1]
    assert "neighbour_purity" not in state.history[-1]


def test_diagnose_mistakes():
    with pytest.raises(ValueError, match="every must be at least 1"):
        gcl.callbacks.Diagnose(every=0)
    with pytest.raises(TypeError, match="unknown option 'taus'"):
        gcl.callbacks.Diagnose(taus=1)
    data = gcl.datasets.karate()
    data.y = None
    with pytest.raises(ValueError, match="needs labels"):
        train([gcl.callbacks.Diagnose(labels=True)], data)
