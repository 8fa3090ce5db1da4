"""GGD written plainly: summed projections, and powers of the dense adjacency."""

import torch

import gcl
from gcl.methods.recipes.ggd import ggd


def test_the_papers_loss_and_embedding_by_hand():
    data = gcl.datasets.karate()
    data.x = torch.rand(34, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    method = ggd(data, hidden=5, hops=4, mask_feature=0.4, normalize=False).double()
    torch.manual_seed(5)
    view = method.view(data.clone())
    shuffled = method.corrupt(view.clone())
    columns = (view.x != 0).any(0)
    assert 0 < int(columns.sum()) < 7  # some columns are masked, in both copies alike
    assert torch.equal((shuffled.x != 0).any(0), columns)
    (head,) = method.score.layers
    scores = [head(method.encoder(g.x, g.edge_index)).sum(1) for g in (view, shuffled)]
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.cat(scores), torch.cat([torch.ones(34), torch.zeros(34)]).double()
    )
    torch.manual_seed(5)
    assert torch.isclose(method(data), expected, rtol=1e-12)
    a = torch.eye(34, dtype=torch.float64)
    a[data.edge_index[1], data.edge_index[0]] = 1
    a = a / a.sum(1).sqrt() / a.sum(1, keepdim=True).sqrt()
    h = method.encoder(data.x, data.edge_index)
    assert torch.allclose(method.embed(data), h + a @ a @ a @ a @ h, rtol=1e-10)


def test_layers_of_the_head():
    method = ggd(gcl.datasets.load("karate"), hidden=5, head_layers=4)
    assert len(method.score.layers) == 4
