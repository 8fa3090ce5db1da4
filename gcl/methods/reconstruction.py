"""Reconstruction of the features: what an auto-encoder is trained by."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import mse_loss

from gcl.contracts import Encoder, Method


class Reconstruction(Method):
    """`mean( (decoder(encoder(x)) - x)^2 )` over all entries of x.

    Args:
        encoder: `(x, edge_index, edge_weight) -> [n, d]`.
        decoder: `(z) -> [n, f]`.

    Example:
        >>> import torch, gcl
        >>> from gcl.nn.mlp_encoder import MLPEncoder
        >>> data = gcl.datasets.load("karate")
        >>> method = Reconstruction(MLPEncoder(34, (8,), 4), MLPEncoder(4, (8,), 34))
        >>> method.embed(data).shape
        torch.Size([34, 4])
    """

    def __init__(self, encoder: Encoder, decoder: nn.Module):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def loss(self, data: Any) -> Tensor:
        found = self.decoder(self.embed(data))
        return mse_loss(found, data.x.to_dense().to(found.dtype))

    def embed(self, data: Any) -> Tensor:
        return self.encoder(data.x, data.edge_index, data.get("edge_weight"))
