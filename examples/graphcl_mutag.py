"""GraphCL on MUTAG beside a kernel and an untrained GIN: python examples/graphcl_mutag.py [epochs]

Needs the files of TU's MUTAG, see `gcl.datasets.load`.
"""

import sys

from torch_geometric.loader import DataLoader
from torch_geometric.seed import seed_everything

import gcl
from gcl.baselines.wl_histograms import wl_histograms
from gcl.evaluate import graph_classification

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
seed_everything(0)
graphs = gcl.datasets.load("mutag")
method = gcl.methods.graphcl(graphs)
in_order = DataLoader(graphs, batch_size=128)
untrained = gcl.embed(method, in_order)
gcl.fit(method, DataLoader(graphs, 128, shuffle=True), epochs=epochs, lr=1e-2, weight_decay=0)
z = gcl.embed(method, in_order)

for name, features in {"untrained": untrained, "GraphCL": z}.items():
    print(name, graph_classification(features, graphs.y, seeds=1))
histograms = wl_histograms(graphs)
print("WL", graph_classification(histograms, graphs.y, protocol="10-fold-kernel", seeds=1))
