"""
Six losses on one graph
=======================

The same encoder, the same views, the same 30 epochs on the digits graph; only the loss differs. One
training seed each, and temperatures and weights as they come: a look at what losses do, not a
ranking.
"""

# sphinx_gallery_thumbnail_number = 0

from matplotlib.figure import Figure
from torch_geometric.seed import seed_everything

import gcl
from gcl import losses

data = gcl.datasets.load("digits")
candidates = {
    "InfoNCE": losses.InfoNCE(0.6),
    "HardNegativeInfoNCE": losses.HardNegativeInfoNCE(0.6, beta=1.0),
    "Sigmoid": losses.Sigmoid(),
    "AlignmentUniformity": losses.AlignmentUniformity(),
    "BarlowTwins": losses.BarlowTwins(),
    "CCASSG": losses.CCASSG(),
}
rows = {}
for name, loss in candidates.items():
    seed_everything(0)
    grace = gcl.methods.grace(data, drop_edge=(0.4, 0.4), mask_feature=(0.0, 0.0), normalize=False)
    method = gcl.methods.TwoView(
        grace.encoder, grace.views, loss, grace.projector, prepare=grace.prepare
    )
    gcl.fit(method, data, epochs=30, lr=1e-3)
    z = gcl.embed(method, data)
    first, second = (gcl.embed(method, view(data)) for view in method.views)
    rows[name] = {
        "accuracy": gcl.evaluate.linear_probe(z, data.y)["accuracy"],
        "ari": gcl.evaluate.cluster(z, data.y)["ari"],
        **gcl.evaluate.geometry(first, second),
    }
    kept = ("accuracy", "ari", "alignment", "uniformity")
    print(f"{name:20}", "  ".join(f"{key} {rows[name][key]:.3f}" for key in kept))

# %%
# What a probe reads off is nearly the same. Where the embeddings end up is not.

figure = Figure(figsize=(9, 3.8), layout="constrained")
left, right = figure.subplots(1, 2)
names = list(rows)
for offset, key in ((-0.2, "accuracy"), (0.2, "ari")):
    at = [i + offset for i in range(len(names))]
    left.barh(at, [rows[name][key] for name in names], height=0.38, label=key)
left.set(yticks=range(len(names)), yticklabels=names, xlim=(0.4, 1), title="probe and k-means")
left.invert_yaxis()
left.legend(fontsize="small", ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.1))
for name in names:
    x, y = rows[name]["alignment"], rows[name]["uniformity"]
    right.scatter(x, y, s=5 * rows[name]["effective_rank"], label=name)
right.set(
    xlabel="alignment (0 = views agree)",
    ylabel="uniformity (lower = spread out)",
    title="geometry; area = effective rank",
)
right.margins(0.15)
right.locator_params(axis="x", nbins=4)
right.legend(fontsize="small", markerscale=0.5, loc="center left", bbox_to_anchor=(1, 0.5))
