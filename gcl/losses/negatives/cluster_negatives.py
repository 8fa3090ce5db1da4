"""Negatives from the same cluster only."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gcl.checks import check_views
from gcl.ops.log_weight import LogWeight
from gcl.ops.stream_rows import as_vector
from gcl.ops.streaming import streaming_logsumexp
from gcl.ops.tiling import current_tiling, tiling
from gcl.ops.tracing import outside_graph, traced


class ClusterNegatives:
    """Only nodes with the same (pseudo) label are negatives, as in multistage contrast (MCL).

        lse_i = log sum_{j != i, labels_j = labels_i} exp( <q_i, k_j> / tau )

    Rows are sorted by label and every cluster is a sum of its own, so the cost is
    sum_c n_c^2 d operations in place of n^2 d. With few negatives `DCL` is the better loss.

    Args:
        labels: one integer a node. Reassign the attribute `labels` when the clustering changes;
            `refine_labels` makes those of the next stage.

    Shape:
        labels `[n]`; q, k `[n, d]`, tau a number, a scalar or `[n]` -> `[n]`; -inf for a node that
        is alone in its cluster.

    Raises:
        TypeError: labels are not integers.
        ValueError: not one label a row; bad input.

    Reference:
        Wang et al., "Learning the Unlearned: Mitigating Feature Suppression in Contrastive
        Learning" (MCL), ECCV 2024.

    Example:
        >>> z = torch.eye(4)
        >>> ClusterNegatives(torch.tensor([0, 1, 0, 0]))(z, z, 1.0).exp()
        tensor([2., 0., 2., 2.])
    """

    def __init__(self, labels: Int[Tensor, " n"]):
        self.labels = labels

    @property
    def labels(self) -> Tensor:
        """Cluster of every node, `[n]`."""
        return self._labels

    @labels.setter
    def labels(self, labels: Tensor) -> None:
        _check_labels("ClusterNegatives", labels)
        self._labels = labels

    @outside_graph
    def __call__(
        self, q: Float[Tensor, "n d"], k: Float[Tensor, "n d"], tau: Tensor | float
    ) -> Float[Tensor, " n"]:
        check_views("ClusterNegatives", q, k)
        if len(self.labels) != len(q):
            raise ValueError(
                f"ClusterNegatives: expected one label for each of the {len(q)} rows, got "
                f"{len(self.labels)}; set the attribute labels."
            )
        labels, order = self.labels.to(q.device).sort(stable=True)
        tau = as_vector("tau", q, tau)
        taus = tau.expand(len(q))[order]
        parts = _groups(labels)
        # Small as the sums are, dense ones take 1.3 to 1.7 times as long (4,000 rows, one thread).
        dense = current_tiling().implementation == "dense" or traced()
        with tiling(implementation="dense" if dense else "tiled"):
            lse = [
                streaming_logsumexp(a, b, tau=t, exclude=True, log_weight=_within(c))
                for a, b, t, c in zip(
                    *(x.split(parts) for x in (q[order], k[order], taus, labels)), strict=True
                )
            ]
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order), device=q.device)
        return torch.cat(lse)[back] if lse else q.new_zeros(0)

    def __repr__(self) -> str:
        return f"ClusterNegatives({len(self.labels)} nodes, {len(self.labels.unique())} clusters)"


def _groups(labels: Tensor) -> list[int]:
    """Sizes of runs of sorted labels that are summed together: whole clusters.

    Each is one cluster, or as many small ones as start within the same 256 rows: a sum has a
    price of its own.
    """
    sizes = labels.unique_consecutive(return_counts=True)[1]
    start = sizes.cumsum(0) - sizes
    group = start // 256
    return torch.bincount(group, weights=sizes).long()[group.unique()].tolist()


def _within(labels: Tensor) -> LogWeight | None:
    """The rule that keeps pairs of one cluster."""
    if labels[0] == labels[-1]:
        return None
    return LogWeight(_same_label, labels, symmetric=True, bound=0.0)


def _same_label(rows: slice, cols: slice, labels: Tensor) -> Tensor:
    apart = labels[rows, None] != labels[cols]
    return torch.zeros_like(apart, dtype=torch.float32).masked_fill_(apart, -torch.inf)


def refine_labels(labels: Int[Tensor, " n"], new: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """Labels of the next stage: two nodes share one if they share both the old and the new.

    The pair (old, new) as a number of mixed radix, made compact: 0 .. K-1 in the order of the
    pairs, each in use.

    Args:
        labels: pseudo labels of all stages so far.
        new: cluster ids of this stage.

    Shape:
        `[n]`, `[n]` -> `[n]`.

    Raises:
        TypeError: labels are not integers.
        ValueError: of different lengths.

    Example:
        >>> refine_labels(torch.tensor([0, 0, 1, 1]), torch.tensor([5, 2, 2, 2]))
        tensor([1, 0, 2, 2])
    """
    for each in (labels, new):
        _check_labels("refine_labels", each)
    if len(labels) != len(new):
        raise ValueError(
            f"refine_labels: expected two labels a node, got {len(labels)} and {len(new)}."
        )
    # Compact before and after: the product of two counts of clusters stays far below 2^63.
    old, digit = (each.unique(return_inverse=True)[1] for each in (labels, new.to(labels.device)))
    base = int(digit.max()) + 1 if len(digit) else 1
    return (old * base + digit).unique(return_inverse=True)[1]


def _check_labels(name: str, labels: Tensor) -> None:
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.is_complex():
        got = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
        raise TypeError(f"{name}: labels must be a tensor of integers, got {got}.")
    if labels.dim() != 1:
        raise ValueError(f"{name}: labels must be one a node [n], got {list(labels.shape)}.")
