"""The linear layer trained by Adam that several papers evaluate with."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gcl.evaluate.inputs import Matrix, take

EVERY = 20  # epochs between two looks at the validation part, as in the code of GCA


def fit_adam(
    x: Matrix,
    y: Tensor,
    train: Tensor,
    val: Tensor,
    *,
    epochs: int,
    select: bool,
    lr: float = 0.01,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Train one linear layer a split, all in one batch, without weight decay.

    Args:
        x: Rows, `[N, D]`.
        y: Classes from 0, `[N]`.
        train: Training masks, `[S, N]`.
        val: Validation masks, `[S, N]`; read only with `select`.
        epochs: Full-batch steps.
        select: Keep, for each split, the weights of its best validation accuracy (every 20th epoch
            is looked at); else those of the last step.
        lr: Step size.
        seed: Seed of the initial weights (Glorot uniform), from a generator of its own.

    Shape:
        -> weight `[S, D, C]`, bias `[S, C]`.
    """
    same = bool((train == train[:1]).all())  # then the splits can share their rows
    steps = adam_steps(
        *_padded(x, y, train[:1] if same else train),
        num_layers=len(train),
        num_classes=int(y.max()) + 1,
        epochs=epochs,
        lr=lr,
        seed=seed,
    )
    if not select:
        *_, (_, weight, bias) = steps
        return weight, bias.squeeze(1)
    seen, seen_labels, seen_share = _padded(x, y, val)
    best = BestLayers()
    for epoch, weight, bias in steps:
        if epoch == epochs or (epoch and epoch % EVERY == 0):
            hits = (seen @ weight + bias).argmax(2) == seen_labels
            best.look((hits * seen_share).sum(1), weight, bias)
    return best.weight, best.bias.squeeze(1)


def adam_steps(
    x: Tensor,
    y: Tensor,
    share: Tensor,
    *,
    num_layers: int,
    num_classes: int,
    epochs: int,
    lr: float,
    weight_decay: float = 0.0,
    seed: int = 0,
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Full-batch steps of linear layers under cross entropy, from Glorot uniform weights.

    Adam works entry by entry, so a batch of layers under a summed loss is a layer each. What is
    given out, first before any step, changes in place at the next.

    Shape:
        x `[S, n, D]`, y and share (weights of the rows) `[S, n]`, S = num_layers or 1 ->
        (step, weight `[num_layers, D, C]`, bias `[num_layers, 1, C]`).
    """
    generator = torch.Generator().manual_seed(seed)
    bound = (6 / (x.shape[2] + num_classes)) ** 0.5
    start = torch.rand(num_layers, x.shape[2], num_classes, generator=generator)
    weight = ((2 * start - 1) * bound).to(x).requires_grad_()
    bias = x.new_zeros(num_layers, 1, num_classes, requires_grad=True)
    optimizer = torch.optim.Adam([weight, bias], lr=lr, weight_decay=weight_decay)
    labels = y.expand(num_layers, -1).unsqueeze(2)
    yield 0, weight.detach(), bias.detach()
    for step in range(1, epochs + 1):
        # A model may be frozen under no_grad by the caller; this classifier still has to learn.
        with torch.enable_grad():
            log_probability = torch.log_softmax(x @ weight + bias, 2)
            loss = -(log_probability.gather(2, labels).squeeze(2) * share).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        yield step, weight.detach(), bias.detach()


class BestLayers:
    """The weights of every layer at its highest score, the first of equals."""

    def __init__(self) -> None:
        self.score: Tensor | None = None

    def look(self, score: Tensor, weight: Tensor, bias: Tensor) -> None:
        """One score a layer: `[S]`."""
        if self.score is None:
            self.score, self.weight, self.bias = score, weight.clone(), bias.clone()
            return
        better = score > self.score
        self.score = torch.where(better, score, self.score)
        self.weight[better], self.bias[better] = weight[better], bias[better]


def _padded(x: Matrix, y: Tensor, masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rows `[S, n, D]`, labels and row weights `[S, n]` of each mask, padded to the longest."""
    index, kept = padded_index(masks)
    rows = take(x, index.flatten()).view(*index.shape, x.shape[1])
    share = (kept / kept.sum(1, keepdim=True)).to(rows)
    return rows, y[index].to(rows.device), share


def padded_index(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Positions `[S, n]` of the true entries of each row, and which of them are not padding."""
    counts = masks.sum(1)
    index = masks.int().argsort(dim=1, descending=True, stable=True)[:, : int(counts.max())]
    return index, torch.arange(index.shape[1]) < counts.unsqueeze(1)
