"""Splits of the links of a graph into training, validation and test parts."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch_geometric.data import Batch, Data, HeteroData

from gcl.checks import check_count, check_node_pairs, check_number, check_positive, check_seed
from gcl.graphs.selection import edge_stores, fix_num_nodes, take_edges

EdgeType: TypeAlias = tuple[str, str, str]

# Attributes that tell of every edge, those of the test part too.
FROM_EDGES = (
    "community", "community_strength", "edge_strength", "edge_importance", "adj", "adj_t",
    "across_edge_index", "metapath_dict", "context_dict",
)  # fmt: skip
PARTS = ("train", "val", "test", "train_neg", "val_neg", "test_neg")


@dataclass(frozen=True)
class Pairs:
    """Which pairs of nodes there are, and a number for each.

    Args:
        sources: nodes that the first of a pair is one of.
        targets: nodes that the second is one of.
        ordered: (u, v) and (v, u) differ, because the two are of different types.
    """

    sources: int
    targets: int
    ordered: bool

    @property
    def population(self) -> int:
        """How many pairs there are, a node with itself left out."""
        n = self.sources
        return n * self.targets if self.ordered else n * (n - 1) // 2

    def keys(self, pairs: Tensor) -> Tensor:
        """One number for a pair, `[2, P]` -> `[P]`."""
        first, second = pairs
        if not self.ordered:
            first, second = torch.minimum(first, second), torch.maximum(first, second)
        return first * self.targets + second

    def pairs(self, keys: Tensor) -> Tensor:
        """The pairs of such numbers."""
        width = max(self.targets, 1)
        return torch.stack([keys // width, keys % width])

    def every(self) -> Tensor:
        """The keys of all pairs."""
        if self.ordered:
            return torch.arange(self.population)
        first, second = torch.triu_indices(self.sources, self.sources, offset=1)
        return first * self.targets + second

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Keys of pairs drawn uniformly with replacement, `count` or fewer."""
        if self.ordered:
            ends = [
                torch.randint(size, (count,), generator=generator)
                for size in (self.sources, self.targets)
            ]
            return self.keys(torch.stack(ends))
        draws = torch.randint(self.sources, (2, count), generator=generator)
        return self.keys(draws[:, ~self.loops(draws)])

    def loops(self, pairs: Tensor) -> Tensor:
        """Which pairs are a node with itself, `[P]`."""
        same = pairs[0] == pairs[1]
        return torch.zeros_like(same) if self.ordered else same


@dataclass(frozen=True)
class EdgeSplit:
    """A graph that shows its training links only, and the pairs of nodes of each part.

    Between nodes of one type a pair is unordered: (u, v) and (v, u) are one link, whichever of the
    two edges exist. Between two types it is a source and a target. That no link is seen too early
    is checked here, so that a split of your own is honest as well.

    Args:
        name: What the printed protocol calls it.
        data: The graph to train on and to embed. Its edges (those of `edge_type`, and of every edge
            type that is its reverse) are training links, in one or both directions, and self-loops.
        train: Linked pairs `[2, P]`.
        val: Linked pairs; may be empty where nothing is selected on them.
        test: Linked pairs.
        train_neg: Pairs that are linked in no part, `[2, M]`.
        val_neg: The same, for the validation.
        test_neg: The same, for the test.
        edge_type: Which links of a `HeteroData` these are, (source, relation, target); None for a
            `Data`.

    Raises:
        TypeError: if pairs are no int64 tensors.
        ValueError: if a pair is out of range, a node with itself, or in two places; if the edges
            of `data` show a pair of another part; if a part is empty that is needed; if a
            `HeteroData` has no such edge type.
    """

    name: str
    data: Data | HeteroData
    train: Tensor
    val: Tensor
    test: Tensor
    train_neg: Tensor
    val_neg: Tensor
    test_neg: Tensor
    edge_type: EdgeType | None = None

    def __post_init__(self) -> None:
        _check_edge_type("EdgeSplit", self.data, self.edge_type)
        space = _space(self.data, self.edge_type)
        owner = {}
        for part in PARTS:
            pairs = getattr(self, part)
            if space.ordered:
                _check_pairs("EdgeSplit", part, pairs, space)
            else:
                check_node_pairs("EdgeSplit", part, pairs, space.sources)
            if not pairs.shape[1] and not part.startswith("val"):
                raise ValueError(f"EdgeSplit: {part} is empty; give it at least one pair.")
            if bool(space.loops(pairs).any()):
                raise ValueError(
                    f"EdgeSplit: {part} links a node with itself; leave self-loops out."
                )
            owner[part] = space.keys(pairs)
        if (self.val.shape[1] == 0) != (self.val_neg.shape[1] == 0):
            raise ValueError("EdgeSplit: val and val_neg must both have pairs, or both be empty.")
        twice = _count_twice(torch.cat(list(owner.values())))
        if twice:
            same = "" if space.ordered else ", counting (u, v) and (v, u) as one"
            raise ValueError(
                f"EdgeSplit: {twice} pairs are listed twice{same}; "
                "make the six parts disjoint and free of repetitions."
            )
        links = torch.cat([owner[part] for part in ("train", "val", "test")])
        for key, shown in _shown(self.data, self.edge_type, space).items():
            if key != self.edge_type and not _is_reverse(key, self.edge_type, shown, links, owner):
                continue
            leaked = int((~torch.isin(shown, owner["train"])).sum())
            if leaked:
                where = "data" if key is None else f"data[{key!r}]"
                raise ValueError(
                    f"EdgeSplit: {leaked} edges of {where} are no training links; keep the edges "
                    "of train only, in both directions if the graph is undirected."
                )

    @property
    def num_nodes(self) -> int:
        """N, the nodes of both types together where there are two."""
        return sum(self.sizes.values())

    @property
    def sizes(self) -> dict[str | None, int]:
        """How many nodes there are of each type that the links join; under None for a `Data`."""
        if self.edge_type is None or not isinstance(self.data, HeteroData):
            return {None: int(self.data.num_nodes or 0)}
        kinds = self.edge_type[0], self.edge_type[2]
        return {kind: int(self.data[kind].num_nodes or 0) for kind in kinds}


def edge_split(
    data: Data | HeteroData,
    val: float = 0.05,
    test: float = 0.1,
    *,
    negatives: float = 1.0,
    seed: int = 0,
    edge_type: EdgeType | None = None,
    hide: Sequence[EdgeType] = (),
) -> EdgeSplit:
    """Uniformly random parts of the links, and pairs without a link for each part.

    A link is an unordered pair of two nodes with an edge between them in any direction. Both
    directions and all copies of an edge go together; self-loops belong to no part and stay in the
    graph. Negatives are drawn without replacement, uniformly from all pairs without a link, so
    none is a link of another part and none is in two parts. Split before you train, and before a
    transform that reads the edges (`AddCommunities`): what comes after sees `split.data` only.

    **Links between two types of nodes**, such as users and items, are split in a `HeteroData`, by
    `edge_type`: a link is a pair of a source and a target, and negatives are drawn from all
    sources x targets. The reverse is hidden with it: every edge type between the same two types
    that holds exactly these links, in either direction, and one from target to source that is
    called by the same name or `rev_` and it. As a `Data`, with users and items numbered one after
    the other, half of the negatives would join a side with itself, which no link does: knowing
    only the sides has an AUC of 0.75. Such a graph is warned of.

    Args:
        data: A graph; features are not needed. It is not changed.
        val: Share of the links for validation, in [0, 1).
        test: Share of the links for the test, in (0, 1).
        negatives: Negatives of each part, per link of it, > 0.
        seed: Seed of a generator of its own; torch's global one is not touched.
        edge_type: Which links to split, (source, relation, target); needed for a `HeteroData` and
            for nothing else.
        hide: Further edge types that tell of the same links, such as a reverse that lacks some:
            their edges between pairs of the validation and the test are hidden as well. They join
            the same two node types.

    Returns:
        An `EdgeSplit`. Its `data` is a copy of the graph with the training edges in their old
        order and with their attributes; pairs are `[2, P]` with u < v (sources and targets of
        `edge_type`, where it joins two types), in random order, on the device of the edges.

    Raises:
        TypeError: if data is no `Data` or `HeteroData`, or is a `Batch`.
        ValueError: if the shares do not leave training links, a part comes out empty, the graph has
            too few unlinked pairs, an attribute tells of all edges (`FROM_EDGES`), or `edge_type`
            or `hide` are no edge types of the graph.

    Warns:
        UserWarning: a `Data` has two sides, with links from one to the other only.

    Reference:
        Kipf and Welling, "Variational graph auto-encoders", 2016 (85/5/10, as many negatives as
        links). PyG's `RandomLinkSplit` does the like, but by default it takes the two directions of
        a link for two (on Cora nine of ten test links are then training links, reversed); it
        takes copies of an edge apart, counts self-loops as links, may draw (u, v) and (v, u) as two
        negatives, gives both directions the attributes of one, and draws from Python's and torch's
        global generators.

    Example:
        >>> edge_index = torch.tensor([[0, 1, 1, 2, 2, 3, 3, 4], [1, 0, 2, 1, 3, 2, 4, 3]])
        >>> split = edge_split(Data(edge_index=edge_index, num_nodes=5), val=0.25, test=0.25)
        >>> split.name, split.train.shape[1], split.test.shape[1], split.test_neg.shape[1]
        ('links-50-25-25', 2, 1, 1)
        >>> split.data
        Data(edge_index=[2, 4], num_nodes=5)
    """
    if not isinstance(data, Data | HeteroData) or isinstance(data, Batch):
        raise TypeError(
            "edge_split: expected one graph as a torch_geometric Data or HeteroData, got "
            f"{type(data).__name__}; split each graph on its own."
        )
    check_number("edge_split", val=val, test=test)
    if not (0 <= val < 1 and 0 < test < 1 and val + test < 1):
        raise ValueError(
            f"edge_split: expected val in [0, 1), test in (0, 1) and a sum below 1, got val={val:g}"
            f" and test={test:g}; leave some links for the training."
        )
    check_positive("edge_split", negatives=negatives)
    check_count("edge_split", least=0, seed=seed)
    edge_type = _check_edge_type("edge_split", data, edge_type)
    if not isinstance(hide, Sequence) or isinstance(hide, str):
        raise TypeError(
            f"edge_split: hide must be a list of edge types, got a {type(hide).__name__}."
        )
    check_seed("edge_split", seed)
    also = {_among("edge_split", data, key, edge_type) for key in hide}
    for store in data.stores:
        telling = [name for name in FROM_EDGES if name in store]
        if telling:
            where = "data" if store._key is None else f"data[{store._key!r}]"
            raise ValueError(
                f"edge_split: {where}.{telling[0]} tells of all edges, the test links included; "
                "delete it, split, and compute it from split.data."
            )
    shown = copy.copy(data)
    edge_stores("edge_split", shown)
    fix_num_nodes(shown)  # nodes may lose their last edge
    space = _space(shown, edge_type)
    edge_index: Tensor = (data if edge_type is None else data[edge_type]).edge_index
    if space.ordered:
        _check_pairs("edge_split", "edge_index", edge_index, space)
    else:
        check_node_pairs("edge_split", "edge_index", edge_index, space.sources)

    generator = torch.Generator().manual_seed(seed)
    of_edges = space.keys(edge_index.cpu())
    links = of_edges[~space.loops(edge_index.cpu())].unique()
    sizes = _sizes(len(links), val, test)
    wanted = [max(1, round(negatives * size)) if size else 0 for size in sizes]
    if edge_type is None:
        _warn_of_sides(links, space)
    unlinked = _unlinked(links, space, sum(wanted), generator)
    order = links[torch.randperm(len(links), generator=generator)]
    hidden = order[sizes[0] :]
    without_loops = _shown(shown, edge_type, space)
    for key, keys in _shown(shown, edge_type, space, loops=True).items():
        again = _is_reverse(key, edge_type, without_loops[key], links, {"train": links})
        if key == edge_type or key in also or again:
            store = shown._store if key is None else shown[key]
            kept = ~torch.isin(keys.cpu(), hidden)
            take_edges(shown, store, kept.nonzero().flatten().to(store.edge_index.device))
    shares = "-".join(f"{100 * share:.3g}" for share in (1 - val - test, val, test) if share)
    name = f"links-{shares}" if edge_type is None else f"links-{shares} of {'-'.join(edge_type)}"
    device = edge_index.device
    positive = space.pairs(order).to(device).split(sizes, dim=1)
    parts = dict(zip(PARTS, (*positive, *unlinked.to(device).split(wanted, dim=1)), strict=True))
    return EdgeSplit(name, shown, **parts, edge_type=edge_type)


def _sizes(num_links: int, val: float, test: float) -> list[int]:
    num_val, num_test = round(val * num_links), round(test * num_links)
    num_train = num_links - num_val - num_test
    if num_train < 1 or num_test < 1 or (val > 0 and num_val < 1):
        raise ValueError(
            f"edge_split: {num_links} links are too few for shares val={val:g} and test={test:g}; "
            "raise the shares, or use a larger graph."
        )
    return [num_train, num_val, num_test]


def _check_edge_type(
    owner: str, data: Data | HeteroData, edge_type: EdgeType | None
) -> EdgeType | None:
    if not isinstance(data, HeteroData):
        if edge_type is not None:
            raise ValueError(
                f"{owner}: edge_type={edge_type!r} is for a HeteroData, and this is a "
                f"{type(data).__name__}; leave it out."
            )
        return None
    if not isinstance(edge_type, tuple | list) or tuple(edge_type) not in data.edge_types:
        got = "" if edge_type is None else f", got {edge_type!r}"
        listed = ", ".join(map(repr, data.edge_types)) or "none"
        raise ValueError(
            f"{owner}: expected edge_type, the links of a HeteroData to split{got}; there are "
            f"{listed}."
        )
    source, relation, target = edge_type
    return source, relation, target


def _among(
    owner: str, data: Data | HeteroData, key: EdgeType, edge_type: EdgeType | None
) -> EdgeType:
    """An edge type to hide, once it is found to join the same nodes."""
    ends = None if edge_type is None else {edge_type[0], edge_type[2]}
    if not isinstance(data, HeteroData) or key not in data.edge_types or {key[0], key[2]} != ends:
        raise ValueError(
            f"{owner}: hide must list edge types of a HeteroData between the node types of "
            f"edge_type, got {key!r}."
        )
    return key


def _space(data: Data | HeteroData, edge_type: EdgeType | None) -> Pairs:
    if edge_type is None:
        num_nodes = int(data.num_nodes or 0)
        return Pairs(num_nodes, num_nodes, False)
    source, _, target = edge_type
    sizes = [int(data[kind].num_nodes or 0) for kind in (source, target)]
    return Pairs(sizes[0], sizes[1], source != target)


def _check_pairs(owner: str, part: str, pairs: Tensor, space: Pairs) -> None:
    """Checks sources and targets by themselves: each has its own number of nodes."""
    check_node_pairs(owner, part, pairs, max(space.sources, space.targets))
    for row, side, size in ((0, "sources", space.sources), (1, "targets", space.targets)):
        if pairs.shape[1] and int(pairs[row].max()) >= size:
            raise ValueError(
                f"{owner}: the {side} of {part} must lie in [0, {size - 1}] because there are "
                f"{size}, got {int(pairs[row].max())}."
            )


def _shown(
    data: Data | HeteroData, edge_type: EdgeType | None, space: Pairs, loops: bool = False
) -> dict[EdgeType | None, Tensor]:
    """By edge type between the same nodes the keys of all edges, self-loops on demand only."""
    found: dict[EdgeType | None, Tensor] = {}
    for store in data.edge_stores:
        key: EdgeType | None = store._key
        edges = store.edge_index
        if key is not None and edge_type is not None:
            if {key[0], key[2]} != {edge_type[0], edge_type[2]}:
                continue
            if key[0] != edge_type[0]:
                edges = edges.flip(0)
        # A self-loop is no link: its key, n u + u, is that of no pair.
        found[key] = space.keys(edges if loops else edges[:, ~space.loops(edges)])
    return found


def _is_reverse(
    key: EdgeType | None,
    edge_type: EdgeType | None,
    shown: Tensor,
    links: Tensor,
    owner: dict[str, Tensor],
) -> bool:
    """Whether an edge type shows the same links again: its name says so, or what it holds."""
    if key is None or edge_type is None or key == edge_type:
        return False
    source, relation, target = edge_type
    if key in {(target, name, source) for name in (relation, f"rev_{relation}")}:
        return True
    if relation.startswith("rev_") and key == (target, relation.removeprefix("rev_"), source):
        return True
    shown, links = shown.cpu(), links.cpu()
    holds_all = bool(torch.isin(owner["train"].cpu(), shown).all())
    return holds_all and bool(torch.isin(shown, links).all())


def _warn_of_sides(links: Tensor, space: Pairs) -> None:
    """Says so where all links lead from one side of the graph to the other."""
    first, second = space.pairs(links).numpy()
    nodes = np.unique(np.concatenate([first, second]))
    # A forest has two sides by itself, and cut into parts it does not tell which.
    if len(links) < len(nodes):
        return
    size = space.sources
    # In the graph of two copies of every node, linked across, the two are together if an odd
    # circle joins them.
    ends = np.concatenate([first, first + size]), np.concatenate([second + size, second])
    cover = sp.coo_array((np.ones(2 * len(first), np.int8), ends), shape=(2 * size, 2 * size))
    part = connected_components(cover, directed=False)[1]
    if bool((part[nodes] == part[nodes + size]).any()):
        return
    warnings.warn(
        "edge_split: all links lead from one side of this graph to the other, and of the negatives "
        "about half do not: telling the sides apart is not telling links from pairs without one. "
        "If the sides are two types of nodes, such as users and items, make the graph a HeteroData "
        "and pass edge_type.",
        stacklevel=3,
    )


def _count_twice(keys: Tensor) -> int:
    return keys.numel() - keys.unique().numel()


def _unlinked(links: Tensor, space: Pairs, count: int, generator: torch.Generator) -> Tensor:
    """Pairs that are not among the links, drawn uniformly without replacement.

    Args:
        links: Keys of the links, `[P]`, each once.
        space: Which pairs there are.
        count: Pairs to draw.
        generator: Where chance comes from.

    Shape:
        -> `[2, count]`. Memory is O(P + count), also in a graph where nearly all pairs are linked.
    """
    population = space.population
    if population - len(links) < count:
        raise ValueError(
            f"edge_split: the graph has {population - len(links)} pairs without a link, and the "
            f"parts need {count} negatives; lower negatives, or val and test."
        )
    if population <= 4 * (len(links) + count):  # few enough to list them all
        found = space.every()
        found = found[~torch.isin(found, links)]
    else:
        found = links.new_empty(0)
        while len(found) < count:  # three of four draws or more are good ones
            new = space.draw(count - len(found) + 64, generator)
            found = torch.cat([found, new[~torch.isin(new, links)]]).unique()
    # In random order, as `unique` sorts: the surplus must not be the largest ones.
    found = found[torch.randperm(len(found), generator=generator)[:count]]
    return space.pairs(found)
