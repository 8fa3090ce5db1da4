"""All negatives in cluster time: sums over meta-nodes, and how far they are from exact ones."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from gcl.autograd import first_order_only
from gcl.losses.checks import check_choice, check_columns, check_count
from gcl.losses.similarity import unit_rows
from gcl.losses.streaming import as_tau
from gcl.losses.tiles import blocks
from gcl.sparse import row_dots

Proxy: TypeAlias = Literal["node", "pair", "paper"]
PROXIES = ("node", "pair", "paper")

# Numbers of a block of rows: on CPU a block and its gradient stay in the caches of a core.
BLOCK = 1 << 19
# Numbers in the covariances of all clusters up to which a bound looks at them.
COVARIANCES = 1 << 26


def meta_node_logsumexp(
    z: Float[Tensor, "n d"],
    keys: Float[Tensor, "m d"],
    tau: Tensor | float,
    assignment: Tensor,
    *,
    num_clusters: int | None = None,
    proxy: Proxy = "node",
    within_cluster: bool = True,
    query_assignment: Tensor | None = None,
    second_order: bool = False,
    exclude: bool = False,
    normalize: bool = True,
) -> Float[Tensor, " n"]:
    r"""Log-sum-exp of every row of z against clusters of the rows of keys, in place of the rows.

    With unit rows u_i of z and v_j of keys, shares q_jb of row j in cluster b (0 or 1 if hard),
    sizes `n_b = sum_j q_jb` and means `m_b = sum_j q_jb v_j / n_b`, not normalised,

        "node"     lse_i = log sum_b n_b exp( <u_i, m_b> / tau )
        "pair"     lse_i = log sum_b n_b exp( <m'_a, m_b> / tau ),  a the cluster of i, m'_a the
                   mean of its u_i (for shares, their mean over the clusters of i)
        "paper"    the same number for all i, the mean over the non-empty clusters k of
                   log sum_l exp( S_kl / tau ),  S_kl = cos(zeta_k, zeta_l),  S_kk = 0,
                   zeta_k = sum_j q_jk keys_j, with the rows of z in place of keys for the first

    The exact sum is `streaming_logsumexp(u, v, tau=tau)`. "node" is never above it, nor is the mean
    of "pair" over a cluster; `meta_node_bound` says how far below at most. Both equal it for
    clusters of one row. "paper" approximates it up to a constant if clusters are balanced, tight
    and far apart, and has no bound.

    Cost: "node" O(n K d) operations, "pair" and "paper" O(n d + K^2 d). Memory is O((n + m + K) d):
    no n x K array exists. Empty clusters take no part. Gradients reach z, keys, tau and the shares;
    labels are constants. "node" has no second derivative.

    Args:
        z: anchors, any length; zero rows are fine.
        keys: candidates.
        tau: temperature > 0: a number or a scalar tensor; for "node" also one a row `[n]`.
        assignment: cluster of every candidate: labels `[m]` in [0, K), or shares `[m, K]` >= 0.
        num_clusters: K of labels; the largest label + 1 if None.
        proxy: "node", "pair" or "paper".
        within_cluster: False leaves the anchor's own cluster out of its sum: with shares, "node"
            weighs cluster b by `1 - q_ib`, the others leave out the pair (a, a).
        query_assignment: clusters of the anchors, for `within_cluster=False` and the last two
            proxies; the same as `assignment` if None.
        second_order: add the leading term of what is missing, half the variance of the logits
            within a cluster: `u_i^T C_b u_i / (2 tau^2)` with the covariance C_b, and for "pair"
            `(m_b^T C'_a m_b + m'_a^T C_b m'_a + tr(C'_a C_b)) / (2 tau^2)`. No longer from below.
            Memory O(K d^2), operations O(n K d^2) for "node" and O(n d^2 + K^2 d^2) for "pair"
            (O(n K d^2) with shares).
        exclude: leave out the pairs (i, i), exactly: every cluster without the anchor's own row,
            so `n_b - q_ib` and its mean. For z and keys of the same nodes. "paper" ignores it,
            whose diagonal is a constant.
        normalize: False takes the rows as they are, whatever their length ("paper" does always:
            its sums are of raw rows).

    Shape:
        z `[n, d]`, keys `[m, d]` -> `[n]`, float32 or wider; -inf for a row without candidates.

    Raises:
        TypeError: rows that are not floating-point, an assignment that is neither integers nor
            floats.
        ValueError: shapes that do not fit, labels out of range, negative or non-finite shares,
            tau <= 0 or one a row where one value a cluster is asked for.

    Reference:
        "Efficient Block Contrastive Learning via Parameter-free Meta-node Approximation" (PamC),
        2022. "paper" is the released formula (hard labels, sums of raw rows); there tau multiplies,
        so its tau is the inverse of ours, and an empty cluster in the middle gives NaN. "node" and
        "pair" weigh clusters by their size and take means of unit rows, which makes them bounds.

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> labels = torch.tensor([0, 0, 1])
        >>> meta_node_logsumexp(z, z, 1.0, labels).exp()  # 2 e + 1, 2 e + 1, 2 + e
        tensor([6.4366, 6.4366, 4.7183])
    """
    name = "meta_node_logsumexp"
    if second_order and proxy == "paper":
        raise ValueError(f"{name}: second_order goes with proxy='node' or 'pair', not 'paper'.")
    # Blocks of rows are scaled as they are used: matrices of unit rows cost memory and time.
    late = normalize and proxy == "node" and not second_order
    u, v, members, queries = _prepare(
        name, z, keys, assignment, query_assignment, num_clusters, proxy, normalize and not late,
        exclude, needs_queries=proxy != "node" or not within_cluster,
    )  # fmt: skip
    with torch.autocast(z.device.type, enabled=False):
        options = _Options(within_cluster, second_order, exclude, late)
        scale = _scale(name, u, tau, proxy)
        if len(u) == 0 or len(v) == 0:
            return u.sum(1).masked_fill(torch.ones(len(u), dtype=torch.bool), -torch.inf)
        if proxy == "node":
            return _node(u, v, scale, members, queries, options)
        assert queries is not None  # _prepare has seen to it
        if proxy == "pair":
            return queries.of_rows(_pair(u, v, scale, members, queries, options))
        return _paper(u, v, scale, members, queries, within_cluster).expand(len(u))


def meta_node_bound(
    keys: Float[Tensor, "m d"],
    assignment: Tensor,
    tau: Tensor | float,
    *,
    z: Float[Tensor, "n d"] | None = None,
    num_clusters: int | None = None,
    proxy: Proxy = "node",
    within_cluster: bool = True,
    query_assignment: Tensor | None = None,
    exclude: bool = False,
    normalize: bool = True,
) -> dict[str, float]:
    r"""How far "node" and "pair" can be from the exact sum, without computing it.

    For anchor i, `gap_i = (exact log-sum-exp) - (proxy)` is at least 0. Within cluster b the
    logits of i have a range of at most `diam_b / tau` (unit rows), so by Hoeffding's lemma

        bound         gap_i <= max_b diam_b^2 / (8 tau^2) <= 1 / (2 tau^2)
        mean_bound    mean_i gap_i <= mean_i log sum_b w_ib exp c_b,  w_i the proxy's softmax over
                      clusters,  c_b = min( diam_b^2 / (8 tau^2), var_b (e^x - 1 - x) / R_b^2 ),
                      x = R_b / tau

    and for "pair", whose gap is that of the mean over a cluster, with `(diam_a + diam_b)^2` in
    place of `diam_b^2`, capped likewise. The second term of c_b is Bennett's: R_b is the largest
    distance to the mean and var_b the largest eigenvalue of the covariance, so single far rows do
    not spoil it. Diameters are taken from above in O(m d): twice the radius around a point in the
    direction of the mean. Eigenvalues take O(m d^2) more; with shares, and for more than 2^26
    numbers in all covariances, the trace stands in for them, O(m d). Both results also hold for the
    distance of the second-order form from the exact sum.

    With shares, every row with a share above 0 belongs to a cluster, so the first is near its
    worst case.

    Args:
        keys: candidates.
        assignment: clusters of the candidates, see `meta_node_logsumexp`.
        tau: temperature; of several the smallest counts.
        z: anchors; the same as keys if None.
        num_clusters: K of labels.
        proxy: "node" or "pair"; the released formula has no bound.
        within_cluster: as in `meta_node_logsumexp`.
        query_assignment: clusters of the anchors.
        exclude: as in `meta_node_logsumexp`; the bound holds for the sums without (i, i).
        normalize: False for rows taken as they are; distances are then multiplied by the length
            of the longest anchor.

    Shape:
        keys `[m, d]`, z `[n, d]` -> `{"bound": float, "mean_bound": float}`, in nats.

    Raises:
        TypeError, ValueError: as `meta_node_logsumexp`; proxy="paper".

    Reference:
        Hoeffding, "Probability inequalities for sums of bounded random variables", JASA 1963;
        Bennett, "Probability inequalities for the sum of independent random variables", JASA 1962.

    Example:
        >>> z, labels = torch.eye(4), torch.tensor([0, 0, 1, 1])
        >>> found = meta_node_bound(z, labels, 1.0)
        >>> round(found["bound"], 3)  # two unit vectors at right angles: diam^2 = 2
        0.25
    """
    z = keys if z is None else z
    terms = bound_terms(
        z, keys, tau, assignment, num_clusters=num_clusters, proxy=proxy,
        within_cluster=within_cluster, query_assignment=query_assignment, exclude=exclude,
        normalize=normalize,
    )  # fmt: skip
    missing = (terms.upper - terms.value)[terms.value != -torch.inf]
    mean = float(missing.mean()) if len(missing) else 0.0
    return {"bound": terms.bound, "mean_bound": mean}


class BoundTerms(NamedTuple):
    """The parts of a bound: of every anchor the proxy and what the exact sum is at most."""

    bound: float
    value: Tensor
    upper: Tensor


@torch.no_grad()
def bound_terms(
    z: Tensor,
    keys: Tensor,
    tau: Tensor | float,
    assignment: Tensor,
    *,
    num_clusters: int | None = None,
    proxy: Proxy = "node",
    within_cluster: bool = True,
    query_assignment: Tensor | None = None,
    exclude: bool = False,
    normalize: bool = True,
) -> BoundTerms:
    """`meta_node_bound` before the mean over anchors, so that sums over several views add up."""
    name = "meta_node_bound"
    if proxy == "paper":
        raise ValueError(f"{name}: the released formula has no bound; take proxy='node' or 'pair'.")
    u, v, members, queries = _prepare(
        name, z, keys, assignment, query_assignment, num_clusters, proxy, normalize, exclude,
        needs_queries=proxy != "node" or not within_cluster,
    )  # fmt: skip
    with torch.autocast(z.device.type, enabled=False):
        scale = _scale(name, u, tau, "node")
        if len(u) == 0 or len(v) == 0:
            nothing = u.new_full((len(u),), -torch.inf)
            return BoundTerms(0.0, nothing, nothing)
        options = _Options(within_cluster, False, exclude, normalize=False)
        inverse, longest = float(scale.max()), float(u.square().sum(1).max().sqrt())
        reach = _extent(v, members, exclude)
        if proxy == "node":
            by_range = (inverse * longest * reach.diameter).square() / 8
            share = _bennett(reach.variance, reach.radius, inverse * longest)
            bonus = torch.minimum(by_range, share)
            value, upper = (
                _node(u, v, scale, members, queries, options, more) for more in (None, bonus)
            )
        else:
            assert queries is not None  # _prepare has seen to it
            own = _extent(u, queries, exclude).diameter
            far = float(v.square().sum(1).max().sqrt())
            apart = (own[:, None] * far + longest * reach.diameter).clamp(max=2 * longest * far)
            by_range = (inverse * apart).square() / 8
            # Clusters that are empty on one side have no pairs.
            there = (queries.sizes(u) > 0)[:, None] & (members.sizes(v) > 0)
            by_range = by_range.masked_fill(~there, 0.0)
            one = scale if scale.dim() == 0 else scale.max()
            value, upper = (
                queries.of_rows(_pair(u, v, one, members, queries, options, more))
                for more in (None, by_range)
            )
        return BoundTerms(float(by_range.max()), value, upper)


class _Members(NamedTuple):
    """Clusters of rows: labels `[m]` or shares `[m, K]`."""

    labels: Tensor | None
    shares: Tensor | None
    number: int

    def sizes(self, like: Tensor) -> Tensor:
        if self.shares is not None:
            return self.shares.sum(0)
        assert self.labels is not None
        return torch.bincount(self.labels, minlength=self.number).to(like.dtype)

    def sums(self, x: Tensor) -> Tensor:
        """`sum_j q_jb x_j` for rows x `[m, e]` -> `[K, e]`."""
        if self.shares is not None:
            return self.shares.t() @ x
        assert self.labels is not None
        return x.new_zeros(self.number, x.shape[1]).index_add(0, self.labels, x)

    def second_moments(self, x: Tensor) -> Tensor:
        """`sum_j q_jb x_j x_j^T`, `[K, d, d]`."""
        if self.shares is not None:
            return torch.stack([(x * share[:, None]).t() @ x for share in self.shares.unbind(1)])
        assert self.labels is not None
        sizes = torch.bincount(self.labels, minlength=self.number).tolist()
        return torch.stack([part.t() @ part for part in x[self.labels.argsort()].split(sizes)])

    def of_rows(self, values: Tensor) -> Tensor:
        """Values of clusters `[K]` as values of rows; for shares their weighted mean."""
        if self.shares is None:
            return values[self.labels]
        weight = self.shares / _positive(self.shares.sum(1, keepdim=True))
        nothing = values == -torch.inf
        mean = weight @ values.masked_fill(nothing, 0.0)
        return mean.masked_fill((weight[:, nothing] > 0).any(1), -torch.inf)


class _Options(NamedTuple):
    within: bool
    second_order: bool
    exclude: bool
    normalize: bool  # the rows are not of unit length yet


def _prepare(
    name: str,
    z: Tensor,
    keys: Tensor,
    assignment: Tensor,
    query_assignment: Tensor | None,
    num_clusters: int | None,
    proxy: str,
    normalize: bool,
    exclude: bool,
    *,
    needs_queries: bool,
) -> tuple[Tensor, Tensor, _Members, _Members | None]:
    """Rows in one precision and their clusters, checked; the same object where z is keys."""
    check_choice(name, "proxy", proxy, PROXIES)
    check_columns(name, z, keys)
    if num_clusters is not None:
        check_count(name, num_clusters=num_clusters)
    if exclude and z.shape != keys.shape:
        raise ValueError(
            f"{name}: exclude=True leaves out the pairs (i, i) and needs rows of the same nodes, "
            f"got {len(z)} anchors and {len(keys)} candidates."
        )
    dtype = torch.promote_types(torch.promote_types(z.dtype, keys.dtype), torch.float32)

    def rows(x: Tensor) -> Tensor:
        return unit_rows(x.to(dtype)) if normalize and proxy != "paper" else x.to(dtype)

    v = rows(keys)
    u = v if z is keys else rows(z)
    members = _members(name, "assignment", assignment, v, num_clusters)
    queries = None
    if needs_queries and query_assignment is not None:
        most = num_clusters if members.shares is None else members.number
        if isinstance(query_assignment, Tensor) and query_assignment.is_floating_point():
            most = None
        queries = _members(name, "query_assignment", query_assignment, u, most)
        count = max(members.number, queries.number)
        for which in (members, queries):
            if which.shares is not None and which.number != count:
                raise ValueError(
                    f"{name}: assignment and query_assignment must speak of the same clusters, got "
                    f"{members.number} and {queries.number}."
                )
        members, queries = members._replace(number=count), queries._replace(number=count)
    elif needs_queries:
        if len(u) != len(v):
            raise ValueError(
                f"{name}: {len(u)} anchors and {len(v)} candidates need query_assignment, the "
                "clusters of the anchors."
            )
        queries = members
    return u, v, members, queries


def _members(
    name: str, key: str, given: Tensor, rows: Tensor, num_clusters: int | None
) -> _Members:
    if not isinstance(given, Tensor) or given.is_complex() or given.dtype == torch.bool:
        got = given.dtype if isinstance(given, Tensor) else type(given).__name__
        raise TypeError(f"{name}: {key} must hold labels (integers) or shares (floats), got {got}.")
    given = given.to(rows.device)
    if given.is_floating_point():
        if given.dim() != 2 or len(given) != len(rows):
            raise ValueError(
                f"{name}: {key} of shares must be [{len(rows)}, K], got {list(given.shape)}."
            )
        if num_clusters is not None and given.shape[1] != num_clusters:
            raise ValueError(
                f"{name}: {key} has shares in {given.shape[1]} clusters, but num_clusters is "
                f"{num_clusters}."
            )
        if given.numel() and not bool((given.min() >= 0) & (given.max() < torch.inf)):
            raise ValueError(f"{name}: {key} must hold finite shares of at least 0.")
        return _Members(None, given.to(rows.dtype), given.shape[1])
    if given.shape != rows.shape[:1]:
        raise ValueError(
            f"{name}: {key} must be one label a row [{len(rows)}], got {list(given.shape)}."
        )
    given = given.long()
    largest = int(given.max()) if len(given) else -1
    count = max(1, largest + 1) if num_clusters is None else num_clusters
    if len(given) and (int(given.min()) < 0 or largest >= count):
        raise ValueError(
            f"{name}: labels must lie in [0, {count}), got values from {int(given.min())} to "
            f"{largest}."
        )
    return _Members(given, None, count)


def _scale(name: str, u: Tensor, tau: Tensor | float, proxy: str) -> Tensor:
    tau = as_tau(u, tau)
    if tau.dim() and proxy != "node":
        raise ValueError(
            f"{name}: proxy={proxy!r} has one value a cluster and needs one tau, got "
            f"{list(tau.shape)}."
        )
    return 1 / tau


def _node(
    u: Tensor,
    v: Tensor,
    scale: Tensor,
    members: _Members,
    queries: _Members | None,
    options: _Options,
    bonus: Tensor | None = None,
) -> Tensor:
    """The node proxy; `bonus` is added to the logits of the clusters."""
    sizes = members.sizes(v)
    covariance = None
    if options.second_order:
        covariance = _covariance(v, members, sizes, members.sums(v) / _positive(sizes)[:, None])
    apart = None if options.within or queries is None else queries
    wide = u.shape[1] ** 2 if options.second_order else u.shape[1]
    step = (BLOCK if u.device.type == "cpu" else 64 * BLOCK) // max(1, wide, members.number)
    plan = _NodePlan(
        members.labels,
        None if apart is None else apart.labels,
        members.number,
        options.exclude,
        options.normalize,
        max(16, step),
    )
    shares = None if apart is None else apart.shares
    return _NodeSum.apply(
        plan, u, None if u is v else v, scale, members.shares, shares, sizes, covariance, bonus
    )


class _NodePlan(NamedTuple):
    """The node proxy in three parts, each plain PyTorch."""

    labels: Tensor | None  # of the candidates
    apart: Tensor | None  # of the anchors, if their own cluster is left out
    number: int
    exclude: bool
    normalize: bool
    step: int

    def sums(self, rows: slice, v: Tensor, shares: Tensor | None) -> Tensor:
        """Sums of the rows of a block by cluster."""
        labels = None if self.labels is None else self.labels[rows]
        members = _Members(labels, shares, self.number)
        return members.sums(unit_rows(v) if self.normalize else v)

    def head(
        self, sums: Tensor, sizes: Tensor, covariance: Tensor | None, scale: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
        """Means, sizes, covariances; they take in a scale that is one for all."""
        means = sums / _positive(sizes)[:, None]
        if scale.dim() == 0:  # cheaper than a product with every row
            means = means * scale
            covariance = None if covariance is None else covariance * scale.square()
        return means, sizes, covariance, scale

    def values(
        self,
        rows: slice,
        u: Tensor,
        k: Tensor | None,  # u if None
        shares: Tensor | None,
        apart: Tensor | None,
        means: Tensor,
        sizes: Tensor,
        covariance: Tensor | None,
        scale: Tensor,
        bonus: Tensor | None,
    ) -> Tensor:
        """The log-sum-exp of a block of anchors."""
        if self.normalize:
            u, k = unit_rows(u), None if k is None else unit_rows(k)
        one = scale.dim() == 0
        q = u if one else u * scale[rows, None]
        t = q @ means.t()
        logits = t + _positive(sizes).log().masked_fill(sizes <= 0, -torch.inf)
        spread = None
        if covariance is not None:
            squares = (q[:, :, None] * q[:, None, :]).flatten(1)
            spread = squares @ covariance.flatten(1).t()
            logits = logits + spread / 2
        if self.exclude:
            at = None if self.labels is None else self.labels[rows, None]
            itself = (q * (u if k is None else k)).sum(1, keepdim=True)
            itself = itself * scale if one else itself
            share = torch.ones_like(itself) if shares is None else shares
            n, mean = _pick(sizes.expand_as(t), at), _pick(t, at)
            left = n - share
            some = left > 8 * torch.finfo(t.dtype).eps * n
            left = torch.where(some, left, 1.0)
            rest = (n * mean - share * itself) / left
            value = rest + left.log()
            if spread is not None:
                square = n * (_pick(spread, at) + mean.square()) - share * itself.square()
                value = value + (square / left - rest.square()).clamp(min=0) / 2
            logits = _put(logits, at, value.masked_fill(~some, -torch.inf))
        if bonus is not None:
            logits = logits + bonus
        if self.apart is not None:
            at = self.apart[rows, None]
            logits = _put(logits, at, t.new_full((len(t), 1), -torch.inf))
        if apart is not None:
            keep = 1 - apart
            logits = logits + _positive(keep).log()
            logits = logits.masked_fill(keep <= 0, -torch.inf)
        return _logsumexp(logits)


class _NodeSum(torch.autograd.Function):
    """The node proxy, block of rows by block; the backward pass computes each block again.

    Plain autograd through slices would keep the arrays of every block, or copy the whole matrix
    for each. One gradient of each matrix is made, and what it gets as anchors, as itself and as
    part of its cluster is written there: large new arrays cost more than the sums in them.
    """

    @staticmethod
    def forward(
        ctx: Any,
        plan: _NodePlan,
        u: Tensor,
        v: Tensor | None,
        scale: Tensor,
        shares: Tensor | None,
        apart: Tensor | None,
        sizes: Tensor,
        covariance: Tensor | None,
        bonus: Tensor | None,
    ) -> Tensor:
        keys = u if v is None else v
        sums = u.new_zeros(plan.number, u.shape[1])
        for rows in blocks(len(keys), plan.step):
            sums += plan.sums(rows, keys[rows], _cut(shares, rows))
        shared = plan.head(sums, sizes, covariance, scale)
        ctx.save_for_backward(u, v, scale, shares, apart, sizes, covariance, bonus, sums)
        ctx.plan = plan
        own = v if plan.exclude else None
        parts = []
        for rows in blocks(len(u), plan.step):
            block = (u[rows], _cut(own, rows), _cut(shares, rows), _cut(apart, rows))
            parts.append(plan.values(rows, *block, *shared, bonus))
        return torch.cat(parts)

    @staticmethod
    @first_order_only
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        plan: _NodePlan = ctx.plan
        u, v, scale, shares, apart, sizes, covariance, bonus, sums = ctx.saved_tensors
        _, _, _, for_scale, for_shares, for_apart, for_sizes, _, _ = ctx.needs_input_grad
        top = [_leaf(sums), _leaf(sizes, for_sizes), _leaf(covariance), _leaf(scale, for_scale)]
        with torch.enable_grad():
            shared: Any = plan.head(*top)
        low: Any = [None if t is None else _leaf(t, t.requires_grad) for t in shared]
        slopes = [None if t is None or not t.requires_grad else torch.zeros_like(t) for t in low]
        own = v if plan.exclude else None
        grad_u = torch.empty_like(u, memory_format=torch.contiguous_format)
        grad_v = grad_u if v is None else torch.zeros_like(v)
        grad_shares = torch.zeros_like(shares) if for_shares else None
        grad_apart = torch.zeros_like(apart) if for_apart else None
        for rows in blocks(len(u), plan.step):
            block: Any = [
                _leaf(u[rows]),
                _leaf(_cut(own, rows)),
                _leaf(_cut(shares, rows), for_shares) if plan.exclude else None,
                _leaf(_cut(apart, rows), for_apart),
            ]
            with torch.enable_grad():
                everything = [*block, *low, bonus]
                out = plan.values(rows, *everything)
            mine, further, of_shares, of_apart, *rest = _slopes(out, everything[:-1], grad[rows])
            grad_u[rows] = 0.0 if mine is None else mine
            for total, part in (
                (grad_v, further), (grad_shares, of_shares), (grad_apart, of_apart)
            ):  # fmt: skip
                if total is not None and part is not None:
                    total[rows] += part
            for total, part in zip(slopes, rest, strict=True):
                if total is not None and part is not None:
                    total += part
        of_sums, of_sizes, of_covariance, of_scale = _slopes(shared, top, slopes)
        keys = u if v is None else v
        for rows in blocks(len(keys), plan.step):
            block = [_leaf(keys[rows]), _leaf(_cut(shares, rows), for_shares)]
            with torch.enable_grad():
                out = plan.sums(rows, *block)
            mine, of_shares = _slopes(out, block, of_sums)
            grad_v[rows] += mine
            if grad_shares is not None and of_shares is not None:
                grad_shares[rows] += of_shares
        return (
            None, grad_u, None if v is None else grad_v, of_scale, grad_shares, grad_apart,
            of_sizes, of_covariance, None,
        )  # fmt: skip


def _cut(t: Tensor | None, rows: slice) -> Tensor | None:
    return None if t is None else t[rows]


def _leaf(t: Any, needed: bool = True) -> Any:
    return None if t is None else t.detach().requires_grad_(needed)


def _slopes(out: Any, leaves: list[Any], grad: Any) -> list[Any]:
    """Gradients of one or several results, None where there is nothing to follow."""
    if isinstance(out, tuple):
        pairs = [(o, g) for o, g in zip(out, grad, strict=True) if g is not None]
        out, grad = zip(*pairs, strict=True)
    followed = [leaf for leaf in leaves if leaf is not None and leaf.requires_grad]
    found = iter(torch.autograd.grad(out, followed, grad, allow_unused=True))
    return [next(found) if leaf is not None and leaf.requires_grad else None for leaf in leaves]


def _pair(
    u: Tensor,
    v: Tensor,
    scale: Tensor,
    members: _Members,
    queries: _Members,
    options: _Options,
    bonus: Tensor | None = None,
) -> Tensor:
    """The pair proxy, one value for every cluster of anchors; -inf for empty ones."""
    q = u * scale
    n_a, n_b = queries.sizes(u), members.sizes(v)
    first = queries.sums(q) / _positive(n_a)[:, None]
    second = members.sums(v) / _positive(n_b)[:, None]
    pairs, mean = n_a[:, None] * n_b, first @ second.t()
    total, square = pairs * mean, None
    if options.second_order:
        c_a = _covariance(q, queries, n_a, first)
        c_b = _covariance(v, members, n_b, second)
        variance = torch.einsum("bd,ade,be->ab", second, c_a, second)
        variance = variance + torch.einsum("ad,bde,ae->ab", first, c_b, first)
        variance = variance + torch.einsum("ade,bde->ab", c_a, c_b)
        square = pairs * (variance + mean.square())
    left = pairs
    if options.exclude:
        itself = (q * v).sum(1)
        left = pairs - _overlap(torch.ones_like(itself), queries, members)
        total = total - _overlap(itself, queries, members)
        if square is not None:
            square = square - _overlap(itself.square(), queries, members)
    some = left > 8 * torch.finfo(u.dtype).eps * pairs
    left = torch.where(some, left, 1.0)
    mean = total / left
    logits = mean + (left / _positive(n_a)[:, None]).log()
    if square is not None:
        logits = logits + (square / left - mean.square()).clamp(min=0) / 2
    if bonus is not None:
        logits = logits + bonus
    if not options.within:
        some = some & ~torch.eye(len(some), dtype=torch.bool, device=some.device)
    return _logsumexp(logits.masked_fill(~some, -torch.inf))


def _overlap(x: Tensor, queries: _Members, members: _Members) -> Tensor:
    """`sum_i q'_ia q_ib x_i`, `[K, K]`."""
    if members.shares is not None:
        return queries.sums(x[:, None] * members.shares)
    if queries.shares is not None:
        return members.sums(x[:, None] * queries.shares).t()
    assert queries.labels is not None
    assert members.labels is not None
    k = members.number
    flat = x.new_zeros(k * k).index_add(0, queries.labels * k + members.labels, x)
    return flat.view(k, k)


def _paper(
    u: Tensor, v: Tensor, scale: Tensor, members: _Members, queries: _Members, within: bool
) -> Tensor:
    """PamC's negative term as released: a scalar."""
    first = unit_rows(queries.sums(u))
    second = first if u is v and queries is members else unit_rows(members.sums(v))
    itself = torch.eye(len(first), dtype=torch.bool, device=u.device)
    logits = (first @ second.t()).masked_fill(itself, 0.0) * scale
    nothing = (members.sizes(v) <= 0).expand_as(logits)
    if not within:
        nothing = nothing | itself
    value = _logsumexp(logits.masked_fill(nothing, -torch.inf))
    return value[queries.sizes(u) > 0].mean()


def _covariance(x: Tensor, members: _Members, sizes: Tensor, means: Tensor) -> Tensor:
    second = members.second_moments(x) / _positive(sizes)[:, None, None]
    return second - means[:, :, None] * means[:, None, :]


class _Extent(NamedTuple):
    """How far clusters extend, each a number from above `[K]`."""

    diameter: Tensor
    radius: Tensor  # around the mean
    variance: Tensor  # along the direction in which it is largest


def _extent(x: Tensor, members: _Members, exclude: bool) -> _Extent:
    """In O(m d), from the smallest product with the direction of the mean and the lengths."""
    sizes = members.sizes(x)
    square = x.square().sum(1)
    means = members.sums(x) / _positive(sizes)[:, None]
    direction = unit_rows(means)
    lowest = x.new_full((members.number,), torch.inf)
    longest, several = torch.zeros_like(lowest), sizes > 1
    if members.shares is None:
        assert members.labels is not None
        at = members.labels
        along = row_dots(x, direction, torch.arange(len(x), device=x.device), at)
        lowest = lowest.scatter_reduce(0, at, along, "amin")
        longest = longest.scatter_reduce(0, at, square, "amax")
    else:
        inside = torch.zeros_like(lowest)
        for rows in blocks(len(x), max(16, BLOCK // max(1, members.number))):
            there = members.shares[rows] > 0
            along = (x[rows] @ direction.t()).masked_fill(~there, torch.inf)
            lowest = torch.minimum(lowest, along.amin(0))
            longest = torch.maximum(longest, (square[rows, None] * there).amax(0))
            inside = inside + there.sum(0)
        several = inside > 1
    lowest = torch.where(lowest == torch.inf, 0.0, lowest)
    length = means.square().sum(1)
    slack = 16 * torch.finfo(x.dtype).eps * longest  # the products are rounded
    # Around r times the direction, r = the smallest product: no row of that length is farther
    # away, and rows of unit length need no larger ball.
    diameter = 2 * (longest - lowest.clamp(min=0).square() + slack).clamp(min=0).sqrt()
    radius = (longest - 2 * length.sqrt() * lowest + length + slack).clamp(min=0).sqrt()
    mean_square = members.sums(square[:, None]).squeeze(1) / _positive(sizes)
    variance = (mean_square - length + slack).clamp(min=0)
    if members.shares is None and members.number * x.shape[1] ** 2 <= COVARIANCES:
        largest = torch.linalg.eigvalsh(_covariance(x, members, sizes, means))[:, -1]
        variance = torch.minimum(variance, largest.clamp(min=0) + slack)
    if exclude and members.shares is None:
        # Without one of its rows a cluster has another mean.
        grown = sizes / (sizes - 1).clamp(min=1)
        radius, variance = radius * grown, variance * grown
    elif exclude:
        # A row may have had nearly all of a cluster: only its range is sure.
        radius, variance = diameter, diameter.square() / 4
    return _Extent(*(each.masked_fill(~several, 0.0) for each in (diameter, radius, variance)))


def _bennett(variance: Tensor, radius: Tensor, inverse: float) -> Tensor:
    """`log E exp(inverse X)` from above: E X = 0, X <= radius, E X^2 <= variance."""
    x = inverse * radius.double()
    # The series where the difference would lose its digits.
    excess = torch.where(x < 1e-3, x.square() / 2 * (1 + x), x.exp() - 1 - x)
    ratio = variance.double() / _positive(radius.double().square())
    return (ratio * excess).to(radius.dtype)


def _logsumexp(logits: Tensor) -> Tensor:
    """`logsumexp(1)` with a finite gradient also where all is -inf."""
    value = logits.logsumexp(1)
    nothing = value.detach() == -torch.inf
    if not bool(nothing.any()):
        return value
    safe = logits.masked_fill(nothing[:, None], 0.0).logsumexp(1)
    return safe.masked_fill(nothing, -torch.inf)


def _positive(x: Tensor) -> Tensor:
    """x, with 1 where it is not above 0: a divisor."""
    return torch.where(x > 0, x, 1.0)


def _pick(tile: Tensor, at: Tensor | None) -> Tensor:
    """The entries of the own cluster `[rows, 1]`; all of them for shares."""
    return tile if at is None else tile.gather(1, at)


def _put(tile: Tensor, at: Tensor | None, value: Tensor) -> Tensor:
    return value if at is None else tile.scatter(1, at, value)
