"""Features averaged over the graph, once: what an encoder on rows reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from gcl.checks import as_path, check_choice, check_count, check_fraction
from gcl.describe import describe
from gcl.graphs.features import feature_stores
from gcl.graphs.kinds import check_edge_weight, check_edges, check_one_type
from gcl.ops.smoothing import BUDGET, Keep, smooth
from gcl.transforms.propagated_files import propagate_in_files


class AddPropagated(BaseTransform):
    r"""Replaces x by its averages over neighbours, neighbours of neighbours, and so on.

    With `S = D^-1/2 (A + I) D^-1/2`, the matrix of a GCN, and r the residual,

        mean    (1 - r) / K sum_{k=1..K} S^k x + r x        (SSGC)
        last    S^K x                                       (SGC)
        concat  [x, S x, ..., S^K x]

    Run once before training, as `prepare` of a method or on the data itself. An encoder on rows,
    such as `gcl.nn.MLPEncoder`, then never touches the graph: batches are rows, and a new node
    needs its neighbours here only. Views act on what stands in x afterwards: masking a column hides
    it at all nodes, dropping an edge changes nothing, and `FeatureShuffling` gives a node the
    surroundings of another, where shuffling first would mix surroundings that no node has.

    Columns are propagated a block at a time; the graph and its edges stay as they are. Rows are not
    scaled: apply `NormalizeRows` first for bags of words.

    Args:
        hops: K, >= 1.
        keep: "mean", "last" or "concat", see above.
        residual: r in [0, 1], the share of x itself in "mean".
        attribute: where the result goes; "propagated" leaves x alone. That x was replaced is told
            by `propagated_hops`, K, on the graph and on batches of it.
        budget: numbers held beyond x, the result and the edges, at least one column's.
        folder: a new folder for the result, which is then a mapped file (`propagated.npy`) and
            never in memory as a whole; x may be mapped, too, see `gcl.datasets.from_files`. Rows
            are propagated a block at a time, which takes least where edges are sorted by target.
            A folder that was written from the same graph is opened; an interrupted run starts anew.

    Shape:
        x `[n, f]`, dense or sparse, edge_index `[2, e]`, edge_weight `[e]` or none -> `[n, f]`, of
        "concat" `[n, (K + 1) f]`; dense.

    Raises:
        TypeError: `HeteroData`, or no graph; numbers of another kind.
        ValueError: hops or budget below 1, another keep, residual outside [0, 1], no features, a
            negative weight of an edge; a folder that holds something else.

    With a folder, x must be dense, float32 or float64, and on the CPU.

    Reference:
        Wu et al., "Simplifying Graph Convolutional Networks" (SGC), ICML 2019; Zhu and Koniusz,
        "Simple Spectral Graph Convolution" (SSGC), ICLR 2021.

    Example:
        >>> from torch_geometric.data import Data
        >>> pair = Data(x=torch.tensor([[1.0], [0.0]]), edge_index=torch.tensor([[0, 1], [1, 0]]))
        >>> AddPropagated(2, residual=0.5)(pair).x
        tensor([[0.7500],
                [0.2500]])
    """

    def __init__(
        self,
        hops: int,
        keep: Keep = "mean",
        residual: float = 0.05,
        attribute: str = "x",
        budget: int = BUDGET,
        folder: str | os.PathLike[str] | None = None,
    ):
        check_count("AddPropagated", hops=hops, budget=budget)
        check_choice("AddPropagated", "keep", keep, ("mean", "last", "concat"))
        check_fraction("AddPropagated", residual=residual)
        if not isinstance(attribute, str) or not attribute.isidentifier():
            raise ValueError(f"AddPropagated: attribute must be a name, got {attribute!r}.")
        self.hops, self.keep, self.residual = hops, keep, residual
        self.attribute, self.budget = attribute, budget
        self.folder = None if folder is None else str(as_path("AddPropagated", folder))
        # By which a batch is known to come from a graph that has it.
        self.writes = ("propagated_hops",) if attribute == "x" else (attribute,)

    def forward(self, data: Any) -> Any:
        check_one_type("AddPropagated", data)
        (store,) = feature_stores("AddPropagated", data)
        if data.get("edge_index") is None:
            raise ValueError("AddPropagated: the data has no edge_index; it may be empty.")
        check_edges("AddPropagated", data.edge_index, num_nodes=len(store.x))
        weight = data.get("edge_weight")
        if weight is not None:
            check_edge_weight("AddPropagated", weight, data.edge_index.shape[1])
            _check_sign(weight)
        data[self.attribute] = self._propagated(store.x, data.edge_index, weight)
        if self.attribute == "x":
            data.propagated_hops = self.hops
        return data

    def _propagated(self, x: Tensor, edge_index: Tensor, weight: Tensor | None) -> Tensor:
        options: dict[str, Any] = {
            "hops": self.hops, "keep": self.keep, "residual": self.residual, "budget": self.budget,
        }  # fmt: skip
        if self.folder is None:
            return smooth(x, edge_index, weight, **options)
        dense = x.layout == torch.strided and x.dtype in (torch.float32, torch.float64)
        if not dense or x.device.type != "cpu":
            raise TypeError(
                "AddPropagated: with a folder x must be dense, float32 or float64, and on the CPU, "
                f"got {x.layout}, {x.dtype} on {x.device}; convert it, or leave folder out."
            )
        x = x.detach()
        return propagate_in_files(
            "AddPropagated", x, edge_index, weight, Path(self.folder), **options
        )

    def __repr__(self) -> str:
        return describe(self)


def _check_sign(weight: Tensor) -> None:
    if weight.numel() and not bool(torch.as_tensor(weight.min() >= 0)):
        raise ValueError(
            f"AddPropagated: edge weights must be at least 0, got {float(weight.min()):g}; "
            "D^-1/2 has no meaning for negative degrees."
        )
