"""Lists of pairs of nodes beside the edges, such as `pos_edge_index`: they hold numbers of nodes.

What takes a batch out of a graph must number them anew, with their weights; who has done so says it
by `mark_relabelled`, and `check_relabelled` refuses a batch whose pairs still mean the whole graph.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# The rest of the name of what goes with `<prefix>edge_index`, one entry a pair.
_FOLLOWERS = ("weight", "edge_weight", "attr", "edge_attr")
_MARK = "_relabelled"


def pair_lists(store: Any) -> dict[str, list[str]]:
    """Names of the lists of pairs of a store, and of what has one entry for each of their pairs.

    Example:
        >>> from torch_geometric.data import Data
        >>> pairs = torch.zeros(2, 3, dtype=torch.long)
        >>> pair_lists(Data(edge_index=pairs, pos_edge_index=pairs, pos_weight=torch.ones(3)))
        {'pos_edge_index': ['pos_weight']}
    """
    found = {}
    for name in list(store.keys()):
        value = store[name]
        is_list = isinstance(value, Tensor) and value.dim() == 2 and value.shape[0] == 2
        if name == "edge_label_index" and is_list:
            candidates = ["edge_label"]
        elif name.endswith("edge_index") and name != "edge_index" and is_list:
            prefix = name.removesuffix("edge_index")
            candidates = [prefix + rest for rest in _FOLLOWERS]
        else:
            continue
        found[name] = [c for c in candidates if _length(store.get(c)) == value.shape[1]]
    return found


def pairs_inside(pairs: Tensor, values: list[Tensor], rows: int) -> tuple[Tensor, list[Tensor]]:
    """The pairs of the first rows alone, and what goes with them.

    Shape:
        pairs `[2, P]`, each of values `[P, ...]` -> `[2, Q]`, `[Q, ...]`.
    """
    inside = (pairs < rows).all(0).nonzero().view(-1)
    return pairs.index_select(1, inside), [v.index_select(0, inside) for v in values]


def mark_relabelled(store: Any) -> None:
    """Says that the pairs of a store are numbered as its rows are."""
    store.__dict__[_MARK] = True


def check_relabelled(owner: str, batch: Any) -> None:
    """A batch whose pairs mean its own rows.

    Raises:
        ValueError: it was taken out of a graph (it has `n_id`), and its pairs still mean that.
    """
    for store in batch.node_stores:
        if "n_id" not in store or store.__dict__.get(_MARK):
            continue
        for name in pair_lists(store):
            raise ValueError(
                f"{owner}: {name} of the batch still holds the numbers of the whole graph's nodes, "
                "which are other nodes here; load it by gcl.loader.NeighborBatches or "
                "PartitionBatches, which number pairs anew, or leave it out of the graph."
            )


def pairs_by_first(pairs: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Where the pairs of every first node lie: `(rowptr [size + 1], order [P])`."""
    order = torch.argsort(pairs[0], stable=True)
    counts = torch.bincount(pairs[0], minlength=size)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)]), order


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, Tensor) and value.dim() else None
