"""From a graph to an honest number: GRACE on the embedded digits graph."""

from torch_geometric.seed import seed_everything

import gcl

seed_everything(0)
data = gcl.datasets.load("digits")
# The defaults are those of Cora, where features are words; masking pixels would do harm.
options = {"tau": 0.6, "drop_edge": (0.4, 0.4), "mask_feature": (0, 0), "normalize": False}
method = gcl.methods.grace(data, **options)
untrained = gcl.embed(method, data)
gcl.fit(method, data, epochs=100, lr=1e-3, callbacks=[gcl.callbacks.ProgressBar()])
z = gcl.embed(method, data)

for name, features in {"raw": data.x, "untrained": untrained, "GRACE": z}.items():
    print(name, gcl.evaluate.linear_probe(features, data.y))
