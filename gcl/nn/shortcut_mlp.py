"""The head of InfoGraph."""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.nn import MLP

from gcl.checks import check_count
from gcl.nn.after_layer import named_activation


class ShortcutMLP(nn.Module):
    """Three layers `Linear -> act` beside one linear layer, added.

    Args:
        in_channels: width of the input, >= 1.
        out_channels: width of the layers and of the output, >= 1.
        act: activation, by PyG's name.

    Shape:
        `[n, in_channels]` -> `[n, out_channels]`.

    Reference:
        Sun et al., "InfoGraph", ICLR 2020 (their code); the same head in MVGRL.

    Example:
        >>> import torch
        >>> ShortcutMLP(4, 8)(torch.ones(2, 4)).shape
        torch.Size([2, 8])
    """

    def __init__(self, in_channels: int, out_channels: int, act: str = "relu"):
        super().__init__()
        check_count("ShortcutMLP", in_channels=in_channels, out_channels=out_channels)
        widths = [in_channels, out_channels, out_channels, out_channels]
        self.layers = MLP(
            widths, act=named_activation("ShortcutMLP", act), norm=None, plain_last=False
        )
        self.shortcut = nn.Linear(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) + self.shortcut(x)
