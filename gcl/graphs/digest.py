"""A short name for all that a graph holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import InMemoryDataset
from torch_geometric.data.data import BaseData


def data_digest(data: BaseData | InMemoryDataset) -> str:
    """16 hexadecimal digits of SHA-256 over the names and values of every attribute.

    Equal data have equal digests wherever they lie, in any order of their attributes; a changed
    number, type, shape or name gives another one. Of objects that are no numbers, texts, lists or
    mappings of them only the class counts.

    Args:
        data: a graph, or a data set of graphs in memory.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> before = data_digest(data)
        >>> data.x = -data.x
        >>> data_digest(data) == before
        False
    """
    digest = hashlib.sha256()
    if isinstance(data, InMemoryDataset):
        _add(digest, "slices", data.slices)
        _add(digest, "chosen", torch.tensor(list(data.indices())))  # of a part, and in its order
        data = data._data
    for store in sorted(data.stores, key=lambda store: repr(getattr(store, "_key", None))):
        _add(digest, repr(getattr(store, "_key", None)), dict(store.items()))
    return digest.hexdigest()[:16]


def structure_digest(data: BaseData, most: int = 4096) -> str:
    """8 hexadecimal digits of the shapes of a graph and of some of its whole numbers, edges first.

    For graphs too large to be read for it; features do not count, as what is computed from them may
    differ in the last bit.

    Args:
        data: a graph.
        most: numbers read of each attribute, evenly spread.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> before = structure_digest(data)
        >>> data.edge_index = data.edge_index.flip(1)
        >>> structure_digest(data) == before
        False
    """
    digest = hashlib.sha256()
    for store in sorted(data.stores, key=lambda store: repr(getattr(store, "_key", None))):
        for name, value in sorted(store.items()):
            if not isinstance(value, Tensor) or value.layout != torch.strided:
                continue
            digest.update(f"{getattr(store, '_key', None)}{name}{tuple(value.shape)}".encode())
            if not value.is_floating_point() and value.is_contiguous() and value.numel():
                places = torch.linspace(0, value.numel() - 1, min(most, value.numel())).long()
                _add_tensor(digest, value.view(-1).cpu()[places])
    return digest.hexdigest()[:8]


def _add(digest: Any, name: str, value: Any) -> None:
    digest.update(f"{name}:{type(value).__name__}".encode())
    if isinstance(value, Tensor):
        _add_tensor(digest, value.detach())
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
    elif hasattr(value, "tocsr"):  # a SciPy matrix
        matrix = value.tocsr()
        for part in ("shape", "indptr", "indices", "data"):
            _add(digest, part, getattr(matrix, part))
    elif isinstance(value, Mapping):
        for key in sorted(value, key=repr):
            _add(digest, repr(key), value[key])
    elif isinstance(value, list | tuple):
        for position, part in enumerate(value):
            _add(digest, str(position), part)
    elif value is None or isinstance(value, bool | int | float | str | bytes):
        digest.update(repr(value).encode())


def _add_tensor(digest: Any, value: Tensor) -> None:
    digest.update(f"{value.dtype}{tuple(value.shape)}{value.layout}".encode())
    if value.layout == torch.sparse_coo:
        value = value.coalesce()
        parts = [value.indices(), value.values()]
    elif value.layout == torch.sparse_csr:
        parts = [value.crow_indices(), value.col_indices(), value.values()]
    elif value.layout == torch.sparse_csc:
        parts = [value.ccol_indices(), value.row_indices(), value.values()]
    else:
        parts = [value]
    for part in parts:
        plain = part.cpu().resolve_conj().resolve_neg().contiguous()
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
