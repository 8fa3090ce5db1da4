"""Provable training: GRACE with and without POT, and which nodes each leaves behind."""

from torch_geometric.seed import seed_everything
from torch_geometric.utils import degree

import gcl

data = gcl.datasets.load("digits")
options = {"tau": 0.6, "drop_edge": (0.4, 0.4), "mask_feature": (0, 0), "normalize": False}
links = degree(data.edge_index[1], data.num_nodes)
for kappa in (0.0, 0.4):
    seed_everything(0)
    # Any two-view method on a GCN can be wrapped; kappa is the weight of the term.
    method = gcl.methods.pot(gcl.methods.grace(data, **options), kappa=kappa)
    gcl.fit(method, data, epochs=20, lr=1e-3)
    z = gcl.embed(method, data)
    accuracy = gcl.evaluate.linear_probe(z, data.y)["accuracy"]
    # A bound of how much closer every node stays to itself than to the others.
    bound = gcl.methods.compactness(method, data, mode="pot")
    print(
        f"kappa {kappa}: accuracy {accuracy:.3f}, bound above 0: {(bound > 0).float().mean():.2f}"
    )
    for low, high in ((0, 4), (4, 8), (8, 99)):
        nodes = (links >= low) & (links < high)
        print(f"  degree {low} to {high - 1}: {nodes.sum()} nodes, mean {bound[nodes].mean():.3f}")
