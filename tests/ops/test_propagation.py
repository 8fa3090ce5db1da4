"""An adjacency with every part, against a dense matrix."""

import pytest
import torch

from gcl.ops.propagation import Adjacency, gcn_adjacency
from gcl.ops.structure import structure


@pytest.mark.parametrize("scaled", [False, True])
def test_product_and_gradients_are_those_of_the_dense_matrix(scaled):
    torch.manual_seed(0)
    edges = torch.tensor([[0, 1, 1, 3, 4, 0], [1, 0, 2, 2, 4, 3]])
    pattern = structure(edges, 5)
    values = torch.rand(pattern.num_edges, dtype=torch.double).requires_grad_()
    loop = torch.rand(5, dtype=torch.double).requires_grad_()
    scale = torch.rand(5, dtype=torch.double) if scaled else None
    x = torch.randn(5, 3, dtype=torch.double).requires_grad_()
    s = torch.ones(5, dtype=torch.double) if scale is None else scale
    dense = torch.zeros(5, 5, dtype=torch.double).index_put((pattern.row, pattern.col), values)
    expected = s[:, None] * dense * s + torch.diag(loop)
    grad = torch.randn(5, 3, dtype=torch.double)
    inputs = (x, values, loop)
    found = Adjacency(pattern, values, loop, scale) @ x
    torch.testing.assert_close(found, expected @ x)
    torch.testing.assert_close(
        torch.autograd.grad(found, inputs, grad), torch.autograd.grad(expected @ x, inputs, grad)
    )


def test_of_several_loops_of_a_node_the_last_counts_in_value_and_gradient():
    edges = torch.tensor([[0, 0, 1, 0, 2], [0, 1, 0, 0, 2]])
    weight = torch.tensor([0.3, 0.5, 0.7, 1.9, 0.4], dtype=torch.double).requires_grad_()
    x = torch.randn(3, 2, dtype=torch.double, generator=torch.Generator().manual_seed(0))

    def product(weight):
        return gcn_adjacency(edges, weight, 3, torch.double) @ x

    assert torch.autograd.gradcheck(product, weight)
    (grad,) = torch.autograd.grad(product(weight).sum(), weight)
    assert grad[0] == 0  # by the later loop of the same node
    assert grad[3] != 0
    once = gcn_adjacency(edges[:, 1:], weight[1:], 3, torch.double) @ x
    torch.testing.assert_close(product(weight), once)


def test_with_degrees_of_a_whole_graph_a_part_is_scaled_as_it():
    """D^-1/2 (A + I) D^-1/2 with D = degree + 1, own loops kept, whatever edges are left."""
    edge_index = torch.tensor([[0, 1, 2, 2, 0], [1, 0, 1, 2, 1]])  # a loop, and one edge twice
    weight = torch.tensor([0.5, 2.0, 3.0, 9.0, 1.0], dtype=torch.float64)
    degree = torch.tensor([4.0, 6.0, 0.0], dtype=torch.float64)
    dense = torch.zeros(3, 3, dtype=torch.float64)
    for (source, target), w in zip(edge_index.t().tolist(), weight.tolist(), strict=True):
        dense[target, source] += w
    dense += torch.diag(torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64))  # where there is none
    scale = (degree + 1) ** -0.5
    x = torch.randn(3, 2, dtype=torch.float64)
    adjacency = gcn_adjacency(edge_index, weight, 3, torch.float64, degree)
    torch.testing.assert_close(adjacency @ x, scale[:, None] * (dense @ (scale[:, None] * x)))
    kept = weight.clone()
    kept[1] = 0  # a view drops an edge and leaves the scale of the others
    dense[0, 1] = 0
    adjacency = gcn_adjacency(edge_index, kept, 3, torch.float64, degree)
    torch.testing.assert_close(adjacency @ x, scale[:, None] * (dense @ (scale[:, None] * x)))


def test_a_graph_with_its_own_degrees_is_as_without():
    edge_index = torch.tensor([[0, 1, 2, 2], [1, 0, 1, 2]])  # a loop of weight 1
    x, degree = torch.randn(3, 2), torch.tensor([1.0, 2.0, 0.0])
    given = gcn_adjacency(edge_index, None, 3, torch.float32, degree) @ x
    torch.testing.assert_close(given, gcn_adjacency(edge_index, None, 3, torch.float32) @ x)
