"""Node features as a dense matrix or as a torch CSR matrix, behind the same few operations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gcl.contracts import Graph
from gcl.graphs.kinds import check_graph
from gcl.ops.sparse import csr_tensor
from gcl.ops.tracing import traced


def feature_stores(owner: str, data: Graph) -> list[Any]:
    """The node stores that have features, checked; an error where there is none."""
    check_graph(owner, data)
    stores = [store for store in data.node_stores if "x" in store]
    if not stores:
        raise ValueError(f"{owner}: the data has no x; add node features [num_nodes, features].")
    for store in stores:
        x = store.x
        if not isinstance(x, Tensor) or x.layout not in (torch.strided, torch.sparse_csr):
            layout = x.layout if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(f"{owner}: x must be a dense or a torch CSR tensor, got {layout}.")
        if x.dim() < 2:
            raise ValueError(
                f"{owner}: x must be [num_nodes, features], got {list(x.shape)}; "
                "use x.view(-1, 1) for a single feature."
            )
    return stores


def is_csr(x: Tensor) -> bool:
    """Whether x is a torch CSR matrix."""
    return x.layout == torch.sparse_csr


def as_features(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Features as they enter an encoder: in the dtype of its weights, dense or CSR.

    Raises:
        TypeError: a sparse matrix where torch must follow every operation, which it cannot.
    """
    if x.layout != torch.strided and traced():
        raise TypeError(
            f"torch.export and torch.func take dense features, got a {x.layout} matrix; give "
            "x.to_dense()."
        )
    x = x.to(dtype)
    return x if x.layout in (torch.strided, torch.sparse_csr) else x.to_sparse_csr()


def zero_columns(x: Tensor, drop: Tensor, graph: Tensor | None = None) -> Tensor:
    """Multiplies columns of x by zero; the indices of a CSR matrix stay the same tensors.

    Args:
        x: `[n, f]` features.
        drop: `[f]` columns to zero, or `[g, f]` for each graph.
        graph: `[n]`, the graph of every row, where drop is `[g, f]`.
    """
    if not is_csr(x):
        # A product with a row of numbers is several times faster than masked_fill with a row.
        keep = (~drop).to(x.dtype)
        return x * (keep if graph is None else keep[graph])
    col = x.col_indices()
    if graph is None:
        hit = drop[col]
    else:
        rows = torch.repeat_interleave(graph, x.crow_indices().diff(), output_size=col.numel())
        hit = drop[rows, col]
    return with_values(x, x.values().masked_fill(hit, 0))


def with_values(x: Tensor, values: Tensor) -> Tensor:
    """The CSR matrix x with other values, on the very same index tensors."""
    return csr_tensor(x.crow_indices(), x.col_indices(), values, (x.size(0), x.size(1)))


def take_rows(x: Tensor, index: Tensor) -> Tensor:
    """`x[index]`, for CSR too."""
    if not is_csr(x):
        return x.index_select(0, index)
    crow, col, values = x.crow_indices(), x.col_indices(), x.values()
    counts = crow.diff()[index]
    start = torch.cat([counts.new_zeros(1), counts.cumsum(0)]).to(crow.dtype)
    total = int(start[-1])
    shift = torch.repeat_interleave(crow[index] - start[:-1], counts, output_size=total)
    at = shift + torch.arange(total, device=col.device)
    return csr_tensor(start, col[at], values[at], (index.numel(), x.size(1)))
