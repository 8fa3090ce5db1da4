"""Sums over the nodes of graphs, by a loop."""

import torch

from gcl.nn.readouts import sum_readout


def test_sums_of_the_nodes_of_each_graph():
    z = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    batch = torch.tensor([0, 0, 0, 2, 4, 4])  # graphs 1 and 3 have no nodes
    out = sum_readout(z, batch, 5)
    expected = torch.zeros(5, 3, dtype=torch.float64)
    for row, graph in zip(z.detach(), batch.tolist(), strict=True):
        expected[graph] += row
    torch.testing.assert_close(out, expected)
    grad = torch.randn(5, 3, dtype=torch.float64)
    (found,) = torch.autograd.grad(out, z, grad)
    assert torch.equal(found, grad[batch])


def test_it_tells_the_number_of_nodes():
    ones = torch.ones(7, 1)
    counts = sum_readout(ones, torch.tensor([0, 1, 1, 1, 2, 2, 2]), 3)
    assert counts.tolist() == [[1], [3], [3]]


def test_one_graph_and_no_nodes():
    z = torch.tensor([[1.0, 2.0], [3.0, -4.0]])
    assert sum_readout(z, torch.zeros(2, dtype=torch.long), 1).tolist() == [[4, -2]]
    assert sum_readout(z[:0], torch.zeros(0, dtype=torch.long), 2).tolist() == [[0, 0], [0, 0]]
