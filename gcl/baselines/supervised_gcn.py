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
    hidden: int = 16,
    epochs: int = 200,
    lr: float = 0.01,
    weight_decay: float = 5e-4,
    dropout: float = 0.5,
    normalize: bool = True,
    seed: int = 0,
) -> Result:
    """Accuracy of a two-layer GCN trained on the labels of each split.

    The penalty is on the first layer alone; of the epochs the one with the best validation accuracy
    counts. The defaults are the paper's for Cora.

    Args:
        data: a graph with x, edge_index and y.
        protocol: whose splits are taken; its classifier is not.
        splits: splits to use in place of the protocol's.
        hidden: width of the hidden layer.
        epochs: training steps, full batch.
        lr: of Adam.
        weight_decay: L2 penalty on the first layer.
        dropout: on features and hidden layer.
        normalize: divide rows of features by their sums, as for words.
        seed: of the weights of every split's GCN and of the dropout; split i starts from
            `seed + i`. The seed of the splits stays 0, as in `linear_probe`. torch's global
            generator is left as it was.

    Returns:
        `accuracy`, `macro_f1`, `val_accuracy` and their `_std` over splits, as fractions.

    Raises:
        TypeError, ValueError: labels, splits or numbers that do not fit; a split without
            validation nodes.

    Reference:
        Kipf and Welling, "Semi-Supervised Classification with Graph Convolutional Networks",
        ICLR 2017: 81.5 on Cora, 70.3 on CiteSeer, 79.0 on PubMed (public split; theirs stops when
        the validation loss has not fallen for ten epochs).

    Example:
        >>> import gcl
        >>> data = gcl.datasets.sbm(200, 2, num_features=8)
        >>> result = supervised_gcn(data, protocol="random-10-10-80", epochs=20, normalize=False)
        >>> result["accuracy"] > 0.8
        True
    """
    check_count("supervised_gcn", hidden=hidden, epochs=epochs)
    check_seed("supervised_gcn", seed)
    y, classes = as_labels(data.y, int(data.num_nodes or 0), "supervised_gcn")
    splits = choose_splits(look_up(protocol), splits, data, y, 0)
    if not bool(splits.val.any(1).all()):
        raise ValueError(
            f"supervised_gcn: {splits.name!r} has splits without validation nodes, by which the "
            "epoch is chosen; take another protocol."
        )
    data = NormalizeRows()(copy.copy(data)) if normalize else copy.copy(data)
    data = ToSparseFeatures()(data)
    y = y.to(data.edge_index.device)
    predicted = []
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
            predicted.append(_train(gcn, adam, data, y, train, val, epochs))
    found = torch.stack(predicted).cpu()
    runs = {
        "accuracy": split_accuracy(found, y.cpu(), splits.test),
        "macro_f1": split_macro_f1(found, y.cpu(), splits.test),
        "val_accuracy": split_accuracy(found, y.cpu(), splits.val),
    }
    line = f"{splits.name}: {len(splits)} splits, supervised GCN, best epoch on validation"
    return Result.from_runs(runs, line)


def _train(
    gcn: GCNEncoder,
    optimizer: torch.optim.Optimizer,
    data: Data,
    y: Tensor,
    train: Tensor,
    val: Tensor,
    epochs: int,
) -> Tensor:
    """Predicted classes at the epoch that is best on the validation nodes."""
    train, val = train.to(y.device), val.to(y.device)
    best, chosen = -1.0, y
    for _ in range(epochs):
        gcn.train()
        optimizer.zero_grad()
        out = gcn(data.x, data.edge_index, data.get("edge_weight"))
        cross_entropy(out[train], y[train]).backward()
        optimizer.step()
        gcn.eval()
        with torch.no_grad():
            guess = gcn(data.x, data.edge_index, data.get("edge_weight")).argmax(1)
        accuracy = float((guess[val] == y[val]).double().mean())
        if accuracy > best:
            best, chosen = accuracy, guess
    return chosen
