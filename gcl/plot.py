"""Figures: loss curve, diagnostics, embeddings, similarities, node compactness, accuracies.

Every function returns a matplotlib `Figure` and leaves saving and showing to you.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import Tensor

from gcl.evaluate.inputs import as_classes
from gcl.ops.similarity import unit_rows

_MAX_POINTS = 5000

# One panel a line: names on the left axis, names of another scale on the right one. "@" stands for
# every k.
_DIAGNOSTICS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("alignment", "uniformity", "tolerance"), ()),
    (("effective_rank",), ("column_std",)),
    (("positive_probability",), ("perplexity",)),
    (("hardness_top1", "hardness_top10", "hard_share", "auc"), ()),
    (("false_negative_rate@",), ()),
    (("gap", "gap_accuracy"), ()),
)


def loss_curve(epochs: Sequence[float], losses: Sequence[float], *, title: str = "") -> Figure:
    """Loss against epochs.

    Args:
        epochs: x values.
        losses: y values, as many.
        title: above the figure.
    """
    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(epochs, losses, linewidth=1.5)
    axes.set(xlabel="epoch", ylabel="loss", title=title)
    axes.grid(alpha=0.3)
    return figure


def diagnostics(
    history: Sequence[Mapping[str, Any]], *, prefix: str = "", title: str = ""
) -> Figure:
    """What `gcl.callbacks.Diagnose` measured, over the epochs; one small panel a group.

    Dashed lines belong to the scale on the right. What was not measured is not drawn.

    Args:
        history: `State.history`, or the rows of a CSV log as read by `csv.DictReader`.
        prefix: the prefix of the callback.
        title: above the figure.

    Raises:
        ValueError: no row has any of the numbers.
    """
    measured = dict.fromkeys(
        name for row in history for name, value in row.items() if value not in (None, "")
    )
    panels = []
    for group in _DIAGNOSTICS:
        sides = [
            [
                name
                for wanted in side
                for name in measured
                if name == prefix + wanted
                or (wanted.endswith("@") and name.startswith(prefix + wanted))
            ]
            for side in group
        ]
        if any(sides):
            panels.append(sides)
    if not panels:
        raise ValueError(
            "diagnostics: no row has numbers of gcl.callbacks.Diagnose; add it to the callbacks of "
            "fit, and give its prefix if it has one."
        )
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 3 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).flatten().tolist()
    for axes, (left, right) in zip(grid, panels, strict=False):
        handles: list[Any] = []
        for side in (left, right):
            # A second scale, unless it would be the only one.
            second = side is right and bool(left and right)
            here = axes.twinx() if second else axes
            for name in side:
                points = [
                    (float(row["epoch"]), float(row[name]))
                    for row in history
                    if row.get(name) not in (None, "")
                ]
                handles += here.plot(
                    *zip(*points, strict=True),
                    "--" if second else "-",
                    color=matplotlib.colormaps["tab10"](len(handles)),
                    linewidth=1.5,
                    marker=".",
                    label=name.removeprefix(prefix).replace("_", " ") + " (right)" * second,
                )
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        # Above the axes, where it covers no line.
        axes.legend(
            handles=handles,
            fontsize="small",
            loc="lower center",
            bbox_to_anchor=(0.5, 1),
            ncols=2,
            frameon=False,
        )
    for axes in grid[len(panels) :]:
        axes.remove()
    if title:
        figure.suptitle(title)
    return figure


def embedding(
    z: Tensor,
    y: Tensor | None = None,
    *,
    projection: Literal["tsne", "pca"] = "tsne",
    title: str = "",
    seed: int = 0,
) -> Figure:
    """Embeddings in the plane, coloured by label; of large graphs a sample of 5,000 nodes.

    Args:
        z: embeddings.
        y: labels, or None for one colour.
        projection: t-SNE or the two first principal components, of unit rows.
        title: above the figure.
        seed: of the sample and the projection.

    Shape:
        z `[n, d]`, y `[n]`.

    Raises:
        TypeError, ValueError: y is not one class a node.
    """
    rng = np.random.default_rng(seed)
    shown = np.sort(rng.permutation(len(z))[:_MAX_POINTS])
    points = unit_rows(z.detach().cpu())[torch.from_numpy(shown)].numpy()
    if projection == "tsne":
        perplexity = min(30.0, max(1.0, (len(points) - 1) / 3))
        plane = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(points)
    else:
        plane = PCA(2, random_state=seed).fit_transform(points)
    figure = Figure(figsize=(5, 4.4), layout="constrained")
    axes = figure.subplots()
    known = torch.zeros(len(z)).long() if y is None else as_classes(y, len(z), "embedding")
    labels = known.numpy()[shown]
    colors = matplotlib.colormaps["tab10" if len(np.unique(labels)) <= 10 else "tab20"]
    for index, label in enumerate(np.unique(labels)):
        here = labels == label
        axes.scatter(
            plane[here, 0], plane[here, 1], s=6, color=colors(index % colors.N), label=str(label)
        )
    if y is not None:
        # Beside the axes, where it covers no point.
        axes.legend(
            title="label",
            markerscale=2,
            fontsize="small",
            loc="center left",
            bbox_to_anchor=(1, 0.5),
        )
    axes.set(xticks=[], yticks=[], title=title)
    return figure


def similarities(z1: Tensor, z2: Tensor, *, title: str = "", seed: int = 0) -> Figure:
    """Histogram of cosine similarities: the same node in two views, against different nodes.

    Args:
        z1: first view.
        z2: second view.
        title: above the figure.
        seed: of the random pairs, as many as there are nodes (at least 10,000).

    Shape:
        z1, z2 `[n, d]`.
    """
    u, v = unit_rows(z1.detach().cpu()), unit_rows(z2.detach().cpu())
    positive = (u * v).sum(1).numpy()
    rng = np.random.default_rng(seed)
    i, j = rng.integers(0, len(u), size=(2, max(len(u), 10_000)))
    negative = (u[i[i != j]] * v[j[i != j]]).sum(1).numpy()
    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes = figure.subplots()
    bins = np.linspace(min(positive.min(), negative.min(initial=1.0)), 1, 60)
    for values, label in ((negative, "different nodes"), (positive, "the same node, two views")):
        axes.hist(values, bins.tolist(), density=True, alpha=0.6, label=label)
    axes.set(xlabel="cosine similarity", ylabel="density", title=title)
    axes.legend(fontsize="small")
    return figure


def compactness(
    values: Tensor | Mapping[str, Tensor], edge_index: Tensor, *, title: str = ""
) -> Figure:
    """Node compactness by degree: which nodes a training leaves behind.

    On the left the median of the nodes of each range of degrees and, shaded, their middle half; on
    the right the share of them above 0. Ranges double: 0, 1, 2 to 3, 4 to 7, ...

    Args:
        values: of every node, from `gcl.methods.compactness`; or several of them by name.
        edge_index: of the graph; the degree is the number of edges that arrive, without loops.
        title: above the figure.

    Shape:
        values `[n]`, edge_index `[2, e]`.

    Raises:
        ValueError: values of no node, or of different numbers of nodes.
    """
    curves = {"": values} if isinstance(values, Tensor) else dict(values)
    sizes = {tuple(v.shape) for v in curves.values()}
    if len(sizes) != 1 or len(size := next(iter(sizes))) != 1 or size[0] == 0:
        raise ValueError(
            f"compactness: expected one number a node, got shapes {sorted(sizes)}; see "
            "gcl.methods.compactness."
        )
    if edge_index.numel() and int(edge_index.max()) >= size[0]:
        raise ValueError(
            f"compactness: edge_index names node {int(edge_index.max())}, but there are values of "
            f"{size[0]} nodes; give the edges of the same graph."
        )
    target = edge_index[1][edge_index[0] != edge_index[1]].cpu()
    degree = torch.bincount(target, minlength=size[0]).numpy()
    bucket = np.where(degree > 0, np.floor(np.log2(np.maximum(degree, 1))) + 1, 0).astype(int)
    present = np.unique(bucket)
    places = np.arange(len(present))
    names = [_degrees(int(b)) for b in present]
    names = [f"{name}\n{int((bucket == b).sum())}" for name, b in zip(names, present, strict=True)]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for index, (label, value) in enumerate(curves.items()):
        groups = [value.detach().cpu().numpy()[bucket == b] for b in present]
        low, middle, high = np.array([np.quantile(g, (0.25, 0.5, 0.75)) for g in groups]).T
        left.fill_between(places, low, high, color=f"C{index}", alpha=0.2, linewidth=0)
        left.plot(places, middle, marker="o", color=f"C{index}", label=label)
        share = [float((g > 0).mean()) for g in groups]
        right.plot(places, share, marker="o", color=f"C{index}", label=label)
    left.axhline(0, color="0.5", linewidth=0.8)
    left.set(ylabel="compactness: median, middle half")
    right.set(ylabel="share of nodes above 0", ylim=(-0.03, 1.03))
    for axes in (left, right):
        axes.set_xticks(places, names, fontsize="small")
        axes.set_xlabel("degree; below, nodes")
        axes.grid(alpha=0.3)
    if any(curves):
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(curves), frameon=False)
    if title:
        figure.suptitle(title)
    return figure


def _degrees(bucket: int) -> str:
    first, last = (1 << bucket) >> 1, (1 << bucket) - 1
    return str(first) if first >= last else f"{first}–{last}"


def accuracies(values: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """How accurate every method is on every data set: a dot a training, a bar at the mean.

    Args:
        values: of each data set, of each method the accuracies of its trainings, in [0, 1].

    Raises:
        ValueError: there is nothing to draw.
    """
    if not values or not all(values.values()):
        raise ValueError("accuracies: expected at least one method on every data set, got none.")
    rows = max(len(by_method) for by_method in values.values())
    size = (4.2 * len(values), 0.8 + 0.28 * rows)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(values), squeeze=False)[0]
    for axes, (dataset, by_method) in zip(panels, values.items(), strict=True):
        ranked = sorted(by_method.items(), key=lambda item: float(np.mean(item[1])))
        for height, (_, found) in enumerate(ranked):
            percent = 100 * np.asarray(found, dtype=float)
            axes.plot(percent, [height] * len(percent), "o", color="tab:blue", alpha=0.5, ms=4)
            axes.plot([percent.mean()], [height], "|", color="black", ms=12, mew=1.5)
        axes.set_yticks(range(len(ranked)), [name for name, _ in ranked])
        axes.set(xlabel="test accuracy, %", title=dataset)
        axes.grid(axis="x", alpha=0.3)
    return figure
