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
