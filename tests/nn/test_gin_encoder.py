from __future__ import annotations

import pytest
import torch
from torch import nn
from torch_geometric.nn import GIN

from gcl.nn import GINEncoder, ShortcutMLP, side_by_side


def small():
    torch.manual_seed(0)
    edges = torch.tensor([[0, 1, 1, 2, 3], [1, 0, 2, 1, 3]])
    return torch.randn(5, 3), edges


def test_equal_to_layers_written_out():
    x, edges = small()
    encoder = GINEncoder(3, 4, num_layers=2).eval()
    adjacency = torch.zeros(5, 5).index_put_((edges[1], edges[0]), torch.ones(5), accumulate=True)
    found, h = [], x
    for conv, norm in zip(encoder.convs, encoder.norms, strict=True):
        first, last = conv.nn.lins
        h = first(h + adjacency @ h)
        h = last(conv.nn.norms[0](torch.relu(h)))
        h = norm(torch.relu(h))
        found.append(h)
    assert torch.allclose(encoder(x, edges), torch.cat(found, 1), atol=1e-6)
    assert encoder.out_channels == 8


def test_pyg_gin_less_its_last_layer():
    x, edges = small()
    torch.manual_seed(1)
    theirs = GIN(3, 4, 2, act_first=True, norm="batch", jk="cat").eval()
    mine = GINEncoder(3, 4, 2).eval()
    mine.load_state_dict({k: v for k, v in theirs.state_dict().items() if "lin." not in k[:4]})
    assert torch.allclose(theirs.lin(mine(x, edges)), theirs(x, edges), atol=1e-6)
    assert side_by_side(theirs).out_channels == 8
    assert torch.allclose(theirs(x, edges), mine(x, edges))
    mine.reset_parameters()


def test_one_node_in_training_mode():
    z = GINEncoder(3, 4)(torch.ones(1, 3), torch.empty(2, 0, dtype=torch.long))
    assert bool(z.isfinite().all())
    assert GINEncoder(3, 4)(torch.ones(0, 3), torch.empty(2, 0, dtype=torch.long)).shape == (0, 12)


def test_shortcut_head():
    head = ShortcutMLP(3, 4)
    x = torch.randn(2, 3)
    h = x
    for layer in head.layers.lins:
        h = torch.relu(layer(h))
    assert torch.allclose(head(x), h + head.shortcut(x))
    assert sum(isinstance(m, nn.Linear) for m in head.modules()) >= 1


@pytest.mark.parametrize(
    "widths", [{"in_channels": 0}, {"hidden_channels": 0}, {"num_layers": 0}, {"num_layers": 1.5}]
)
def test_errors(widths):
    with pytest.raises((ValueError, TypeError), match=next(iter(widths))):
        GINEncoder(**{"in_channels": 3, **widths})
