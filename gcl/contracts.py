"""The contracts of the package: four callables and one class, `Method`."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn
from torch_geometric.data import Data, HeteroData

Graph: TypeAlias = Data | HeteroData
"""One graph or a batch of graphs; a `torch_geometric.data.Batch` is a `Data`."""

Transform: TypeAlias = Callable[[Any], Any]
"""Graph -> Graph: any PyG transform, or a plain function. The input is never changed."""

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Two `[n, d]` matrices whose rows i belong together -> a scalar to minimise."""

Readout: TypeAlias = Callable[[Tensor, Tensor, int], Tensor]
"""`(z [n, d], batch [n], num_graphs)` -> `[num_graphs, d]`, e.g. PyG's `global_add_pool`."""


class Encoder(Protocol):
    """What turns features and edges into node embeddings; PyG's `GCN`, `GIN`, `GAT` are encoders.

    One with further parameters `edge_attr`, `edge_type` or `degree` is handed those of the graph or
    view, see `gcl.graphs.encoding.encode`.

    Shape:
        x `[n, f]`, edge_index `[2, e]`, edge_weight `[e]` or None -> `[n, out_channels]`.
    """

    out_channels: int

    def __call__(
        self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None
    ) -> Tensor: ...


class Method(nn.Module, ABC):
    """A self-supervised objective with the parameters it trains.

    A method knows nothing of epochs, optimizers, devices, loggers or ranks, and stores no data.
    `loss` and `embed` are all a subclass must have; `gcl.testing.check_method` checks one.
    """

    whole_graph: Transform | None = None
    """What `prepare` applies, if anything."""

    global_loss = False
    """Whether `loss` itself is that of the rows of all ranks, by `gcl.distributed`. Of others `fit`
    makes the attribute `objective` so, and those of the methods inside."""

    one_process: str | None = None
    """Why the loss of several processes would be another one, which `fit` refuses; None if not."""

    graph_level = False
    """Whether the rows of `embed` are graphs, and a loss needs a batch of them."""

    objective_of_rows = False
    """Whether `loss` is one call of `self.objective` with rows each of which follows from its own
    batch: what `fit(accumulate=)` needs."""

    made_by: Any = None
    """The calls that made the method, `gcl.methods.made.Made`; None where nothing tells."""

    def prepare(self, data: Graph) -> Graph:
        """What must see the whole graph, once before training; the input stays as it is.

        `gcl.fit` calls it in training mode, `gcl.embed` in evaluation mode.
        """
        return data if self.whole_graph is None else self.whole_graph(copy.copy(data))

    @abstractmethod
    def loss(self, data: Graph) -> Tensor:
        """One batch (or the whole graph) -> the scalar to minimise."""

    @abstractmethod
    def embed(self, data: Graph) -> Tensor:
        """The representation that is used downstream, `[n, d]`."""

    def after_step(self, step: int, total: int) -> None:
        """After each optimizer step: moving averages and schedules.

        Args:
            step: steps done, from 1.
            total: steps of the whole training.
        """

    def forward(self, data: Any) -> Tensor:
        """The loss, so that DistributedDataParallel and torch.compile work as on any module.

        What draws, sorts edges, or sums over pairs of rows stays outside compiled graphs.

        Raises:
            ValueError: what `loss` raises; one row where a BatchNorm in training mode needs two.
        """
        if torch.compiler.is_compiling():
            return self.loss(data)
        try:
            return self.loss(data)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise ValueError(
                f"{type(self).__name__}: BatchNorm needs at least two rows in training, and this "
                "batch or one of its views has one; leave out batches of one node, or take parts "
                "without BatchNorm."
            ) from error


def check_is_method(name: str, method: Any) -> None:
    """A `Method`.

    Raises:
        TypeError: anything else, such as a recipe that was not called.
    """
    if isinstance(method, Method):
        return
    came = type(method).__name__
    if isinstance(method, type):
        came = f"the class {method.__name__}; make an object of it"
    elif isinstance(method, nn.Module):
        came = f"the module {came}; a recipe makes a method of an encoder: grace(data, encoder=...)"
    elif isinstance(method, Data | HeteroData):
        came = f"{came}; the method comes before the data"
    elif callable(method) and hasattr(method, "__name__"):
        came = f"the function {method.__name__}; call it"
    raise TypeError(f"{name}: expected a gcl.Method, such as a recipe makes, got {came}.")
