"""
What a view is
==============

Contrastive methods compare two random views of one graph. Here are two views of the karate club:
each keeps every node, drops some edges, and zeroes some feature columns.
"""

# sphinx_gallery_thumbnail_number = 0

import networkx as nx
import torch
from matplotlib.figure import Figure
from torch_geometric.transforms import Compose
from torch_geometric.utils import to_networkx

import gcl

torch.manual_seed(0)
data = gcl.datasets.load("karate")
view = Compose([gcl.augment.EdgeDropping(0.3), gcl.augment.FeatureMasking(0.3)])
graphs = {"the graph": data, "first view": view(data), "second view": view(data)}
for name, graph in graphs.items():
    print(
        f"{name}: {graph.num_nodes} nodes, {graph.num_edges // 2} edges, "
        f"{int(graph.x.any(dim=0).sum())} feature columns in use"
    )

# %%
# Dropped edges are dotted. Both directions of an undirected edge go together.

whole = to_networkx(data, to_undirected=True)
place = nx.spring_layout(whole, seed=4)
figure = Figure(figsize=(10, 3.6), layout="constrained")
for axes, (name, graph) in zip(figure.subplots(1, 3), graphs.items(), strict=True):
    kept = to_networkx(graph, to_undirected=True).edges
    lost = [edge for edge in whole.edges if edge not in kept]
    nx.draw_networkx_edges(whole, place, kept, ax=axes, edge_color="0.45", width=0.9)
    nx.draw_networkx_edges(whole, place, lost, ax=axes, edge_color="tab:red", style=":", width=0.9)
    nx.draw_networkx_nodes(
        whole, place, ax=axes, node_color=data.y, cmap="tab10", vmax=9, node_size=45
    )
    axes.set_title(f"{name}: {len(kept)} edges")
    axes.set_axis_off()

# %%
# The same features, one row a node and one column a feature (here one-hot): masking empties whole
# columns, so a node whose own column is gone must be recognised by its neighbours.

features = Figure(figsize=(10, 3.9), layout="constrained")
for axes, (name, graph) in zip(features.subplots(1, 3), graphs.items(), strict=True):
    masked = (~graph.x.any(dim=0)).nonzero().flatten()
    axes.imshow(graph.x, cmap="Greys", interpolation="nearest")
    for column in masked:
        axes.axvspan(column - 0.5, column + 0.5, color="tab:red", alpha=0.15, linewidth=0)
    axes.set(title=f"{name}: {len(masked)} columns masked", xlabel="feature", ylabel="node")
    axes.set(xticks=[], yticks=[])
