"""What tests of contrastive clustering share: a graph, and its random walks dense."""

import torch

import gcl

SMALL = {"hidden": (16,), "dim": 6, "pretrain_epochs": 2}
FORMS = ["node", "pair", "paper", "none"]


def karate_with_a_lonely_node():
    data = gcl.datasets.karate()
    data.x = torch.rand(34, 12, generator=torch.Generator().manual_seed(0))
    # One node by itself, as hundreds are in ACM.
    data.edge_index = data.edge_index[:, (data.edge_index != 3).all(0)]
    return data


def dense_gamma(data, order):
    n = data.num_nodes
    walk = torch.eye(n, dtype=torch.float64)
    walk[data.edge_index[1], data.edge_index[0]] = 1
    walk = walk / walk.sum(1, keepdim=True)
    return sum(torch.linalg.matrix_power(walk, p) for p in range(1, order + 1))
