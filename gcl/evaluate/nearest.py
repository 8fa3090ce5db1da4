"""The most similar rows of a table of embeddings, by their ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data.data import BaseData

from gcl.checks import check_choice, check_count, shown
from gcl.evaluate.inputs import as_matrix
from gcl.names import did_you_mean
from gcl.ops.similarity import unit_rows

Metric: TypeAlias = Literal["cosine", "dot", "euclidean"]
Index: TypeAlias = Literal["auto", "exact", "usearch"]

BLOCK = 1 << 22  # similarities held at a time
MANY = 10**10  # pairs above which an approximate index is quicker than all of them


class Neighbors(NamedTuple):
    """The neighbours of each query, the most similar first.

    Attributes:
        ids: `[queries, k]`, an array of NumPy; the numbers of the rows where no ids were given.
        similarities: `[queries, k]`; of "euclidean" the distances, times -1.
        indices: `[queries, k]`, the numbers of the rows.
    """

    ids: np.ndarray
    similarities: Tensor
    indices: Tensor


def nearest(
    z: Any,
    ids: Any = None,
    k: int = 10,
    queries: Any = None,
    *,
    metric: Metric = "cosine",
    index: Index = "auto",
) -> Neighbors:
    """The k most similar rows of each query; a row is no neighbour of its own.

    "exact" compares every pair, a block at a time: no N x N array is stored. "usearch" (the extra
    `search`) builds a graph of neighbours first, which pays where most rows are queries of a large
    table, and misses some neighbours. "auto" is exact up to 10^10 pairs, and where usearch is not
    installed.

    Args:
        z: Embeddings `[N, D]`, dense; or a DataFrame of them. By cosine a row of zeros is as near
            to all, with similarity 0.
        ids: What the rows are called, one each: `data.ids`. If None the index of a DataFrame of
            pandas, else numbers of rows. Tuples are called by their text, "(0, 1)", as by
            `gcl.data.from_networkx`.
        k: How many neighbours, from 1 to the number of other rows.
        queries: An id; a list of ids; vectors `[Q, D]`; every row if None.
        metric: "cosine", "dot" (the inner product) or "euclidean".
        index: How to search.

    Raises:
        TypeError: z is no matrix; ids or queries of another kind.
        ValueError: ids that are not one a row, or twice; an id that is not there; k out of range.
        ImportError: usearch is asked for and not installed.

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
        >>> found = nearest(z, ids=["ann", "bob", "cay"], k=2, queries="ann")
        >>> found.ids.tolist()
        [['bob', 'cay']]
    """
    check_choice("nearest", "metric", metric, ("cosine", "dot", "euclidean"))
    check_choice("nearest", "index", index, ("auto", "exact", "usearch"))
    if ids is None and type(z).__module__.partition(".")[0] == "pandas":
        ids = getattr(z, "index", None)
    x = as_matrix(z, "nearest")
    if not isinstance(x, Tensor):
        x = torch.from_numpy(x.toarray())
    names = _names(ids, len(x))
    own, vectors = _queries(queries, names, x)
    check_count("nearest", k=k)
    most = len(x) - (own is not None)
    if most < 1:
        raise ValueError("nearest: one row alone has no neighbours.")
    if k > most:
        raise ValueError(f"nearest: k must be at most {most}, as there are {len(x)} rows, got {k}.")
    if metric == "cosine":
        x = unit_rows(x)
        vectors = None if vectors is None else unit_rows(vectors)
    rows = x[own] if vectors is None else vectors
    if index == "auto":
        many = len(rows) * len(x) > MANY and find_spec("usearch") is not None
        index = "usearch" if many else "exact"
    search = _by_usearch if index == "usearch" else _exactly
    similarities, indices = search(x, rows, own, k, metric)
    return Neighbors(names[indices.numpy()], similarities, indices)


def _names(ids: Any, rows: int) -> np.ndarray:
    if ids is None:
        return np.arange(rows)
    if isinstance(ids, str | BaseData | Mapping) or not hasattr(ids, "__len__"):
        advice = "; give data.ids" if isinstance(ids, BaseData) else ""
        raise TypeError(f"nearest: ids must be a list, one for each row, got {shown(ids)}{advice}.")
    if isinstance(ids, Tensor):
        ids = ids.cpu()
    elif not isinstance(ids, np.ndarray) and any(isinstance(name, tuple) for name in ids):
        ids = [str(name) for name in ids]
    names = np.asarray(ids)
    if names.shape != (rows,):
        raise ValueError(
            f"nearest: expected {rows} ids, one for each row of z, got shape {list(names.shape)}."
        )
    texts = names.dtype == object and all(isinstance(name, str) for name in names)
    whole = names.dtype.kind == "f" and bool((names == np.trunc(names)).all())
    if not (texts or whole or names.dtype.kind in "iuUS"):
        raise TypeError(
            "nearest: ids must be text or whole numbers, not some of each, None, NaN or truths; "
            "give [str(i) for i in ids]."
        )
    if len(np.unique(names)) < rows:
        raise ValueError("nearest: some ids come twice; each row needs one of its own.")
    return names


def _queries(queries: Any, names: np.ndarray, x: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Numbers of the rows that are asked for, or vectors."""
    if queries is None:
        return torch.arange(len(x)), None
    frame = hasattr(queries, "columns") and hasattr(queries, "to_numpy")
    is_matrix = frame or getattr(queries, "ndim", 0) == 2
    if is_matrix:
        vectors = as_matrix(queries, "nearest: queries")
        if not isinstance(vectors, Tensor) or vectors.shape[1] != x.shape[1]:
            raise ValueError(
                f"nearest: queries must be dense and as wide as z, [queries, {x.shape[1]}], got "
                f"{list(vectors.shape)}."
            )
        return None, vectors.to(x)
    if getattr(queries, "ndim", 0) == 1 and getattr(queries, "dtype", None) is not None:
        floats = isinstance(queries, Tensor) and queries.is_floating_point()
        if floats or (isinstance(queries, np.ndarray) and queries.dtype.kind == "f"):
            raise TypeError(
                f"nearest: queries are ids, or vectors [queries, {x.shape[1]}]; for one give "
                "queries=vector[None]."
            )
    place = {name: row for row, name in enumerate(names.tolist())}
    pair = isinstance(queries, tuple) and str(queries) in place
    one = pair or isinstance(queries, str | bytes) or not hasattr(queries, "__len__")
    one = one or getattr(queries, "ndim", 1) == 0
    asked: Sequence[Any] = [queries] if one else list(queries)
    if not asked:
        raise ValueError("nearest: queries is empty; name at least one id.")
    if isinstance(asked[0], bool | np.bool_) or getattr(asked[0], "dtype", None) == torch.bool:
        raise TypeError("nearest: queries are ids, not truths; give ids[mask].")
    if isinstance(asked[0], list | float | np.ndarray) and not isinstance(names[0], np.floating):
        raise TypeError(
            f"nearest: queries are ids, or vectors as an array [queries, {x.shape[1]}], got a list "
            f"with {shown(asked[0])}; give numpy.array(queries)."
        )
    wanted = [q.item() if isinstance(q, np.generic | Tensor) else q for q in asked]
    wanted = [str(q) if isinstance(q, tuple) else q for q in wanted]
    unknown = [q for q in wanted if not _is_key(q) or q not in place]
    if unknown:
        first = unknown[0]
        words = names.tolist() if names.dtype.kind in "US" else []
        near = did_you_mean(str(first), words) if words else ""
        kinds = "text" if names.dtype.kind in "US" else "numbers"
        raise ValueError(
            f"nearest: {len(unknown)} of {len(wanted)} queries are no ids, such as "
            f"{shown(first)}; {near}ids are {kinds} such as {shown(names.tolist()[0])}."
        )
    return torch.tensor([place[q] for q in wanted]), None


def _is_key(query: Any) -> bool:
    return isinstance(query, str | int | float)


def _exactly(
    x: Tensor, rows: Tensor, own: Tensor | None, k: int, metric: str
) -> tuple[Tensor, Tensor]:
    # Held throughout: small results between large blocks would tear holes into the heap.
    buffer = x.new_empty(min(max(1, BLOCK // len(x)), len(rows)), len(x))
    values, indices = x.new_empty(len(rows), k), torch.empty(len(rows), k, dtype=torch.long)
    indices = indices.to(x.device)
    for part in _blocks(len(rows), len(x)):
        block = buffer[: len(rows[part])]
        if metric == "euclidean":
            exact = "donot_use_mm_for_euclid_dist"
            torch.neg(torch.cdist(rows[part], x, compute_mode=exact), out=block)
        else:
            torch.mm(rows[part], x.T, out=block)
        if own is not None:
            block[torch.arange(len(block)), own[part]] = -torch.inf
        torch.topk(block, k, dim=1, out=(values[part], indices[part]))
    return values.cpu(), indices.cpu()


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    step = max(1, BLOCK // columns)
    return (slice(start, start + step) for start in range(0, rows, step))


def _by_usearch(
    x: Tensor, rows: Tensor, own: Tensor | None, k: int, metric: str
) -> tuple[Tensor, Tensor]:
    if find_spec("usearch") is None:
        raise ImportError(
            "nearest: index='usearch' needs usearch; pip install 'pyg-gcl[search]', or take "
            "index='exact'."
        )
    from usearch.index import Index as Built

    kind = "l2sq" if metric == "euclidean" else "ip"
    built = Built(ndim=x.shape[1], metric=kind, dtype="f32")
    numbers = x.cpu().float().numpy()
    # One after another: what several threads build is another graph each time.
    built.add(np.arange(len(numbers)), numbers, threads=1)
    asked = rows.cpu().float().numpy()
    # The row itself comes back with its neighbours, and of fewer found the rest is looked up.
    wanted = k + (own is not None)
    matches = built.search(asked, wanted)
    keys = np.asarray(matches.keys)
    # Of one query usearch gives its matches alone, as many as it has.
    one = asked.shape[0] == 1
    counts = np.array([keys.size]) if one else np.asarray(matches.counts)
    keys = keys.reshape(len(counts), -1)
    if (counts < wanted).any():
        return _exactly(x, rows, own, k, metric)
    found = torch.from_numpy(keys.astype(np.int64))
    if own is not None:
        found = _without(found, own, k)
    near = x.cpu()[found]
    asked_rows = rows.cpu().unsqueeze(1)
    if metric == "euclidean":
        values = -(near - asked_rows).norm(dim=2)
    else:
        values = (near * asked_rows).sum(2)
    values, order = values.sort(1, descending=True)
    return values, found.gather(1, order)


def _without(found: Tensor, own: Tensor, k: int) -> Tensor:
    """k of each row's k + 1: all but itself, or but the last."""
    is_own = found == own.unsqueeze(1)
    is_own[~is_own.any(1), -1] = True
    return found[~is_own].view(-1, k)
