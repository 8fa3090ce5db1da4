"""The head between embeddings and loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch_geometric.nn import MLP

from gcl.checks import check_count
from gcl.nn.after_layer import normalization


def projector(
    in_channels: int,
    hidden_channels: int,
    out_channels: int | None = None,
    *,
    norm: str | None = None,
    inner_products: bool = False,
) -> MLP:
    """GRACE's projection head `Linear -> ELU -> Linear`, as a PyG `MLP`.

    A head that is narrower inside than outside spans `hidden_channels + 1` directions at most. A
    loss of inner products or cosines sees no more than those, so with `inner_products` the head
    leaves out the other columns: the same loss, the same gradients, less work per pair of nodes.

    Args:
        in_channels: width of the embeddings.
        hidden_channels: width in between.
        out_channels: width of the result; `in_channels` if None, as in GRACE.
        norm: normalisation before the ELU, by PyG's name, such as "batch".
        inner_products: rotate the result into its own `hidden_channels + 1` columns where these are
            fewer than `out_channels`. Not for losses of single columns (Barlow Twins, VICReg), nor
            for ONNX, which has no QR.

    Raises:
        TypeError, ValueError: a width below 1; a norm that PyG does not know.

    Example:
        >>> projector(8, 4)
        MLP(8, 4, 8)
        >>> head = projector(8, 4, inner_products=True)
        >>> head(torch.randn(3, 8)).shape
        torch.Size([3, 5])
    """
    out_channels = in_channels if out_channels is None else out_channels
    check_count(
        "projector",
        in_channels=in_channels,
        hidden_channels=hidden_channels,
        out_channels=out_channels,
    )
    narrow = inner_products and hidden_channels + 1 < out_channels
    head = _RotatedMLP if narrow else MLP
    inside = None if norm is None else normalization("projector", norm, hidden_channels)
    return head([in_channels, hidden_channels, out_channels], act="elu", norm=inside)


class _RotatedMLP(MLP):
    """An MLP whose output `W a + b` is given in an orthonormal basis Q of the columns of (W, b).

    <Q'h_i, Q'h_j> = <h_i, h_j>, and the gradient of a function of these inner products reaches W, b
    and a as without Q, whose own change turns all rows alike.
    """

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        first, last = self.lins
        inner = self.act(self.norms[0](first(x)))
        columns = torch.cat([last.weight, last.bias.unsqueeze(1)], 1).detach()
        basis = torch.linalg.qr(columns).Q.t()
        return F.linear(inner, basis @ last.weight, basis @ last.bias)
