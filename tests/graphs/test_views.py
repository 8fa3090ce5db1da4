"""Drawing a view leaves the graph alone."""

import torch
from torch_geometric.data import Data

from gcl.graphs.views import draw_view


def test_the_transform_sees_a_shallow_copy():
    data = Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0], [1]]))

    def change(graph):
        assert graph.x is data.x
        graph.x = 2 * graph.x
        return graph

    assert draw_view(change, data).x.sum() == 4
    assert data.x.sum() == 2
