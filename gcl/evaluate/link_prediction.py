"""Link prediction: how well embeddings tell hidden links from pairs without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from gcl.checks import as_strengths, check_choice, check_count, shown
from gcl.evaluate.classifiers.logistic import fit_logistic
from gcl.evaluate.edge_splits import EdgeSplit, EdgeType, edge_split
from gcl.evaluate.inputs import Matrix, as_matrix, take
from gcl.evaluate.result import Result

STRENGTHS = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)
BUDGET = 1 << 25  # numbers held to fit the decoder: 128 MB in float32, and a few copies of it
CHUNK = 1 << 22  # numbers of a chunk of pairs

Decoder = Literal["dot", "cosine", "logistic"]
Ends = tuple[Matrix, Matrix]  # rows of the sources and of the targets


def link_prediction(
    z: Any,
    split: EdgeSplit,
    *,
    decoder: Decoder = "cosine",
    ks: Sequence[int] = (10,),
    Cs: Sequence[float] = STRENGTHS,
) -> Result:
    r"""AUC, average precision, Hits@k and MRR of the hidden links among pairs without one.

    The score of a pair (u, v), with zhat = z / ||z||:

        dot         <z_u, z_v>
        cosine      <zhat_u, zhat_v>
        logistic    logistic regression on zhat_u * zhat_v (entry by entry), fitted to the training
                    links and negatives, C by the AUC on the validation part

    The test links are ranked against the test negatives, all links against the same ones:

        auc     P(s_link > s_negative) + P(equal) / 2
        ap      sum over thresholds of (recall gained) * precision
        rank    1 + number of negatives with a larger score; equal scores come in random order
        hits@k  expected share of links with rank <= k
        mrr     expected mean of 1 / rank

    so embeddings that are all equal score as chance does. `hits@k` and `mrr` depend on the number
    of negatives, which the protocol line gives; with fewer than k of them hits@k is left out.

    Embeddings of a graph with all its edges know the test links: train on `split.data`, and embed
    `split.data`. No number here can tell.

    Args:
        z: Embeddings `[N, D]` made from `split.data`, dense or sparse. Raw features work. For links
            between two types of nodes a mapping of type to embeddings, such as
            `{"user": [n, D], "item": [m, D]}`, all of one width.
        split: From `edge_split`, or a split of your own.
        decoder: `cosine` is what contrastive losses compare by; `dot` lets norms count.
        ks: Where hits are counted, each >= 1.
        Cs: Strengths that `logistic` chooses from. The features are divided by one number, the
            root of their mean variance, so that a strength means the same for every width.

    Returns:
        `auc`, `ap`, `hits@k`, `mrr` and, where there is a validation part, `val_auc`; fractions.
        `per_run` has the chosen `C`.

    Raises:
        TypeError: if z is no matrix (no mapping, for two types), or split is no `EdgeSplit`.
        ValueError: if they are of different graphs, an option is out of range, or there is nothing
            to choose C on.

    Reference:
        Hits@k as in Hu et al., "Open graph benchmark", NeurIPS 2020; there a link equal to the k-th
        negative is a miss, and a collapsed embedding scores 0 rather than chance. The metrics in
        `torch_geometric.metrics` are of another task, the k best targets of each source node.

    Example:
        >>> edges = torch.combinations(torch.arange(6)).T
        >>> graph = Data(edge_index=torch.cat([edges, edges + 6], 1), num_nodes=12)
        >>> z = torch.eye(2).repeat_interleave(6, 0)
        >>> link_prediction(z, edge_split(graph, val=0.1, test=0.2), ks=[2])
        auc 1.0000, ap 1.0000, hits@2 1.0000, mrr 1.0000, val_auc 1.0000 (protocol links-70-10-20:
        21/3/6 links and 21/3/6 negatives, cosine)
    """
    if not isinstance(split, EdgeSplit):
        raise TypeError(
            f"link_prediction: expected an EdgeSplit, got {type(split).__name__}; make one with "
            "gcl.evaluate.edge_split before training."
        )
    check_choice("link_prediction", "decoder", decoder, ("dot", "cosine", "logistic"))
    for k in ks:
        check_count("link_prediction", k=k)
    x = _ends(z, split, l2=decoder != "dot")
    line = f"{split.name}: {_sizes(split, '')} links and {_sizes(split, '_neg')} negatives, "
    chosen = None
    if decoder == "logistic":
        weight, chosen, how = _fit(x, split, as_strengths("link_prediction", "Cs", Cs))
        line += how
    else:
        weight = None
        line += {"dot": "dot product", "cosine": "cosine"}[decoder]
    positive, negative = _score(x, split.test, weight), _score(x, split.test_neg, weight)
    values = {"auc": _auc(positive, negative), "ap": _ap(positive, negative)}
    values |= _ranks(positive, negative, ks)
    if split.val.shape[1]:
        values["val_auc"] = _auc(_score(x, split.val, weight), _score(x, split.val_neg, weight))
    return Result(values, line, None if chosen is None else {"C": [chosen]})


def link_prediction_runs(
    train: Callable[[Any, int], Any],
    data: Data | HeteroData,
    seeds: int = 5,
    *,
    val: float = 0.05,
    test: float = 0.1,
    negatives: float = 1.0,
    edge_type: EdgeType | None = None,
    hide: Sequence[EdgeType] = (),
    **options: Any,
) -> Result:
    """Split, train and evaluate once a seed: `link_prediction` with its spread.

    Args:
        train: `(data, seed) -> z`: trains from scratch on the graph it gets, which has the training
            links only, and returns the embeddings of its nodes. It has to seed itself, e.g. with
            `torch_geometric.seed.seed_everything(seed)`; the splits own their generator.
        data: The whole graph.
        seeds: Runs, >= 1; run i has `edge_split(data, ..., seed=i)`, the same for every `train`.
        val: See `edge_split`.
        test: See `edge_split`.
        negatives: See `edge_split`.
        edge_type: See `edge_split`; `train` returns a mapping where it joins two node types.
        hide: See `edge_split`.
        **options: `decoder`, `ks`, `Cs` of `link_prediction`.

    Returns:
        Means over the runs, and their `_std`; `per_run` has the single ones, and the chosen `C`.

    Raises:
        TypeError, ValueError: as `edge_split` and `link_prediction`.

    Example:
        >>> import gcl
        >>> result = link_prediction_runs(lambda data, seed: data.x, gcl.datasets.load("digits"), 2)
        >>> result["auc"] > 0.98, result.protocol
        (True, 'links-85-5-10: 3302/194/388 links and 3302/194/388 negatives, cosine, 2 seeds of
        split and training')
    """
    check_count("link_prediction_runs", seeds=seeds)
    if not callable(train):
        raise TypeError(
            "link_prediction_runs: train must be a function (data, seed) -> embeddings, got "
            f"{shown(train)}."
        )
    runs: dict[str, list[float]] = {}
    chosen: list[float] = []
    for seed in range(seeds):
        split = edge_split(
            data, val, test, negatives=negatives, seed=seed, edge_type=edge_type, hide=hide
        )
        result = link_prediction(train(split.data, seed), split, **options)
        for name, value in result.items():
            runs.setdefault(name, []).append(value)
        chosen += result.per_run.get("C", [])
    count = "1 seed" if seeds == 1 else f"{seeds} seeds"
    total = Result.from_runs(runs, f"{result.protocol}, {count} of split and training")
    if chosen:
        total.per_run["C"] = chosen
    return total


def _sizes(split: EdgeSplit, kind: str) -> str:
    return "/".join(str(getattr(split, part + kind).shape[1]) for part in ("train", "val", "test"))


def _ends(z: Any, split: EdgeSplit, l2: bool) -> Ends:
    """The embeddings of the sources and of the targets, checked."""
    kinds = list(split.sizes)
    if len(kinds) == 2 and not isinstance(z, Mapping):
        raise TypeError(
            f"link_prediction: expected a mapping with the embeddings of {kinds[0]!r} and of "
            f"{kinds[1]!r}, which the links join, got {type(z).__name__}."
        )
    parts = []
    for kind, size in split.sizes.items():
        if isinstance(z, Mapping) and kind not in z:
            raise ValueError(
                f"link_prediction: expected embeddings of {kind!r}, got those of {list(z)}."
            )
        x = as_matrix(z[kind] if isinstance(z, Mapping) else z, "link_prediction", l2=l2)
        if x.shape[0] != size:
            of = "" if kind is None else f"{kind!r} "
            raise ValueError(
                f"link_prediction: the split is of {size} {of}nodes and the embeddings of "
                f"{x.shape[0]}; they must be of the same graph."
            )
        parts.append(x)
    first, second = parts[0], parts[-1]
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"link_prediction: expected embeddings of one width, got {first.shape[1]} for "
            f"{kinds[0]!r} and {second.shape[1]} for {kinds[-1]!r}."
        )
    return first, second


def _products(x: Ends, pairs: Tensor) -> Tensor:
    """`x_u * x_v` of every pair, `[P, D]`."""
    pairs = pairs.cpu()
    return take(x[0], pairs[0]) * take(x[1], pairs[1])


def _score(x: Ends, pairs: Tensor, weight: Tensor | None) -> Tensor:
    """Scores of pairs, `[P]`, or `[P, K]` under K sets of weights `[D, K]`."""
    parts = []
    for some in pairs.split(max(1, CHUNK // x[0].shape[1]), dim=1):
        rows = _products(x, some)
        parts.append(rows.sum(1) if weight is None else rows @ weight)
    return torch.cat(parts).cpu()


def _fit(x: Ends, split: EdgeSplit, Cs: list[float]) -> tuple[Tensor, float, str]:
    """Weights of the products, the chosen strength, and what to print."""
    if not Cs or min(Cs) <= 0:
        raise ValueError(f"link_prediction: Cs must be positive numbers, got {Cs}.")
    if len(Cs) > 1 and not split.val.shape[1]:
        raise ValueError(
            "link_prediction: choosing C needs validation links; split with val > 0, or pass one C."
        )
    # Where memory does not hold all pairs, the same share of links and of negatives is drawn.
    total = split.train.shape[1] + split.train_neg.shape[1]
    share = min(1.0, BUDGET / (total * x[0].shape[1]))
    generator = torch.Generator().manual_seed(0)
    rows, labels = [], []
    for label, pairs in enumerate((split.train_neg, split.train)):
        count = max(1, int(share * pairs.shape[1]))
        if share < 1:
            some = torch.randperm(pairs.shape[1], generator=generator)[:count]
            pairs = pairs[:, some.to(pairs.device)]
        rows.append(_products(x, pairs))
        labels.append(torch.full((count,), label, device=rows[-1].device))
    features = torch.cat(rows)
    del rows
    scale = features.var(0, correction=0).mean().sqrt()
    # What rounding leaves of constant features must not be blown up: they get weights of zero.
    noise = 8 * torch.finfo(features.dtype).eps * features.square().mean().sqrt()
    scale = torch.where(scale > noise, scale, torch.inf)
    features /= scale
    fit = fit_logistic(features.unsqueeze(0), torch.cat(labels).unsqueeze(0), Cs=Cs, num_classes=2)
    weight = (fit.weight[0, :, :, 1] - fit.weight[0, :, :, 0]).T / scale  # [D, K]
    best = 0
    if len(Cs) > 1:
        positive, negative = _score(x, split.val, weight), _score(x, split.val_neg, weight)
        aucs = [_auc(p, n) for p, n in zip(positive.T, negative.T, strict=True)]
        best = int(np.argmax(aucs))
    how = "logistic regression on products of l2 rows, "
    how += f"C of {len(Cs)} on validation" if len(Cs) > 1 else f"C {Cs[0]:g}"
    if share < 1:
        how += f", fitted to {len(features)} of {total} pairs"
    return weight[:, best], Cs[best], how


def _labelled(positive: Tensor, negative: Tensor) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat([1, 0], [len(positive), len(negative)])
    return labels, torch.cat([positive, negative]).double().numpy()


def _auc(positive: Tensor, negative: Tensor) -> float:
    return float(roc_auc_score(*_labelled(positive, negative)))


def _ap(positive: Tensor, negative: Tensor) -> float:
    return float(average_precision_score(*_labelled(positive, negative)))


def _ranks(positive: Tensor, negative: Tensor, ks: Sequence[int]) -> dict[str, float]:
    """Expected Hits@k and reciprocal rank, over the orders of equal scores."""
    ordered = negative.sort().values
    above = len(ordered) - torch.searchsorted(ordered, positive, right=True)
    equal = len(ordered) - above - torch.searchsorted(ordered, positive)
    # The rank is above + 1, ..., above + equal + 1, each as likely as the others.
    values = {
        f"hits@{k}": float(((k - above).double() / (equal + 1)).clamp(0, 1).mean())
        for k in ks
        if k <= len(ordered)
    }
    places = torch.arange(1, len(ordered) + 2, dtype=torch.float64)
    harmonic = torch.cat([places.new_zeros(1), places.reciprocal().cumsum(0)])
    reciprocal = (harmonic[above + equal + 1] - harmonic[above]) / (equal + 1)
    return {**values, "mrr": float(reciprocal.mean())}
