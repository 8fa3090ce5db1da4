"""Clusters of rows as labels or as shares, and what is summed over them."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from gcl.checks import check_choice, check_columns, check_count
from gcl.ops.ranks import Ranks, total
from gcl.ops.similarity import unit_rows
from gcl.ops.stream_rows import as_tau
from gcl.ops.structure import tally

Proxy: TypeAlias = Literal["node", "pair", "paper"]
PROXIES = ("node", "pair", "paper")

ROWS = 1 << 14  # that one sum adds up


class Members(NamedTuple):
    """Clusters of rows: labels `[m]` or shares `[m, K]`; sums are over the rows of all ranks."""

    labels: Tensor | None
    shares: Tensor | None
    number: int
    together: Ranks | None = None  # whose rows are meant, if not only these

    def sizes(self, like: Tensor) -> Tensor:
        if self.shares is not None:
            return self.everywhere(self.shares.sum(0))
        assert self.labels is not None
        return self.everywhere(tally(self.labels, self.number).to(like.dtype))

    def sums(self, x: Tensor) -> Tensor:
        """`sum_j q_jb x_j` for rows x `[m, e]` -> `[K, e]`."""
        return self.everywhere(self.own_sums(x))

    def everywhere(self, x: Tensor) -> Tensor:
        """The sum of what the ranks have."""
        return x if self.together is None else total(x, self.together)

    def own_sums(self, x: Tensor) -> Tensor:
        """`sums` over this rank's rows."""
        if self.shares is not None:
            return self.shares.t() @ x
        assert self.labels is not None
        nothing = x.new_zeros(self.number, x.shape[1])
        # In two stages: one float32 sum over a million rows would lose its last digits.
        parts = zip(self.labels.split(ROWS), x.split(ROWS), strict=True)
        return sum((nothing.index_add(0, labels, rows) for labels, rows in parts), nothing)

    def second_moments(self, x: Tensor) -> Tensor:
        """`sum_j q_jb x_j x_j^T`, `[K, d, d]`."""
        if self.shares is not None:
            parts = [(x * share[:, None]).t() @ x for share in self.shares.unbind(1)]
        else:
            assert self.labels is not None
            sizes = tally(self.labels, self.number).tolist()
            parts = [part.t() @ part for part in x[self.labels.argsort()].split(sizes)]
        return self.everywhere(torch.stack(parts))

    def of_rows(self, values: Tensor) -> Tensor:
        """Values of clusters `[K]` as values of rows; for shares their weighted mean."""
        if self.shares is None:
            return values[self.labels]
        weight = self.shares / positive(self.shares.sum(1, keepdim=True))
        nothing = values == -torch.inf
        mean = weight @ values.masked_fill(nothing, 0.0)
        return mean.masked_fill((weight[:, nothing] > 0).any(1), -torch.inf)


def prepare_rows(
    name: str,
    z: Tensor,
    keys: Tensor,
    assignment: Tensor,
    query_assignment: Tensor | None,
    clusters: int | None,
    proxy: str,
    normalize: bool,
    exclude: bool,
    *,
    needs_queries: bool,
) -> tuple[Tensor, Tensor, Members, Members | None]:
    """Rows in one precision and their clusters, checked; the same object where z is keys."""
    check_choice(name, "proxy", proxy, PROXIES)
    check_columns(name, z, keys)
    if clusters is not None:
        check_count(name, clusters=clusters)
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
    members = read_members(name, "assignment", assignment, v, clusters)
    queries = None
    if needs_queries and query_assignment is not None:
        most = clusters if members.shares is None else members.number
        if isinstance(query_assignment, Tensor) and query_assignment.is_floating_point():
            most = None
        queries = read_members(name, "query_assignment", query_assignment, u, most)
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


def inverse_tau(name: str, u: Tensor, tau: Tensor | float, proxy: str) -> Tensor:
    tau = as_tau(u, tau)
    if tau.dim() and proxy != "node":
        raise ValueError(
            f"{name}: proxy={proxy!r} has one value a cluster and needs one tau, got "
            f"{list(tau.shape)}."
        )
    return 1 / tau


def read_members(name: str, key: str, given: Tensor, rows: Tensor, clusters: int | None) -> Members:
    if not isinstance(given, Tensor) or given.is_complex() or given.dtype == torch.bool:
        got = given.dtype if isinstance(given, Tensor) else type(given).__name__
        raise TypeError(f"{name}: {key} must hold labels (integers) or shares (floats), got {got}.")
    given = given.to(rows.device)
    if given.is_floating_point():
        if given.dim() != 2 or len(given) != len(rows):
            raise ValueError(
                f"{name}: {key} of shares must be [{len(rows)}, K], got {list(given.shape)}."
            )
        if clusters is not None and given.shape[1] != clusters:
            raise ValueError(
                f"{name}: {key} has shares in {given.shape[1]} clusters, but clusters is "
                f"{clusters}."
            )
        if given.numel() and not bool((given.min() >= 0) & (given.max() < torch.inf)):
            raise ValueError(f"{name}: {key} must hold finite shares of at least 0.")
        return Members(None, given.to(rows.dtype), given.shape[1])
    if given.shape != rows.shape[:1]:
        raise ValueError(
            f"{name}: {key} must be one label a row [{len(rows)}], got {list(given.shape)}."
        )
    given = given.long()
    smallest, largest = torch.stack(given.aminmax()).tolist() if len(given) else (0, -1)
    count = max(1, largest + 1) if clusters is None else clusters
    if smallest < 0 or largest >= count:
        raise ValueError(
            f"{name}: labels must lie in [0, {count}), got values from {smallest} to {largest}."
        )
    return Members(given, None, count)


class SumOptions(NamedTuple):
    within: bool
    second_order: bool
    exclude: bool
    normalize: bool  # the rows are not of unit length yet


def covariances(x: Tensor, members: Members, sizes: Tensor, means: Tensor) -> Tensor:
    second = members.second_moments(x) / positive(sizes)[:, None, None]
    return second - means[:, :, None] * means[:, None, :]


def overlap(x: Tensor, queries: Members, members: Members) -> Tensor:
    """`sum_i q'_ia q_ib x_i`, `[K, K]`."""
    if members.shares is not None:
        return queries.sums(x[:, None] * members.shares)
    if queries.shares is not None:
        return members.sums(x[:, None] * queries.shares).t()
    assert queries.labels is not None
    assert members.labels is not None
    k = members.number
    flat = x.new_zeros(k * k).index_add(0, queries.labels * k + members.labels, x)
    return members.everywhere(flat.view(k, k))


def safe_logsumexp(logits: Tensor) -> Tensor:
    """`logsumexp(1)` with a finite gradient also where all is -inf."""
    value = logits.logsumexp(1)
    nothing = value.detach() == -torch.inf
    if logits.device.type == "cpu" and not bool(nothing.any()):
        return value  # elsewhere the question costs more than the second sum
    safe = logits.masked_fill(nothing[:, None], 0.0).logsumexp(1)
    return safe.masked_fill(nothing, -torch.inf)


def positive(x: Tensor) -> Tensor:
    """x, with 1 where it is not above 0: a divisor."""
    return torch.where(x > 0, x, 1.0)
