"""Similarity search: how many of a node's nearest nodes share its class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from gcl.checks import check_counts
from gcl.evaluate.inputs import as_labels, as_matrix, cosine_blocks, told_labelled
from gcl.evaluate.result import Result


def similarity_search(z: Any, y: Any, ks: Sequence[int] = (5, 10)) -> Result:
    """Mean share of the k most similar other nodes, by cosine, that have the node's label.

    All pairs are compared, a block of rows at a time; no N x N array is stored.

    Args:
        z: Embeddings `[N, D]`, dense or sparse.
        y: Integer labels `[N]`; nodes without one, -1, are left out of the search.
        ks: Numbers of neighbours, each at least 1 and below the number of nodes with a label.

    Returns:
        `sim@k` for each k, as fractions.

    Raises:
        ValueError: if a k is out of range, or the labels do not fit.

    Reference:
        Lee et al., "Augmentation-free self-supervised learning on graphs", AAAI 2022.

    Example:
        >>> y = torch.tensor([0, 0, 1, 1])
        >>> similarity_search(torch.eye(2)[y], y, ks=[1])
        sim@1 1.0000 (protocol similarity search: cosine, all nodes)
    """
    x = as_matrix(z, "similarity_search", l2=True)
    codes, _ = as_labels(y, x.shape[0], "similarity_search")
    everyone = (codes >= 0).nonzero().flatten()
    num_nodes = len(everyone)
    check_counts("similarity_search", least=-(2**63), ks=ks)
    if not ks or min(ks) < 1 or max(ks) >= num_nodes:
        raise ValueError(
            f"similarity_search: ks must lie between 1 and {num_nodes - 1}, got {list(ks)}."
        )
    own_codes, place = codes[everyone], torch.arange(num_nodes)
    hits = torch.zeros(max(ks), dtype=torch.float64)
    for rows, block in cosine_blocks(x, everyone, everyone):
        own = place[rows].to(block.device)
        block[torch.arange(len(own), device=block.device), own] = -torch.inf
        nearest = block.topk(max(ks), dim=1).indices.cpu()
        hits += (own_codes[nearest] == own_codes[rows].unsqueeze(1)).sum(0)
    shares = hits.cumsum(0) / num_nodes
    return Result(
        {f"sim@{k}": float(shares[k - 1]) / k for k in ks},
        f"similarity search: cosine, all nodes{told_labelled(codes)}",
    )
