"""
Four augmentations of a molecule
================================

Methods for whole graphs compare a graph with an augmented copy. Here are the four augmentations of
GraphCL on caffeine. They work on a batch of graphs as on one, each graph keeps at least one node,
and masks, positions and edge attributes follow what is left.
"""

# sphinx_gallery_thumbnail_number = 0

import torch
from matplotlib.figure import Figure
from torch_geometric.data import Data
from torch_geometric.transforms import Compose

from gcl.augment import EdgeAdding, EdgeDropping, FeatureNoise, NodeDropping, RandomWalkSubgraph

atoms = "NCNCCCNCNOOCCC"  # without hydrogen
bonds = [
    (0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0), (4, 6), (6, 7),
    (7, 8), (8, 3), (1, 9), (5, 10), (0, 11), (2, 12), (6, 13),
]  # fmt: skip
place = [
    (0.0, 1.0), (0.0, 0.0), (0.9, -0.5), (1.8, 0.0), (1.8, 1.0), (0.9, 1.5), (2.7, 1.3),
    (3.3, 0.5), (2.7, -0.3), (-0.9, -0.5), (0.9, 2.5), (-0.9, 1.5), (0.9, -1.5), (3.0, 2.3),
]  # fmt: skip
one_way = torch.tensor(bonds).T
kind = torch.tensor(["CNO".index(atom) for atom in atoms])
molecule = Data(
    x=torch.eye(3)[kind],
    edge_index=torch.cat([one_way, one_way.flip(0)], 1),
    pos=torch.tensor(place),
    atom=torch.arange(len(atoms)),
)

# %%
# Dropped nodes take their edges along; a random walk keeps the subgraph that it visits; edge
# perturbation drops some edges and adds others; attribute masking puts noise in the place of
# features.

views = {
    "nodes dropped": NodeDropping(0.2, remove=True),
    "random-walk subgraph": RandomWalkSubgraph(num_starts=1, walk_length=8),
    "edges perturbed": Compose([EdgeDropping(0.2), EdgeAdding(0.2)]),
    "attributes masked": FeatureNoise(std=0.5, p=0.2, mean=0.5, replace=True),
}
torch.manual_seed(4)
graphs = {"caffeine": molecule, **{name: view(molecule) for name, view in views.items()}}
for name, graph in graphs.items():
    print(f"{name}: {graph.num_nodes} atoms, {graph.num_edges // 2} bonds")

# %%
# What is gone is dotted or grey, new edges are red, and masked atoms are crossed out. Nothing was
# looked up for the picture: every view carries the positions of its atoms.

colours = ["0.25", "tab:blue", "tab:orange"]

figure = Figure(figsize=(12, 3), layout="constrained")
known = set(map(tuple, molecule.edge_index.T.tolist()))
for axes, (name, graph) in zip(figure.subplots(1, 5), graphs.items(), strict=True):
    for bond in bonds:
        axes.plot(*molecule.pos[list(bond)].T, color="0.7", linestyle=":", linewidth=1.2, zorder=1)
    axes.scatter(*molecule.pos.T, s=60, color="0.9", zorder=2)
    for u, v in graph.edge_index.T.tolist():
        old = (int(graph.atom[u]), int(graph.atom[v])) in known
        axes.plot(*graph.pos[[u, v]].T, color="0.45" if old else "tab:red", linewidth=1.6, zorder=3)
    shown = [colours[k] for k in kind[graph.atom]]
    axes.scatter(*graph.pos.T, s=110, c=shown, zorder=4)
    masked = (graph.x != molecule.x[graph.atom]).any(1)
    axes.scatter(*graph.pos[masked].T, s=150, c="tab:red", marker="x", linewidth=2.5, zorder=5)
    axes.set_title(name)
    axes.set_aspect("equal")
    axes.set_axis_off()
