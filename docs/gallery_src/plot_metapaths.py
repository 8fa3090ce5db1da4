"""
A schema, its meta-paths, and what lies along them
==================================================

On the left, the types of a small graph of papers and the edge types between them. In the middle,
the graph of the meta-path paper, author, paper: how many authors two papers share. On the right,
what MEOW adds to a paper for that meta-path: its context, the authors on the way.
"""

# sphinx_gallery_thumbnail_number = 0

import networkx as nx
import torch
from matplotlib.figure import Figure
from torch_geometric.data import HeteroData
from torch_geometric.transforms import ToUndirected

import gcl
from gcl.transforms import AddMetaPaths, metapath_contexts

COLOURS = {"paper": "#4477aa", "author": "#ee6677", "subject": "#ccbb44"}
data = HeteroData()
data["paper"].num_nodes, data["author"].num_nodes, data["subject"].num_nodes = 6, 5, 2
data["paper", "written_by", "author"].edge_index = torch.tensor(
    [[0, 0, 1, 1, 2, 3, 3, 4, 5], [0, 1, 0, 1, 1, 2, 3, 3, 4]]
)
data["paper", "about", "subject"].edge_index = torch.tensor(
    [[0, 1, 2, 3, 4, 5], [0, 0, 0, 1, 1, 1]]
)
data = ToUndirected()(data)
data = AddMetaPaths([["paper", "author", "paper"]])(data)
name, ((context,),) = next(iter(metapath_contexts(data).items()))

figure = Figure(figsize=(9, 3.2), layout="constrained")
left, middle, right = figure.subplots(1, 3)

# Of every edge type and its reverse one line is enough.
schema = nx.Graph()
for source, relation, target in data.edge_types:
    if source != target and not relation.startswith(("rev_", "context_")):
        schema.add_edge(source, target, relation=relation)
place = {"author": (0, 0), "paper": (1, 0.6), "subject": (2, 0)}
nx.draw_networkx(
    schema, place, ax=left, node_size=2400, node_color=[COLOURS[n] for n in schema], font_size=9
)
relations = nx.get_edge_attributes(schema, "relation")
nx.draw_networkx_edge_labels(schema, place, relations, ax=left, font_size=8)
left.set(title="schema", xlim=(-0.5, 2.5), ylim=(-0.4, 1))

papers = nx.Graph()
papers.add_nodes_from(range(6))
edges = data[name].edge_index.t().tolist()
for (i, j), weight in zip(edges, data[name].edge_weight.int().tolist(), strict=True):
    if i < j:
        papers.add_edge(i, j, weight=weight)
place = nx.circular_layout(papers)
nx.draw_networkx(papers, place, ax=middle, node_color=COLOURS["paper"], font_color="white")
shared = nx.get_edge_attributes(papers, "weight")
nx.draw_networkx_edge_labels(papers, place, shared, ax=middle, font_size=8)
middle.set(title="meta-path: shared authors")

contexts = nx.Graph()
for author, paper in data[context].edge_index.t().tolist():
    contexts.add_edge(f"p{paper}", f"a{author}")
place = {f"p{i}": (0, -i) for i in range(6)} | {f"a{i}": (1, -1.25 * i) for i in range(5)}
shades = [COLOURS["paper" if node[0] == "p" else "author"] for node in contexts]
nx.draw_networkx(contexts, place, ax=right, node_color=shades, font_size=8, font_color="white")
right.set(title="context: the authors", xlim=(-0.3, 1.3))
for axes in (left, middle, right):
    axes.set_axis_off()

# %%
# The context enters by a mean over these edges, with a matrix of its own for every meta-path and
# position.

paths = gcl.transforms.AddMetaPaths([["paper", "author", "paper"]])
method = gcl.methods.meow(data, paths=paths, hidden=8, clusters=(2,))
print(method.contexts)
