"""One space for the nodes of all types."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torch_geometric.nn.parameter_dict import ParameterDict

from gcl.checks import check_count, check_real, check_width
from gcl.graphs.kinds import what_came
from gcl.nn.dropout import Dropout
from gcl.ops.propagation import sparse_linear

# Xavier's gain in the code of HeCo and MEOW.
GAIN = 1.414


class TypeProjection(nn.Module):
    r"""A linear layer for every node type, so that nodes of all types can meet.

        h_i = ELU( dropout( W_s x_i + b_s ) )     for a node i of type s

    A type without features gets one free vector a node, `x_i = e_i`, which is what identity
    features would give; so do the types named in `free`. Features may be dense or sparse CSR.
    Weights start Xavier-normal with gain 1.414, biases at 0.

    Args:
        data: gives the widths of the features, and the number of nodes where there are none.
        types: the node types to project.
        out_channels: width of the result.
        dropout: rate, in [0, 1).
        free: types whose features are not read.

    Shape:
        `projection(data)` -> a dict from type to `[n_s, out_channels]`.

    Raises:
        ValueError: a type that the graph has not, a number out of range.

    Reference:
        Wang et al., "Self-supervised Heterogeneous Graph Neural Network with Co-contrastive
        Learning" (HeCo), KDD 2021.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.hetero_sbm(40, num_authors=40, num_subjects=5)
        >>> TypeProjection(data, ["paper", "author"], 8)(data)["author"].shape
        torch.Size([40, 8])
    """

    def __init__(
        self,
        data: HeteroData,
        types: Iterable[str],
        out_channels: int,
        dropout: float = 0.0,
        free: Iterable[str] = (),
    ):
        super().__init__()
        if not isinstance(data, HeteroData):
            raise TypeError(f"TypeProjection: expected a HeteroData, got {what_came(data)}.")
        check_count("TypeProjection", out_channels=out_channels)
        check_real("TypeProjection", dropout=dropout)
        if not 0 <= dropout < 1:
            raise ValueError(f"TypeProjection: dropout must lie in [0, 1), got {dropout}.")
        self.out_channels, self.free = out_channels, frozenset(free)
        self.weights, self.biases = ParameterDict(), ParameterDict()  # PyG's: any name of a type
        self.kinds = tuple(dict.fromkeys(types))
        for kind in self.kinds:
            if kind not in data.node_types:
                raise ValueError(
                    f"TypeProjection: the graph has no node type {kind!r}; it has "
                    f"{', '.join(data.node_types)}."
                )
            rows = _count(data, kind) if kind in self.free else _width(data, kind)
            self.weights[kind] = nn.Parameter(torch.empty(rows, out_channels))
            self.biases[kind] = nn.Parameter(torch.empty(out_channels))
        self.dropout, self.act = Dropout(dropout), nn.ELU()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for weight in self.weights.values():
            nn.init.normal_(weight, std=GAIN * math.sqrt(2 / sum(weight.shape)))
        for bias in self.biases.values():
            nn.init.zeros_(bias)

    def forward(self, data: HeteroData) -> dict[str, Tensor]:
        found = {}
        for kind in self.kinds:
            x = None if kind in self.free else data[kind].get("x")
            if x is None and _count(data, kind) != len(self.weights[kind]):
                raise ValueError(
                    f"TypeProjection: made for {len(self.weights[kind])} nodes of type {kind!r}, "
                    f"each with a vector of its own, but there are {_count(data, kind)}."
                )
            found[kind] = self.project(kind, x)
        return found

    def project(self, kind: str, x: Tensor | None, keep: Tensor | None = None) -> Tensor:
        """Nodes of one type.

        Args:
            kind: the type.
            x: their features, None for a type without.
            keep: for a type without features, the nodes whose vector counts, bool `[n]`.
        """
        weight = self.weights[kind]
        if x is not None:
            check_width("TypeProjection", x, weight.shape[0], f"data[{kind!r}].x")
        if x is None:
            h = weight if keep is None else weight * keep[:, None]
        elif x.layout != torch.strided:
            h = sparse_linear(x.to_sparse_csr().to(weight.dtype), weight)
        else:
            h = x.to(weight.dtype) @ weight
        return self.act(self.dropout(h + self.biases[kind]))

    def extra_repr(self) -> str:
        return ", ".join(f"{k}: {w.shape[0]} -> {w.shape[1]}" for k, w in self.weights.items())


def _count(data: HeteroData, kind: str) -> int:
    number = data[kind].get("num_nodes")
    if number is None and data[kind].get("x") is not None:
        number = data[kind].num_nodes
    if number is None:
        raise ValueError(
            f"TypeProjection: nodes of type {kind!r} have no features, so their number must be "
            f"told: data[{kind!r}].num_nodes = ..."
        )
    return int(number)


def _width(data: HeteroData, kind: str) -> int:
    x = data[kind].get("x")
    if x is None:
        return _count(data, kind)
    if x.dim() != 2 or x.shape[1] < 1:
        raise ValueError(
            f"TypeProjection: features of {kind!r} must be [n, f] with f >= 1, got "
            f"{list(x.shape)}; remove x to give every node a vector of its own."
        )
    return int(x.shape[1])
