"""Two augmented views of a graph, one encoder, one loss between them."""

from __future__ import annotations

import copy
import inspect
from typing import Any

from torch import Tensor, nn
from torch_geometric.data import Data, HeteroData

from gcl.methods.base import Method
from gcl.typing import Encoder, Graph, Loss, Readout, Transform


class TwoView(Method):
    """`loss(projector(encoder(view_1(data))), projector(encoder(view_2(data))))`.

    Args:
        encoder: `(x, edge_index, edge_weight) -> [n, d]`, e.g. `gcl.nn.GCNEncoder` or PyG's `GIN`.
        views: two transforms; they see a shallow copy, so a plain function may assign to it.
        loss: `(h1, h2) -> scalar`.
        projector: head between embeddings and loss; none if None.
        readout: `(z, batch, num_graphs) -> [num_graphs, d]` for graph-level contrast.
        prepare: a transform of the whole graph, applied once before training and embedding.

    A graph with `pos_edge_index` (and `pos_weight`), pairs of nodes that belong together as
    `gcl.transforms.AddSoftPositives` writes them, hands these to a loss whose signature has them.

    On a batch with seed nodes (PyG's NeighborLoader: `input_id`, `batch_size`) only the seeds
    enter the loss and the embedding.

    Example:
        >>> import torch, gcl
        >>> from torch_geometric.data import Data
        >>> drop = gcl.augment.EdgeDropping(0.5)
        >>> method = TwoView(gcl.nn.GCNEncoder(3, 4), (drop, drop), gcl.losses.InfoNCE(0.5))
        >>> data = Data(x=torch.randn(5, 3), edge_index=torch.tensor([[0, 1], [1, 0]]))
        >>> method(data).shape, method.embed(data).shape
        (torch.Size([]), torch.Size([5, 4]))
    """

    def __init__(
        self,
        encoder: Encoder,
        views: tuple[Transform, Transform],
        loss: Loss,
        projector: nn.Module | None = None,
        readout: Readout | None = None,
        prepare: Transform | None = None,
    ):
        super().__init__()
        if not isinstance(views, tuple | list) or [callable(view) for view in views] != [True] * 2:
            raise ValueError("TwoView: views must be two transforms, each a callable on a graph.")
        self.encoder, self.contrast = encoder, loss
        named = inspect.signature(loss.forward if isinstance(loss, nn.Module) else loss).parameters
        self._takes = [key for key in ("pos_edge_index", "pos_weight") if key in named]
        self.projector, self.readout = projector, readout
        self.views, self._prepare = tuple(views), prepare

    def prepare(self, data: Graph) -> Graph:
        return data if self._prepare is None else self._prepare(copy.copy(data))

    def loss(self, data: Graph) -> Tensor:
        positives = {key: data[key] for key in self._takes if key in data}
        return self.contrast(*self.project_views(data), **positives)

    def embed(self, data: Graph) -> Tensor:
        if isinstance(data, HeteroData):
            raise TypeError("TwoView: expected a graph of one node type (Data), got HeteroData.")
        z = self.encoder(data.x, data.edge_index, data.get("edge_weight"))
        if self.readout is not None:
            return self.readout(z, *_membership(data, z))
        return _seeds(z, data)

    def project_views(self, data: Graph) -> tuple[Tensor, Tensor]:
        """Projections of two freshly drawn views: what the loss compares."""
        first, second = (self._project(view(copy.copy(data))) for view in self.views)
        return first, second

    def _project(self, data: Graph) -> Tensor:
        if not isinstance(data, Data):
            raise TypeError(
                f"TwoView: a view must return a graph of one node type (Data), got "
                f"{type(data).__name__}."
            )
        z = self.embed(data)
        return z if self.projector is None else self.projector(z)

    def extra_repr(self) -> str:
        shown: dict[str, Any] = {"views": self.views, "prepare": self._prepare}
        return "\n".join(f"({key}): {value}" for key, value in shown.items() if value is not None)


def _membership(data: Any, z: Tensor) -> tuple[Tensor, int]:
    batch = data.get("batch")
    if batch is None:
        return z.new_zeros(len(z)).long(), 1
    return batch, data.num_graphs


def _seeds(z: Tensor, data: Any) -> Tensor:
    # A Batch has a batch_size too, the number of its graphs: only input_id marks seed nodes.
    return z[: data.batch_size] if "input_id" in data else z
