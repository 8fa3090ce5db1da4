"""What an encoder is handed of a graph."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor, nn

from gcl.graphs.rows import HELPERS


def encode(encoder: Any, data: Any, x: Tensor | None = None, asked: Any = None) -> Tensor:
    """`encoder(x, edge_index, edge_weight)`, and what else its signature asks for by name.

    That is `degree` today: the in-degrees of the whole graph, which `gcl.loader` writes to every
    batch, so that a layer of it is normalised as in the whole graph. An encoder that has no such
    parameter is called without.

    Args:
        encoder: `(x, edge_index, edge_weight) -> [n, d]`.
        data: a graph or a view of one.
        x: features in place of `data.x`.
        asked: whose signature it is; the encoder's own if None.

    Shape:
        x `[n, f]` -> `[n, d]`.

    Example:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> pair = Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0, 1], [1, 0]]))
        >>> encode(lambda x, edge_index, edge_weight: x + 1, pair)
        tensor([[2.],
                [2.]])
    """
    x = data.x if x is None else x
    given = x, data.edge_index, data.get("edge_weight")
    degree = known_degree(data, x.shape[0])
    if degree is None or not asks_for(encoder if asked is None else asked, "degree"):
        return encoder(*given)
    return encoder(*given, degree=degree)


def known_degree(data: Any, rows: int) -> Tensor | None:
    """The degrees that the data tell; None where a view has added rows that have none."""
    degree = data.get("degree")
    if not isinstance(degree, Tensor):
        return None
    helped = any(data.get(name) is not None for name in HELPERS)
    return None if helped and len(degree) != rows else degree


def asks_for(encoder: Any, name: str) -> bool:
    """Whether an encoder, or what it wraps as `module` or `encoder`, has such a parameter.

    A wrapper that takes any keyword hands it on.
    """
    call = encoder.forward if isinstance(encoder, nn.Module) else encoder
    try:
        parameters = inspect.signature(call).parameters
    except (TypeError, ValueError):  # not every callable tells
        return False
    wrapped = getattr(encoder, "module", getattr(encoder, "encoder", None))
    if name in parameters:
        return wrapped is None or asks_for(wrapped, name)
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return False
    return wrapped is not None and asks_for(wrapped, name)
