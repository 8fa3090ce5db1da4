"""What the softmax losses share: views, temperature, negatives, and the mean over anchors."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.checks import as_number, check_choice, check_positive, check_views
from gcl.describe import changed_options
from gcl.ops.log_weight import LogWeight
from gcl.ops.multi_view import combine, log_add, multi_view_logsumexp
from gcl.ops.ranks import Ranks, across_of
from gcl.ops.ranks import rows as gather
from gcl.ops.ring import ring_logsumexp
from gcl.ops.similarity import SIMILARITIES, Similarity, as_products, comparable, row_similarity
from gcl.ops.streaming import streaming_logsumexp
from gcl.ops.tiling import current_tiling
from gcl.ops.tracing import outside_graph

Temperature: TypeAlias = float | nn.Parameter | nn.Module
"""A number, a learned scalar, or a module from the positive similarities `[n]` to a scalar."""

Negatives: TypeAlias = Callable[[Tensor, Tensor, Any], Tensor]
"""`(q [n, d], k [n, d], tau) -> [n]`: log-sum-exp of `<q_i, k_j> / tau` over the negatives j of
row i, never over j = i; -inf for a row without any. An attribute `sums_all = True` says that it
stands for the sum over all j != i, so that losses which need that sum take it. A method
`across(ranks, q, k, tau) -> [n]` gives several ranks the sums of their own anchors over the rows of
all; without it rows are gathered.
`gcl.testing.check_negatives` checks one of your own."""

Rule: TypeAlias = LogWeight | nn.Module
"""Weights of pairs of nodes, or a module `(q, k) -> LogWeight` such as `PairNetwork`."""


class SoftmaxLoss(nn.Module, ABC):
    """Two-view losses of the form `f(positive logit, log-sum-exp over negatives)`.

    A subclass says what the two make together. This class brings them: for anchor i of the first
    view, `l(a, b) = s(a, b) / tau`,

        pos_i = l(z1_i, z2_i),   neg_i = log( sum_{j != i} W_ij e^{l(z1_i, z2_j)}
                                            + sum_{j != i} W_ij e^{l(z1_i, z1_j)} )

    and the same with the views exchanged; the second sum only if `intra`.

    Args:
        tau: temperature, > 0: a number, a scalar `nn.Parameter` that is then learned, or a module
            such as `AdaptiveTemperature`.
        intra: the other rows of the same view are negatives too.
        symmetric: mean of both directions; False takes the rows of z1 as the only anchors.
        similarity: "cosine", "dot", or "neg_sq_euclidean", `-||a - b||^2` of the rows as they are.
        negatives: which rows are negatives, e.g. `HardestNegatives(50)`; all others if None. It is
            asked for each pair of matrices on its own, so with `intra` twice an anchor.
        log_weight: weights W of the negatives, a `LogWeight` or a module that makes one from
            two matrices of rows. Reassign the attribute to change it between steps; parameters of
            either are parameters of the loss.
        reduction: "mean", or "none" for one value an anchor `[n]`: the mean of the directions in
            which it counts, 0 if there is none.

    How the sums are computed is a matter of the context, `gcl.ops.tiling`.
    """

    def __init__(
        self,
        tau: Temperature,
        *,
        intra: bool = True,
        symmetric: bool = True,
        similarity: Similarity = "cosine",
        negatives: Negatives | None = None,
        log_weight: Rule | None = None,
        reduction: Literal["mean", "none"] = "mean",
    ):
        super().__init__()
        name = type(self).__name__
        if not isinstance(tau, nn.Module):
            if isinstance(tau, str) or (isinstance(tau, Tensor) and tau.dim()):
                raise TypeError(
                    f"{name}: tau must be a number, a scalar nn.Parameter or a module, got {tau!r}."
                )
            check_positive(name, tau=tau)
        check_choice(name, "similarity", similarity, SIMILARITIES)
        check_choice(name, "reduction", reduction, ("mean", "none"))
        if negatives is not None and not callable(negatives):
            raise TypeError(f"{name}: negatives must be callable, got {negatives!r}.")
        self.tau, self.intra, self.symmetric, self.similarity = tau, intra, symmetric, similarity
        self.negatives, self.log_weight, self.reduction = negatives, log_weight, reduction
        self._check_options()

    def _check_options(self) -> None:
        """Options that may be changed between steps."""
        name = type(self).__name__
        if self.negatives is not None and self.log_weight is not None:
            raise ValueError(
                f"{name}: give negatives or log_weight, not both; a weight of 0 (log -inf) also "
                "takes a pair out."
            )
        if self.log_weight is not None and not isinstance(self.log_weight, nn.Module):
            raise TypeError(
                f"{name}: log_weight must be a LogWeight, or a module that makes one from two "
                f"matrices, got {self.log_weight!r}; wrap a function of two ranges: "
                "LogWeight(function)."
            )

    @outside_graph
    def forward(self, z1: Float[Tensor, "n d"], z2: Float[Tensor, "n d"]) -> Tensor:
        u, v = self.rows(z1, z2)
        with torch.autocast(z1.device.type, enabled=False):
            similarity = row_similarity(u, v, self.similarity)
            tau = self.temperature(similarity)
            sides = [
                self.combine_logits(similarity, negative, tau)
                for negative in self.denominators(u, v, tau, exclude=True)
            ]
            return self.reduce(sides)

    def across(self, together: Ranks, z1: Tensor, z2: Tensor) -> Tensor:
        """The loss of the rows of several ranks: this rank's part, see `gcl.distributed`.

        Denominators come from a ring, in which every pair of ranks meets once, or from negatives
        that say how; what is left are two numbers an anchor, which are gathered. A symmetric
        `LogWeight` goes with the ring; it is that of the rows of all ranks, in their order, and
        every rank has it. `NotImplemented` where negatives do not say how, weights are made from
        the rows or not symmetric, or denominators are not those of this class.
        """
        chosen = None if self.negatives is None else across_of(self.negatives)
        streamed = self.negatives is None or chosen is not None
        own = type(self).denominators is not SoftmaxLoss.denominators
        rule = self.log_weight
        fixed = rule if isinstance(rule, LogWeight) and rule.symmetric else None
        if own or not streamed or fixed is not rule or self.similarity == "neg_sq_euclidean":
            return NotImplemented
        self._check_options()
        u, v = self.rows(z1, z2, together.total)
        with torch.autocast(z1.device.type, enabled=False):
            similarity = gather(row_similarity(u, v, self.similarity), together)
            tau = self.temperature(similarity)
            if isinstance(tau, Tensor) and tau.dim():
                return NotImplemented
            if chosen is None:
                negatives = ring_logsumexp(
                    (u, v), tau, together, intra=self.intra, exclude=True, log_weight=fixed
                )
            else:
                negatives = combine(
                    (u, v),
                    lambda q, k, _: chosen(together, q, k, tau),
                    intra=self.intra,
                    exclude=True,
                    anchors=2 if self.symmetric else 1,
                )
            sides = [
                self.combine_logits(similarity, gather(negative, together), tau)
                for negative in negatives[: 2 if self.symmetric else 1]
            ]
            # Every rank makes the same of the same numbers: all of the loss, not a part.
            return self.reduce(sides) / together.size

    @abstractmethod
    def combine_logits(
        self, similarity: Tensor, negative: Tensor, tau: Tensor | float
    ) -> tuple[Tensor, Tensor]:
        """The values of the anchors of one direction, and which of them count.

        Args:
            similarity: of the positive pairs, before the division by tau, `[n]`.
            negative: log-sum-exp over the negatives, `[n]`; -inf where there are none.
            tau: temperature.
        """

    def rows(self, z1: Tensor, z2: Tensor, anchors: int | None = None) -> tuple[Tensor, Tensor]:
        """Both views, checked, as the similarity takes them, in the wider of their formats.

        Args:
            z1: first view.
            z2: second view.
            anchors: how many there are, if not all are here.
        """
        name = type(self).__name__
        check_views(name, z1, z2)
        if (len(z1) if anchors is None else anchors) == 1:
            warnings.warn(f"{name}: one row has no negatives, so the loss is 0.", stacklevel=3)
        u, v = comparable(z1, self.similarity), comparable(z2, self.similarity)
        wide = torch.promote_types(u.dtype, v.dtype)
        return u.to(wide), v.to(wide)

    def temperature(self, similarity: Tensor) -> Tensor | float:
        """The temperature of this step."""
        return self.tau(similarity) if isinstance(self.tau, nn.Module) else self.tau

    def denominators(
        self, u: Tensor, v: Tensor, tau: Tensor | float, *, exclude: bool
    ) -> list[Tensor]:
        """Log-sum-exp over the candidates of each anchor: one tensor `[n]` a direction.

        Args:
            u: rows of the first view.
            v: rows of the second view.
            tau: temperature.
            exclude: leave out the anchor's own node in the other view.
        """
        self._check_options()
        rule = self.log_weight
        fixed = rule if isinstance(rule, LogWeight) else None
        products = self.similarity != "neg_sq_euclidean"
        if not products and current_tiling().precision == "bf16":
            raise ValueError(
                f"{type(self).__name__}: similarity='neg_sq_euclidean' is a difference of large "
                "products and needs precision 'fp32'; call it in "
                "gcl.ops.tiling(precision='fp32')."
            )
        if self.negatives is None and fixed is rule and products:
            both = multi_view_logsumexp(
                (u, v), tau, intra=self.intra, exclude=exclude, log_weight=fixed
            )
            return both if self.symmetric else both[:1]

        views = (u, v)
        rows = as_products(views, self.similarity)

        def one_way(a: int, b: int, without_own: bool) -> Tensor:
            left, right, constant = rows[a].left, rows[b].right, rows[a].constant
            if self.negatives is not None:
                lse = self.negatives(left, right, tau)
                if not without_own:
                    lse = log_add(lse, (left * right).sum(1) / tau)
            else:
                made = fixed
                if rule is not None and fixed is None:
                    made = rule(views[a], views[b])
                lse = streaming_logsumexp(
                    left, right, tau=tau, exclude=without_own, log_weight=made
                )
            return lse if constant is None else lse + constant / tau

        chooses = self.negatives is not None and not getattr(self.negatives, "sums_all", False)
        if chooses and not exclude:
            raise ValueError(
                f"{type(self).__name__}: negatives= chooses among pairs of different nodes and "
                "goes with the node's own pair as positive, not with pos_edge_index."
            )
        return combine(
            (0, 1), one_way, intra=self.intra, exclude=exclude, anchors=2 if self.symmetric else 1
        )

    def reduce(self, sides: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Mean over the anchors that count, then over directions; or one value an anchor."""
        values = torch.stack([value.masked_fill(~counts, 0.0) for value, counts in sides])
        counted = torch.stack([counts for _, counts in sides])
        if self.reduction == "none":
            return values.sum(0) / counted.sum(0).clamp(min=1)
        return (values.sum(1) / counted.sum(1).clamp(min=1)).mean()

    def extra_repr(self) -> str:
        tau = "" if isinstance(self.tau, nn.Module) else f"tau={as_number(self.tau):g}, "
        said = [f"{tau}intra={self.intra}, symmetric={self.symmetric}"]
        return ", ".join(said + changed_options(self, besides=("tau", "intra", "symmetric")))
