"""How far methods look, against which inputs move an embedding."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Data
from torch_geometric.nn import GAT, GCN, GIN, SGConv

import gcl
from gcl import methods
from gcl.training.reach import reach


def path(nodes=12):
    """0 -> 1 -> 2 -> ...: what moves at the last node says how far it looks."""
    edges = torch.stack([torch.arange(nodes - 1), torch.arange(1, nodes)])
    return Data(x=torch.rand(nodes, 3) + 0.5, edge_index=edges)


class Own(nn.Module):
    """Reads the edges itself, in no layer that anybody knows."""

    out_channels = 4

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 4)

    def forward(self, x, edge_index, edge_weight=None):
        return self.linear(x).index_add(0, edge_index[1], self.linear(x)[edge_index[0]])


class Convolved(nn.Module):
    out_channels = 4

    def __init__(self):
        super().__init__()
        self.conv = SGConv(3, 4, K=3)

    def forward(self, x, edge_index, edge_weight=None):
        return self.conv(x, edge_index, edge_weight)


FARTHEST = {
    "gcn": (lambda d: methods.grace(d, hidden=4), 2),
    "hops": (lambda d: methods.ggd(d, hidden=4, num_layers=1, hops=4), 5),
    "sugrl": (lambda d: methods.sugrl(d, hidden=(4,), dim=4), 1),
    "pyg gcn": (lambda d: methods.grace(d, encoder=GCN(3, 4, 3)), 3),
    "gin": (lambda d: methods.bgrl(d, encoder=GIN(3, 4, 2)), 2),
    "gat": (lambda d: methods.dgi(d, encoder=GAT(3, 4, 2)), 2),
    "convolution of several hops": (lambda d: methods.dgi(d, encoder=Convolved()), 3),
    "rows": (lambda d: methods.TwoView(gcl.nn.MLPEncoder(3, (4,), 4), [lambda g: g] * 2,
                                       gcl.losses.InfoNCE(0.5)), 0),
    "seeds": (lambda d: methods.several_seeds(methods.grace(d, hidden=4), seeds=2), 2),
    "pot": (lambda d: methods.pot(methods.grace(d, hidden=4)), 2),
}  # fmt: skip


@pytest.mark.parametrize("name", FARTHEST)
def test_no_farther_node_moves_an_embedding(name):
    make, hops = FARTHEST[name]
    torch.manual_seed(0)
    data = path()
    method = make(data).eval()

    def last(node):
        moved = data.clone()
        if node is not None:
            moved.x[node] += torch.tensor([3.0, -1.0, 7.0])
        with torch.no_grad():
            return gcl.embed(method, moved)[-1]

    still = last(None)
    moving = [11 - node for node in range(12) if not torch.allclose(last(node), still, atol=1e-7)]
    assert max(moving) <= hops  # so much for the expectation
    assert hops <= reach(method) <= hops + 1


def test_what_nobody_knows():
    data = path()
    assert reach(methods.grace(data, encoder=Own())) is None
    assert reach(methods.several_seeds(methods.grace(data, encoder=Own()), seeds=2)) is None
