"""Methods that can be bounded, and what the hooks see of their encoder."""

from functools import partial

import pytest
import torch
from torch_geometric.nn import GIN

import gcl
from gcl.augment import EdgeDropping, NodeDropping
from gcl.losses import InfoNCE
from gcl.methods import TwoView
from gcl.methods.provable.pot import POT
from gcl.methods.provable.views import boundable, encoder_calls


@pytest.fixture
def data():
    return gcl.datasets.load("karate")


def wrapped(method, *, masks=False):
    return POT(method, feature_bounds=masks)


def test_calls_hold_what_went_in_between_and_out(data):
    encoder = gcl.nn.GCNEncoder(34, 5, 4)
    method = TwoView(encoder, (EdgeDropping(0.3), EdgeDropping(0.3)), InfoNCE(0.5))
    with encoder_calls(method) as calls:
        first = encoder(data.x, data.edge_index)
        weight = torch.rand(data.num_edges)
        encoder(data.x, edge_index=data.edge_index, edge_weight=weight)
    encoder(data.x, data.edge_index)
    assert len(calls) == 2
    assert calls[0].x is data.x
    assert calls[0].edge_index is data.edge_index
    assert calls[0].edge_weight is None
    assert calls[0].z is first
    assert calls[1].edge_weight is weight
    for call in calls:
        assert [p.shape for p in call.pre_activations] == [(34, 5), (34, 4)]
        assert torch.equal(encoder.afters[-1](call.pre_activations[-1]), call.z)


def test_more_than_two_views_are_refused(data):
    method = gcl.methods.several_views(gcl.methods.grace(data, hidden=6, proj=6))
    with pytest.raises(ValueError, match="one of two views; the method compares 3"):
        POT(method)
    with pytest.raises(ValueError, match="apply several_views to no method under POT"):
        gcl.methods.compactness(method, data)


def test_hooks_are_gone_after_an_error(data):
    def fail(h1, h2):
        raise RuntimeError("no")

    method = TwoView(gcl.nn.GCNEncoder(34, 4), (EdgeDropping(0.1),) * 2, fail)
    with pytest.raises(RuntimeError, match="no"):
        POT(method)(data)
    modules = list(method.encoder.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in modules)


@pytest.mark.parametrize("door", [partial(boundable, "here"), wrapped], ids=["boundable", "POT"])
def test_what_cannot_be_bounded_is_refused_at_the_door(door, data):
    drop = EdgeDropping(0.2)
    gcn = gcl.nn.GCNEncoder(34, 4)

    def two_view(encoder=gcn, view=drop, **options):
        return TwoView(encoder, (view, view), InfoNCE(0.4), **options)

    with pytest.raises(TypeError, match="TwoView, got GCNEncoder"):
        door(gcn)
    with pytest.raises(TypeError, match="TwoView, got POT"):
        door(POT(two_view()))
    with pytest.raises(TypeError, match=r"^(here|POT): bounds need a gcl\.nn\.GCNEncoder, got GIN"):
        door(two_view(GIN(34, 4, 2)))
    with pytest.raises(TypeError, match="ReLU, LeakyReLU or PReLU"):
        door(two_view(gcl.nn.GCNEncoder(34, 4, norm="batch")))
    with pytest.raises(TypeError, match="NodeDropping"):
        door(two_view(view=NodeDropping(0.2)))
    with pytest.raises(TypeError, match="FeatureDropout"):
        door(two_view(view=gcl.augment.FeatureDropout(0.2)), masks=True)
    with pytest.raises(ValueError, match="readout"):
        door(two_view(readout=lambda z, batch, count: z))
