"""Hidden links: split, train on the links that are left, and rank the hidden ones."""

from torch_geometric.seed import seed_everything

import gcl

data = gcl.datasets.sbm(num_nodes=1000, num_classes=20)


def untrained(shown, seed):
    seed_everything(seed)
    return gcl.embed(gcl.methods.grace(shown, hidden=64, normalize=False), shown)


def trained(shown, seed):
    seed_everything(seed)
    options = {"tau": 0.6, "mask_feature": (0, 0), "normalize": False}  # features are no words
    method = gcl.methods.grace(shown, hidden=64, **options)
    gcl.fit(method, shown, epochs=60)
    return gcl.embed(method, shown)


embeddings = {"raw features": lambda shown, seed: shown.x, "untrained": untrained, "GRACE": trained}
for name, train in embeddings.items():
    print(name, gcl.evaluate.link_prediction_runs(train, data, seeds=3))
