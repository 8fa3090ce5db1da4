"""The contextual stochastic block model in files, for graphs that memory does not hold."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch_geometric.data import Data

from gcl.checks import as_path, check_count
from gcl.datasets.files import from_files
from gcl.datasets.sbm import (
    check_model,
    draw_around,
    draw_means,
    draw_subset,
    pairs_between,
    pairs_within,
    rates,
)
from gcl.graphs.mapped import new_file, new_folder

_ABOUT = "about.json"
_FILES = ("x.npy", "y.npy", "edge_index.npy")
_NODES, _LINKS, _MEANS = range(3)  # what a generator is for, besides the seed


def sbm_to_files(
    folder: str | os.PathLike[str],
    num_nodes: int,
    num_classes: int = 4,
    *,
    degree: float = 10.0,
    homophily: float = 0.8,
    num_features: int = 64,
    noise: float = 4.0,
    seed: int = 0,
    block: int = 500_000,
) -> Data:
    """A graph of the model of `gcl.datasets.sbm`, written into a folder a block at a time.

    Nodes are dealt with in blocks of consecutive numbers, in each of which the classes are as large
    as can be and in random order. The links of two blocks come from a generator of their own: they
    are drawn once for each of the two, and never held together. Memory is that of the edges of a
    block, whatever the number of nodes; time that of drawing every link twice and of
    `num_classes^2` draws for each pair of blocks.

    A second call with the same arguments opens what is there. A folder gets its name when all is
    written.

    Args:
        folder: where to: `x.npy`, `y.npy`, `edge_index.npy` and the arguments in `about.json`.
        num_nodes: see `gcl.datasets.sbm`, as all that follow up to the seed.
        num_classes: see there.
        degree: see there.
        homophily: see there.
        num_features: see there.
        noise: see there.
        seed: see there; another graph than `sbm` makes of it.
        block: nodes at a time; another number makes another graph of the same laws.

    Shape:
        x `[num_nodes, num_features]` float32, edge_index `[2, e]` undirected, sorted by (target,
        source), without self-loops and repetitions, y `[num_nodes]`; mapped, see
        `gcl.datasets.from_files`.

    Raises:
        TypeError: if a count is no integer.
        ValueError: if an argument is outside its range, so many links do not fit, or the folder
            holds something else.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp() + "/graph"
        >>> data = sbm_to_files(folder, 100, 2, num_features=8, block=40)
        >>> data.x.shape, data.is_undirected(), data.has_self_loops()
        (torch.Size([100, 8]), True, False)
    """
    path = as_path("sbm_to_files", folder)
    check_model(
        "sbm_to_files", num_nodes, num_classes, degree, homophily, num_features, noise, seed
    )
    check_count("sbm_to_files", block=block)
    about = {
        "made_by": "gcl.datasets.sbm_to_files", "num_nodes": int(num_nodes),
        "num_classes": int(num_classes), "degree": float(degree), "homophily": float(homophily),
        "num_features": int(num_features), "noise": float(noise), "seed": int(seed),
        "block": int(block),
    }  # fmt: skip
    sizes = [num_nodes // num_classes + (c < num_nodes % num_classes) for c in range(num_classes)]
    model = _Model(num_nodes, num_classes, seed, block, *rates("sbm_to_files", sizes, degree,
                                                               homophily))  # fmt: skip
    if path.exists():
        _check_same(path, about)
        lost = [name for name in _FILES if not (path / name).is_file()]
        if lost:
            raise ValueError(
                f"sbm_to_files: {path} has lost {', '.join(lost)}; remove the folder, and it is "
                "written anew."
            )
        return from_files(path)
    with new_folder(path) as place:
        _write_nodes(place, model, num_features, noise)
        _write_edges(place, model)
        (place / _ABOUT).write_text(json.dumps(about, indent=2) + "\n")
    return from_files(path)


class _Model(NamedTuple):
    """What any part of the graph can be drawn from again."""

    num_nodes: int
    num_classes: int
    seed: int
    block: int
    p_in: float
    p_out: float

    @property
    def num_blocks(self) -> int:
        return -(-self.num_nodes // self.block)

    def rng(self, *what: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=what))

    def members(self, b: int) -> list[np.ndarray]:
        """The nodes of every class in a block: a random order is dealt out class by class."""
        start, stop = b * self.block, min((b + 1) * self.block, self.num_nodes)
        order = start + self.rng(_NODES, b).permutation(stop - start)
        # Going on where the block before stopped keeps the classes of all nodes balanced, too.
        return [order[(c - start) % self.num_classes :: self.num_classes]
                for c in range(self.num_classes)]  # fmt: skip

    def links(self, a: int, b: int, of_a: list[np.ndarray], of_b: list[np.ndarray]) -> np.ndarray:
        """The links of two blocks, or of one: `[2, m]`, ends in a before ends in b."""
        rng = self.rng(_LINKS, a, b)
        found = [np.empty((2, 0), dtype=np.int64)]
        totals, counts = self._counted(rng, a == b, of_a, of_b)
        for c, d in zip(*counts.nonzero(), strict=True):
            numbers = draw_subset(rng, int(totals[c, d]), int(counts[c, d]))
            within = a == b and c == d
            found.append(pairs_within(of_a[c], numbers) if within
                         else pairs_between(of_a[c], of_b[d], numbers))  # fmt: skip
        return np.concatenate(found, axis=1)

    def num_links(self, a: int, b: int, of_a: list[np.ndarray], of_b: list[np.ndarray]) -> int:
        """How many they are, without drawing them."""
        return int(self._counted(self.rng(_LINKS, a, b), a == b, of_a, of_b)[1].sum())

    def _counted(
        self, rng: np.random.Generator, same: bool, of_a: list[np.ndarray], of_b: list[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of nodes and links of every pair of classes, `[classes, classes]` each."""
        size_a, size_b = (np.array([len(nodes) for nodes in of]) for of in (of_a, of_b))
        totals = np.outer(size_a, size_b)
        if same:  # an unordered pair of classes counts once
            totals = np.triu(totals, 1) + np.diag(size_a * (size_a - 1) // 2)
        p = np.where(np.eye(self.num_classes, dtype=bool), self.p_in, self.p_out)
        return totals, rng.binomial(totals, p)


def _check_same(path: Path, about: dict[str, object]) -> None:
    try:
        there = json.loads((path / _ABOUT).read_text())
    except (OSError, ValueError):
        there = None
    if there != about:
        told = there if isinstance(there, dict) else {}
        other = [f"{name}={told[name]}" for name in about if name in told
                 and told[name] != about[name]]  # fmt: skip
        holds = f"a graph of {', '.join(other)}" if other else "something else"
        raise ValueError(f"sbm_to_files: {path} holds {holds}; give another folder, or remove it.")


def _write_nodes(place: Path, model: _Model, num_features: int, noise: float) -> None:
    means = draw_means(model.rng(_MEANS), model.num_classes, num_features)
    x = new_file(place / "x.npy", np.float32, (model.num_nodes, num_features))
    y = new_file(place / "y.npy", np.int64, (model.num_nodes,))
    for b in range(model.num_blocks):
        for c, nodes in enumerate(model.members(b)):
            y[nodes] = c
        at = slice(b * model.block, (b + 1) * model.block)
        x[at] = draw_around(model.rng(_MEANS, b), means, y[at], noise)


def _write_edges(place: Path, model: _Model) -> None:
    num, every = model.num_nodes, range(model.num_blocks)
    links = 0
    for a in every:
        of_a = model.members(a)
        links += sum(model.num_links(a, b, of_a, model.members(b)) for b in every[a:])
    edge_index = new_file(place / "edge_index.npy", np.int64, (2, 2 * links))
    at = 0
    for b in every:
        own, start = model.members(b), b * model.block
        keys = []
        for a in every:  # what arrives at b, as one number for target and source
            other = own if a == b else model.members(a)
            source, target = model.links(a, b, other, own) if a <= b else (
                model.links(b, a, own, other)[::-1])  # fmt: skip
            keys.append((target - start) * num + source)
            if a == b:
                keys.append((source - start) * num + target)
        joined = np.concatenate(keys)
        del keys
        joined.sort()
        target, source = np.divmod(joined, num)
        edge_index[0, at : at + len(joined)] = source
        edge_index[1, at : at + len(joined)] = target + start
        at += len(joined)
