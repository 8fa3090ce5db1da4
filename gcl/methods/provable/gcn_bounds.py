"""What a GCN can still compute when some of its edges are dropped: intervals and straight lines."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import prelu

from gcl.graphs.features import is_csr, with_values
from gcl.nn.gcn_encoder import GCNEncoder
from gcl.ops.autograd import first_order_only
from gcl.ops.propagation import Adjacency, sparse_linear
from gcl.ops.structure import Structure, structure

_NARROW = 1e-12  # an interval around 0 that is no wider passes no gradient to its ends


class Layer(NamedTuple):
    """`act(A_hat h weight + bias)` with `act(z) = z` for z > 0 and `slope z` below."""

    weight: Tensor
    bias: Tensor
    slope: Tensor


class Interval(NamedTuple):
    """Entry-wise bounds `low <= v <= high`; one and the same tensor twice where v is known."""

    low: Tensor
    high: Tensor


@dataclass(frozen=True)
class AdjacencyBounds:
    """Entry-wise bounds `0 <= lower <= A_hat <= upper` on one edge list."""

    lower: Adjacency
    upper: Adjacency

    @cached_property
    def middle(self) -> Adjacency:
        """`(upper + lower) / 2`."""
        return _combine(self.upper, self.lower, 0.5)

    @cached_property
    def spread(self) -> Adjacency:
        """`(upper - lower) / 2`."""
        return _combine(self.upper, self.lower, -0.5)


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


def adjacency_bounds(
    edge_index: Int[Tensor, "2 e"],
    edge_weight: Float[Tensor, " e"] | None,
    num_nodes: int,
    budget: Int[Tensor, " n"],
    *,
    symmetric: bool = False,
    dtype: torch.dtype = torch.float32,
) -> AdjacencyBounds:
    """Bounds of GCN's `A_hat` over all graphs in which node i loses at most `budget_i` edges.

    With the weight D_i that arrives at node i, the most delta_i of it that can be lost (the
    `budget_i` largest weights) and a self-loop of weight 1:

        upper_ij = w_ij / sqrt( (1 + D_i - delta_i) (1 + D_j - delta_j) )
        upper_ii = 1 / (1 + D_i - delta_i),   lower_ii = 1 / (1 + D_i)
        lower_ij = 0, or w_ij / sqrt( (1 + D_i) (1 + D_j) ) where the edge cannot be lost

    A self-loop of the list has its own weight in place of 1; as it may be dropped too, both count.

    Args:
        edge_index: the full edge list.
        edge_weight: >= 0, or None for ones; an edge of weight 0 is no edge.
        num_nodes: number of nodes.
        budget: how many of the edges that arrive at a node it may lose, >= 0.
        symmetric: both directions of an edge go together, so an edge stays where either end has
            budget 0. Ignored where the list does not hold both directions of every edge.
        dtype: of the entries; they are computed in float64.

    Shape:
        edge_index `[2, e]`, edge_weight `[e]`, budget `[n]`.

    Raises:
        ValueError: weights that are negative or not finite, a budget of another length.

    Reference:
        Yu et al., "Provable Training for Graph Contrastive Learning", NeurIPS 2023. Their code has
        lower_ij = 0 for every edge, and stores both matrices dense.

    Example:
        >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> bounds = adjacency_bounds(path, None, 3, torch.tensor([0, 1, 0]))
        >>> one = torch.eye(3)[:, :1]  # the column of node 0
        >>> (bounds.lower @ one).flatten(), (bounds.upper @ one).flatten()
        (tensor([0.5000, 0.0000, 0.0000]), tensor([0.5000, 0.5000, 0.0000]))
    """
    if budget.shape != (num_nodes,):
        raise ValueError(
            f"bounds: budget must hold {num_nodes} numbers, one a node, got {list(budget.shape)}."
        )
    pattern = structure(edge_index, num_nodes)
    row, col = pattern.row, pattern.col
    budget = budget.to(row.device)
    weight = torch.ones(pattern.num_edges, dtype=torch.float64, device=row.device)
    if edge_weight is not None:
        weight = pattern.to_slots(edge_weight.detach().view(-1).double())
        if not bool((weight >= 0).all() & weight.isfinite().all()):
            raise ValueError("bounds: edge_weight must hold finite numbers >= 0.")
    is_loop = row == col
    least = weight.new_ones(num_nodes)
    most = least.clone()
    if bool(is_loop.any()):
        at, own = row[is_loop], torch.where(weight[is_loop] > 0, weight[is_loop], 1.0)
        least.scatter_reduce_(0, at, own, "amin")
        most.scatter_reduce_(0, at, own, "amax")
        weight = weight.masked_fill(is_loop, 0.0)
    degree = weight.new_zeros(num_nodes).index_add_(0, row, weight)
    movable = (weight > 0) & (budget[row] > 0)
    if symmetric and _both_directions(pattern, weight):
        movable &= budget[col] > 0
    if edge_weight is None:
        count = budget.new_zeros(num_nodes).index_add_(0, row, movable.to(budget.dtype))
        removed = torch.minimum(count, budget).double()
    else:
        removed = _largest(pattern, weight * movable, budget)
    remains = (degree - removed).clamp(min=0)
    thin, full = (least + remains).rsqrt(), (most + degree).rsqrt()
    stays = (weight * full[row] * full[col]).masked_fill(movable, 0.0)
    return AdjacencyBounds(
        lower=Adjacency(pattern, stays.to(dtype), (least / (least + degree)).to(dtype)),
        upper=Adjacency(
            pattern,
            (weight * thin[row] * thin[col]).to(dtype),
            (most / (most + remains)).to(dtype),
        ),
    )


def first_product(x: Float[Tensor, "n f"], weight: Float[Tensor, "f c"]) -> Float[Tensor, "n c"]:
    """`x @ weight` for dense or CSR features."""
    return sparse_linear(x, weight) if is_csr(x) else x.to(weight.dtype) @ weight


def masked_product(
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
        >>> masked_product(x, weight, x @ weight, 1)
        Interval(low=tensor([[-2.]]), high=tensor([[3.]]))
    """
    if columns == 0:
        return Interval(product, product)
    up, down = weight.clamp(min=0), (-weight).clamp(min=0)
    positive, negative = _signed(x)
    gain = first_product(positive, up)
    top = _row_maxima(positive, weight.dtype)[:, None]
    largest_gain, largest_loss = top * up.amax(0), top * down.amax(0)
    if negative is not None:
        gain = gain + first_product(negative, down)
        top = _row_maxima(negative, weight.dtype)[:, None]
        largest_gain = torch.maximum(largest_gain, top * down.amax(0))
        largest_loss = torch.maximum(largest_loss, top * up.amax(0))
    # Rounding may put a sum of one sign below zero.
    loss = (gain - product).clamp(min=0)
    return Interval(
        product - torch.minimum(gain, columns * largest_gain),
        product + torch.minimum(loss, columns * largest_loss),
    )


def propagate(bounds: AdjacencyBounds, values: Interval, bias: Tensor | float) -> Interval:
    """Bounds of `A_hat c + b` for A_hat and c within theirs; two products a bound.

    `low = sum_j upper_ij min(c_j, 0) + lower_ij max(c_j, 0)`, which is
    `middle c_low - spread abs(c_low)`, and alike above.
    """
    low, high = values
    if low is high:
        middle, spread = bounds.middle @ low + bias, bounds.spread @ low.abs()
        return Interval(middle - spread, middle + spread)
    return Interval(
        bounds.middle @ low - bounds.spread @ low.abs() + bias,
        bounds.middle @ high + bounds.spread @ high.abs() + bias,
    )


def activate(z: Tensor, slope: Tensor) -> Tensor:
    """The activation of a `Layer`."""
    return prelu(z, slope.view(-1))


def linear_interval(values: Interval, weight: Tensor) -> Interval:
    """Bounds of `h W` for h within its own."""
    middle = (values.high + values.low) / 2 @ weight
    radius = (values.high - values.low) / 2 @ weight.abs()
    return Interval(middle - radius, middle + radius)


def sound_intervals(
    layers: list[Layer], first: Interval, bounds: AdjacencyBounds
) -> list[Interval]:
    """Bounds of every layer's pre-activation, each built on those of the layer below.

    Args:
        layers: of the encoder.
        first: bounds of `x W` of the first layer.
        bounds: of the adjacency.
    """
    found = [propagate(bounds, first, layers[0].bias)]
    for below, layer in pairwise(layers):
        hidden = Interval(*(activate(v, below.slope) for v in found[-1]))
        found.append(propagate(bounds, linear_interval(hidden, layer.weight), layer.bias))
    return found


def clean_products(layers: list[Layer], product: Tensor, clean: Adjacency) -> list[Tensor]:
    """`h W` of every layer on the graph with all its edges; the first is given."""
    found = [product]
    for below, layer in pairwise(layers):
        found.append(activate(clean @ found[-1] + below.bias, below.slope) @ layer.weight)
    return found


def relax(values: Interval, slope: Tensor) -> tuple[Tensor, Tensor]:
    """Two parallel lines around the activation: `s z <= act(z) <= s z + rise` on an interval.

    Below, a is the slope of the activation:

        low >= 0:        s = 1, rise = 0
        high <= 0:       s = a, rise = 0
        low < 0 < high:  s = (high - a low) / (high - low),
                         rise = (a - 1) high low / (high - low)

    Reference:
        Zhang et al., "Efficient Neural Network Robustness Certification with General Activation
        Functions" (CROWN), NeurIPS 2018.

    Example:
        >>> relax(Interval(torch.tensor([-1.0]), torch.tensor([3.0])), torch.tensor(0.0))
        (tensor([0.7500]), tensor([0.7500]))
    """
    return _Lines.apply(values.low, values.high, 1 - slope)


class _Lines(torch.autograd.Function):
    """With p = max(high, 0), m = max(-low, 0), t = m / (p + m): `1 - (1 - a) t`, `(1 - a) p t`.

    By hand, as a dozen masked operations would cost more than the products around them.
    """

    @staticmethod
    def forward(ctx: Any, low: Tensor, high: Tensor, bend: Tensor) -> tuple[Tensor, Tensor]:
        up, down = high.clamp(min=0), low.clamp(max=0).neg_()
        width = up + down
        below = down.div_(width.clamp(min=torch.finfo(width.dtype).tiny))
        ctx.save_for_backward(low, high, width, below, bend)
        return (below * -bend).add_(1), up.mul_(below).mul_(bend)

    @staticmethod
    @first_order_only
    def backward(ctx: Any, grad_line: Tensor, grad_rise: Tensor) -> tuple[Tensor | None, ...]:
        low, high, width, below, bend = ctx.saved_tensors
        up = high.clamp(min=0)
        # Around a point at 0 the slope jumps, and its derivative says nothing.
        per_width = width.clamp(min=_NARROW).reciprocal_().mul_(width > _NARROW)
        through = (grad_rise * up).sub_(grad_line).mul_(bend).mul_(per_width)
        grad_high = (grad_rise * below).mul_(bend).addcmul_(through, below, value=-1)
        grad_low = through.mul_(below.sub(1))
        return grad_low.mul_(low < 0), grad_high.mul_(high > 0), None


def _slope(after: nn.Module, weight: Tensor) -> Tensor:
    modules = list(after) if isinstance(after, nn.Sequential) else [after]
    if not modules:
        return weight.new_ones(())  # linear: the lines are the function itself
    act = modules[0]
    if len(modules) > 1 or type(act) not in (nn.ReLU, nn.LeakyReLU, nn.PReLU):
        names = ", ".join(type(module).__name__ for module in modules)
        raise TypeError(
            "bounds need ReLU, LeakyReLU or PReLU after every layer and no norm, got "
            f"{names}; take act='relu', 'leaky_relu' or 'prelu' and norm=None."
        )
    if isinstance(act, nn.PReLU):
        slope = act.weight.detach().to(weight.dtype)
    else:
        slope = weight.new_tensor(act.negative_slope if isinstance(act, nn.LeakyReLU) else 0.0)
    if not bool(((slope >= 0) & (slope < 1)).all()):
        raise ValueError(
            "bounds need slopes of the activation in [0, 1), got "
            f"{float(slope.min()):g} to {float(slope.max()):g}; with others the lines change sides."
        )
    return slope


def _both_directions(pattern: Structure, weight: Tensor) -> bool:
    rowptr, col, slots = pattern.transpose
    same = torch.equal(rowptr, pattern.rowptr) and torch.equal(col, pattern.col)
    # An edge whose reverse has weight 0 costs the other end nothing.
    return same and bool(((weight > 0) == (weight[slots] > 0)).all())


def _largest(pattern: Structure, values: Tensor, count: Tensor) -> Tensor:
    """Sum of the `count_i` largest values of every row."""
    order = torch.argsort(values, descending=True, stable=True)
    order = order[torch.argsort(pattern.row[order], stable=True)]  # rows in order again
    rank = torch.arange(len(values), device=values.device) - pattern.rowptr[pattern.row]
    taken = values[order] * (rank < count[pattern.row])
    return values.new_zeros(pattern.num_dst).index_add_(0, pattern.row, taken)


def _combine(a: Adjacency, b: Adjacency, sign: float) -> Adjacency:
    assert a.loop is not None
    assert b.loop is not None
    return Adjacency(a.pattern, 0.5 * a.values + sign * b.values, 0.5 * a.loop + sign * b.loop)


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
