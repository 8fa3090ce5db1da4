"""CCA-SSG is a linear-last GCN under its loss, and nothing else."""

import torch
from torch_geometric.nn import GCNConv

import gcl
from gcl.methods.recipes.cca_ssg import cca_ssg


def test_without_augmentation_it_is_the_formula():
    data = gcl.datasets.karate()
    data.x = torch.rand(34, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    method = cca_ssg(
        data, hidden=5, drop_edge=0, mask_feature=0, lam=0.01, normalize=False
    ).double()
    z = data.x
    layers = zip(
        method.encoder.weights, method.encoder.biases, [torch.relu, lambda z: z], strict=True
    )
    for weight, bias, act in layers:
        conv = GCNConv(*weight.shape).double()
        with torch.no_grad():
            conv.lin.weight.copy_(weight.t())
            conv.bias.copy_(bias)
        z = act(conv(z, data.edge_index))
    assert torch.allclose(method.embed(data), z)
    assert method.projector is None
    h = (z - z.mean(0)) / (z.var(0, unbiased=False).sqrt() + 1e-5)
    agreement = (h * h).sum() / 34
    decorrelation = (torch.eye(5) - h.t() @ h / 34).square().sum()
    assert torch.isclose(method(data), 2 * 0.01 * decorrelation - agreement, rtol=1e-10)


def test_rates_and_depth_reach_their_places():
    data = gcl.datasets.load("karate")
    method = cca_ssg(data, hidden=5, drop_edge=0.3, mask_feature=0.2, num_layers=1)
    assert len(method.encoder.weights) == 1
    for view in method.views:
        assert "EdgeDropping(p=0.3" in repr(view)
        assert "FeatureMasking(p=0.2)" in repr(view)


def test_the_network_without_edges():
    data = gcl.datasets.load("karate")
    method = cca_ssg(data, hidden=5, mlp=True)
    prepared = method.prepare(data)
    z = method.embed(prepared)
    prepared.edge_index = prepared.edge_index[:, :0]
    assert torch.equal(method.embed(prepared), z)
    method(prepared).backward()
    assert isinstance(
        method.encoder.afters[0][0].module, torch.nn.BatchNorm1d
    )  # as the authors have it
