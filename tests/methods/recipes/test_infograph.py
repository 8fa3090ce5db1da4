"""InfoGraph: nodes against graphs, written plainly."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import gcl
from tests.methods.small_graphs import batch


def test_infograph_contrasts_nodes_with_graphs():
    torch.manual_seed(0)
    data = batch(3)
    method = gcl.methods.infograph(data, hidden=4).eval()
    z = method.encoders[0](data.x, data.edge_index)
    graph = torch.stack([z[data.batch == g].sum(0) for g in range(3)])
    assert torch.allclose(method.embed(data), graph, atol=1e-4)
    scores = method.local_head(z) @ method.global_head(graph).T
    own = nn.functional.one_hot(data.batch, 3).bool()
    expected = (
        nn.functional.softplus(-scores[own]).mean()
        + nn.functional.softplus(scores[~own]).mean()
        - 2 * np.log(2)
    )
    assert torch.allclose(method(data), expected, rtol=1e-4)
