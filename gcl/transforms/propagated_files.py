"""Features averaged over neighbours again and again, from files into files, some rows at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gcl.graphs.mapped import map_file, new_file, new_folder
from gcl.graphs.target_lists import TargetLists, target_lists
from gcl.ops.blocks import blocks
from gcl.ops.smoothing import Keep
from gcl.ops.sparse import csr_product

_ABOUT, _RESULT = "about.json", "propagated.npy"


@torch.no_grad()
def propagate_in_files(
    owner: str,
    x: Tensor,
    edge_index: Tensor,
    edge_weight: Tensor | None,
    folder: Path,
    *,
    hops: int,
    keep: Keep,
    residual: float,
    budget: int,
) -> Tensor:
    """What `gcl.ops.smoothing.smooth` gives, in a file of a folder and mapped.

    A block of rows reads the rows of its sources from x or from the file of the hop before. Held
    beyond that are three numbers a node, and 4 bytes an edge where edges are not sorted by target.
    The folder gets its name when all is written; one that was written from the same numbers by the
    same arguments is opened.

    Args:
        owner: who asks, for messages.
        x: float32 or float64, dense, such as a mapped file.
        edge_index: the edges.
        edge_weight: their weights, at least 0.
        folder: where the result goes.
        hops: see `smooth`, as all that follow but the last.
        keep: see there.
        residual: see there.
        budget: numbers held for a block, at least those of one row's sources.

    Raises:
        ValueError: the folder holds something else.
    """
    told = {"hops": hops, "keep": keep, "residual": residual if keep == "mean" else None,
            "input": _digest(x, edge_index, edge_weight)}  # fmt: skip
    if folder.exists():
        try:
            there = json.loads((folder / _ABOUT).read_text())
        except (OSError, ValueError):
            there = None
        if there != told:
            raise ValueError(
                f"{owner}: {folder} holds something else than {hops} hops of these features and "
                "edges; give another folder, or remove it."
            )
        found = map_file(owner, folder / _RESULT)
        shape = (len(x), x.shape[1] * (hops + 1 if keep == "concat" else 1))
        if found.shape != shape or found.dtype != x.dtype:
            raise ValueError(
                f"{owner}: {folder / _RESULT} holds {found.dtype} {list(found.shape)} in place of "
                f"{x.dtype} {list(shape)}: it was changed since; remove the folder."
            )
        return found
    with new_folder(folder) as place:
        matrix = _matrix(x, edge_index, edge_weight, budget)
        _write(place, matrix, x, hops, keep, residual)
        (place / _ABOUT).write_text(json.dumps(told, indent=2) + "\n")
    return map_file(owner, folder / _RESULT)


class _Matrix(NamedTuple):
    """`S = D^-1/2 (A + I) D^-1/2`, never written down: lists of edges, and two numbers a node."""

    lists: TargetLists
    weight: Tensor | None
    scale: Tensor
    loop: Tensor
    budget: int

    def times(self, x: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """S x, a block of rows at a time."""
        for rows in _rows(self.lists.rowptr, x.shape[1], self.budget):
            row, source, value = _edges(self.lists, self.weight, rows, x.dtype)
            value = value.masked_fill(source == row + rows.start, 0.0)
            value *= self.scale.index_select(0, source)
            near = x.index_select(0, source)
            ptr = self.lists.rowptr[rows.start : rows.stop + 1].long()
            place = torch.arange(len(source))
            out = csr_product(ptr - ptr[0], place, value, len(source), near)
            del near
            scale = self.scale[rows, None]
            yield rows, out.mul_(scale).addcmul_(scale * scale * self.loop[rows, None], x[rows])


def _matrix(x: Tensor, edge_index: Tensor, edge_weight: Tensor | None, budget: int) -> _Matrix:
    lists = target_lists(edge_index, len(x), len(x))
    weight = None if edge_weight is None else edge_weight.view(-1)
    # As gcl.ops.propagation.gcn_adjacency: the last loop of a node, if it weighs something, takes
    # the place of the added one.
    loop, degree = torch.ones(len(x), dtype=x.dtype), torch.empty(len(x), dtype=x.dtype)
    for rows in _rows(lists.rowptr, 1, budget):
        row, source, value = _edges(lists, weight, rows, x.dtype)
        own = (source == row + rows.start).nonzero().view(-1)
        nodes = row.index_select(0, own)
        last = own[torch.cat([nodes[1:] != nodes[:-1], torch.ones(min(len(own), 1)) > 0])]
        weighs = value.index_select(0, last)
        node = row.index_select(0, last) + rows.start
        loop[node] = torch.where(weighs != 0, weighs, 1.0)
        value[own] = 0.0
        degree[rows] = loop[rows].index_add(0, row, value)
    scale = torch.where(degree > 0, degree, 1.0).rsqrt_() * (degree > 0)
    return _Matrix(lists, weight, scale, loop, budget)


def _rows(rowptr: Tensor, width: int, budget: int) -> Iterator[slice]:
    """Blocks of rows with so few edges that what is held for them stays in the budget."""
    start, last = 0, len(rowptr) - 1
    most = max(1, budget // (2 * width + 4))
    while start < last:
        stop = min(start + most, last)
        while stop > start + 1 and int(rowptr[stop] - rowptr[start]) > most:
            stop = start + (stop - start) // 2
        yield slice(start, stop)
        start = stop


def _edges(
    lists: TargetLists, weight: Tensor | None, rows: slice, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Of the edges that arrive at some rows: the row in the block, the source and the weight."""
    ptr = lists.rowptr[rows.start : rows.stop + 1].long()
    at = slice(int(ptr[0]), int(ptr[-1]))
    row = torch.repeat_interleave(ptr.diff())
    if lists.perm is None:
        source = lists.source[at].long()
        value = torch.ones(len(source), dtype=dtype) if weight is None else weight[at]
    else:
        edge = lists.perm[at]
        source = lists.source.index_select(0, edge).long()
        value = (torch.ones(len(source), dtype=dtype) if weight is None
                 else weight.index_select(0, edge))  # fmt: skip
    return row, source, value.to(dtype, copy=True)


def _write(place: Path, matrix: _Matrix, x: Tensor, hops: int, keep: Keep, residual: float) -> None:
    (n, f), number = x.shape, x.numpy().dtype
    parts = hops + 1 if keep == "concat" else 1
    out = torch.from_numpy(new_file(place / _RESULT, number, (n, parts * f)))
    of_rows = _rows(matrix.lists.rowptr, f, matrix.budget)
    if keep != "last":
        for rows in of_rows:
            out[rows, :f] = x[rows] if keep == "concat" else residual * x[rows]
    before, path = x, None
    for k in range(1, hops + 1):
        if keep == "concat":
            after = out[:, k * f : (k + 1) * f]
        elif keep == "last" and k == hops:
            after = out
        else:
            new = place / f"hop{k}.npy"
            after = torch.from_numpy(new_file(new, number, (n, f)))
        for rows, block in matrix.times(before):
            after[rows] = block
            if keep == "mean":
                out[rows] += block * ((1 - residual) / hops)
        before = after
        if path is not None:
            path.unlink()
        path = None if keep == "concat" or after is out else new
    if path is not None:
        path.unlink()


def _digest(*tensors: Tensor | None) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        if tensor is None:
            continue
        digest.update(f"{tensor.dtype} {list(tensor.shape)}".encode())
        is_list = tensor.dim() == 2 and len(tensor) == 2  # whose rows are long
        for row in tensor.detach() if is_list else (tensor.detach(),):
            width = max(1, row.numel() // max(1, len(row)))
            for at in blocks(len(row), max(1, (1 << 20) // width)):
                digest.update(np.ascontiguousarray(row[at].numpy()).data)
    return digest.hexdigest()
