"""GRACE on Cora's public split (needs the Planetoid files; see `gcl.datasets.load`)."""

import sys

from torch_geometric.seed import seed_everything

import gcl

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 400
seed_everything(0)
data = gcl.datasets.load("cora")
method = gcl.methods.grace(data, hidden=256, proj=256, drop_edge=(0.3, 0.4))
gcl.fit(method, data, epochs=epochs, lr=5e-4, callbacks=[gcl.callbacks.ProgressBar()])
z = gcl.embed(method, data)
print(gcl.evaluate.linear_probe(z, data.y, protocol="public", data=data))
print(gcl.evaluate.cluster(z, data.y))
