"""From nodes to graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch_geometric.nn import global_add_pool

# The sum over the nodes of a graph: a mean would lose their number, a maximum their counts.
sum_readout: Callable[..., Any] = global_add_pool
