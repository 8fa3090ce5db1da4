"""An adjacency with every part, against a dense matrix."""

import pytest
import torch

from gcl.ops.propagation import Adjacency
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
