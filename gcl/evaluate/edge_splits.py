"""Splits of the links of a graph into training, validation and test parts."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from gcl.checks import check_count, check_node_pairs, check_number, check_positive
from gcl.graphs.selection import edge_stores, fix_num_nodes, take_edges

# Attributes that tell of every edge, those of the test part too.
FROM_EDGES = ("community", "community_strength", "edge_strength", "edge_importance", "adj", "adj_t")


@dataclass(frozen=True)
class EdgeSplit:
    """A graph that shows its training links only, and the pairs of nodes of each part.

    A pair is unordered: (u, v) and (v, u) are one link, whichever of the two edges exist. That no
    link is seen too early is checked here, so that a split of your own is honest as well.

    Args:
        name: What the printed protocol calls it.
        data: The graph to train on and to embed. Its edges are training links, in one or both
            directions, and self-loops.
        train: Linked pairs `[2, P]`.
        val: Linked pairs; may be empty where nothing is selected on them.
        test: Linked pairs.
        train_neg: Pairs that are linked in no part, `[2, M]`.
        val_neg: The same, for the validation.
        test_neg: The same, for the test.

    Raises:
        TypeError: if pairs are no int64 tensors.
        ValueError: if a pair is out of range, a node with itself, or in two places; if the edges
            of `data` show a pair of another part; if a part is empty that is needed.
    """

    name: str
    data: Data
    train: Tensor
    val: Tensor
    test: Tensor
    train_neg: Tensor
    val_neg: Tensor
    test_neg: Tensor

    def __post_init__(self) -> None:
        num_nodes = self.num_nodes
        owner = {}
        for part in ("train", "val", "test", "train_neg", "val_neg", "test_neg"):
            pairs = getattr(self, part)
            check_node_pairs("EdgeSplit", part, pairs, num_nodes)
            if not pairs.shape[1] and not part.startswith("val"):
                raise ValueError(f"EdgeSplit: {part} is empty; give it at least one pair.")
            if bool((pairs[0] == pairs[1]).any()):
                raise ValueError(
                    f"EdgeSplit: {part} links a node with itself; leave self-loops out."
                )
            owner[part] = _keys(pairs, num_nodes)
        if (self.val.shape[1] == 0) != (self.val_neg.shape[1] == 0):
            raise ValueError("EdgeSplit: val and val_neg must both have pairs, or both be empty.")
        twice = _count_twice(torch.cat(list(owner.values())))
        if twice:
            raise ValueError(
                f"EdgeSplit: {twice} pairs are listed twice, counting (u, v) and (v, u) as one; "
                "make the six parts disjoint and free of repetitions."
            )
        edges = self.data.edge_index
        shown = _keys(edges[:, edges[0] != edges[1]], num_nodes)
        leaked = int((~torch.isin(shown, owner["train"])).sum())
        if leaked:
            raise ValueError(
                f"EdgeSplit: {leaked} edges of data are no training links; keep the edges of train "
                "only, in both directions if the graph is undirected."
            )

    @property
    def num_nodes(self) -> int:
        """N."""
        return int(self.data.num_nodes)


def edge_split(
    data: Data, val: float = 0.05, test: float = 0.1, *, negatives: float = 1.0, seed: int = 0
) -> EdgeSplit:
    """Uniformly random parts of the links, and pairs without a link for each part.

    A link is an unordered pair of two nodes with an edge between them in any direction. Both
    directions and all copies of an edge go together; self-loops belong to no part and stay in the
    graph. Negatives are drawn without replacement, uniformly from all pairs without a link, so
    none is a link of another part and none is in two parts. Split before you train, and before a
    transform that reads the edges (`AddCommunities`): what comes after sees `split.data` only.

    Args:
        data: A graph of one node type; features are not needed. It is not changed.
        val: Share of the links for validation, in [0, 1).
        test: Share of the links for the test, in (0, 1).
        negatives: Negatives of each part, per link of it, > 0.
        seed: Seed of a generator of its own; torch's global one is not touched.

    Returns:
        An `EdgeSplit`. Its `data` is a copy of the graph with the training edges in their old
        order and with their attributes; pairs are `[2, P]` with u < v, in random order, on the
        device of the edges.

    Raises:
        TypeError: if data is no `Data`, or is a `Batch`.
        ValueError: if the shares do not leave training links, a part comes out empty, the graph has
            too few unlinked pairs, or an attribute tells of all edges (`FROM_EDGES`).

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
    if not isinstance(data, Data) or isinstance(data, Batch):
        raise TypeError(
            f"edge_split: expected one graph as a torch_geometric Data, got {type(data).__name__}; "
            "split each graph and each edge type on its own."
        )
    check_number("edge_split", val=val, test=test)
    if not (0 <= val < 1 and 0 < test < 1 and val + test < 1):
        raise ValueError(
            f"edge_split: expected val in [0, 1), test in (0, 1) and a sum below 1, got val={val:g}"
            f" and test={test:g}; leave some links for the training."
        )
    check_positive("edge_split", negatives=negatives)
    check_count("edge_split", least=0, seed=seed)
    telling = [name for name in FROM_EDGES if name in data]
    if telling:
        raise ValueError(
            f"edge_split: data.{telling[0]} tells of all edges, the test links included; "
            "delete it, split, and compute it from split.data."
        )
    shown = copy.copy(data)
    (store,) = edge_stores("edge_split", shown)
    fix_num_nodes(shown)  # nodes may lose their last edge
    num_nodes, edge_index = int(shown.num_nodes), data.edge_index
    check_node_pairs("edge_split", "edge_index", edge_index, num_nodes)

    generator = torch.Generator().manual_seed(seed)
    keys, loops = _keys(edge_index.cpu(), num_nodes), (edge_index[0] == edge_index[1]).cpu()
    links = keys[~loops].unique()
    sizes = _sizes(len(links), val, test)
    wanted = [max(1, round(negatives * size)) if size else 0 for size in sizes]
    unlinked = _unlinked(links, num_nodes, sum(wanted), generator)
    order = links[torch.randperm(len(links), generator=generator)]
    kept = torch.isin(keys, order[: sizes[0]]) | loops
    take_edges(shown, store, kept.nonzero().flatten().to(edge_index.device))
    pairs = torch.stack([order // max(num_nodes, 1), order % max(num_nodes, 1)])
    shares = "-".join(f"{100 * share:.3g}" for share in (1 - val - test, val, test) if share)
    return EdgeSplit(
        f"links-{shares}",
        shown,
        *pairs.to(edge_index.device).split(sizes, dim=1),
        *unlinked.to(edge_index.device).split(wanted, dim=1),
    )


def _sizes(num_links: int, val: float, test: float) -> list[int]:
    num_val, num_test = round(val * num_links), round(test * num_links)
    num_train = num_links - num_val - num_test
    if num_train < 1 or num_test < 1 or (val > 0 and num_val < 1):
        raise ValueError(
            f"edge_split: {num_links} links are too few for shares val={val:g} and test={test:g}; "
            "raise the shares, or use a larger graph."
        )
    return [num_train, num_val, num_test]


def _keys(pairs: Tensor, num_nodes: int) -> Tensor:
    """One number for an unordered pair."""
    return torch.minimum(pairs[0], pairs[1]) * num_nodes + torch.maximum(pairs[0], pairs[1])


def _count_twice(keys: Tensor) -> int:
    return keys.numel() - keys.unique().numel()


def _unlinked(links: Tensor, num_nodes: int, count: int, generator: torch.Generator) -> Tensor:
    """Pairs u < v that are not among the links, drawn uniformly without replacement.

    Args:
        links: Keys of the links, `[P]`, each once.
        num_nodes: N.
        count: Pairs to draw.
        generator: Where chance comes from.

    Shape:
        -> `[2, count]`. Memory is O(P + count), also in a graph where nearly all pairs are linked.
    """
    population = num_nodes * (num_nodes - 1) // 2
    if population - len(links) < count:
        raise ValueError(
            f"edge_split: the graph has {population - len(links)} pairs without a link, and the "
            f"parts need {count} negatives; lower negatives, or val and test."
        )
    if population <= 4 * (len(links) + count):  # few enough to list them all
        first, second = torch.triu_indices(num_nodes, num_nodes, offset=1)
        found = first * num_nodes + second
        found = found[~torch.isin(found, links)]
    else:
        found = links.new_empty(0)
        while len(found) < count:  # three of four draws or more are good ones
            draws = torch.randint(num_nodes, (2, count - len(found) + 64), generator=generator)
            new = _keys(draws[:, draws[0] != draws[1]], num_nodes)
            found = torch.cat([found, new[~torch.isin(new, links)]]).unique()
    # In random order, as `unique` sorts: the surplus must not be the largest ones.
    found = found[torch.randperm(len(found), generator=generator)[:count]]
    return torch.stack([found // num_nodes, found % num_nodes])
