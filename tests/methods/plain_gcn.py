"""The karate club with features for every recipe, and a GCN out of PyG's layers."""

import torch
from torch_geometric.nn import GCNConv

import gcl


def karate_with_features():
    data = gcl.datasets.karate()
    data.x = torch.rand(34, 40, generator=torch.Generator().manual_seed(0)) + 0.1
    return data


def pyg_gcn(encoder, x, edges, acts):
    for weight, bias, act in zip(encoder.weights, encoder.biases, acts, strict=True):
        conv = GCNConv(*weight.shape)
        with torch.no_grad():
            conv.lin.weight.copy_(weight.t())
            conv.bias.copy_(bias)
        x = act(conv(x, edges))
    return x
