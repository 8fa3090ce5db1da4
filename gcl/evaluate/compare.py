"""One evaluation over several embeddings: an embedding means little without its baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gcl.checks import shown
from gcl.evaluate.result import Result


def compare(
    evaluator: Callable[..., Result], embeddings: Mapping[str, Any], *args: Any, **options: Any
) -> dict[str, Result]:
    """Run one evaluation on every embedding, with the same options and the same seed.

    Args:
        evaluator: `linear_probe`, `cluster`, `knn`, `similarity_search`, `geometry` or your own.
        embeddings: Embeddings by name; put the raw features and the untrained encoder beside the
            trained one.
        *args: What the evaluator takes after the embedding, e.g. the labels.
        **options: Its keyword arguments.

    Example:
        >>> import torch
        >>> from gcl.evaluate import similarity_search
        >>> y = torch.tensor([0, 0, 1, 1])
        >>> zs = {"raw features": torch.ones(4, 2), "trained": torch.eye(2)[y]}
        >>> compare(similarity_search, zs, y, ks=[1])["trained"]
        sim@1 1.0000 (protocol similarity search: cosine, all nodes)
    """
    if not callable(evaluator):
        raise TypeError(
            f"compare: evaluator must be a function such as linear_probe, got {shown(evaluator)}."
        )
    if not isinstance(embeddings, Mapping):
        raise TypeError(
            "compare: embeddings must be a dict from names to embeddings, such as "
            f"{{'trained': z}}, got {shown(embeddings)}."
        )
    return {name: evaluator(z, *args, **options) for name, z in embeddings.items()}
