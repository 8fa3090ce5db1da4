"""
Communities and the edges they keep
===================================

The karate club, its communities coloured by their strength, before and after communal edge
dropping at p = 0.4. Edges inside strong communities stay; edges between communities go first.
"""

# sphinx_gallery_thumbnail_number = 0

import networkx as nx
import torch
from matplotlib.figure import Figure
from torch_geometric.utils import to_networkx

import gcl
from gcl.augment import CommunalEdgeDropping
from gcl.transforms import AddCommunities

data = AddCommunities(seed=0)(gcl.datasets.load("karate"))
torch.manual_seed(0)
view = CommunalEdgeDropping(0.4)(data.clone())
print(f"{data.num_edges // 2} links, {view.num_edges // 2} kept")

# %%
# Colour is the strength of a node's community, shape of the layout the graph's own.

figure = Figure(figsize=(9, 4), layout="constrained")
graph = to_networkx(data, to_undirected=True)
place = nx.spring_layout(graph, seed=0)
strength = data.community_strength.numpy()
for axes, shown, title in zip(
    figure.subplots(1, 2), (data, view), ("all links", "one view"), strict=True
):
    links = to_networkx(shown, to_undirected=True)
    nx.draw_networkx_edges(links, place, ax=axes, edge_color="0.6")
    nodes = nx.draw_networkx_nodes(
        graph, place, ax=axes, node_size=90, node_color=strength, cmap="viridis"
    )
    axes.set_title(title)
    axes.axis("off")
figure.colorbar(nodes, ax=figure.axes, label="strength of the community", shrink=0.8)
