"""What a GCN reaches that trains on the labels: a reference for methods that do not see them."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch_geometric.data import Data

from gcl.checks import check_count, check_seed
from gcl.evaluate.inputs import as_labels
from gcl.evaluate.linear_probe import choose_splits, look_up
from gcl.evaluate.protocols import Protocol
from gcl.evaluate.result import Result
from gcl.evaluate.scores import split_accuracy, split_macro_f1
from gcl.evaluate.splits import Splits
from gcl.nn.gcn_encoder import GCNEncoder
from gcl.transforms.normalize_rows import NormalizeRows
from gcl.transforms.to_sparse_features import ToSparseFeatures


def supervised_gcn(
    data: Data,
    *,
    protocol: str | Protocol = "public",
    splits: Splits | None = None,
    hidden: int = 64,
    epochs: int = 1000,
    patience: int = 50,
    lr: float = 0.01,
    weight_decay: float = 5e-4,
    dropout: float = 0.5,
    normalize: bool = True,
    max_splits: int = 20,
    seed: int = 0,
) -> Result:
    """Accuracy of a two-layer GCN trained on the labels of each split.

    The penalty is on the first layer alone. Each split is trained until its validation accuracy has
    not risen and its validation loss has not fallen for `patience` epochs; the epoch with the best
    validation accuracy counts, of equals the one with the least validation loss. Step size, penalty
    and dropout are the paper's for Cora. Its width of 16 and 200 epochs are not enough for random
    splits of it.

    Args:
        data: a graph with x, edge_index and y.
        protocol: whose splits are taken; its classifier is not.
        splits: splits to use in place of the protocol's.
        hidden: width of the hidden layer.
        epochs: training steps at most, full batch.
        patience: steps without progress on validation after which a split ends, >= 1.
        lr: of Adam.
        weight_decay: L2 penalty on the first layer.
        dropout: on features and hidden layer.
        normalize: divide rows of features by their sums, as for words.
        max_splits: of more splits only the first so many are trained, >= 1, since each takes a
            training: under `random-20-30-rest` the first 20 of 100.
        seed: of the weights of every split's GCN and of the dropout; split i starts from
            `seed + i`. The seed of the splits stays 0, as in `linear_probe`. torch's global
            generator is left as it was.

    Returns:
        `accuracy`, `macro_f1`, `val_accuracy` and their `_std` over splits, as fractions;
        `per_run` has the single splits, and the `epoch` that counts of each.

    Raises:
        TypeError, ValueError: labels, splits or numbers that do not fit; a split without
            validation nodes.

    Reference:
        Kipf and Welling, "Semi-Supervised Classification with Graph Convolutional Networks",
        ICLR 2017: 81.5 on Cora, 70.3 on CiteSeer, 79.0 on PubMed (public split; theirs stops when
        the validation loss has not fallen for ten epochs). Shchur et al., "Pitfalls of Graph Neural
        Network Evaluation", 2018, for the width and for a patience on validation.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.sbm(200, 2, num_features=8)
        >>> result = supervised_gcn(data, protocol="random-10-10-80", epochs=20, normalize=False)
        >>> result["accuracy"] > 0.8
        True
    """
    check_count(
        "supervised_gcn", hidden=hidden, epochs=epochs, patience=patience, max_splits=max_splits
    )
    check_seed("supervised_gcn", seed)
    y, classes = as_labels(data.y, int(data.num_nodes or 0), "supervised_gcn")
    splits = choose_splits(look_up(protocol), splits, data, y, 0).first(max_splits)
    if not bool(splits.val.any(1).all()):
        raise ValueError(
            f"supervised_gcn: {splits.name!r} has splits without validation nodes, by which the "
            "epoch is chosen; take another protocol."
        )
    data = NormalizeRows()(copy.copy(data)) if normalize else copy.copy(data)
    data = ToSparseFeatures()(data)
    y = y.to(data.edge_index.device)
    predicted, chosen = [], []
    with torch.random.fork_rng():
        for i, (train, val) in enumerate(zip(splits.train, splits.val, strict=True)):
            torch.manual_seed(seed + i)
            gcn = GCNEncoder(
                data.num_features, hidden, len(classes), dropout=dropout, plain_last=True
            ).to(y.device)
            first = [gcn.weights[0], gcn.biases[0]]
            rest = [gcn.weights[1], gcn.biases[1]]
            groups: list[dict[str, Any]] = [
                {"params": first, "weight_decay": weight_decay},
                {"params": rest},
            ]
            adam = torch.optim.Adam(groups, lr=lr)
            guess, epoch = _train(gcn, adam, data, y, train, val, epochs, patience)
            predicted.append(guess)
            chosen.append(float(epoch))
    found = torch.stack(predicted).cpu()
    runs = {
        "accuracy": split_accuracy(found, y.cpu(), splits.test),
        "macro_f1": split_macro_f1(found, y.cpu(), splits.test),
        "val_accuracy": split_accuracy(found, y.cpu(), splits.val),
    }
    count = f"{len(splits)} split" + ("s" if len(splits) > 1 else "")
    line = f"{splits.name}: {count}, supervised GCN, best epoch on validation"
    result = Result.from_runs(runs, line)
    result.per_run["epoch"] = chosen
    return result


def _train(
    gcn: GCNEncoder,
    optimizer: torch.optim.Optimizer,
    data: Data,
    y: Tensor,
    train: Tensor,
    val: Tensor,
    epochs: int,
    patience: int,
) -> tuple[Tensor, int]:
    """Predicted classes at the epoch that is best on the validation nodes, and that epoch."""
    train, val = train.to(y.device), val.to(y.device)
    best, chosen, at = (-1.0, 0.0), y, 0
    least, progress = float("inf"), 0
    for epoch in range(1, epochs + 1):
        gcn.train()
        optimizer.zero_grad()
        out = gcn(data.x, data.edge_index, data.get("edge_weight"))
        cross_entropy(out[train], y[train]).backward()
        optimizer.step()
        gcn.eval()
        with torch.no_grad():
            out = gcn(data.x, data.edge_index, data.get("edge_weight"))
            guess, loss = out.argmax(1), float(cross_entropy(out[val], y[val]))
        accuracy = float((guess[val] == y[val]).double().mean())
        if accuracy > best[0] or loss < least:
            least, progress = min(least, loss), epoch
        if (accuracy, -loss) > best:
            best, chosen, at = (accuracy, -loss), guess, epoch
        if epoch - progress >= patience:
            break
    return chosen, at
