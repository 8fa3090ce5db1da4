"""
Meta-nodes in place of nodes
============================

A softmax loss compares every node with every other one. `MetaNodeNegatives` compares it with the
means of K clusters, each counted as often as it has nodes. How much is lost depends on how far the
nodes of a cluster lie apart, and on the temperature.
"""

# sphinx_gallery_thumbnail_number = 0

import torch
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from torch.nn.functional import normalize
from torch_geometric.seed import seed_everything

import gcl
from gcl.losses import InfoNCE, MetaNodeNegatives

# %%
# The idea on a circle: an anchor (star), all nodes, and the four means that stand in for them. The
# means are not stretched to length 1: a loose cluster has a short one.

generator = torch.Generator().manual_seed(0)
labels = torch.arange(4).repeat_interleave(torch.tensor([25, 12, 20, 6]))
middle, spread = torch.tensor([[0.3, 1.6, 3.2, 4.6], [0.12, 0.3, 0.2, 0.05]])[:, labels]
angles = middle + spread * torch.randn(len(labels), generator=generator)
nodes = torch.stack([angles.cos(), angles.sin()], dim=1)

picture = Figure(figsize=(8, 4), layout="constrained")
left, right = picture.subplots(1, 2, sharex=True, sharey=True)
anchor = nodes[0]
for axes, title in ((left, "exact: 62 products"), (right, "meta-nodes: 4 products")):
    axes.add_artist(Circle((0, 0), 1, fill=False, color="0.8"))
    axes.set(title=title, xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), aspect="equal")
    axes.axis("off")
for node, label in zip(nodes[1:], labels[1:].tolist(), strict=True):
    left.plot(*zip(anchor, node, strict=True), color=f"C{label}", linewidth=0.5, alpha=0.6)
    left.plot(*node, "o", color=f"C{label}", markersize=4)
    right.plot(*node, "o", color=f"C{label}", markersize=3, alpha=0.25)
for c in range(4):
    mean = nodes[1:][labels[1:] == c].mean(0)
    size = int((labels[1:] == c).sum())
    right.plot(*zip(anchor, mean, strict=True), color=f"C{c}", linewidth=2)
    right.plot(*mean, "o", color=f"C{c}", markersize=2.2 * size**0.5 + 4)
    right.annotate(f"{size} x", 1.27 * mean, ha="center", va="center")
for axes in (left, right):
    axes.plot(*anchor, "*", color="black", markersize=12)

# %%
# The same on embeddings: 30 epochs of GRACE on the digits graph, and then the exact loss against
# that of K clusters, for two temperatures. The gap falls with K, and is below its bound; the
# second-order form takes most of what is left.

data = gcl.datasets.load("digits")
seed_everything(0)
sizes = {"hidden": 32, "proj": 32}  # the second order costs O(N K D^2)
rates = {"drop_edge": (0.4, 0.4), "mask_feature": (0.0, 0.0)}
grace = gcl.methods.grace(data, **sizes, **rates, normalize=False)
gcl.fit(grace, data, epochs=30)
with torch.no_grad():
    z1, z2 = (normalize(h.double()) for h in grace.project_views(grace.prepare(data)))
counts = [3, 10, 30, 100, 300]
curves = {}
for tau in (0.8, 0.4):
    h1 = z1.clone().requires_grad_()
    exact = InfoNCE(tau)(h1, z2)
    slope = torch.autograd.grad(exact, h1)[0].flatten()
    for name, form in {"node": {}, "second order": {"second_order": True}}.items():
        rows = []
        for k in counts:
            negatives = MetaNodeNegatives(k, **form)
            value = InfoNCE(tau, negatives=negatives)(h1, z2)
            other = torch.autograd.grad(value, h1)[0].flatten()
            cosine = torch.cosine_similarity(slope, other, dim=0)
            gap = abs(float((exact - value).detach()))
            rows.append((gap, negatives.bound()["mean_bound"], float(cosine)))
        curves[tau, name] = list(zip(*rows, strict=True))
        print(f"tau = {tau}, {name:12}", [round(gap, 4) for gap, _, _ in rows])

# %%

figure = Figure(figsize=(9, 3.8), layout="constrained")
left, right = figure.subplots(1, 2)
for (tau, name), (gap, bound, cosine) in curves.items():
    color, style = ("C0" if tau == 0.8 else "C3"), ("-" if name == "node" else "--")
    left.plot(counts, gap, style, color=color, marker="o", label=f"{name}, tau = {tau}")
    right.plot(counts, cosine, style, color=color, marker="o")
    if name == "node":
        left.plot(counts, bound, ":", color=color, label=f"bound of the mean, tau = {tau}")
left.set(xscale="log", yscale="log", xlabel="clusters K", title="gap to the exact loss (nats)")
right.set(xscale="log", xlabel="clusters K", title="cosine to the exact gradient")
figure.legend(
    *left.get_legend_handles_labels(), fontsize="small", loc="outside lower center", ncols=3
)
