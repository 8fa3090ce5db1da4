"""How many edges away a method looks."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch_geometric.nn.conv import MessagePassing
from torch_geometric.nn.models.basic_gnn import BasicGNN

from gcl.contracts import Method
from gcl.graphs.encoding import asks_for
from gcl.nn.gcn_encoder import GCNEncoder

_KNOWN = ("torch.", "torch_geometric.", "gcl.")


def reach(method: Method) -> int | None:
    """Hops whose edges and nodes give the exact embedding of a node; None where nobody knows.

    The layers of the deepest encoder, the hops that the method adds, and one more where an encoder
    does not take `degree`: nodes at the rim then have all edges that their degrees count.

    Example:
        >>> import gcl
        >>> from torch_geometric.nn import GCN
        >>> data = gcl.datasets.load("karate")
        >>> reach(gcl.methods.grace(data)), reach(gcl.methods.grace(data, encoder=GCN(34, 8, 3)))
        (2, 4)
    """
    found = _of_method(method)
    if found is None:
        return None
    depth, exact = found
    return depth + (0 if exact or not depth else 1)


def _of_method(method: Method) -> tuple[int, bool] | None:
    """Hops, and whether every encoder takes the degrees of the whole graph."""
    deepest, exact = 0, True
    for part in method.children():
        members = list(part) if isinstance(part, nn.ModuleList) else [part]
        for member in members:
            if isinstance(member, Method):
                found = _of_method(member)
            else:
                depth = _depth(member)
                found = None if depth is None else (depth, not depth or asks_for(member, "degree"))
            if found is None:
                return None
            deepest, exact = max(deepest, found[0]), exact and found[1]
    own: Any = getattr(method, "hops", 0)
    return deepest + (own if isinstance(own, int) else 0), exact


def _depth(module: nn.Module) -> int | None:
    """Layers that pass messages, one after another; None where a part is of an unknown make."""
    if isinstance(module, GCNEncoder):
        return len(module.weights)
    if isinstance(module, BasicGNN):
        return module.num_layers
    if isinstance(module, MessagePassing):
        steps: Any = getattr(module, "K", 1)
        return steps if isinstance(steps, int) and steps > 0 else 1
    parts = list(module.children())
    if not type(module).__module__.startswith(_KNOWN) and not any(
        isinstance(part, MessagePassing | BasicGNN | GCNEncoder) for part in module.modules()
    ):
        # It may read the edges itself; a head of a user's own is taken for one, too.
        return None
    total = 0
    for part in parts:
        depth = _depth(part)
        if depth is None:
            return None
        total += depth
    return total
