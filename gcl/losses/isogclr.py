"""A temperature of its own for every node, set by how many negatives shall matter to it."""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gcl.checks import (
    check_choice,
    check_count,
    check_interval,
    check_positive,
    check_real,
    check_views,
)
from gcl.ops.similarity import row_similarity, unit_rows
from gcl.ops.streaming import streaming_logsumexp, streaming_softmax_mean
from gcl.ops.tracing import outside_graph


class ISogCLR(nn.Module):
    r"""Contrast with individual temperatures (iSogCLR), in perplexity form.

    Node i has M negatives in both directions together: with cosines s, all pairs
    (z1_i, z2_j), (z2_i, z1_j) and, with `intra`, (z1_i, z1_j), (z2_i, z2_j), for j != i. Its
    loss is robust to the worst reweighting of them within a ball of radius rho around the uniform:

        rho = log(M / perplexity)
        F_i = tau_i log( mean_j exp( (s_ij - s_ii) / tau_i ) ) + tau_i rho
            = tau_i ( LSE_j(s_ij / tau_i) - log perplexity ) - s_ii

    With `p_i = softmax_j(s_ij / tau_i)` and its entropy `H(p_i)`,

        dF_i / dtau_i = rho - KL(p_i || uniform) = H(p_i) - log perplexity ,

    so at the best tau_i the softmax of node i has the perplexity asked for: nodes in a crowd get a
    small temperature, nodes far from all others a large one. In training mode every forward
    takes one projected gradient step with momentum on the tau of the nodes it has seen; the value
    is that of the temperatures before the step.

    Args:
        num_nodes: nodes of the graph; each has a temperature.
        perplexity: effective number of negatives of a node, > 0; 50 to 200 on graphs. At most
            M - 1 is used.
        tau_init: first temperature of all nodes, inside `bounds`; the method's own is a good
            choice.
        bounds: temperatures are kept in this range.
        lr: step size of the temperatures, > 0.
        momentum: share of the old direction in a step, in [0, 1).
        intra: the other rows of the same view are negatives too.
        reduction: "mean", or "none" for one value a node `[n]`.

    The call `loss(z1, z2, node_id)` takes the ids of the rows, each at most once, for
    mini-batches; without ids the rows must be all nodes in order. Temperatures (`tau`) and their
    momentum (`velocity`) are buffers: checkpoints hold them. They mean nothing for another graph.
    In evaluation mode nothing moves, and rows without ids that are not as many as the nodes
    (another graph, new nodes) all take the median temperature.

    Shape:
        z1, z2 `[n, d]`, node_id `[n]` -> scalar, or `[n]`.

    One row alone has no negatives: the loss is 0, with a warning, and tau stays.

    Raises:
        ValueError: a number outside its range, unequal shapes, ids out of range or repeated; in
            training mode, rows that are not all nodes and have no ids.
        TypeError: not floating-point input, ids that are not int64.

    Reference:
        Qiu et al., "Not All Semantics are Created Equal: Contrastive Self-supervised Learning with
        Automatic Temperature Individualization", ICML 2023. They set rho; perplexity says the
        same in a number that does not depend on N. All negatives of the batch are in every step,
        so there is no running estimate of the denominator. The values are in units of the cosine:
        gradients are about tau times those of InfoNCE.

    Example:
        >>> loss = ISogCLR(12, perplexity=20)
        >>> z = torch.eye(12, 16)
        >>> round(loss(z, z).item(), 4)  # 0.4 * log(44 / 20) - 1
        -0.6846
        >>> loss.tau[0] < 0.4  # perplexity 44 is above 20
        tensor(True)
    """

    tau: Tensor
    velocity: Tensor

    def __init__(
        self,
        num_nodes: int,
        *,
        perplexity: float = 100.0,
        tau_init: float = 0.4,
        bounds: tuple[float, float] = (0.1, 2.0),
        lr: float = 0.01,
        momentum: float = 0.9,
        intra: bool = True,
        reduction: Literal["mean", "none"] = "mean",
    ):
        super().__init__()
        check_count("ISogCLR", num_nodes=num_nodes)
        check_positive("ISogCLR", perplexity=perplexity, lr=lr)
        check_real("ISogCLR", tau_init=tau_init, momentum=momentum)
        check_interval("ISogCLR", "bounds", bounds)
        if not 0 < bounds[0] <= tau_init <= bounds[1] < math.inf:
            raise ValueError(
                "ISogCLR: bounds and tau_init must be numbers 0 < low <= tau_init <= high, got "
                f"bounds={bounds}, tau_init={tau_init}."
            )
        if not 0 <= momentum < 1:
            raise ValueError(f"ISogCLR: momentum must lie in [0, 1), got {momentum}.")
        check_choice("ISogCLR", "reduction", reduction, ("mean", "none"))
        self.perplexity, self.bounds, self.lr, self.momentum = perplexity, bounds, lr, momentum
        self.intra, self.reduction = intra, reduction
        self.register_buffer("tau", torch.full((num_nodes,), float(tau_init)))
        self.register_buffer("velocity", torch.zeros(num_nodes))

    @outside_graph
    def forward(
        self,
        z1: Float[Tensor, "n d"],
        z2: Float[Tensor, "n d"],
        node_id: Int[Tensor, " n"] | None = None,
    ) -> Tensor:
        check_views("ISogCLR", z1, z2)
        tau, n = self._own_tau(len(z1), node_id), len(z1)
        with torch.autocast(z1.device.type, enabled=False):
            u, v = unit_rows(z1), unit_rows(z2)
            agreement = row_similarity(u, v, "cosine")
            if n < 2:
                if n == 1:
                    warnings.warn(
                        "ISogCLR: one row has no negatives, so the loss is 0.", stacklevel=2
                    )
                value = 0 * agreement
            else:
                tau = tau.to(u)
                count = (n - 1) * (4 if self.intra else 2)
                log_perplexity = math.log(min(self.perplexity, count - 1))
                pairs = [(u, v), (v, u), *([(u, u), (v, v)] if self.intra else [])]
                parts = self._each(streaming_logsumexp, pairs, tau)
                value = tau * (parts.logsumexp(0) - log_perplexity) - agreement
                if self.training:
                    self._step(pairs, parts.detach(), tau, log_perplexity, node_id)
            return value if self.reduction == "none" else value.sum() / max(n, 1)

    def _own_tau(self, n: int, node_id: Tensor | None) -> Tensor:
        """The temperatures of the rows, as a copy."""
        num_nodes = len(self.tau)
        if node_id is None:
            if n == num_nodes:
                return self.tau.clone()
            if self.training:
                raise ValueError(
                    f"ISogCLR: expected the rows of all {num_nodes} nodes, got {n}; give node_id, "
                    "the node of every row."
                )
            return self.tau.median().expand(n)
        if node_id.dtype != torch.long:
            raise TypeError(f"ISogCLR: node_id must hold int64 ids, got {node_id.dtype}.")
        if node_id.shape != (n,) or len(node_id.unique()) < n:
            raise ValueError(
                f"ISogCLR: node_id must hold {n} different ids, one a row, got "
                f"{list(node_id.shape)} with {len(node_id.unique())} different ones."
            )
        if n and not 0 <= int(node_id.min()) <= int(node_id.max()) < num_nodes:
            raise ValueError(
                f"ISogCLR: node_id must lie in [0, {num_nodes}), got values from "
                f"{int(node_id.min())} to {int(node_id.max())}."
            )
        return self.tau[node_id]

    @torch.no_grad()
    def _step(
        self,
        pairs: list[tuple[Tensor, Tensor]],
        parts: Tensor,
        tau: Tensor,
        log_perplexity: float,
        node_id: Tensor | None,
    ) -> None:
        """One projected gradient step on the temperatures of these rows."""
        means = self._each(streaming_softmax_mean, pairs, tau)
        expected = (parts.softmax(0) * means).sum(0)
        entropy = parts.logsumexp(0) - expected / tau
        rows = slice(None) if node_id is None else node_id
        slope = (entropy - log_perplexity).to(self.tau)
        velocity = self.momentum * self.velocity[rows] + (1 - self.momentum) * slope
        self.velocity[rows] = velocity
        self.tau[rows] = (self.tau[rows] - self.lr * velocity).clamp(*self.bounds)

    def _each(self, primitive: Any, pairs: list[tuple[Tensor, Tensor]], tau: Tensor) -> Tensor:
        """One row for every pair of matrices, without the node itself: `[2 or 4, n]`."""
        return torch.stack([primitive(q, k, tau=tau, exclude=True) for q, k in pairs])

    def extra_repr(self) -> str:
        return f"num_nodes={len(self.tau)}, perplexity={self.perplexity:g}, bounds={self.bounds}"
