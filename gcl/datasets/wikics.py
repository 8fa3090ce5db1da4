"""Wiki-CS: computer science articles of Wikipedia."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected


def read_wikics(path: Path) -> Data:
    """The undirected Wiki-CS graph with its 20 splits from `data.json`.

    The result equals that of `torch_geometric.datasets.WikiCS(is_undirected=True)`.

    Args:
        path: the file `data.json`.

    Shape:
        x `[n, 300]` float32, edge_index `[2, e]`, y `[n]`; train_mask, val_mask and stopping_mask
        `[n, 20]`, one column a split; test_mask `[n]`, the same for all.

    Raises:
        ValueError: if the file is broken.

    Reference:
        Mernyei, Cangea: Wiki-CS: A Wikipedia-Based Benchmark for Graph Neural Networks, 2020.
    """
    try:
        raw = json.loads(path.read_text())
        x = np.array(raw["features"], np.float32)
        if x.ndim != 2 or not np.isfinite(x).all():
            raise ValueError("its features are no finite numbers, as many of every article")
        size, links = len(x), raw["links"]
        y = np.array(raw["labels"])
        if y.shape != (size,) or y.dtype.kind not in "iu":
            raise ValueError(f"its labels are not {size} whole numbers")
        counts = [len(ends) for ends in links]
        targets = list(chain.from_iterable(links))
        if not all(type(node) is int and 0 <= node < size for node in targets):
            raise ValueError(f"it links to an article outside 0..{size - 1}")
        sources = np.repeat(np.arange(len(counts)), counts)
        if len(counts) != size:
            raise ValueError(f"it has links of {len(counts)} articles and features of {size}")
        edge_index = torch.from_numpy(np.stack([sources, np.array(targets, np.int64)]))
        splits = {
            mask: _masks(raw[f"{mask}s"], size).t().contiguous()
            for mask in ("train_mask", "val_mask", "stopping_mask")
        }
        return Data(
            x=torch.from_numpy(x),
            edge_index=to_undirected(edge_index, num_nodes=size),
            y=torch.from_numpy(y.astype(np.int64)),
            test_mask=_masks([raw["test_mask"]], size)[0],
            **splits,
        )
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ValueError(
            f"load: {path} is not the data.json of Wiki-CS ({error}); replace it with the "
            "original, or delete it to have it downloaded again."
        ) from error


def _masks(raw: Any, size: int) -> torch.Tensor:
    """`[splits, size]`."""
    masks = np.array(raw)
    yes_or_no = masks.dtype == bool or (masks.dtype.kind in "iu" and np.isin(masks, (0, 1)).all())
    if masks.ndim != 2 or masks.shape[1] != size or not yes_or_no:
        raise ValueError(f"its masks are not lists of {size} times true or false")
    return torch.from_numpy(masks.astype(bool))
