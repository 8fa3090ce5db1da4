"""An encoder whose embeddings have length 1."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

from gcl.checks import check_encoder
from gcl.contracts import Encoder
from gcl.ops.similarity import unit_rows


class UnitRows(nn.Module):
    """`z / ||z||` row by row, z what an encoder gives; a zero row stays zero.

    Args:
        encoder: `(x, edge_index, edge_weight) -> [n, out_channels]`.

    Shape:
        as the encoder; float32 or wider.

    Raises:
        TypeError: no encoder.

    Example:
        >>> import torch, gcl
        >>> encoder = UnitRows(gcl.nn.MLPEncoder(8, (), 4))
        >>> z = encoder(torch.randn(3, 8), torch.tensor([[0, 1], [1, 0]]))
        >>> z.detach().norm(dim=1).round(decimals=4)
        tensor([1., 1., 1.])
    """

    def __init__(self, encoder: Encoder):
        super().__init__()
        check_encoder("UnitRows", encoder)
        self.encoder, self.out_channels = encoder, encoder.out_channels
        self.in_channels = getattr(encoder, "in_channels", None)

    def forward(
        self,
        x: Float[Tensor, "n f"],
        edge_index: Int[Tensor, "2 e"],
        edge_weight: Float[Tensor, " e"] | None = None,
        **further: Tensor,
    ) -> Float[Tensor, "n d"]:
        return unit_rows(self.encoder(x, edge_index, edge_weight, **further))
