"""The module with torch's arguments, names and numbers."""

import pickle

import pytest
import torch
from torch import nn
from torch_geometric.nn.resolver import activation_resolver

from gcl.nn import GCNEncoder, PReLU
from gcl.nn.prelu import activation


def trained(act, steps=3):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), act, nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(6, 5)).square().sum().backward()
        optimizer.step()
    return model.state_dict()


@pytest.mark.parametrize("arguments", [{}, {"num_parameters": 4, "init": 0.1}])
def test_trains_as_torch_s(arguments):
    ours, theirs = trained(PReLU(**arguments)), trained(nn.PReLU(**arguments))
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert not torch.equal(ours["1.weight"], PReLU(**arguments).weight)


def test_state_and_words_are_torch_s():
    ours, theirs = PReLU(3, 0.1), nn.PReLU(3)
    ours.load_state_dict(theirs.state_dict())
    assert torch.equal(ours.weight, theirs.weight)
    assert repr(ours) == repr(theirs)
    assert isinstance(pickle.loads(pickle.dumps(ours)), PReLU)


def test_an_encoder_by_name_has_it_and_one_by_hand_does_not():
    assert [type(after[0]) for after in GCNEncoder(3, 4, act="PReLU").afters] == [PReLU, PReLU]
    assert type(GCNEncoder(3, 4, act=nn.PReLU).afters[0][0]) is nn.PReLU


@pytest.mark.parametrize("name", ["relu", "elu", "rrelu", "leaky_relu"])
def test_other_names_are_pyg_s(name):
    assert type(activation(name)) is type(activation_resolver(name))
    with pytest.raises(ValueError, match="Could not resolve"):
        activation("preluu")
