"""All nodes as negatives, summed cluster by cluster."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gcl.checks import check_choice, check_count, check_positive, check_seed, check_views
from gcl.ops.clusters.bound import bound_terms
from gcl.ops.clusters.members import PROXIES, Proxy
from gcl.ops.clusters.meta_nodes import meta_node_logsumexp
from gcl.ops.host import number, set_number
from gcl.ops.kmeans import spherical_kmeans
from gcl.ops.log_weight import LogWeight
from gcl.ops.ranks import Ranks, own_of, rows
from gcl.ops.similarity import unit_rows
from gcl.ops.streaming import streaming_logsumexp
from gcl.ops.structure import remember
from gcl.ops.tracing import outside_graph

# Iterations of a clustering that starts from nothing.
FIRST_ITERATIONS = 20
# Numbers of a matrix of rows up to which it is kept for `bound` and `gap` without being asked.
KEPT = 1 << 24


class MetaNodeNegatives(nn.Module):
    r"""Sums over all other nodes at the price of K clusters: O(n K d) in place of O(n^2 d).

        lse_i = log sum_b n_b exp( <q_i, m_b> / tau )  <=  log sum_{j != i} exp( <q_i, k_j> / tau )

    with the sizes n_b and means m_b of clusters of the k_j, `meta_node_logsumexp`. What is
    approximated is the spread of the k_j within a cluster, and nothing else: the pair (i, i) is
    taken out of its cluster's size and mean exactly, so the sums are over j != i as those of all
    other negatives, and clusters of one row give the exact sum. The difference is at most
    `bound()`, for any clusters, also poor or old ones; `gap()` measures it.

    In a loss with `intra`, the candidates of the two views are clustered each on their own, and
    each of the two sums of an anchor is replaced. `InfoNCE(tau, negatives=MetaNodeNegatives(100))`
    then differs from `InfoNCE(tau)` by less than the sums do, as the positive stays exact.

    Clusters come from spherical k-means without gradient. In training mode the centres move at the
    first step and after every `every` steps, from where they were, on at most `batch` rows of
    the first matrix of the step; at every step each row goes to the nearest centre. So rows may be
    other nodes in every batch. Evaluation mode takes the centres as they are, or clusters anew
    where there are none. Centres and the number of steps are buffers: checkpoints hold them.

    Args:
        clusters: how many, >= 1. 100 for a million nodes; more for tau below 0.4. The cost grows
            with it, the difference falls. With n rows or more, each is a cluster of its own.
        proxy: "node" as above; "pair" replaces the anchors by means of clusters too; "paper" is
            the formula released with PamC on the rows as the loss gives them (of unit length for
            the cosine; `meta_node_logsumexp` takes raw rows), the same number for all anchors. Both
            cost O(n d + K^2 d) besides the clustering and are coarser.
        assign: "hard", or "soft" for shares `softmax_b( cos(k_j, centre_b) / softness )`, constants
            too. Shares take O(n K) memory and make the bound useless.
        within_cluster: False leaves the clusters of the anchors out of their sums, as far as they
            are false negatives.
        second_order: add half the variance of the logits within clusters: closer, but no longer
            from below; O(n K d^2) for "node".
        every: steps between two moves of the centres, >= 1.
        iterations: of the k-means at each move, >= 1; the first clustering has 20 at least.
        batch: rows to move the centres by, drawn without repetition with the own seed; all if None.
        softness: temperature of soft shares, > 0.
        seed: of the k-means and the draws.
        assignment: clusters of your own, labels `[n]` or shares `[n, K]` of the rows,
            the same for both views. Reassign the attribute when they change.
        remember: keep the rows of the last step for `bound` and `gap`, until the next step or
            `forget`. None keeps matrices of up to 2^24 numbers; above, two views cost as much
            memory again as they have. `gcl.callbacks.MonitorMetaNodes` sets it.

    A step is a call with rows that are not those of the calls before it; with
    similarity="neg_sq_euclidean" every call is one. Always in full precision.

    Several ranks (`gcl.distributed`) have the clusters of the rows of all of them, the same centres
    and, but for rounding, what one process makes of all rows; of more than 2^14 (with `batch=None`
    or a larger one) the first centres are drawn from so many. Sums and sizes of clusters are sent,
    no rows, other than those of the first centres. An `assignment` is that of the rows of all
    ranks, in their order.

    Shape:
        q, k `[n, d]`, tau a number, a scalar or (for "node") `[n]` -> `[n]`; -inf for a row
        without candidates.

    Raises:
        TypeError, ValueError: an option out of range; not exactly one of clusters and assignment;
            bad input; an assignment that does not fit the rows.

    Reference:
        Kulatilleke, Portmann and Chandra, "Efficient Block Contrastive Learning via
        Parameter-free Meta-node Approximation" (PamC),
        2022, for the idea; see `meta_node_logsumexp` for what differs.

    Example:
        >>> z = torch.eye(4)
        >>> negatives = MetaNodeNegatives(4)  # a cluster a node: exact
        >>> negatives(z, z, 1.0).exp()
        tensor([3., 3., 3., 3.])
        >>> MetaNodeNegatives(2).eval()(z, z, 1.0).exp()  # all logits are 0 here as well
        tensor([3., 3., 3., 3.])
    """

    sums_all = True
    centers: Tensor
    steps: Tensor
    assignment: Tensor | None
    _seen: list[_Rows]
    _calls: list[tuple[_Rows, _Rows]]
    _tau: Tensor | None

    def __init__(
        self,
        clusters: int | None = None,
        *,
        proxy: Proxy = "node",
        assign: Literal["hard", "soft"] = "hard",
        within_cluster: bool = True,
        second_order: bool = False,
        every: int = 10,
        iterations: int = 3,
        batch: int | None = 16_384,
        softness: float = 0.1,
        seed: int = 0,
        assignment: Tensor | None = None,
        remember: bool | None = None,
    ):
        super().__init__()
        name = "MetaNodeNegatives"
        if (clusters is None) == (assignment is None):
            raise ValueError(
                f"{name}: give either clusters, the number to find, or assignment, your own."
            )
        if clusters is not None:
            check_count(name, clusters=clusters)
        if assignment is not None:
            _check_assignment(name, assignment)
        if batch is not None:
            check_count(name, batch=batch)
        check_choice(name, "proxy", proxy, PROXIES)
        check_choice(name, "assign", assign, ("hard", "soft"))
        check_count(name, every=every, iterations=iterations)
        check_positive(name, softness=softness)
        check_seed(name, seed)
        if second_order and proxy == "paper":
            raise ValueError(f"{name}: second_order goes with proxy='node' or 'pair', not 'paper'.")
        self.clusters, self.proxy, self.assign = clusters, proxy, assign
        self.within_cluster, self.second_order = within_cluster, second_order
        self.every, self.iterations, self.batch = every, iterations, batch
        self.softness, self.seed, self.remember = softness, seed, remember
        self.register_buffer("centers", torch.empty(0, 0))
        self.register_buffer("steps", torch.tensor(0))
        self.register_buffer("assignment", assignment, persistent=False)
        self.forget()

    @outside_graph
    def forward(
        self, q: Float[Tensor, "n d"], k: Float[Tensor, "n d"], tau: Tensor | float
    ) -> Float[Tensor, " n"]:
        check_views("MetaNodeNegatives", q, k)
        if len(q) == 0:
            return q.sum(1)
        return self._sum(q, k, tau, None)

    def across(self, together: Ranks, q: Tensor, k: Tensor, tau: Tensor | float) -> Tensor:
        """The sums of this rank's anchors over the rows of all ranks, see `gcl.distributed`."""
        check_views("MetaNodeNegatives", q, k)
        return self._sum(q, k, tau, together)

    def _sum(self, q: Tensor, k: Tensor, tau: Tensor | float, together: Ranks | None) -> Tensor:
        assignment = self._note(q, k, together)
        # Losses that ask several times a step: the lowest temperature has the largest gap.
        tau_now = torch.as_tensor(tau).detach()
        self._tau = tau_now if self._tau is None else torch.minimum(self._tau, tau_now)
        return meta_node_logsumexp(
            q, k, tau, assignment, second_order=self.second_order, exclude=True, together=together,
            **self._options(together),
        )  # fmt: skip

    def bound(self) -> dict[str, float]:
        """`meta_node_bound` of the last step, for the sums over all negatives of its anchors.

        "bound" is the largest of its calls; "mean_bound" is above the mean of `gap()`. After a step
        of several ranks all of them must ask, and gather their rows for it; so with `gap`.

        Raises:
            ValueError: before the first call; proxy="paper", which has no bound.
        """
        tau, largest, means = self._temperature(), 0.0, list[Tensor]()
        for calls in self._anchors():
            found = [
                bound_terms(q, k, tau, assignment, exclude=True, **self._options())
                for q, k, assignment in calls
            ]
            largest = max([largest, *(each.bound for each in found)])
            value, upper = (
                torch.stack(parts).logsumexp(0)
                for parts in ([each.value for each in found], [each.upper for each in found])
            )
            means.append((upper - value)[value != -torch.inf])
        return {"bound": largest, "mean_bound": _mean(torch.cat(means))}

    @torch.no_grad()
    def gap(self, sample: int = 1024) -> dict[str, float]:
        """The exact sum minus this one on a sample of the anchors of the last step, in nats.

        Args:
            sample: anchors, >= 1; all if there are fewer. Costs `sample` rows of the exact sum.

        Returns "gap", the mean, and "gap_max", the largest absolute value.

        Raises:
            ValueError: before the first call.
        """
        check_count("MetaNodeNegatives.gap", sample=sample)
        tau, gaps = self._temperature(), []
        for calls in self._anchors():
            n, device = len(calls[0].q), calls[0].q.device
            generator = torch.Generator().manual_seed(self.seed)
            chosen = torch.randperm(n, generator=generator)[:sample].to(device)
            proxies, exact = [], []
            for q, k, assignment in calls:
                value = meta_node_logsumexp(
                    q, k, tau, assignment, second_order=self.second_order, exclude=True,
                    **self._options(),
                )  # fmt: skip
                proxies.append(value[chosen])
                exact.append(
                    streaming_logsumexp(
                        q[chosen],
                        k,
                        tau=tau.to(device)[chosen] if tau.dim() else tau,
                        exclude=chosen,
                        log_weight=None
                        if self.within_cluster
                        else other_clusters(assignment, chosen),
                    )
                )
            value = torch.stack(proxies).logsumexp(0)
            gaps.append((torch.stack(exact).logsumexp(0) - value)[value != -torch.inf])
        gap = torch.cat(gaps)
        return {"gap": _mean(gap), "gap_max": float(gap.abs().max()) if len(gap) else 0.0}

    def forget(self) -> None:
        """Let go of the rows of the last step."""
        self._seen, self._calls, self._tau = [], [], None

    def _options(self, together: Ranks | None = None) -> dict[str, Any]:
        given, clusters = self.assignment, self.clusters
        hard = self.assign == "hard" if given is None else not given.is_floating_point()
        if together is not None and hard and given is not None:
            # Of its own rows a rank does not know how many there are.
            clusters = remember(given, ("clusters",), lambda: max(1, 1 + int(given.max())))
        return {
            "clusters": clusters if hard else None,
            "proxy": self.proxy,
            "within_cluster": self.within_cluster,
            "normalize": False,
        }

    def _temperature(self) -> Tensor:
        if self._tau is None:
            raise ValueError("MetaNodeNegatives: nothing to measure yet; call the loss first.")
        return self._tau

    def _anchors(self) -> Iterator[list[_Call]]:
        """Rows and assignments of the calls of the last step, grouped by their anchors."""
        name = "MetaNodeNegatives"
        for queries in self._seen:
            calls = []
            for first, keys in self._calls:
                if first is not queries:
                    continue
                q, k, assignment = queries.rows, keys.rows, keys.assignment
                if q is None or k is None or assignment is None:
                    raise ValueError(
                        f"{name}: the rows of the last step were not kept (more than {KEPT} "
                        "numbers); set remember=True before it."
                    )
                if (together := queries.together) is not None:
                    q, k, assignment = (rows(x, together) for x in (q, k, assignment))
                calls.append(_Call(q, k, assignment))
            if calls:
                yield calls

    @torch.no_grad()
    def _note(self, q: Tensor, k: Tensor, together: Ranks | None) -> Tensor:
        """Which rows these are; new ones begin a step. Returns the assignment of those of k."""
        queries, keys = self._known(q), self._known(k)
        if queries is None and keys is None:
            self.forget()
            if self.training and self.clusters is not None:
                self._step(k, together)
        keys = keys or self._add(k, together)
        queries = queries or self._known(q) or self._add(q, together)
        if not any(first is queries and second is keys for first, second in self._calls):
            self._calls.append((queries, keys))
        if self.assignment is not None:
            keys.assignment = self._given(together).to(k.device)
        elif keys.assignment is None:
            keys.assignment = self._nearest(k, together)
        return keys.assignment

    def _known(self, z: Tensor) -> _Rows | None:
        found = (each for each in self._seen if each.is_(z))
        return next(found, None)

    def _given(self, together: Ranks | None) -> Tensor:
        """The user's assignment, of this rank's rows."""
        assert self.assignment is not None  # only asked for where there is one
        if together is None:
            return self.assignment
        if len(self.assignment) != together.total:
            raise ValueError(
                f"MetaNodeNegatives: assignment must hold the clusters of the {together.total} "
                f"rows of all ranks, in their order, got {len(self.assignment)}."
            )
        return self.assignment[together.own]

    def _add(self, z: Tensor, together: Ranks | None) -> _Rows:
        keep = z.numel() <= KEPT if self.remember is None else self.remember
        seen = _Rows(z, keep, together)
        self._seen.append(seen)
        return seen

    def _step(self, k: Tensor, together: Ranks | None) -> None:
        """Count a step of training, and move the centres if it is time."""
        assert self.clusters is not None  # not with clusters of the user
        started = self.centers.shape[1] == k.shape[1]
        many = _count(k, together) > self.clusters
        if many and (not started or number(self.steps) % self.every == 0):
            self.centers = self._cluster(k, self.centers if started else None, together)
        set_number(self.steps, number(self.steps) + 1)

    def _cluster(self, z: Tensor, init: Tensor | None, together: Ranks | None) -> Tensor:
        assert self.clusters is not None  # not with clusters of the user
        iterations = self.iterations if init is not None else max(FIRST_ITERATIONS, self.iterations)
        n = _count(z, together)
        if self.batch is not None and n > self.batch:
            generator = torch.Generator().manual_seed(self.seed + number(self.steps))
            drawn = torch.randperm(n, generator=generator)[: self.batch]
            if together is None:
                z = z[drawn.to(z.device)]
            else:
                z, together = own_of(z, drawn, together)
        return spherical_kmeans(
            z, self.clusters, iterations=iterations, seed=self.seed, init=init, together=together
        )[1]

    def _nearest(self, z: Tensor, together: Ranks | None) -> Tensor:
        """Labels or shares of rows by the centres."""
        assert self.clusters is not None  # not with clusters of the user
        if _count(z, together) <= self.clusters:
            start = 0 if together is None else together.start
            return torch.arange(start, start + len(z), device=z.device)
        centers = self.centers
        if centers.shape[1] != z.shape[1]:
            centers = self._cluster(z, None, together)
        if self.assign == "hard":
            return spherical_kmeans(
                z, self.clusters, iterations=0, init=centers, together=together
            )[0]
        u = unit_rows(z)
        return (u @ centers.to(u).t() / self.softness).softmax(1)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # The width of the rows is known at the first step, or here.
        saved = state_dict.get(prefix + "centers")
        if (
            saved is not None
            and saved.numel()
            and self.clusters is not None
            and len(saved) != self.clusters
        ):
            raise RuntimeError(
                f"MetaNodeNegatives: the saved state has {len(saved)} clusters, not "
                f"{self.clusters}."
            )
        if saved is not None:
            self.centers = self.centers.new_empty(saved.shape, dtype=saved.dtype)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_seen": [], "_calls": [], "_tau": None}

    def extra_repr(self) -> str:
        given = self.assignment
        found = f"clusters={self.clusters}" if given is None else f"assignment={list(given.shape)}"
        said = f"{found}, proxy={self.proxy!r}"
        for key, usual in (("assign", "hard"), ("within_cluster", True), ("second_order", False)):
            if getattr(self, key) != usual:
                said += f", {key}={getattr(self, key)!r}"
        return said if given is not None else f"{said}, every={self.every}"


class _Rows:
    """A matrix of the last step: which it is, its assignment, and the rows if they are kept."""

    def __init__(self, z: Tensor, keep: bool, together: Ranks | None):
        self.which, self.version, self.together = weakref.ref(z), _version(z), together
        self.rows = z.detach() if keep else None
        self.assignment: Tensor | None = None

    def is_(self, z: Tensor) -> bool:
        """Whether z is that matrix, unchanged."""
        return self.which() is z and self.version == _version(z)


def _count(z: Tensor, together: Ranks | None) -> int:
    return len(z) if together is None else together.total


def _version(z: Tensor) -> int:
    return 0 if z.is_inference() else z._version  # those count no changes


class _Call(NamedTuple):
    q: Tensor
    k: Tensor
    assignment: Tensor


def _check_assignment(name: str, assignment: Any) -> None:
    if not isinstance(assignment, Tensor):
        raise TypeError(
            f"{name}: assignment must be a tensor of labels or shares, got "
            f"{type(assignment).__name__}."
        )
    if assignment.is_floating_point() and assignment.dim() == 2 and len(assignment):
        total = assignment.sum(1)
        if not bool((total - 1).abs().max() < 1e-3):
            raise ValueError(
                f"{name}: shares must sum to 1 in every row of assignment, got sums from "
                f"{float(total.min()):g} to {float(total.max()):g}."
            )


def _mean(x: Tensor) -> float:
    return float(x.mean()) if len(x) else 0.0


def other_clusters(assignment: Tensor, chosen: Tensor) -> LogWeight:
    """The weight of each pair when clusters leave themselves out: how far they are others."""
    if assignment.is_floating_point():
        return LogWeight(_share_apart, assignment[chosen], assignment)
    return LogWeight(_label_apart, assignment[chosen], assignment, bound=0.0)


def _share_apart(rows: slice, cols: slice, mine: Tensor, theirs: Tensor) -> Tensor:
    # sum_b q_jb (1 - q_ib)
    return ((1 - mine[rows]).clamp(min=0) @ theirs[cols].t()).log()


def _label_apart(rows: slice, cols: slice, mine: Tensor, theirs: Tensor) -> Tensor:
    same = mine[rows, None] == theirs[cols]
    return torch.zeros_like(same, dtype=torch.float32).masked_fill_(same, -torch.inf)
