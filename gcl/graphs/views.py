"""Drawing a view of a graph."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from gcl.ops.tracing import outside_graph


@outside_graph
def draw_view(transform: Callable[[Any], Any], data: Any) -> Any:
    """What a transform makes of a shallow copy; the graph itself stays as it is.

    Args:
        transform: a PyG transform, or a function on a graph.
        data: the graph.

    Shape:
        a graph -> a graph.
    """
    return transform(copy.copy(data))
