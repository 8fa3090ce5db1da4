"""An encoder that reads features only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.nn.inits import glorot

from gcl.checks import check_choice, check_count, check_width
from gcl.graphs.features import as_features
from gcl.ops.propagation import sparse_linear


class MLPEncoder(nn.Module):
    r"""Linear layers with ReLU between and none after the last.

        z = W_L relu( ... relu( norm(W_1 x + b_1) ) ... ) + b_L

    No messages pass; the edges of the encoder contract are accepted and ignored, so what the graph
    knows must come in through the loss. Features may be a torch sparse CSR matrix
    (`gcl.transforms.ToSparseFeatures`), which on bags of words saves most of the first layer.

    PyG's `MLP` reads the second argument as `batch` and takes no sparse features, so it is no
    encoder here.

    Args:
        in_channels: width of x.
        hidden: widths of the layers before the last; (500, 500, 2000) in DEC, SDCN and PamC.
        out_channels: width of the embeddings.
        norm: "batch" for a batch norm before every ReLU, or None.
        init: "glorot" starts from Glorot's uniform weights and biases of 0, None as `nn.Linear`
            does, about half as wide.

    Shape:
        x `[n, in_channels]`, edge_index and edge_weight ignored -> `[n, out_channels]`.

    Raises:
        TypeError: a width is no whole number.
        ValueError: a width below 1, another norm or init.

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
        norm: Literal["batch"] | None = None,
        init: Literal["glorot"] | None = None,
    ):
        super().__init__()
        if not isinstance(hidden, Sequence):
            raise TypeError(f"MLPEncoder: hidden must be widths such as (512,), got {hidden!r}.")
        self.widths = (in_channels, *hidden, out_channels)
        for width in self.widths:
            check_count("MLPEncoder", width=width)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(self.widths))
        if init is not None:
            check_choice("MLPEncoder", "init", init, ("glorot",))
            for layer in cast("list[nn.Linear]", list(self.layers)):
                glorot(layer.weight)
                nn.init.zeros_(layer.bias)
        if norm is not None:
            check_choice("MLPEncoder", "norm", norm, ("batch",))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in hidden) if norm else None

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
            z = sparse_linear(x, first.weight.t()) + first.bias
        else:
            z = first(x)
        if self.norms is not None and self.training and len(z) == 1:
            raise ValueError(
                "MLPEncoder: batch norm takes at least 2 nodes to train on, got 1; give more, "
                "or set norm=None."
            )
        for at, layer in enumerate(others):
            z = z if self.norms is None else self.norms[at](z)
            z = layer(z.relu())
        return z

    def __repr__(self) -> str:
        norm = "" if self.norms is None else ', norm="batch"'
        return f"MLPEncoder({' -> '.join(map(str, self.widths))}{norm})"
