"""
Which nodes a training leaves behind
====================================

Node compactness asks of every node: whichever edges its view loses, does it stay closer to its own
other view than to the average node? A bound of it, by degree, shows where a contrastive training is
thin. POT puts the bound into the loss.
"""

# sphinx_gallery_thumbnail_number = 0

import copy

import torch
from matplotlib.figure import Figure
from torch_geometric.seed import seed_everything

import gcl
from gcl import plot
from gcl.methods.provable.targets import target_directions

data = gcl.datasets.sbm(1000, degree=3.0, homophily=0.8, noise=2.0)
options = {"tau": 0.6, "drop_edge": (0.4, 0.4), "mask_feature": (0.0, 0.0), "normalize": False}
bounds, trained = {}, {}
for name, kappa in (("GRACE", 0.0), ("GRACE + POT", 0.4)):
    seed_everything(0)
    method = gcl.methods.pot(gcl.methods.grace(data, hidden=64, **options), kappa=kappa)
    if kappa == 0:
        bounds["untrained"] = gcl.methods.compactness(method, data, "pot")
    gcl.fit(method, data, epochs=40, lr=1e-3)
    bounds[name] = gcl.methods.compactness(method, data, "pot")
    trained[name] = method
    accuracy = gcl.evaluate.linear_probe(gcl.embed(method, data), data.y)["accuracy"]
    print(f"{name:12} accuracy {accuracy:.3f}")

# %%
# The bound of the paper, by degree. (The embeddings are not normalised, so the heights of different
# encoders do not compare; the shares above 0 do.)

by_degree = plot.compactness(bounds, data.edge_index, title="node compactness, block model")

# %%
# How close the bounds are. The black line is what the same two views really give; the grey points
# are the least of 100 further pairs of views. The paper's bound follows the value of its own draw.
# The sound one holds for every draw within the budget and the certified one for all of them at
# once; both pay for that with much room. What lies above the line belongs, nearly all of it, to
# nodes that lost more edges in this draw than their budget, which is the expected number: a node
# with one link has the budget 0, and loses it in 40 % of the draws all the same.

method = trained["GRACE + POT"].method.eval()
prepared = method.prepare(data)
torch.manual_seed(0)  # the first pair is that of the bounds
values = []
with torch.no_grad():
    for _ in range(101):
        z1, z2 = (method.embed(view(copy.copy(prepared))) for view in method.views)
        values.append((z1 * target_directions(z2) + z2 * target_directions(z1)).sum(1) / 2)
own, least = values[0], torch.stack(values[1:]).amin(0)
order = own.argsort()
figure = Figure(figsize=(8, 4), layout="constrained")
axes = figure.subplots()
axes.plot(least[order], ".", markersize=3, color="0.6", label="value, least of 100 draws")
for mode, color in (("pot", "C1"), ("sound", "C2"), ("certified", "C3")):
    bound = gcl.methods.compactness(method, data, mode, seed=0)
    axes.plot(bound[order], ".", markersize=2, color=color, label=f"bound, {mode}")
    above = ((bound > own).float().mean(), (bound > least).float().mean())
    print(
        f"{mode:10} above 0: {(bound > 0).float().mean():.2f}, above the value of its draw: ",
        end="",
    )
    print(f"{above[0]:.3f}, above the least of 100: {above[1]:.3f}")
axes.plot(own[order], color="black", linewidth=1.5, label="value, the same draw")
axes.axhline(0, color="0.5", linewidth=0.8)
axes.set(
    xlabel="nodes, by their value", ylabel="compactness", title="what is, and what is promised"
)
axes.legend(fontsize="small", markerscale=4, loc="center left", bbox_to_anchor=(1, 0.5))
