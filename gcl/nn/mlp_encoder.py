"""An encoder that reads features only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.nn.inits import glorot

from gcl.checks import check_choice, check_count, check_width
from gcl.describe import changed_options
from gcl.graphs.features import as_features
from gcl.nn.after_layer import after_layer, reset_all
from gcl.nn.dropout import Dropout, feature_dropout
from gcl.ops.propagation import sparse_linear


class MLPEncoder(nn.Module):
    r"""Linear layers with an activation between and, by default, none after the last.

        z = W_L act( ... act( norm(W_1 x + b_1) ) ... ) + b_L

    No messages pass; the edges of the encoder contract are accepted and ignored, so what the graph
    knows must come in through the loss or the features (`gcl.transforms.AddPropagated`). Features
    may be a torch sparse CSR matrix (`gcl.transforms.ToSparseFeatures`), which on bags of words
    saves most of the first layer.

    PyG's `MLP` reads the second argument as `batch` and takes no sparse features, so it is no
    encoder here.

    Args:
        in_channels: width of x.
        hidden: widths of the layers before the last; (500, 500, 2000) in DEC, SDCN and PamC.
        out_channels: width of the embeddings.
        act: activation, by PyG's name ("relu", "prelu", ...) or a module factory; None for a linear
            encoder. Every layer gets its own.
        norm: normalisation before the activation, by PyG's name ("batch", "layer", ...), or None.
        norm_kwargs: its arguments, e.g. `{"momentum": 0.01}`.
        plain_last: no norm and activation after the last layer.
        init: "glorot" starts from Glorot's uniform weights and biases of 0, None as `nn.Linear`
            does, about half as wide.
        dropout: of the features, in [0, 1).

    Shape:
        x `[n, in_channels]`, edge_index and edge_weight ignored -> `[n, out_channels]`.

    Raises:
        TypeError: a width is no whole number.
        ValueError: a width below 1, an unknown norm or activation, another init, dropout outside
            its range.

    Reference:
        Xie, Girshick and Farhadi, "Unsupervised Deep Embedding for Clustering Analysis" (DEC),
        ICML 2016.

    Example:
        >>> MLPEncoder(8, (16,), 4)(torch.randn(3, 8)).shape
        torch.Size([3, 4])
    """

    def __init__(
        self,
        in_channels: int,
        hidden: Sequence[int] = (500, 500, 2000),
        out_channels: int = 10,
        *,
        act: str | Callable[[], nn.Module] | None = "relu",
        norm: str | None = None,
        norm_kwargs: dict[str, Any] | None = None,
        plain_last: bool = True,
        init: Literal["glorot"] | None = None,
        dropout: float = 0.0,
    ):
        super().__init__()
        if not isinstance(hidden, Sequence):
            raise TypeError(f"MLPEncoder: hidden must be widths such as (512,), got {hidden!r}.")
        self.widths = (in_channels, *hidden, out_channels)
        for width in self.widths:
            check_count("MLPEncoder", width=width)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(self.widths))
        self.afters = nn.ModuleList(
            after_layer("MLPEncoder", width, act, norm, norm_kwargs)
            for width in self.widths[1 : -1 if plain_last else None]
        )
        self.dropout = Dropout(dropout)
        self.act, self.norm, self.plain_last, self.init = act, norm, plain_last, init
        self.hidden, self.norm_kwargs = tuple(hidden), norm_kwargs
        if init is not None:
            check_choice("MLPEncoder", "init", init, ("glorot",))
            self._start_as_glorot()

    def reset_parameters(self) -> None:
        reset_all(self.layers)
        reset_all(self.afters)
        if self.init is not None:
            self._start_as_glorot()

    def _start_as_glorot(self) -> None:
        for layer in cast("list[nn.Linear]", list(self.layers)):
            glorot(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        x: Float[Tensor, "n f"],
        edge_index: Int[Tensor, "2 e"] | None = None,
        edge_weight: Float[Tensor, " e"] | None = None,
    ) -> Float[Tensor, "n d"]:
        check_width("MLPEncoder", x, self.in_channels)
        first, *others = cast("list[nn.Linear]", list(self.layers))
        x = as_features(x, first.weight.dtype)
        if x.layout == torch.sparse_csr:
            x = feature_dropout(x, self.dropout.p, self.training)
            z = sparse_linear(x, first.weight.t()) + first.bias
        else:
            z = first(self.dropout(x))
        for after, layer in zip(self.afters, others, strict=False):
            z = layer(after(z))
        return self.afters[-1](z) if len(self.afters) == len(self.layers) else z

    def __repr__(self) -> str:
        told = changed_options(
            self, besides=("in_channels", "hidden", "out_channels", "init", "dropout")
        )
        told += [f"dropout={self.dropout.p:g}"] if self.dropout.p else []
        return f"MLPEncoder({', '.join([' -> '.join(map(str, self.widths)), *told])})"
