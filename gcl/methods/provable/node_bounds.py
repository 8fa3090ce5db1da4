"""A bound of every node's compactness: how close it stays to its positive at the worst (POT)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from gcl.methods.provable.adjacency import AdjacencyBounds
from gcl.methods.provable.intervals import Interval, LayerIntervals
from gcl.methods.provable.layers import Layer, activate
from gcl.methods.provable.relaxation import Lines
from gcl.methods.provable.views import EncodedView
from gcl.ops.propagation import Adjacency, gcn_adjacency
from gcl.ops.sparse import row_dots
from gcl.ops.structure import Structure

Mode: TypeAlias = Literal["pot", "sound", "certified", "legacy"]
MODES: tuple[Mode, ...] = get_args(Mode)


def node_bounds(
    mode: Mode,
    layers: Sequence[Layer],
    lines: Sequence[Lines],
    targets: Float[Tensor, "n d"],
    *,
    view: EncodedView,
    product: Float[Tensor, "n h"],
    intervals: LayerIntervals,
    adjacency: AdjacencyBounds,
) -> Float[Tensor, " n"]:
    """A lower bound of `<z_i, w_i>` of every node; of mode "legacy", a score.

    "pot" and "sound" are one formula, for the drawn edges: what holds depends on the intervals that
    the lines were drawn in. "certified" is for all edges within the budget.

    Args:
        mode: which, see `POT`.
        layers: of the encoder, all of them.
        lines: around the activations of its last layers: of one for "certified", else of two.
        targets: w, see `target_directions`.
        view: the drawn view, of which "certified" needs nothing.
        product: `x W` of the first layer; read by "legacy".
        intervals: in which the lines were drawn; read by "certified".
        adjacency: bounds of `A_hat`; read by "certified".

    Shape:
        targets `[n, d]`, product `[n, h]` -> `[n]`.

    Raises:
        ValueError: "legacy" without two layers.
    """
    if mode == "certified":
        return _certified(layers, lines, targets, intervals, adjacency)
    dtype = layers[0].weight.dtype
    drawn = gcn_adjacency(view.edge_index, view.edge_weight, len(targets), dtype)
    if mode == "legacy":
        return _legacy(layers, lines, targets, product, drawn)
    below = view.pre_activations[-2 if len(layers) > 1 else -1]
    return _sampled(layers, lines, targets, below, drawn)


def _sampled(
    layers: Sequence[Layer],
    lines: Sequence[Lines],
    targets: Float[Tensor, "n d"],
    pre_activation: Float[Tensor, "n h"],
    drawn: Adjacency,
) -> Float[Tensor, " n"]:
    """A lower bound of `<z_i, w_i>` for one drawn adjacency, by lines around the activations.

    With slope and rise (s, d) of the lines of the last layer, (t, e) of those of the layer below,
    whose pre-activation is P, and v_i = w_i * s_i, q_i = W v_i (products by entry,
    then the last weight matrix),

        g_i = <q_i, sum_j A_ij t_j * P_j> + <min(q_i, 0), sum_j A_ij e_j>
              + <v_i, b> + <min(w_i, 0), d_i>

    As both lines of an activation have one slope, no node needs a copy of the weights: two sparse
    products. With one layer `g_i = <v_i, P_i> + <min(w_i, 0), d_i>`.

    It bounds `<z_i, w_i>` where the pre-activations lie in the intervals of the lines.

    Args:
        layers: of the encoder, all of them.
        lines: of its last two layers, or of the only one.
        targets: w.
        pre_activation: P: of the last layer but one in the drawn view, or of the only one.
        drawn: `A_hat` of the view.

    Shape:
        targets `[n, d]`, pre_activation `[n, h]` -> `[n]`.
    """
    slope, rise = lines[-1]
    v = targets * slope
    last = (targets.clamp(max=0) * rise).sum(1)
    if len(layers) == 1:
        return (v * pre_activation).sum(1) + last
    q = v @ layers[-1].weight.t()
    slope, rise = lines[-2]
    below = (q * (drawn @ (slope * pre_activation))).sum(1)
    below = below + (q.clamp(max=0) * (drawn @ rise)).sum(1)
    return below + v @ layers[-1].bias + last


def _certified(
    layers: Sequence[Layer],
    lines: Sequence[Lines],
    targets: Float[Tensor, "n d"],
    intervals: LayerIntervals,
    adjacency: AdjacencyBounds,
) -> Float[Tensor, " n"]:
    """A lower bound of `<z_i, w_i>` for every adjacency within its bounds.

    With v, q and the lines of `_sampled` and the interval [l, u] of the layer below after its
    activation,

        T_ij = <max(q_i, 0), l_j> + <min(q_i, 0), u_j>
        g_i  = sum_j min( lower_ij T_ij, upper_ij T_ij ) + <v_i, b> + <min(w_i, 0), d_i>

    or, where that is more, what the last interval alone gives. With one layer, the interval of
    `x W` takes the place of [l, u] and v that of q. O(E h) time, no array larger than `[n, h]`.

    Args:
        layers: of the encoder.
        lines: of its last layer.
        targets: w.
        intervals: of all layers, each built on the one below.
        adjacency: bounds of `A_hat`.

    Shape:
        targets `[n, d]` -> `[n]`.
    """
    slope, rise = lines[-1]
    v = targets * slope
    if len(layers) == 1:
        q, hidden = v, intervals.product
    else:
        q = v @ layers[-1].weight.t()
        hidden = Interval(*(activate(p, layers[-2].slope) for p in intervals.pre_activations[-2]))
    up, down = q.clamp(min=0), q.clamp(max=0)
    worst = _worst_adjacency(up, down, hidden, adjacency)
    spent = (up * (worst @ hidden.low)).sum(1) + (down * (worst @ hidden.high)).sum(1)
    chained = spent + v @ layers[-1].bias + (targets.clamp(max=0) * rise).sum(1)
    ends = Interval(*(activate(p, layers[-1].slope) for p in intervals.pre_activations[-1]))
    alone = targets.clamp(min=0) * ends.low + targets.clamp(max=0) * ends.high
    return torch.maximum(chained, alone.sum(1))


def _legacy(
    layers: Sequence[Layer],
    lines: Sequence[Lines],
    targets: Float[Tensor, "n d"],
    product: Float[Tensor, "n h"],
    drawn: Adjacency,
) -> Float[Tensor, " n"]:
    """The score of the code released with POT, in which every node carries its own weights.

    With `V_i = w_i * s_i` and `Q_i = W2 V_i` of every node i, not of the node whose score it is,

        score = A^T ( A^T r + c1 ) + c2
        r_j   = <x_j W1, t_j * Q_j>
        c1_j  = <t_j * Q_j, b1> + <min(Q_j, 0), e_j>
        c2_i  = <V_i, b2> + <min(w_i, 0), d_i>

    It bounds nothing; it is here to compare with published numbers. A is that of the encoder, whose
    rows are targets. The released code multiplies by its transpose, which is another matrix where
    the two directions of an edge are dropped on their own.

    Args:
        layers: two.
        lines: of both.
        targets: w.
        product: `x W` of the first layer.
        drawn: `A_hat` of the view.

    Shape:
        targets `[n, d]`, product `[n, h]` -> `[n]`.

    Raises:
        ValueError: not two layers.
    """
    if len(layers) != 2:
        raise ValueError(
            f"mode 'legacy' is defined for two layers, got {len(layers)}; take mode='pot'."
        )
    slope, rise = lines[1]
    v = targets * slope
    q = v @ layers[1].weight.t()
    c2 = v @ layers[1].bias + (targets.clamp(max=0) * rise).sum(1)
    slope, rise = lines[0]
    c1 = (q.clamp(max=0) * rise).sum(1)
    q = q * slope
    c1 = c1 + q @ layers[0].bias
    released = _transposed(drawn)
    carried = released @ (product * q).sum(1, keepdim=True) + c1[:, None]
    return (released @ carried).flatten() + c2


def _transposed(a: Adjacency) -> Adjacency:
    assert a.scale is None  # its weights hold all of it
    turned = torch.stack([a.pattern.row, a.pattern.col])
    pattern = Structure(turned, a.pattern.num_dst, a.pattern.num_src)
    return Adjacency(pattern, pattern.to_slots(a.values), a.loop)


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
