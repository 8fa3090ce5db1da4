"""Lengths of embeddings against NumPy's."""

import numpy as np
import pytest
import torch
from torch_geometric.nn import GIN

import gcl
from gcl.nn.unit_rows import UnitRows


def test_rows_are_those_of_the_encoder_in_length_one():
    data, encoder = gcl.datasets.load("karate"), GIN(34, 8, 2)
    z = encoder(data.x, data.edge_index).detach().numpy()
    unit = UnitRows(encoder)
    expected = z / np.linalg.norm(z, axis=1, keepdims=True)
    np.testing.assert_allclose(unit(data.x, data.edge_index).detach(), expected, rtol=1e-5)
    assert (unit.in_channels, unit.out_channels) == (34, 8)


def test_no_encoder():
    with pytest.raises(TypeError, match="UnitRows: encoder must be an object"):
        UnitRows(GIN)
    with pytest.raises(TypeError, match="UnitRows: encoder must take"):
        UnitRows(torch.nn.Identity())
