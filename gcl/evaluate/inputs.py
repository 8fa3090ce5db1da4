"""The door of every evaluation: embeddings and labels, checked once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch_geometric.data.data import BaseData

Matrix: TypeAlias = Tensor | sp.csr_array
"""A dense tensor, or a SciPy CSR array where the input was sparse."""


def as_matrix(z: Any, where: str, *, l2: bool = False) -> Matrix:
    """Rows as a float32 or float64 tensor or, if sparse, as a CSR array; `l2` scales them to one.

    A DataFrame of numbers is taken as its matrix, without its index.

    Raises:
        TypeError: if z is not a tensor, an array, a DataFrame or a SciPy sparse matrix of numbers.
        ValueError: if z is not two-dimensional, is empty, or holds NaN or infinity.
    """
    if type(z).__module__.partition(".")[0] in ("pandas", "polars"):
        try:
            z = z.to_numpy()
            z = z if z.dtype.kind in "biuf" else z.astype(np.float64)
        except (AttributeError, TypeError, ValueError):
            raise TypeError(
                f"{where}: expected embeddings as a table of numbers, got something else in it; "
                "take the columns of numbers; pandas.read_csv(path, index_col=0) where the first "
                "holds ids."
            ) from None
    if isinstance(z, Tensor):
        z = z.detach()
        if z.layout != torch.strided:
            z = z.cpu().to_sparse_coo().coalesce()
            # scikit-learn takes sparse matrices with 32-bit positions only.
            rows, cols = z.indices().int().numpy()
            values = z.values() if z.dtype == torch.float64 else z.values().float()
            z = sp.csr_array((values.numpy(), (rows, cols)), shape=tuple(z.shape))
    elif isinstance(z, np.ndarray) and z.dtype.kind in "biufc":
        z = torch.from_numpy(np.require(z, requirements=["C", "W"]))
    elif not sp.issparse(z):
        raise TypeError(
            f"{where}: expected embeddings as a tensor, an array, a DataFrame or a sparse matrix, "
            f"got {_what(z)}; convert them first, a list by torch.tensor(z)."
        )
    if z.is_complex() if isinstance(z, Tensor) else np.iscomplexobj(z):
        raise TypeError(f"{where}: expected real embeddings, got {z.dtype}; give their parts.")
    if len(z.shape) != 2 or 0 in z.shape:
        raise ValueError(
            f"{where}: expected a matrix [num_nodes, width], got shape {tuple(z.shape)}; give one "
            "row a node."
        )
    if isinstance(z, Tensor):
        z = z if z.dtype == torch.float64 else z.float()
        finite = bool(z.isfinite().all())
    else:
        z = sp.csr_array(z, dtype=np.float64 if z.dtype == np.float64 else np.float32)
        finite = bool(np.isfinite(z.data).all())
    if not finite:
        raise ValueError(
            f"{where}: the embeddings hold NaN or infinity; check the training run before the "
            "evaluation."
        )
    if not l2:
        return z
    if isinstance(z, Tensor):
        return normalize(z, dim=1)
    norms = np.sqrt(np.asarray(z.multiply(z).sum(1)).ravel())
    return sp.csr_array(sp.diags_array(1 / np.maximum(norms, 1e-12)).astype(z.dtype) @ z)


def _what(z: Any) -> str:
    return f"an array of {z.dtype}" if isinstance(z, np.ndarray) else type(z).__name__


def as_labels(y: Any, num_nodes: int, where: str, of: str = "node") -> tuple[Tensor, list[int]]:
    """Labels as codes 0, 1, ... on the CPU, and the label of each code.

    -1 marks a node without a label, here as there; of a graph it is a label like others.

    Raises:
        TypeError: if there are no labels, or they are no numbers.
        ValueError: if they are not one class a node, see `as_classes`, hold fewer than two, or
            other negative ones of nodes.
    """
    whole = as_classes(y, num_nodes, where, of)
    known = whole >= 0 if of == "node" else torch.ones_like(whole, dtype=torch.bool)
    if of == "node" and bool((whole < -1).any()):
        raise ValueError(
            f"{where}: {int((whole < -1).sum())} labels are below -1, which alone marks a node "
            "without a label; number the classes from 0."
        )
    labels, codes = whole[known].unique(return_inverse=True)
    if not len(labels):
        raise ValueError(f"{where}: no {of} has a label; pass labels of at least two classes.")
    if len(labels) < 2:
        every = f"every {of}" if bool(known.all()) else f"every {of} with a label"
        raise ValueError(
            f"{where}: {every} has label {int(labels[0])}; pass labels of at least two classes."
        )
    return torch.full_like(whole, -1).masked_scatter_(known, codes), labels.tolist()


def as_targets(y: Any, num_nodes: int, where: str, of: str = "node") -> Tensor | None:
    """Several yes-or-no targets a node as int64 `[N, T]` on the CPU, -1 where unknown.

    None where y is something else: one column, or one-hot rows, which are one label a node.

    Raises:
        ValueError: if a target is not 0, 1, -1 or NaN, or is nowhere known to be 0 or nowhere 1.
    """
    if isinstance(y, np.ndarray) and y.ndim == 2 and y.dtype.kind in "biuf":
        y = torch.from_numpy(np.require(y, requirements=["C", "W"]))
    if not isinstance(y, Tensor) or y.dim() != 2 or y.shape[0] != num_nodes or y.shape[1] < 2:
        return None
    y = y.detach().cpu()
    y = (y if y.layout == torch.strided else y.to_dense()).to(torch.float64)
    y = torch.where(y.isnan(), -1.0, y)
    if not bool(((y == 0) | (y == 1) | (y == -1)).all()):
        raise ValueError(
            f"{where}: expected targets of 0 and 1, and NaN or -1 where unknown, in y "
            f"{list(y.shape)}; encode them so, or pass one class a {of}."
        )
    if bool(((y == 1).sum(1) == 1).all() & (y >= 0).all()):
        return None
    for target, column in enumerate(y.T):
        values = column[column >= 0].unique()
        if len(values) < 2:
            only = f"is {int(values[0])} for every {of}" if len(values) else "is unknown everywhere"
            raise ValueError(f"{where}: target {target} of y {only}; leave that column out.")
    return y.long()


def told_labelled(y: Tensor) -> str:
    """What the line of a protocol ends with where some nodes have no label: y is -1 there."""
    known = int((y >= 0).sum())
    return "" if known == len(y) else f", {known} of {len(y)} nodes labelled"


def as_classes(y: Any, rows: int, where: str, of: str = "node") -> Tensor:
    """One class a row, as int64 on the CPU: what everything takes that reads labels.

    Classes are whole numbers, `[rows]` or `[rows, 1]`, in any dtype: integers, booleans, or floats
    without fractions. Numbers may have gaps, and be negative.

    Raises:
        TypeError: if there are no labels, or they are no numbers, such as names.
        ValueError: if there is not one a row, such as in a one-hot matrix, or one is NaN, infinite
            or a fraction.
    """
    if y is None:
        raise TypeError(f"{where}: expected one label a {of}, got None; pass y, e.g. data.y.")
    if not isinstance(y, Tensor):
        if isinstance(y, BaseData):
            raise TypeError(
                f"{where}: expected whole numbers as labels, one a {of}, got a "
                f"{type(y).__name__}; pass y, e.g. data.y."
            )
        try:
            array = np.asarray(y)
        except ValueError as error:
            raise ValueError(f"{where}: expected one label a {of}, got a ragged list.") from error
        if array.dtype.kind not in "biufc":
            came = "text" if array.dtype.kind in "US" else str(array.dtype)
            raise TypeError(
                f"{where}: expected whole numbers as labels, got {came}; number the classes, for "
                "example by numpy.unique(y, return_inverse=True)[1]."
            )
        y = torch.from_numpy(np.require(array, requirements=["C", "W"]))
    y = y.detach().cpu()
    if y.layout != torch.strided:
        y = y.to_dense()
    if y.dim() == 2 and y.shape[1] == 1:
        y = y.flatten()
    if y.dim() == 2 and y.shape[0] == rows:
        raise ValueError(
            f"{where}: expected one label a {of}, got a matrix {list(y.shape)}; pass y.argmax(1) if"
            " its rows are one-hot; several labels at once are for "
            f"{'linear_probe' if of == 'node' else 'graph_classification'}, take a column."
        )
    if tuple(y.shape) != (rows,):
        raise ValueError(
            f"{where}: expected {rows} labels, one a {of}, got shape {tuple(y.shape)}; "
            "pass the labels of the rows of the embeddings."
        )
    whole = y.real.long()
    if y.is_complex() or (y.is_floating_point() and not bool((y == whole).all())):
        raise ValueError(
            f"{where}: expected whole numbers as labels, got NaN or fractions; encode the classes "
            "as integers."
        )
    if y.dtype == torch.uint64 and bool((whole < 0).any()):
        raise ValueError(
            f"{where}: expected labels below 2^63, got larger ones; number the classes."
        )
    return whole


def of_one_scale(x: Matrix) -> Matrix:
    """Rows divided by one number, the root mean square of their distances from their mean.

    Directions and ratios of lengths stay. Rows that are all equal stay as they are.
    """
    if isinstance(x, Tensor):
        variance = float((x - x.mean(0)).square().sum(1, dtype=torch.float64).mean())
    else:
        squares = float(x.multiply(x).sum(dtype=np.float64)) / x.shape[0]
        variance = squares - float(np.square(x.mean(0, dtype=np.float64)).sum())
    return x / variance**0.5 if variance > 0 else x


def take(x: Matrix, rows: Tensor) -> Tensor:
    """The given rows, dense."""
    if isinstance(x, Tensor):
        return x[rows.to(x.device)]
    return torch.from_numpy(x[rows.numpy()].toarray())


def cosine_blocks(
    x: Matrix, queries: Tensor, reference: Tensor, budget: int = 1 << 22
) -> Iterator[tuple[slice, Tensor]]:
    """Products of the query rows with the reference rows, `budget` numbers at a time.

    Yields a slice of `queries` and the block `[rows, len(reference)]`; with rows of length one
    these are cosine similarities.
    """
    step = max(1, budget // len(reference))
    if isinstance(x, Tensor):
        keys: Any = x[reference.to(x.device)].T
    else:
        keys = x[reference.numpy()].T.tocsc()
    for start in range(0, len(queries), step):
        rows = queries[start : start + step]
        if isinstance(x, Tensor):
            block = x[rows.to(x.device)] @ keys
        else:
            block = torch.from_numpy((x[rows.numpy()] @ keys).toarray())
        yield slice(start, start + len(rows)), block
