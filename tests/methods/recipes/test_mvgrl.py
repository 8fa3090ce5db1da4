"""MVGRL: its two encoders, its diffusion, and the four terms of its loss."""

import torch
from torch.nn.functional import softplus
from torch_geometric.nn import GCN

import gcl
from gcl.methods.recipes.mvgrl import mvgrl


def test_nodes_meet_the_summary_of_the_other_structure():
    data = gcl.datasets.karate()
    data.x = torch.rand(34, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    method = mvgrl(data, hidden=5, alpha=0.3, topk=4, normalize=False).double()
    prepared = method.prepare(data)
    diffused = gcl.transforms.PPRDiffusion(0.3, topk=4)(data.clone())
    assert torch.equal(prepared.across_edge_index, diffused.edge_index)
    torch.manual_seed(5)
    shuffled = method.corrupt(data.clone()).x
    sides = []
    for x in (data.x, shuffled):
        near = method.encoder(x, data.edge_index)
        far = method.across(x, diffused.edge_index, diffused.edge_weight)
        sides.append((near, far))
    (near, far), (bad_near, bad_far) = sides
    w = method.score.weight

    def score(h, other):
        return h @ w @ torch.sigmoid(other.mean(0))

    terms = [softplus(-score(near, far)), softplus(-score(far, near))]
    terms += [softplus(score(bad_near, far)), softplus(score(bad_far, near))]
    torch.manual_seed(5)
    assert torch.isclose(method(prepared), torch.stack(terms).mean(), rtol=1e-12)
    assert torch.allclose(method.embed(prepared), near + far)


def test_the_encoders_share_no_weight_and_start_apart():
    data = gcl.datasets.load("karate")
    for encoder in (None, GCN(34, 5, 1)):
        method = mvgrl(data, hidden=5, topk=4, encoder=encoder)
        mine, others = list(method.encoder.parameters()), list(method.across.parameters())
        assert not any(a is b for a, b in zip(mine, others, strict=True))
        assert not torch.equal(mine[0], others[0]) or not torch.equal(mine[-1], others[-1])
