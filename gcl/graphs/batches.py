"""Which graph a node belongs to."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gcl.graphs.rows import without_helpers
from gcl.ops.tracing import outside_graph


@outside_graph
def membership(data: Any, z: Tensor) -> tuple[Tensor, int]:
    """The graph of every node, and the number of graphs; one where the data is no batch.

    Helper rows are no nodes: z must come without them (`gcl.graphs.rows.without_helpers`).
    """
    batch = data.get("batch")
    if batch is None:
        return z.new_zeros(len(z)).long(), 1
    known = getattr(data, "num_graphs", None)
    count = int(batch.max()) + 1 if known is None and len(batch) else int(known or 0)
    return without_helpers(batch, data), count
