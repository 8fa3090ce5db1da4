"""Splits of the nodes into training, validation and test parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gcl.checks import as_tensor, check_count, check_real, check_seed, shown
from gcl.evaluate.inputs import as_labels


@dataclass(frozen=True)
class Splits:
    """S splits of N nodes, as boolean masks.

    Args:
        name: What the printed protocol calls them.
        train: `[S, N]`.
        val: `[S, N]`; may be empty where nothing is selected on it.
        test: `[S, N]`.

    Raises:
        ValueError: if the masks are not boolean `[S, N]`, overlap, or a training or test part is
            empty.
    """

    name: str
    train: Tensor
    val: Tensor
    test: Tensor

    def __post_init__(self) -> None:
        masks = {"train": self.train, "val": self.val, "test": self.test}
        for part, mask in masks.items():
            if mask.dtype != torch.bool or mask.dim() != 2 or mask.shape != self.train.shape:
                raise ValueError(
                    f"Splits: expected {part} as a bool mask [S, N] like train, got "
                    f"{mask.dtype} {tuple(mask.shape)}; build it with zeros(S, N, dtype=bool)."
                )
            if part != "val" and not bool(mask.any(1).all()):
                raise ValueError(
                    f"Splits: split {int(mask.any(1).int().argmin())} of {self.name!r} has no "
                    f"{part} nodes; give every split some."
                )
        overlap = self.train & self.val | self.train & self.test | self.val & self.test
        if bool(overlap.any()):
            raise ValueError(
                f"Splits: {int(overlap.any(0).sum())} nodes of {self.name!r} are in two parts of "
                "one split; make train, val and test disjoint."
            )

    def __len__(self) -> int:
        return self.train.shape[0]

    @property
    def num_nodes(self) -> int:
        """N."""
        return self.train.shape[1]

    @property
    def ratio(self) -> float:
        """Test nodes over training nodes, the mean over splits, for `paired_test`."""
        return float((self.test.sum(1) / self.train.sum(1)).double().mean())

    def first(self, count: int) -> Splits:
        """The first splits, all of them if there are no more."""
        return Splits(self.name, self.train[:count], self.val[:count], self.test[:count])


def check_splits(where: str, splits: Any, y: Tensor) -> None:
    """Splits of the nodes of y, in whose parts all have a label.

    Args:
        where: What is told in front of the message.
        splits: What was given.
        y: Codes of the classes `[N]`, -1 for a node without a label.

    Raises:
        TypeError: no `Splits`.
        ValueError: splits of another graph, or a part with nodes without a label.
    """
    if not isinstance(splits, Splits):
        raise TypeError(
            f"{where}: splits must be gcl.evaluate.Splits, such as public_split(data) makes, got "
            f"{shown(splits)}."
        )
    if splits.num_nodes != len(y):
        raise ValueError(
            f"{where}: the splits are of {splits.num_nodes} nodes and the embeddings of {len(y)}; "
            "they must be of the same graph."
        )
    missing = int(((splits.train | splits.val | splits.test).any(0) & (y < 0)).sum())
    if missing:
        raise ValueError(
            f"{where}: {missing} nodes in the parts of {splits.name!r} have no label (y = -1); take"
            " them out of the masks."
        )


def random_splits(
    num_nodes: int,
    train: float = 0.1,
    val: float = 0.1,
    num_splits: int = 20,
    seed: int = 0,
    *,
    among: Tensor | None = None,
) -> Splits:
    """Uniformly random splits; the rest of the nodes is the test part.

    Args:
        num_nodes: N.
        train: Share of training nodes, in (0, 1).
        val: Share of validation nodes, in [0, 1).
        num_splits: S. Split i is the same for every S.
        seed: Seed of a generator of its own; torch's global one is not touched.
        among: Mask `[N]` of the nodes that are divided, such as `y >= 0`; the shares are of them,
            and the others are in no part. Default: all.

    Raises:
        ValueError: if the shares do not leave test nodes, or a part comes out empty.

    Example:
        >>> splits = random_splits(100, num_splits=3)
        >>> splits.name, splits.train.sum(1).tolist(), splits.test.sum(1).tolist()
        ('random-10-10-80', [10, 10, 10], [80, 80, 80])
    """
    check_count("random_splits", num_nodes=num_nodes, num_splits=num_splits)
    check_seed("random_splits", seed)
    check_real("random_splits", train=train, val=val)
    if not (0 < train < 1 and 0 <= val < 1 and train + val < 1):
        raise ValueError(
            f"random_splits: shares must be positive and sum to less than 1, got train={train} and "
            f"val={val}; leave some nodes for the test."
        )
    nodes = torch.arange(num_nodes) if among is None else _among(among, num_nodes)
    num_train, num_val = round(train * len(nodes)), round(val * len(nodes))
    if num_train < 1 or (val > 0 and num_val < 1) or num_train + num_val >= len(nodes):
        raise ValueError(
            f"random_splits: {len(nodes)} nodes are too few for shares train={train} and "
            f"val={val}; raise the shares."
        )
    generator = torch.Generator().manual_seed(seed)
    masks = torch.zeros(3, num_splits, num_nodes, dtype=torch.bool)
    for split in range(num_splits):
        order = nodes[torch.randperm(len(nodes), generator=generator)]
        masks[0, split, order[:num_train]] = True
        masks[1, split, order[num_train : num_train + num_val]] = True
        masks[2, split, order[num_train + num_val :]] = True
    return Splits(random_name(train, val), *masks.unbind(0))


def _among(mask: Tensor, num_nodes: int) -> Tensor:
    """Positions of the nodes that are divided."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != (num_nodes,):
        raise ValueError(
            f"random_splits: expected among as a bool mask [{num_nodes}], got {shown(mask)}; "
            "pass y >= 0."
        )
    return mask.detach().cpu().nonzero().flatten()


def random_splits_by_class(
    y: Any, train: int = 20, val: int = 30, num_splits: int = 100, seed: int = 0
) -> Splits:
    """Random splits with so many labels a class; the rest of the labelled nodes is the test part.

    Of a class that is too small to leave a test node, of at most `train + val` nodes, half the
    nodes are for the test, and the others are divided in the same proportion, at least one each.

    Args:
        y: Labels `[N]`, -1 for a node without one, which is in no part.
        train: Training nodes a class, at least 1.
        val: Validation nodes a class, at least 1.
        num_splits: S. Split i is the same for every S.
        seed: Seed of a generator of its own; torch's global one is not touched.

    Raises:
        TypeError, ValueError: labels or counts that do not fit; a class of fewer than three nodes.

    Reference:
        Shchur et al., "Pitfalls of Graph Neural Network Evaluation", 2018.

    Example:
        >>> splits = random_splits_by_class(torch.arange(300) % 3, num_splits=2)
        >>> splits.name, splits.train.sum(1).tolist(), splits.test.sum(1).tolist()
        ('random-20-30-rest', [60, 60], [150, 150])
    """
    where = "random_splits_by_class"
    check_count(where, train=train, val=val, num_splits=num_splits)
    check_seed(where, seed)
    codes, labels = as_labels(y, len(y) if hasattr(y, "__len__") else 0, where)
    members = [(codes == code).nonzero().flatten() for code in range(len(labels))]
    rarest = min(range(len(labels)), key=lambda code: len(members[code]))
    if len(members[rarest]) < 3:
        raise ValueError(
            f"{where}: class {labels[rarest]} has {len(members[rarest])} nodes, and each of the "
            "three parts needs one; join it with another class, or set its labels to -1."
        )
    generator = torch.Generator().manual_seed(seed)
    masks = torch.zeros(3, num_splits, len(codes), dtype=torch.bool)
    for split in range(num_splits):
        for nodes in members:
            own_train, own_val = _of_a_class(len(nodes), train, val)
            order = nodes[torch.randperm(len(nodes), generator=generator)]
            masks[0, split, order[:own_train]] = True
            masks[1, split, order[own_train : own_train + own_val]] = True
            masks[2, split, order[own_train + own_val :]] = True
    return Splits(by_class_name(train, val), *masks.unbind(0))


def _of_a_class(size: int, train: int, val: int) -> tuple[int, int]:
    """Training and validation nodes of a class."""
    if size > train + val:
        return train, val
    half = size - (size + 1) // 2
    own_train = max(1, min(half - 1, round(half * train / (train + val))))
    return own_train, max(1, half - own_train)


def by_class_name(train: int, val: int) -> str:
    """What `random_splits_by_class` calls its splits: `random-20-30-rest`."""
    return f"random-{train}-{val}-rest"


def random_name(train: float, val: float) -> str:
    """What `random_splits` calls its splits: `random-10-10-80`."""
    shares = [f"{100 * share:g}" for share in (train, val, 1 - train - val)]
    return "-".join(["random", *(share for share in shares if share != "0")])


def public_split(data: Any) -> Splits:
    """The split that comes with a data set: `train_mask`, `val_mask`, `test_mask`.

    Args:
        data: A graph with the three masks, each `[N]`, or `[N, S]` for S splits as in WikiCS, where
            the test mask is `[N]` for all of them.

    Raises:
        ValueError: if a mask is missing, or the masks do not fit together.
    """
    masks = []
    for part in ("train", "val", "test"):
        mask = getattr(data, f"{part}_mask", None)
        if mask is None:
            raise ValueError(
                f"public_split: the data has no {part}_mask; use a random protocol, or pass splits."
            )
        mask = as_tensor("public_split", f"{part}_mask", mask).detach().cpu().bool()
        masks.append(mask.unsqueeze(0) if mask.dim() == 1 else mask.T)
    num_splits = max(len(mask) for mask in masks)
    if any(m.dim() != 2 or len(m) not in (1, num_splits) for m in masks):
        raise ValueError(
            "public_split: expected masks [N] or [N, S] with one S, got "
            f"{[tuple(m.T.shape) for m in masks]}; give the same number of splits in each."
        )
    train, val, test = (mask.expand(num_splits, -1).contiguous() for mask in masks)
    return Splits("public", train, val, test)
