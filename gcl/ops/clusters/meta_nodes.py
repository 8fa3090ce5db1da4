"""All negatives in cluster time: sums over meta-nodes in place of sums over rows."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gcl.ops.clusters.members import (
    Members,
    Proxy,
    SumOptions,
    inverse_tau,
    prepare_rows,
    safe_logsumexp,
)
from gcl.ops.clusters.node_sum import node_sum
from gcl.ops.clusters.pair_sum import pair_sum
from gcl.ops.ranks import Ranks
from gcl.ops.similarity import unit_rows
from gcl.ops.tracing import outside_graph


def meta_node_logsumexp(
    z: Float[Tensor, "n d"],
    keys: Float[Tensor, "m d"],
    tau: Tensor | float,
    assignment: Tensor,
    *,
    clusters: int | None = None,
    proxy: Proxy = "node",
    within_cluster: bool = True,
    query_assignment: Tensor | None = None,
    second_order: bool = False,
    exclude: bool = False,
    normalize: bool = True,
    together: Ranks | None = None,
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
        clusters: K of labels; the largest label + 1 if None.
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
        together: the ranks whose rows are meant, if not only these: each gives its own rows and
            their clusters and gets its own anchors, and what is sent are sums `[K, d]`. Gradients
            are expected as `gcl.ops.ranks.whole` passes them; labels need `clusters`.

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
    return _sum(
        z,
        keys,
        tau,
        assignment,
        clusters,
        proxy,
        within_cluster,
        query_assignment,
        second_order,
        exclude,
        normalize,
        together,
    )


@outside_graph
def _sum(
    z: Tensor,
    keys: Tensor,
    tau: Tensor | float,
    assignment: Tensor,
    clusters: int | None,
    proxy: Proxy,
    within_cluster: bool,
    query_assignment: Tensor | None,
    second_order: bool,
    exclude: bool,
    normalize: bool,
    together: Ranks | None,
) -> Float[Tensor, " n"]:
    name = "meta_node_logsumexp"
    if second_order and proxy == "paper":
        raise ValueError(f"{name}: second_order goes with proxy='node' or 'pair', not 'paper'.")
    # Blocks of rows are scaled as they are used: matrices of unit rows cost memory and time.
    late = normalize and proxy == "node" and not second_order
    u, v, members, queries = prepare_rows(
        name, z, keys, assignment, query_assignment, clusters, proxy, normalize and not late,
        exclude, needs_queries=proxy != "node" or not within_cluster,
    )  # fmt: skip
    if together is not None:
        if members.labels is not None and clusters is None:
            raise ValueError(
                f"{name}: the ranks must agree on the number of clusters; give clusters."
            )
        same, members = queries is members, members._replace(together=together)
        if queries is not None:
            queries = members if same else queries._replace(together=together)
    with torch.autocast(z.device.type, enabled=False):
        options = SumOptions(within_cluster, second_order, exclude, late)
        scale = inverse_tau(name, u, tau, proxy)
        if together is None and (len(u) == 0 or len(v) == 0):
            nobody = torch.ones(len(u), dtype=torch.bool, device=u.device)
            return u.sum(1).masked_fill(nobody, -torch.inf)
        if proxy == "node":
            return node_sum(u, v, scale, members, queries, options)
        assert queries is not None  # prepare_rows has seen to it
        if proxy == "pair":
            return queries.of_rows(pair_sum(u, v, scale, members, queries, options))
        return _paper(u, v, scale, members, queries, within_cluster).expand(len(u))


def _paper(
    u: Tensor, v: Tensor, scale: Tensor, members: Members, queries: Members, within: bool
) -> Tensor:
    """PamC's negative term as released: a scalar."""
    first = unit_rows(queries.sums(u))
    second = first if u is v and queries is members else unit_rows(members.sums(v))
    itself = torch.eye(len(first), dtype=torch.bool, device=u.device)
    logits = (first @ second.t()).masked_fill(itself, 0.0) * scale
    nothing = (members.sizes(v) <= 0).expand_as(logits)
    if not within:
        nothing = nothing | itself
    value = safe_logsumexp(logits.masked_fill(nothing, -torch.inf))
    return value[queries.sizes(u) > 0].mean()
