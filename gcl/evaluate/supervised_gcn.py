"""What a GCN reaches that trains on the labels: a reference for methods that do not see them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch_geometric.data import Data
from torch_geometric.nn.models import GCN

from gcl.evaluate.inputs import as_labels
from gcl.evaluate.linear_probe import choose_splits, look_up
from gcl.evaluate.protocols import Protocol
from gcl.evaluate.result import Result
from gcl.evaluate.scores import split_accuracy, split_macro_f1
from gcl.evaluate.splits import Splits
from gcl.losses.checks import check_count


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
    seed: int = 0,
) -> Result:
    """Accuracy of a two-layer GCN trained on the labels of each split.

    Rows of features are divided by their sums; the penalty is on the first layer alone; of the
    epochs the one with the best validation accuracy counts. The defaults are the paper's for Cora.

    Args:
        data: a graph with x, edge_index and y.
        protocol: whose splits are taken; its classifier is not.
        splits: splits to use in place of the protocol's.
        hidden: width of the hidden layer.
        epochs: training steps, full batch.
        lr: of Adam.
        weight_decay: L2 penalty on the first layer.
        dropout: on features and hidden layer.
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
        >>> supervised_gcn(data, protocol="random-10-10-80", epochs=20)["accuracy"] > 0.8
        True
    """
    check_count("supervised_gcn", hidden=hidden, epochs=epochs)
    y, classes = as_labels(data.y, int(data.num_nodes or 0), "supervised_gcn")
    splits = choose_splits(look_up(protocol), splits, data, len(y), 0)
    if not bool(splits.val.any(1).all()):
        raise ValueError(
            f"supervised_gcn: {splits.name!r} has splits without validation nodes, by which the "
            "epoch is chosen; take another protocol."
        )
    x = data.x / data.x.sum(1, keepdim=True).where(data.x.sum(1, keepdim=True) != 0, 1.0)
    y = y.to(x.device)
    predicted = []
    with torch.random.fork_rng():
        for i, (train, val) in enumerate(zip(splits.train, splits.val, strict=True)):
            torch.manual_seed(seed + i)
            model = GCN(
                x.shape[1], hidden, 2, out_channels=len(classes), dropout=dropout, cached=True
            ).to(x.device)
            optimizer = torch.optim.Adam(
                [
                    {"params": model.convs[0].parameters(), "weight_decay": weight_decay},
                    {"params": model.convs[1].parameters()},
                ],
                lr=lr,
            )
            predicted.append(
                _train(model, optimizer, x, data.edge_index, y, train, val, dropout, epochs)
            )
    found = torch.stack(predicted).cpu()
    runs = {
        "accuracy": split_accuracy(found, y.cpu(), splits.test),
        "macro_f1": split_macro_f1(found, y.cpu(), splits.test),
        "val_accuracy": split_accuracy(found, y.cpu(), splits.val),
    }
    line = f"{splits.name}: {len(splits)} splits, supervised GCN, best epoch on validation"
    return Result.from_runs(runs, line)


def _train(
    model: GCN,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    edge_index: Tensor,
    y: Tensor,
    train: Tensor,
    val: Tensor,
    dropout: float,
    epochs: int,
) -> Tensor:
    """Predicted classes at the epoch that is best on the validation nodes."""
    train, val = train.to(x.device), val.to(x.device)
    best, chosen = -1.0, y
    for _ in range(epochs):
        model.train()
        optimizer.zero_grad()
        out = model(torch.dropout(x, dropout, True), edge_index)
        cross_entropy(out[train], y[train]).backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():
            guess = model(x, edge_index).argmax(1)
        accuracy = float((guess[val] == y[val]).double().mean())
        if accuracy > best:
            best, chosen = accuracy, guess
    return chosen
