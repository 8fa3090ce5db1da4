"""Node compactness: how close a node stays to its positive whichever edges are dropped (POT)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from gcl.methods.provable.gcn_bounds import AdjacencyBounds, Interval, Layer, activate, relax
from gcl.ops.propagation import Adjacency
from gcl.ops.similarity import unit_rows
from gcl.ops.sparse import row_dots

MODES = ("pot", "sound", "certified", "legacy")


def target_directions(z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """What a node's other view must point along: its positive minus the mean of its negatives.

        w_i = zhat_i - mean_{j != i} zhat_j,   zhat = z / norm(z)

    One row has no negatives and gives 0.

    Shape:
        z `[n, d]` -> `[n, d]`.

    Example:
        >>> target_directions(torch.tensor([[2.0, 0.0], [0.0, 3.0]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    u = unit_rows(z)
    n = len(u)
    if n < 2:
        return u * 0.0
    return u * (n / (n - 1)) - u.sum(0) / (n - 1)


def sampled_bound(
    layers: Sequence[Layer],
    intervals: Sequence[Interval],
    pre_activation: Float[Tensor, "n h"],
    targets: Float[Tensor, "n d"],
    adjacency: Adjacency,
) -> Float[Tensor, " n"]:
    """A lower bound of `<z_i, w_i>` for one drawn adjacency, by lines around the activations.

    With slope and rise (s, d) of the lines of the last layer, see `relax`, (t, e) of those of the
    layer below, whose pre-activation is P, and v_i = w_i * s_i, q_i = W v_i (products by entry,
    then the last weight matrix),

        g_i = <q_i, sum_j A_ij t_j * P_j> + <min(q_i, 0), sum_j A_ij e_j>
              + <v_i, b> + <min(w_i, 0), d_i>

    As both lines of an activation have one slope, no node needs a copy of the weights: two sparse
    products. With one layer `g_i = <v_i, P_i> + <min(w_i, 0), d_i>`.

    It bounds `<z_i, w_i>` where the pre-activations lie in the intervals, which `sound_intervals`
    promise for graphs within the budget.

    Args:
        layers: of the encoder, all of them.
        intervals: of their pre-activations.
        pre_activation: P: of the last layer but one in the drawn view, or of the only one.
        targets: w, see `target_directions`.
        adjacency: of the drawn view.

    Shape:
        pre_activation `[n, h]`, targets `[n, d]` -> `[n]`.
    """
    line, rise = relax(intervals[-1], layers[-1].slope)
    v = targets * line
    last = (targets.clamp(max=0) * rise).sum(1)
    if len(layers) == 1:
        return (v * pre_activation).sum(1) + last
    q = v @ layers[-1].weight.t()
    line, rise = relax(intervals[-2], layers[-2].slope)
    below = (q * (adjacency @ (line * pre_activation))).sum(1)
    below = below + (q.clamp(max=0) * (adjacency @ rise)).sum(1)
    return below + v @ layers[-1].bias + last


def certified_bound(
    layers: Sequence[Layer],
    intervals: Sequence[Interval],
    first: Interval,
    targets: Float[Tensor, "n d"],
    bounds: AdjacencyBounds,
) -> Float[Tensor, " n"]:
    """A lower bound of `<z_i, w_i>` for every adjacency within the bounds.

    With v, q and the lines of `sampled_bound` and the interval [l, u] of the layer below after its
    activation,

        T_ij = <max(q_i, 0), l_j> + <min(q_i, 0), u_j>
        g_i  = sum_j min( lower_ij T_ij, upper_ij T_ij ) + <v_i, b> + <min(w_i, 0), d_i>

    or, where that is more, what the last interval alone gives. With one layer, the interval of
    `x W` takes the place of [l, u] and v that of q. O(E h) time, no array larger than `[n, h]`.

    Args:
        layers: of the encoder.
        intervals: sound ones of their pre-activations.
        first: of `x W` of the first layer.
        targets: w, see `target_directions`.
        bounds: of the adjacency.

    Shape:
        targets `[n, d]` -> `[n]`.
    """
    line, rise = relax(intervals[-1], layers[-1].slope)
    v = targets * line
    if len(layers) == 1:
        q, hidden = v, first
    else:
        q = v @ layers[-1].weight.t()
        hidden = Interval(*(activate(p, layers[-2].slope) for p in intervals[-2]))
    up, down = q.clamp(min=0), q.clamp(max=0)
    worst = _worst_adjacency(up, down, hidden, bounds)
    spent = (up * (worst @ hidden.low)).sum(1) + (down * (worst @ hidden.high)).sum(1)
    chained = spent + v @ layers[-1].bias + (targets.clamp(max=0) * rise).sum(1)
    ends = Interval(*(activate(p, layers[-1].slope) for p in intervals[-1]))
    alone = targets.clamp(min=0) * ends.low + targets.clamp(max=0) * ends.high
    return torch.maximum(chained, alone.sum(1))


def legacy_bound(
    layers: Sequence[Layer],
    intervals: Sequence[Interval],
    product: Float[Tensor, "n h"],
    targets: Float[Tensor, "n d"],
    adjacency: Adjacency,
) -> Float[Tensor, " n"]:
    """The score of the code released with POT, in which every node carries its own weights.

    With `V_i = w_i * s_i` and `Q_i = W2 V_i` of every node i, not of the node whose score it is,

        score = A ( A r + c1 ) + c2
        r_j   = <x_j W1, t_j * Q_j>
        c1_j  = <t_j * Q_j, b1> + <min(Q_j, 0), e_j>
        c2_i  = <V_i, b2> + <min(w_i, 0), d_i>

    It bounds nothing; it is here to compare with published numbers.

    Args:
        layers: two.
        intervals: of their pre-activations.
        product: `x W` of the first layer.
        targets: w, see `target_directions`.
        adjacency: of the drawn view.

    Shape:
        product `[n, h]`, targets `[n, d]` -> `[n]`.

    Raises:
        ValueError: not two layers.
    """
    if len(layers) != 2:
        raise ValueError(
            f"mode 'legacy' is defined for two layers, got {len(layers)}; take mode='pot'."
        )
    line, rise = relax(intervals[1], layers[1].slope)
    v = targets * line
    q = v @ layers[1].weight.t()
    c2 = v @ layers[1].bias + (targets.clamp(max=0) * rise).sum(1)
    line, rise = relax(intervals[0], layers[0].slope)
    c1 = (q.clamp(max=0) * rise).sum(1)
    q = q * line
    c1 = c1 + q @ layers[0].bias
    carried = adjacency @ (product * q).sum(1, keepdim=True) + c1[:, None]
    return (adjacency @ carried).flatten() + c2


@torch.no_grad()
def _worst_adjacency(
    up: Tensor, down: Tensor, hidden: Interval, bounds: AdjacencyBounds
) -> Adjacency:
    """The entries that minimise `sum_j A_ij T_ij`; constants, by the envelope theorem."""
    lower, upper, pattern = bounds.lower, bounds.upper, bounds.lower.pattern
    assert lower.loop is not None
    assert upper.loop is not None
    edges = row_dots(up, hidden.low, pattern.row, pattern.col)
    edges = edges + row_dots(down, hidden.high, pattern.row, pattern.col)
    loops = (up * hidden.low + down * hidden.high).sum(1)
    return Adjacency(
        pattern,
        torch.where(edges > 0, lower.values, upper.values),
        torch.where(loops > 0, lower.loop, upper.loop),
    )
