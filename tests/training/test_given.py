"""What fit and embed do with what they are given."""

import pytest
import torch

import gcl
from gcl.training.given import check_method, device_of, prepare, unwrapped


def test_a_graph_is_checked_and_prepared_and_stays():
    data = gcl.datasets.load("karate")
    method = gcl.methods.gca(data, hidden=4)
    prepared = prepare(method, data, device_of(method))
    assert "edge_importance" in prepared
    assert "edge_importance" not in data
    data.x = data.x.clone().fill_(torch.nan)
    with pytest.raises(ValueError, match="NaN"):
        prepare(method, data, device_of(method))


def test_the_method_itself():
    data = gcl.datasets.load("karate")
    method = gcl.methods.grace(data, hidden=4)
    assert unwrapped(torch.compile(method)) is method
    check_method("here", method)
    with pytest.raises(TypeError, match=r"here: .* got Data; the method comes before the data"):
        check_method("here", data)
