"""DGI written plainly, in float64."""

import torch
from torch.nn.functional import prelu
from torch_geometric.nn import GCNConv

import gcl
from gcl.methods.recipes.dgi import dgi


def test_the_papers_loss_by_hand():
    data = gcl.datasets.karate()
    data.x = torch.rand(34, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    method = dgi(data, hidden=5, normalize=False).double()
    conv = GCNConv(7, 5).double()
    with torch.no_grad():
        conv.lin.weight.copy_(method.encoder.weights[0].t())
        conv.bias.copy_(method.encoder.biases[0])
    slope = method.encoder.afters[0][0].weight

    def encode(x):
        return prelu(conv(x, data.edge_index), slope)

    torch.manual_seed(5)
    shuffled = method.corrupt(data.clone()).x
    assert not torch.equal(shuffled, data.x)
    h, bad = encode(data.x), encode(shuffled)
    s = torch.sigmoid(h.mean(0))
    score = torch.cat([h @ method.score.weight @ s, bad @ method.score.weight @ s])
    truth = torch.cat([torch.ones(34), torch.zeros(34)]).double()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(score, truth)
    torch.manual_seed(5)
    assert torch.isclose(method(data), expected, rtol=1e-12)
    assert torch.allclose(method.embed(data), h)
