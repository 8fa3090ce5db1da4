"""The layers of a GCN as numbers: what its bounds are made of."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from gcl.nn.gcn_encoder import GCNEncoder
from gcl.nn.prelu import PReLU
from gcl.ops.prelu import prelu


class Layer(NamedTuple):
    """`act(A_hat h weight + bias)` with `act(z) = z` for z > 0 and `slope z` below."""

    weight: Tensor
    bias: Tensor
    slope: Tensor


def gcn_layers(encoder: Any) -> list[Layer]:
    """The layers of a `GCNEncoder`, with the slopes of its activations as numbers.

    Raises:
        TypeError: another encoder, a norm layer, or an activation that is not piecewise linear.
        ValueError: a negative slope outside [0, 1), or dropout in training mode.
    """
    if not isinstance(encoder, GCNEncoder):
        raise TypeError(
            f"bounds need a gcl.nn.GCNEncoder, got {type(encoder).__name__}; other message passing "
            "(attention, sums, means) has other bounds."
        )
    if encoder.dropout.p and encoder.training:
        raise ValueError(
            f"bounds need an encoder without dropout, got dropout={encoder.dropout.p}; set it to 0."
        )
    parts = zip(encoder.weights, encoder.biases, encoder.afters, strict=True)
    return [Layer(w, b, _slope(after, w)) for w, b, after in parts]


def activate(z: Tensor, slope: Tensor) -> Tensor:
    """The activation of a `Layer`."""
    return prelu(z, slope.view(-1))


def _slope(after: nn.Module, weight: Tensor) -> Tensor:
    modules = list(after) if isinstance(after, nn.Sequential) else [after]
    if not modules:
        return weight.new_ones(())  # linear: the lines are the function itself
    act = modules[0]
    if len(modules) > 1 or type(act) not in (nn.ReLU, nn.LeakyReLU, nn.PReLU, PReLU):
        names = ", ".join(type(module).__name__ for module in modules)
        raise TypeError(
            "bounds need ReLU, LeakyReLU or PReLU after every layer and no norm, got "
            f"{names}; take act='relu', 'leaky_relu' or 'prelu' and norm=None."
        )
    if isinstance(act, nn.PReLU):
        slope = act.weight.detach().to(weight.dtype)
    else:
        slope = weight.new_full((), act.negative_slope if isinstance(act, nn.LeakyReLU) else 0.0)
    if type(act) is nn.ReLU:
        return slope
    if not bool(((slope >= 0) & (slope < 1)).all()):
        raise ValueError(
            "bounds need slopes of the activation in [0, 1), got "
            f"{float(slope.min()):g} to {float(slope.max()):g}; with others the lines change sides."
        )
    return slope
