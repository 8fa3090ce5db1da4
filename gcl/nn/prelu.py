"""The leaky activation with a learned slope, and activations by name."""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.nn.resolver import activation_resolver

from gcl.ops.prelu import prelu


class PReLU(nn.PReLU):
    r"""`max(0, x) + a min(0, x)` with a learned slope a: `torch.nn.PReLU` with a faster backward.

    Value and gradients are torch's bit by bit; arguments and `state_dict` are torch's, too. With
    one slope for all channels, the default, its backward pass on a CPU is vectorised.

    Shape:
        x `[n, d, ...]` -> as x.

    Reference:
        He et al., "Delving Deep into Rectifiers", ICCV 2015.

    Example:
        >>> import torch
        >>> PReLU()(torch.tensor([-2.0, 3.0]))
        tensor([-0.5000,  3.0000], grad_fn=<_PReLUBackward>)
    """

    def forward(self, x: Tensor) -> Tensor:
        return prelu(x, self.weight)


def activation(name: str) -> nn.Module:
    """The activation of PyG's name, "prelu" with the faster backward pass.

    Raises:
        ValueError: PyG knows no such activation.
    """
    found = activation_resolver(name)
    return PReLU() if type(found) is nn.PReLU else found
