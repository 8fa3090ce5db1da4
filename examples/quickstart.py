"""From a graph to an honest number: GRACE on the embedded digits graph."""

from torch_geometric.seed import seed_everything

import gcl

seed_everything(0)
data = gcl.datasets.load("digits")
method = gcl.methods.grace(data, hidden=128, tau=0.4)
untrained = gcl.embed(method, data)
gcl.fit(method, data, epochs=50, lr=1e-3, callbacks=[gcl.callbacks.ProgressBar()])
z = gcl.embed(method, data)

for name, features in {"raw": data.x, "untrained": untrained, "GRACE": z}.items():
    print(name, gcl.evaluate.linear_probe(features, data.y))
