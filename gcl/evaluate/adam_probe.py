"""The linear layer trained by Adam that several papers evaluate with."""

from __future__ import annotations

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

    Adam works entry by entry, so a batch of layers under a summed loss is a layer each.

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
    num_splits, num_classes = len(train), int(y.max()) + 1
    generator = torch.Generator().manual_seed(seed)
    bound = (6 / (x.shape[1] + num_classes)) ** 0.5
    start = torch.rand(num_splits, x.shape[1], num_classes, generator=generator)
    same = bool((train == train[:1]).all())  # then the splits can share their rows
    rows, labels, share = _padded(x, y, train[:1] if same else train)
    weight = ((2 * start - 1) * bound).to(rows).requires_grad_()
    bias = rows.new_zeros(num_splits, 1, num_classes, requires_grad=True)
    optimizer = torch.optim.Adam([weight, bias], lr=lr)
    seen, seen_labels, seen_share = _padded(x, y, val) if select else (rows, labels, share)
    best = rows.new_full((num_splits,), -1.0)
    kept = weight.detach().clone(), bias.detach().clone()
    # A model may be frozen under no_grad by the caller; this classifier still has to learn.
    with torch.enable_grad():
        for epoch in range(1, epochs + 1):
            log_probability = torch.log_softmax(rows @ weight + bias, 2)
            picked = log_probability.gather(2, labels.expand(num_splits, -1).unsqueeze(2))
            loss = -(picked.squeeze(2) * share).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if select and (epoch % EVERY == 0 or epoch == epochs):
                with torch.no_grad():
                    hits = (seen @ weight + bias).argmax(2) == seen_labels
                    accuracy = (hits * seen_share).sum(1)
                    better = accuracy > best
                    best = torch.where(better, accuracy, best)
                    for old, new in zip(kept, (weight, bias), strict=True):
                        old[better] = new[better]
    weight, bias = kept if select else (weight.detach(), bias.detach())
    return weight, bias.squeeze(1)


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
