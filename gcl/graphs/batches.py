"""Which graph a node belongs to, and which rows of a batch count."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gcl.ops.tracing import outside_graph


@outside_graph
def membership(data: Any, z: Tensor) -> tuple[Tensor, int]:
    """The graph of every node, and the number of graphs; one where the data is no batch."""
    batch = data.get("batch")
    if batch is None:
        return z.new_zeros(len(z)).long(), 1
    known = getattr(data, "num_graphs", None)
    return batch, int(batch.max()) + 1 if known is None and len(batch) else int(known or 0)


def seed_rows(z: Tensor, data: Any) -> Tensor:
    # A Batch has a batch_size too, the number of its graphs: only input_id marks seed nodes.
    return z[: data.batch_size] if "input_id" in data else z
