"""Both directions of a method: of which nodes, and what else is no pair of views."""

import pytest
import torch

import gcl
from gcl.methods.provable.pot import POT
from gcl.methods.provable.view_bounds import two_view_compactness
from gcl.methods.provable.views import encoder_calls


@pytest.fixture
def data():
    return gcl.datasets.load("karate")


def small(data, **options):
    return gcl.methods.grace(
        data, **{"hidden": 6, "proj": 6, "drop_edge": (0.4, 0.3), "mask_feature": (0, 0), **options}
    )


def test_seed_nodes_of_a_batch_alone_are_bounded(data):
    method = small(data)
    prepared = method.prepare(data)
    prepared.input_id, prepared.batch_size = torch.arange(10), 10
    torch.manual_seed(7)
    with encoder_calls(method) as views:
        method(prepared)
    for mode in ("pot", "certified"):
        first, second = two_view_compactness(method, prepared, views, mode=mode)
        assert first.shape == second.shape == (10,)
    assert POT(method)(prepared).isfinite()


def test_views_must_be_two_of_all_nodes(data):
    method = small(data)
    with pytest.raises(ValueError, match="got 0"):
        two_view_compactness(method, data, [], mode="pot")
    with encoder_calls(method) as views:
        method.loss(data)
    with pytest.raises(ValueError, match="a view has 33 nodes, its graph 34; keep them all"):
        two_view_compactness(
            method, data, [view._replace(x=view.x[1:]) for view in views], mode="pot"
        )
