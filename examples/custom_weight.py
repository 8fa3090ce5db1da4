"""Weights of negatives by a rule of your own: nodes of similar degree repel less."""

import torch
from torch_geometric.utils import degree

import gcl
from gcl.losses import InfoNCE
from gcl.ops.log_weight import LogWeight

data = gcl.datasets.load("karate")
log_degree = degree(data.edge_index[0], data.num_nodes).log()
strength = torch.nn.Parameter(torch.tensor(1.0))  # becomes a parameter of the method


def unlike(rows: slice, cols: slice, strength: torch.Tensor) -> torch.Tensor:
    """log W_ij for two ranges of nodes: a tile, never the whole matrix."""
    distance = (log_degree[rows, None] - log_degree[None, cols]).abs()
    return -strength / (1 + distance)


loss = InfoNCE(tau=0.5, log_weight=LogWeight(unlike, strength, symmetric=True))
grace = gcl.methods.grace(data, hidden=16)
method = gcl.methods.TwoView(grace.encoder, grace.views, loss, grace.projector)
state = gcl.fit(method, data, epochs=20, lr=0.01)
print(f"loss {state.loss:.4f}, strength {strength.item():.3f}")
