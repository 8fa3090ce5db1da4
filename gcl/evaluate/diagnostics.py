"""What a contrastive loss sees of the embeddings: positives, negatives, labels and neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gcl.checks import check_count, check_counts, check_positive, check_seed
from gcl.evaluate.classifiers.logistic import fit_logistic
from gcl.evaluate.geometry import geometry
from gcl.evaluate.inputs import as_labels, as_matrix
from gcl.evaluate.result import Result
from gcl.ops.similarity import unit_rows
from gcl.ops.streaming import streaming_logsumexp, streaming_softmax_mean
from gcl.ops.tiles import blocks, exclude_from

BLOCK = 1 << 20  # numbers of a block of similarities
# Similarities that differ by less are equal: rounding must not decide which one is larger.
STEP = 2.0**-20


@torch.no_grad()
def diagnostics(
    z1: Any,
    z2: Any = None,
    y: Any = None,
    *,
    edge_index: Tensor | None = None,
    tau: float | Tensor = 0.4,
    intra: bool = True,
    anchors: int = 2048,
    ks: Sequence[int] = (1, 10, 50),
    seed: int = 0,
) -> Result:
    r"""Every number that tells how a contrastive training stands, from one or two views.

    A random sample of anchors i from z1 is compared with all nodes, in blocks. With the rows
    zhat = z / ||z||, the similarity s_ij is <zhat1_i, zhat2_j>. The positive of i is s_ii. Its
    negatives are s_ij, j != i, and with `intra` also <zhat1_i, zhat1_j>, j != i; with one view
    only the latter. p_i is the softmax of s / tau over the negatives of i.

    From z1:

        uniformity, effective_rank, rank, column_std      see `geometry`; uniformity over the pairs
                                of anchors
        norm_mean, norm_cv      mean of ||z_i||, and standard deviation / mean
        perplexity              mean_i exp( H(p_i) ), H = lse_i - E_p[s] / tau: how many negatives
                                matter; from 1 to their number
        hardness_top1, _top10   mean similarity of the 1 and the 10 most similar negatives

    Two views:

        alignment               see `geometry`; 2 - 2 mean_i s_ii
        uniformity_z2           uniformity of the second view
        gap                     || mean_i zhat1_i - mean_i zhat2_i ||
        gap_accuracy            accuracy of a logistic regression that tells view 1 from view 2 on
                                anchors held out; 0.5 = no gap
        positive_probability    mean_i e^{s_ii / tau} / ( e^{s_ii / tau} + sum over negatives of
                                e^{s / tau} ): InfoNCE's gradient shrinks by 1 minus this
        hard_share              share of anchors with a negative above the positive
        auc                     mean_i P(s_ii > negative of i) + P(equal) / 2 (Mann-Whitney)

    Labels y; mu_k is the mean of zhat1 over class k:

        tolerance                   mean of <zhat1_i, zhat1_j> over pairs i != j of one class
        class_spread, _max          mean and largest <mu_k, mu_l>, k != l
        class_concentration         mean_i || zhat1_i - mu_{y_i} ||
        false_negative_rate@k       share of the k most similar negatives with the anchor's label
        false_negative_lift@k       that rate over the share of all negatives with this label

    Edges:

        norm_degree_correlation     Pearson correlation of ||z_i|| and log(1 + degree_i)
        neighbour_alignment         mean || zhat1_i - zhat1_j ||^2 over the edges of anchors
        neighbour_purity            mean <zhat1_i, zhat1_j> over them, minus that over all pairs

    A number that does not exist is left out: k beyond the number of negatives, a correlation with
    a constant, a tolerance or lift without two nodes of one class.

    Args:
        z1: Embeddings or projections `[N, D]`, N >= 2, dense or sparse; made dense.
        z2: The same nodes in another view, `[N, D]`.
        y: Integer labels `[N]`, at least two classes; -1 for a node without one, which does not
            count where labels do.
        edge_index: Edges `[2, E]` between the rows; self-loops count for the degree only.
        tau: Temperature of the softmax, > 0; take the one of the loss.
        intra: The other rows of z1 are negatives too, as in `InfoNCE`.
        anchors: Size of the sample, >= 2; all nodes if there are fewer.
        ks: Numbers of negatives for the false-negative rate, each >= 1.
        seed: Seed of the sample, from a generator of its own.

    Raises:
        TypeError: if z1 or z2 is no matrix.
        ValueError: if shapes, labels or edges do not fit, N < 2, or an option is out of range.

    Reference:
        Wang and Isola, "Understanding contrastive representation learning through alignment and
        uniformity on the hypersphere", ICML 2020 (alignment, uniformity); Wang and Liu,
        "Understanding the behaviour of contrastive loss", CVPR 2021 (tolerance); Huang et al.,
        "Towards the generalization of contrastive self-supervised learning", ICLR 2023 (class
        centres); Liang et al., "Mind the gap", NeurIPS 2022 (gap); Huang et al., "Model-aware
        contrastive learning", ICML 2023 (positive probability); Xia et al., "ProGCL", ICML 2022
        (false negatives among hard ones); Qiu et al., "Not all semantics are created equal"
        (iSogCLR), ICML 2023 (perplexity of p, by way of its temperature).

    Example:
        >>> found = diagnostics(torch.eye(12), torch.eye(12), intra=False)
        >>> found["alignment"], found["auc"], round(found["perplexity"], 4)
        (0.0, 1.0, 11.0)
    """
    x = _dense(z1)
    n = len(x)
    other = None if z2 is None else _dense(z2).to(x)
    if n < 2:
        raise ValueError("diagnostics: expected at least two nodes, got one; pairs are compared.")
    if other is not None and other.shape != x.shape:
        raise ValueError(
            f"diagnostics: expected two views of the same shape, got {tuple(x.shape)} and "
            f"{tuple(other.shape)}; pass the same nodes in the same order."
        )
    check_count("diagnostics", least=2, anchors=anchors)
    check_counts("diagnostics", ks=ks)
    check_seed("diagnostics", seed)
    check_positive("diagnostics", tau=tau)
    tau = float(tau)
    codes = None if y is None else as_labels(y, n, "diagnostics")[0].to(x.device)
    edges = None if edge_index is None else _checked(edge_index, n).to(x.device)

    values = dict(geometry(x, other, max_nodes=anchors, seed=seed))
    # The first numbers of the same generator: the nodes that `geometry` takes for uniformity.
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    chosen = order[:anchors].to(x.device)
    values |= _norms(x, edges)
    u = unit_rows(x)
    v = None if other is None else unit_rows(other)
    if other is not None and v is not None:
        values["uniformity_z2"] = geometry(other[chosen], max_nodes=None)["uniformity"]
        values["gap"] = float(
            (u.mean(0, dtype=torch.double) - v.mean(0, dtype=torch.double)).norm()
        )
        values["gap_accuracy"] = _gap_accuracy(u[chosen], v[chosen])
    keys = [u] if v is None else [v, u] if intra else [v]
    positive = None if v is None else (u[chosen] * v[chosen]).sum(1)
    values |= _softmax(u[chosen], keys, chosen, positive, tau)
    ks = [k for k in ks if k <= len(keys) * (n - 1)]
    similar, nodes, ranked = _ranked(u[chosen], keys, chosen, positive, max([10, *ks]))
    values["hardness_top1"] = float(similar[:, 0].mean())
    values["hardness_top10"] = float(similar[:, :10].mean())
    values |= ranked
    if codes is not None:
        known = codes >= 0
        values |= _classes(u[known], codes[known])
        values |= _false_negatives(codes, chosen, nodes, ks)
    if edges is not None:
        values |= _neighbours(u, edges, chosen)
    against = "" if v is None else ", negatives of both views" if intra else ", of the other view"
    return Result(
        values,
        f"diagnostics: {len(chosen)} anchors against all {n} nodes{against}, cosine, tau {tau:g}",
    )


def _dense(z: Any) -> Tensor:
    x = as_matrix(z, "diagnostics")
    return x if isinstance(x, Tensor) else torch.from_numpy(x.toarray())


def _checked(edge_index: Tensor, n: int) -> Tensor:
    if not isinstance(edge_index, Tensor):
        raise TypeError(
            f"diagnostics: edge_index must be a tensor [2, E], got {type(edge_index).__name__}."
        )
    if edge_index.dim() != 2 or len(edge_index) != 2 or edge_index.dtype != torch.long:
        raise ValueError(
            f"diagnostics: edge_index must be int64 [2, E], got {edge_index.dtype} "
            f"{list(edge_index.shape)}."
        )
    if edge_index.numel() and not 0 <= int(edge_index.min()) <= int(edge_index.max()) < n:
        raise ValueError(
            f"diagnostics: edge_index must lie in [0, {n}), got values from "
            f"{int(edge_index.min())} to {int(edge_index.max())}; pass the edges of these rows."
        )
    return edge_index


def _norms(x: Tensor, edges: Tensor | None) -> dict[str, float]:
    norms = x.norm(dim=1).double()
    mean = float(norms.mean())
    values = {"norm_mean": mean}
    if mean == 0:
        return values
    values["norm_cv"] = float(norms.std(correction=0)) / mean
    if edges is not None and values["norm_cv"] > 1e-6:  # less is rounding
        degrees = torch.bincount(edges[1], minlength=len(x)).double().log1p()
        if bool((degrees != degrees[0]).any()):
            both = torch.corrcoef(torch.stack([norms, degrees]))
            values["norm_degree_correlation"] = float(both[0, 1])
    return values


def _gap_accuracy(first: Tensor, second: Tensor) -> float:
    # Both views of a node fall in the same half: nothing but the view can give the class away.
    half = len(first) // 2
    train = torch.cat([first[:half], second[:half]])
    test = torch.cat([first[half:], second[half:]])
    label = torch.arange(2, device=first.device)
    fit = fit_logistic(
        train.unsqueeze(0), label.repeat_interleave(half).unsqueeze(0), Cs=[1.0], tol=1e-3
    )
    guess = (test @ fit.weight[0, 0] + fit.bias[0, 0]).argmax(1)
    return float((guess == label.repeat_interleave(len(first) - half)).double().mean())


def _softmax(
    q: Tensor, keys: list[Tensor], exclude: Tensor, positive: Tensor | None, tau: float
) -> dict[str, float]:
    lses = [streaming_logsumexp(q, k, tau=tau, exclude=exclude) for k in keys]
    means = [streaming_softmax_mean(q, k, tau=tau, exclude=exclude) for k in keys]
    lse = torch.stack(lses).logsumexp(0)
    shares = (torch.stack(lses) - lse).exp()
    entropy = lse - (shares * torch.stack(means)).sum(0) / tau
    values = {"perplexity": float(entropy.exp().mean())}
    if positive is not None:
        values["positive_probability"] = float((positive / tau - lse).sigmoid().mean())
    return values


def _ranked(
    q: Tensor, keys: list[Tensor], exclude: Tensor, positive: Tensor | None, depth: int
) -> tuple[Tensor, Tensor, dict[str, float]]:
    """The most similar negatives `[a, depth]` and their nodes, and how the positives stand."""
    n = len(keys[0])
    negatives = len(keys) * (n - 1)
    depth = min(depth, negatives)
    similar, nodes, above, equal = [], [], [], []
    for rows in blocks(len(q), max(1, BLOCK // (n * len(keys)))):
        tile = torch.cat(
            [exclude_from(q[rows] @ k.T, rows, slice(0, n), exclude) for k in keys], dim=1
        )
        top = tile.topk(depth, dim=1)
        similar.append(top.values)
        nodes.append(top.indices % n)
        if positive is not None:
            mine = (positive[rows, None] / STEP).round()
            steps = tile.div_(STEP).round_()
            above.append((steps > mine).sum(1))
            equal.append((steps == mine).sum(1))
    ranked = {}
    if positive is not None:
        over, ties = torch.cat(above).double(), torch.cat(equal).double()
        ranked["hard_share"] = float((over > 0).double().mean())
        ranked["auc"] = float(1 - ((over + ties / 2) / negatives).mean())
    return torch.cat(similar).double(), torch.cat(nodes), ranked


def _classes(u: Tensor, codes: Tensor) -> dict[str, float]:
    # Sums over all pairs of rows are differences of squared sums: no pair is visited.
    count = torch.bincount(codes).double()
    classes = len(count)
    sums = torch.zeros(classes, u.shape[1], dtype=torch.double, device=u.device)
    sums.index_add_(0, codes, u.double())
    centres = sums / count[:, None]
    values = {}
    pairs = float((count * (count - 1)).sum())
    if pairs:
        within = sums.square().sum() - u.square().sum(dtype=torch.double)
        values["tolerance"] = float(within) / pairs
    between = centres.sum(0).square().sum() - centres.square().sum()
    values["class_spread"] = float(between) / (classes * (classes - 1))
    values["class_spread_max"] = max(
        float(exclude_from(centres[rows] @ centres.T, rows, slice(0, classes), True).max())
        for rows in blocks(classes, max(1, BLOCK // classes))
    )
    values["class_concentration"] = float((u - centres.to(u)[codes]).norm(dim=1).mean())
    return values


def _false_negatives(
    codes: Tensor, chosen: Tensor, nodes: Tensor, ks: Sequence[int]
) -> dict[str, float]:
    labelled = codes[chosen] >= 0
    chosen, nodes = chosen[labelled], nodes[labelled]
    if not len(chosen):
        return {}
    # Pairs of which one has no label do not count.
    pairs = (codes[nodes] >= 0).double()
    hits = ((codes[nodes] == codes[chosen, None]) * pairs).double()
    members = torch.bincount(codes[codes >= 0])
    others = int(members.sum()) - 1
    prior = float((members[codes[chosen]] - 1).double().mean()) / others
    rates = {k: float(hits[:, :k].sum() / pairs[:, :k].sum()) for k in ks if pairs[:, :k].any()}
    values = {f"false_negative_rate@{k}": rate for k, rate in rates.items()}
    if prior:
        values |= {f"false_negative_lift@{k}": rate / prior for k, rate in rates.items()}
    return values


def _neighbours(u: Tensor, edges: Tensor, chosen: Tensor) -> dict[str, float]:
    n = len(u)
    anchor = torch.zeros(n, dtype=torch.bool, device=u.device)
    anchor[chosen] = True
    left, right = edges[:, anchor[edges[0]] & (edges[0] != edges[1])]
    if not len(left):
        return {}
    distance = similarity = 0.0
    for part in blocks(len(left), max(1, BLOCK // u.shape[1])):
        a, b = u[left[part]], u[right[part]]
        distance += float((a - b).square().sum(dtype=torch.double))
        similarity += float((a * b).sum(dtype=torch.double))
    total = u.sum(0, dtype=torch.double).square().sum() - u.square().sum(dtype=torch.double)
    return {
        "neighbour_alignment": distance / len(left),
        "neighbour_purity": similarity / len(left) - float(total) / (n * (n - 1)),
    }
