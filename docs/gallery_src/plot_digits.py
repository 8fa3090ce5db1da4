"""
GRACE on handwritten digits
===========================

1,797 images of 8 x 8 pixels, each linked to its three nearest ones. GRACE learns from the graph
alone; labels only colour the pictures and score the result. Masking whole pixels hurts here, so the
views drop edges only, and the pixels are not normalised.
"""

# sphinx_gallery_thumbnail_number = 0

from torch_geometric.seed import seed_everything

import gcl
from gcl import plot

seed_everything(0)
data = gcl.datasets.load("digits")
method = gcl.methods.grace(
    data, tau=0.6, drop_edge=(0.4, 0.4), mask_feature=(0.0, 0.0), normalize=False
)
untrained = gcl.embed(method, data)
state = gcl.fit(method, data, epochs=80, lr=1e-3)
z = gcl.embed(method, data)
loss = plot.loss_curve(
    [row["epoch"] for row in state.history], [row["loss"] for row in state.history]
)

# %%
# The raw pixels are what a method must beat, and so is the same encoder before training: one
# propagation over a good graph already helps much.

embeddings = {"raw features": data.x, "untrained encoder": untrained, "GRACE": z}
for evaluator in (gcl.evaluate.linear_probe, gcl.evaluate.cluster):
    results = gcl.evaluate.compare(evaluator, embeddings, data.y)
    print(results["GRACE"].protocol)
    for name, result in results.items():
        shown = {key: f"{result[key]:.3f}" for key in ("accuracy", "nmi", "ari") if key in result}
        print(f"  {name:18} {shown}")

# %%
# t-SNE of the raw pixels,

raw = plot.embedding(data.x, data.y, title="raw pixels")

# %%
# and of the embeddings.

trained = plot.embedding(z, data.y, title="GRACE")

# %%
# What the loss works on: a node must be more similar to itself in the other view than to the other
# nodes. It is trained on the output of the projection head; these are the embeddings in front of
# it, which are the ones used afterwards.

first, second = (gcl.embed(method, view(data)) for view in method.views)
pairs = plot.similarities(first, second, title="two views of the digits")
