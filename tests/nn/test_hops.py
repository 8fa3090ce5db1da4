"""Powers of the normalised adjacency against dense ones."""

import pytest
import torch
from torch_geometric.data import Data

from gcl.nn.hops import add_hops, propagate


@pytest.mark.parametrize("hops", [0, 1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_powers_are_the_dense_ones(hops, weighted):
    edges = torch.tensor([[0, 1, 2, 0, 4], [1, 2, 0, 3, 0]])
    weight = torch.tensor([0.5, 2.0, 1.0, 3.0, 0.2]) if weighted else torch.ones(5)
    data = Data(edge_index=edges, num_nodes=6)
    if weighted:
        data.edge_weight = weight
    a = torch.eye(6)
    a[edges[1], edges[0]] += weight
    scale = a.sum(1).rsqrt()
    a = scale[:, None] * a * scale
    z = torch.randn(6, 2)
    power = torch.linalg.matrix_power(a, hops) @ z
    assert torch.allclose(propagate(z, data, hops), power, atol=1e-6)
    assert torch.allclose(add_hops(z, data, hops), z + power if hops else z, atol=1e-6)
