"""A GCN whose propagation is one sparse product a layer."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from numbers import Integral
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.nn.inits import glorot

from gcl.checks import check_count, check_real, check_width
from gcl.graphs.features import as_features
from gcl.graphs.kinds import check_edges
from gcl.nn.after_layer import after_layer, reset_all
from gcl.nn.dropout import Dropout, feature_dropout
from gcl.ops.propagation import Adjacency, gcn_adjacency, product, sparse_linear


class GCNEncoder(nn.Module):
    r"""Layers `act(norm(A_hat x W + b))` with `A_hat = D^-1/2 (A + I) D^-1/2`, as PyG's `GCNConv`.

    The normalised adjacency is built once a call and shared by all layers; the sorted edge list
    behind it is remembered as long as the same `edge_index` tensor comes in. Features may be a
    torch sparse CSR matrix (`gcl.transforms.ToSparseFeatures`).

    Args:
        in_channels: width of x.
        hidden_channels: width of the layers before the last.
        out_channels: width of the embeddings; `hidden_channels` if None.
        num_layers: >= 1.
        act: activation, by PyG's name ("relu", "prelu", "rrelu", ...) or a module factory; None
            for a linear encoder. Every layer gets its own.
        norm: normalisation before the activation, by PyG's name ("batch", "layer", ...).
        norm_kwargs: its arguments, e.g. `{"momentum": 0.01}`.
        dropout: of the input of every layer, in [0, 1).
        plain_last: no norm and activation after the last layer.

    Shape:
        x `[n, in_channels]`, edge_index `[2, e]`, edge_weight `[e]` or None, degree `[n]` or None
        -> `[n, out_channels]`. With `degree`, the in-degrees of a graph that this one is a part of
        (`gcl.loader` writes them), edges are normalised as there.

    Raises:
        ValueError: num_layers or a width below 1, dropout outside [0, 1), unknown activation.

    Reference:
        Kipf and Welling, "Semi-Supervised Classification with Graph Convolutional Networks",
        ICLR 2017.

    Example:
        >>> encoder = GCNEncoder(8, 16, 4)
        >>> encoder(torch.randn(3, 8), torch.tensor([[0, 1], [1, 0]])).shape
        torch.Size([3, 4])
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        out_channels: int | None = None,
        *,
        num_layers: int = 2,
        act: str | Callable[[], nn.Module] | None = "relu",
        norm: str | None = None,
        norm_kwargs: dict[str, Any] | None = None,
        dropout: float = 0.0,
        plain_last: bool = False,
    ):
        super().__init__()
        widths = [in_channels, hidden_channels]
        widths += [] if out_channels is None else [out_channels]
        for width in widths:
            if isinstance(width, bool) or not isinstance(width, Integral) or width < 1:
                raise ValueError(
                    f"GCNEncoder: widths must be whole numbers of at least 1, got {width!r}."
                )
        check_count("GCNEncoder", num_layers=num_layers)
        check_real("GCNEncoder", dropout=dropout)
        if not 0 <= dropout < 1:
            raise ValueError(f"GCNEncoder: dropout must lie in [0, 1), got {dropout}.")
        self.in_channels = in_channels
        self.out_channels = hidden_channels if out_channels is None else out_channels
        self.hidden_channels, self.num_layers, self.plain_last = (
            hidden_channels,
            num_layers,
            plain_last,
        )
        self.act, self.norm, self.norm_kwargs = act, norm, norm_kwargs
        widths = [in_channels, *[hidden_channels] * (num_layers - 1), self.out_channels]
        shapes = list(pairwise(widths))
        self.weights = nn.ParameterList(torch.empty(i, o) for i, o in shapes)
        self.biases = nn.ParameterList(torch.empty(o) for _, o in shapes)
        self.afters = nn.ModuleList()
        for layer, (_, width) in enumerate(shapes):
            plain = plain_last and layer == num_layers - 1
            self.afters.append(
                nn.Sequential()
                if plain
                else after_layer("GCNEncoder", width, act, norm, norm_kwargs)
            )
        self.dropout = Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for weight, bias in zip(self.weights, self.biases, strict=True):
            glorot(weight)
            nn.init.zeros_(bias)
        reset_all(self.afters)

    def forward(
        self,
        x: Float[Tensor, "n f"],
        edge_index: Int[Tensor, "2 e"],
        edge_weight: Float[Tensor, " e"] | None = None,
        degree: Tensor | None = None,
    ) -> Float[Tensor, "n d"]:
        check_width("GCNEncoder", x, self.in_channels)
        check_edges("GCNEncoder", edge_index, "")
        dtype = self.weights[0].dtype
        adjacency = gcn_adjacency(edge_index, edge_weight, x.shape[0], dtype, degree)
        z = as_features(x, dtype)
        for weight, bias, after in zip(self.weights, self.biases, self.afters, strict=True):
            z = self._layer(z, adjacency, weight, bias, after)
        return z

    # A frame of its own, which torch.compile compiles where it leaves the loop.
    def _layer(
        self, x: Tensor, adjacency: Adjacency, weight: Tensor, bias: Tensor, after: nn.Module
    ) -> Tensor:
        return after(self._convolve(x, adjacency, weight) + bias)

    def _convolve(self, x: Tensor, adjacency: Adjacency, weight: Tensor) -> Tensor:
        if x.layout == torch.sparse_csr:
            x = feature_dropout(x, self.dropout.p, self.training)
            return product(adjacency, sparse_linear(x, weight))
        x = self.dropout(x)
        # A product with A_hat costs what it is wide: take the narrower side.
        if weight.shape[0] < weight.shape[1]:
            return product(adjacency, x) @ weight
        return product(adjacency, x @ weight)

    def __repr__(self) -> str:  # a layer a line; PyTorch's would list weights, biases, rest apart
        layers = [
            ", ".join([f"{weight.shape[0]} -> {weight.shape[1]}", *map(str, after.children())])
            for weight, after in zip(self.weights, self.afters, strict=True)
        ]
        layers += [f"dropout={self.dropout.p:g}"] if self.dropout.p else []
        return "\n  ".join(["GCNEncoder(", *layers]) + "\n)"
