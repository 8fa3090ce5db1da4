"""What `fit` and `embed` do with the method and the graph that they are given."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch._dynamo.eval_frame import OptimizedModule
from torch.nn.parallel import DistributedDataParallel
from torch_geometric.data.data import BaseData

from gcl.contracts import Method
from gcl.graphs.kinds import reads_codes
from gcl.graphs.validate import validate_graph
from gcl.graphs.views import mark_lost


def prepare(method: Method, data: BaseData, device: torch.device) -> Any:
    """A graph that was checked, moved and prepared; the given one stays where it is."""
    validate_graph(data, codes=reads_codes(method))
    moved = copy.copy(data).to(device) if _elsewhere(data, device) else data
    prepared = method.prepare(moved)
    mark_lost(prepared, data, "what method.prepare makes of it")
    return prepared


def _elsewhere(data: BaseData, device: torch.device) -> bool:
    tensors = [v for s in data.stores for v in s.values() if isinstance(v, Tensor)]
    return any(v.device != device for v in tensors)


def device_of(method: torch.nn.Module) -> torch.device:
    """Where the parameters are."""
    return next((p.device for p in method.parameters()), torch.device("cpu"))


def unwrapped(method: Any) -> Any:
    """The method itself, without what DistributedDataParallel or torch.compile put around it."""
    while isinstance(method, DistributedDataParallel | OptimizedModule):
        wrapped = isinstance(method, DistributedDataParallel)
        method = method.module if wrapped else method._orig_mod
    return method


def check_method(name: str, method: Any) -> None:
    """A method.

    Raises:
        TypeError: anything else.
    """
    if not isinstance(method, Method):
        swapped = "; the method comes before the data" if isinstance(method, BaseData) else ""
        raise TypeError(
            f"{name}: method must be a gcl.Method, got {type(method).__name__}{swapped}."
        )
