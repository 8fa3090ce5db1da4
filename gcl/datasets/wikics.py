"""Wiki-CS: computer science articles of Wikipedia."""

from __future__ import annotations

import json
from pathlib import Path

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
        x = torch.tensor(raw["features"], dtype=torch.float)
        pairs = [(i, j) for i, ends in enumerate(raw["links"]) for j in ends]
        edge_index = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).t()
        splits = {
            mask: torch.tensor(raw[f"{mask}s"], dtype=torch.bool).t().contiguous()
            for mask in ("train_mask", "val_mask", "stopping_mask")
        }
        return Data(
            x=x,
            edge_index=to_undirected(edge_index.contiguous(), num_nodes=x.size(0)),
            y=torch.tensor(raw["labels"], dtype=torch.long),
            test_mask=torch.tensor(raw["test_mask"], dtype=torch.bool),
            **splits,
        )
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise ValueError(
            f"load: {path} is not the data.json of Wiki-CS ({error}); replace it with the "
            "original, or delete it to have it downloaded again."
        ) from error
