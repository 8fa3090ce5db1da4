"""JOAO around a method that draws among augmentations."""

import pytest
import torch
from torch_geometric.data import Batch

import gcl
from gcl.methods import JOAO, joao


@pytest.fixture
def data():
    return Batch.from_data_list([gcl.datasets.sbm(20, 2, num_features=5) for _ in range(4)])


def test_its_pool_is_what_the_second_view_draws_from(data):
    plain = gcl.methods.graphcl(data, hidden=4, walks=0)
    method = joao(plain, lr=0.2, gamma=0.3, every=5)
    assert isinstance(method, JOAO)
    assert [type(t) for t in method.pool] == [type(t) for t in plain.views[1].transforms]
    assert (method.lr, method.gamma, method.every) == (0.2, 0.3, 5)
    assert torch.equal(method.chances, torch.full((3,), 1 / 3))
    gcl.fit(method, data, epochs=2)


def test_refuses(data):
    karate = gcl.datasets.load("karate")
    with pytest.raises(TypeError, match="whose second view draws from several augmentations"):
        joao(gcl.methods.grace(karate, hidden=4))
    with pytest.raises(TypeError, match="such as graphcl, got SimGRACE"):
        joao(gcl.methods.simgrace(data, hidden=4))
