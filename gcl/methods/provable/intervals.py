"""Intervals of what every layer of a GCN computes, whatever goes within the budget."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gcl.graphs.features import is_csr, with_values
from gcl.methods.provable.adjacency import AdjacencyBounds
from gcl.methods.provable.layers import Layer, activate
from gcl.methods.provable.products import feature_product


class Interval(NamedTuple):
    """Entry-wise bounds `low <= v <= high`; one and the same tensor twice where v is known."""

    low: Tensor
    high: Tensor


class LayerIntervals(NamedTuple):
    """Of `x W` of the first layer, and of the pre-activations of all layers."""

    product: Interval
    pre_activations: list[Interval]


def layer_intervals(
    layers: Sequence[Layer],
    adjacency: AdjacencyBounds,
    x: Float[Tensor, "n f"],
    products: Sequence[Tensor],
    *,
    columns: int = 0,
) -> LayerIntervals:
    """Bounds of every layer's pre-activation over the graphs and the masks within the budget.

    Given the products of all layers, `h W` above the first layer is taken as it is on the clean
    graph: the paper's intervals, which leave the changes of the layers below out. Given that of the
    features alone, every interval is built on the one below, and holds.

    Args:
        layers: of the encoder.
        adjacency: bounds of `A_hat`.
        x: features, dense or CSR.
        products: `h W` on the clean graph, of all layers or of the first, see `CleanProducts`.
        columns: how many columns of x may be zeroed.

    Example:
        >>> from gcl.methods.provable.adjacency import adjacency_bounds
        >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> adjacency = adjacency_bounds(path, None, 3, torch.tensor([0, 1, 0]))
        >>> weight, x = torch.ones(1, 1), torch.ones(3, 1)
        >>> layer = Layer(weight, torch.zeros(1), torch.tensor(0.0))
        >>> (end,) = layer_intervals([layer], adjacency, x, [x @ weight]).pre_activations
        >>> end.low.flatten(), end.high.flatten()
        (tensor([0.9082, 0.3333, 0.9082]), tensor([1.0000, 1.5000, 1.0000]))
    """
    product, *above = products
    first = _masked_product(x, layers[0].weight, product, columns)
    found = [_propagate(adjacency, first, layers[0].bias)]
    for level, (below, layer) in enumerate(pairwise(layers)):
        if above:
            values = Interval(above[level], above[level])
        else:
            hidden = Interval(*(activate(end, below.slope) for end in found[-1]))
            values = _linear(hidden, layer.weight)
        found.append(_propagate(adjacency, values, layer.bias))
    return LayerIntervals(first, found)


def _masked_product(
    x: Float[Tensor, "n f"],
    weight: Float[Tensor, "f c"],
    product: Float[Tensor, "n c"],
    columns: int,
) -> Interval:
    """Bounds of `x W` when at most so many columns of x are zeroed.

    With what falls away if all entries of one sign do, `gain = sum_f max(x_if W_fc, 0)` and
    `loss = sum_f max(-x_if W_fc, 0)`, and the largest single entries,

        low  = x W - min( gain, columns * max_f max(x_if W_fc, 0) )
        high = x W + min( loss, columns * max_f max(-x_if W_fc, 0) )

    where the two maxima are bounded by products of maxima, which needs no `[n, f, c]` array.

    Args:
        x: features, dense or CSR.
        weight: of the first layer.
        product: `x W`.
        columns: the budget, >= 0.

    Shape:
        x `[n, f]`, weight `[f, c]`, product `[n, c]` -> two `[n, c]`.

    Example:
        >>> x, weight = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [-1.0]])
        >>> _masked_product(x, weight, x @ weight, 1)
        Interval(low=tensor([[-2.]]), high=tensor([[3.]]))
    """
    if columns == 0:
        return Interval(product, product)
    up, down = weight.clamp(min=0), (-weight).clamp(min=0)
    positive, negative = _signed(x)
    gain = feature_product(positive, up)
    top = _row_maxima(positive, weight.dtype)[:, None]
    largest_gain, largest_loss = top * up.amax(0), top * down.amax(0)
    if negative is not None:
        gain = gain + feature_product(negative, down)
        top = _row_maxima(negative, weight.dtype)[:, None]
        largest_gain = torch.maximum(largest_gain, top * down.amax(0))
        largest_loss = torch.maximum(largest_loss, top * up.amax(0))
    # Rounding may put a sum of one sign below zero.
    loss = (gain - product).clamp(min=0)
    return Interval(
        product - torch.minimum(gain, columns * largest_gain),
        product + torch.minimum(loss, columns * largest_loss),
    )


def _propagate(adjacency: AdjacencyBounds, values: Interval, bias: Tensor) -> Interval:
    """Bounds of `A_hat c + b` for A_hat and c within theirs; two products a bound.

    `low = sum_j upper_ij min(c_j, 0) + lower_ij max(c_j, 0)`, which is
    `middle c_low - spread abs(c_low)`, and alike above.
    """
    low, high = values
    if low is high:
        middle, spread = adjacency.middle @ low + bias, adjacency.spread @ low.abs()
        return Interval(middle - spread, middle + spread)
    return Interval(
        adjacency.middle @ low - adjacency.spread @ low.abs() + bias,
        adjacency.middle @ high + adjacency.spread @ high.abs() + bias,
    )


def _linear(values: Interval, weight: Tensor) -> Interval:
    """Bounds of `h W` for h within its own."""
    middle = (values.high + values.low) / 2 @ weight
    radius = (values.high - values.low) / 2 @ weight.abs()
    return Interval(middle - radius, middle + radius)


def _signed(x: Tensor) -> tuple[Tensor, Tensor | None]:
    """`max(x, 0)`, and `max(-x, 0)` if it is not zero throughout."""
    entries = x.values() if is_csr(x) else x
    if not bool((entries < 0).any()):
        return x, None
    parts = entries.clamp(min=0), (-entries).clamp(min=0)
    if is_csr(x):
        return with_values(x, parts[0]), with_values(x, parts[1])
    return parts


def _row_maxima(x: Tensor, dtype: torch.dtype) -> Tensor:
    """The largest entry of every row of a matrix that is not negative."""
    if not is_csr(x):
        return x.to(dtype).amax(1)
    nodes = torch.arange(x.shape[0], device=x.device)
    row = torch.repeat_interleave(nodes, x.crow_indices().diff(), output_size=x.values().numel())
    return x.new_zeros(x.shape[0], layout=torch.strided, dtype=dtype).scatter_reduce_(
        0, row, x.values().to(dtype), "amax"
    )
