"""The k-nearest-neighbour classifier: no training, so it shows the geometry as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gcl.checks import check_counts
from gcl.evaluate.inputs import Matrix, as_labels, as_matrix, cosine_blocks, told_labelled
from gcl.evaluate.result import Result
from gcl.evaluate.splits import Splits, check_splits, public_split, random_splits


def knn(
    z: Any,
    y: Any,
    *,
    k: int | Sequence[int] = (1, 5, 10, 20),
    protocol: str = "random-10-10-80",
    data: Any = None,
    splits: Splits | None = None,
    seed: int = 0,
) -> Result:
    """Accuracy of a vote among the k training nodes of largest cosine similarity.

    Args:
        z: Embeddings `[N, D]`, dense or sparse.
        y: Integer labels `[N]`; -1 for a node without a label, which is in no part.
        k: Neighbours that vote; of several, the one most accurate on the validation nodes (the
            first of equals) is used on the test nodes. A tied vote goes to the smaller label.
        protocol: `random-10-10-80` (20 splits) or `public` (the masks of `data`).
        data: Where `public` finds its masks.
        splits: Splits to use in place of the protocol's.
        seed: Seed of the splits; no global generator is touched.

    Returns:
        `accuracy`, and `val_accuracy` where there is a validation part, with their `_std` over
        splits; `per_run` has the chosen `k`.

    Raises:
        ValueError: if k is out of range, or labels or splits do not fit.

    Example:
        >>> y = torch.arange(100) % 2
        >>> knn(torch.eye(2)[y], y, k=3)["accuracy"]
        1.0
    """
    x = as_matrix(z, "knn", l2=True)
    codes, labels = as_labels(y, x.shape[0], "knn")
    if splits is None and protocol == "random-10-10-80":
        splits = random_splits(x.shape[0], seed=seed, among=codes >= 0)
    elif splits is None and protocol == "public" and data is not None:
        splits = public_split(data)
    elif splits is None:
        raise ValueError(
            f"knn: protocol must be 'random-10-10-80', or 'public' with data, got {protocol!r}; "
            "or pass splits."
        )
    check_splits("knn", splits, codes)
    check_counts("knn", least=-(2**63), k=[k] if isinstance(k, int | float) else k)
    candidates = [k] if isinstance(k, int) else list(k)
    fewest = int(splits.train.sum(1).min())
    if not candidates or min(candidates) < 1 or (isinstance(k, int) and k > fewest):
        raise ValueError(
            f"knn: k must lie between 1 and the {fewest} training nodes of a split, got {k}."
        )
    candidates = [c for c in candidates if c <= fewest] or [fewest]
    validated = bool(splits.val.any(1).all())
    if len(candidates) > 1 and not validated:
        raise ValueError(
            "knn: choosing k needs validation nodes in every split; pass one k, or such splits."
        )
    runs: dict[str, list[float]] = {"accuracy": []}
    if validated:
        runs["val_accuracy"] = []
    chosen = []
    for train, val, test in zip(splits.train, splits.val, splits.test, strict=True):
        best = 0
        if validated:
            shares = _accuracies(x, codes, len(labels), train, val, candidates)
            best = int(shares.argmax())
            runs["val_accuracy"].append(float(shares[best]))
        final = [candidates[best]]
        runs["accuracy"].append(float(_accuracies(x, codes, len(labels), train, test, final)[0]))
        chosen.append(float(candidates[best]))
    votes = f"k {candidates[0]}" if len(candidates) == 1 else f"k of {candidates} on validation"
    count = f"{len(splits)} split" + ("s" if len(splits) > 1 else "")
    line = f"{splits.name}: {count}, cosine k-NN, {votes}{told_labelled(codes)}"
    result = Result.from_runs(runs, line)
    result.per_run["k"] = chosen
    return result


def _accuracies(
    x: Matrix, y: Tensor, num_classes: int, train: Tensor, test: Tensor, ks: list[int]
) -> Tensor:
    """Share of the test nodes that the vote gets right, for each k."""
    reference, queries = train.nonzero().flatten(), test.nonzero().flatten()
    hits = torch.zeros(len(ks), dtype=torch.float64)
    for rows, block in cosine_blocks(x, queries, reference):
        nearest = y[reference][block.topk(max(ks), dim=1).indices.cpu()]
        counts = one_hot(nearest, num_classes).cumsum(1)
        for i, k in enumerate(ks):
            hits[i] += (counts[:, k - 1].argmax(1) == y[queries[rows]]).sum()
    return hits / len(queries)
