"""Batches of nodes with sampled neighbours around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from gcl.checks import check_choice, shown
from gcl.contracts import Graph
from gcl.graphs.cutter import Cutter, Kind
from gcl.graphs.digest import structure_digest
from gcl.graphs.kinds import check_one_type
from gcl.loader.batches import Batches
from gcl.loader.gcn_weights import write_gcn_weights
from gcl.loader.sampling import sample_neighbors


class NeighborBatches(Batches):
    r"""Batches of nodes, and of neighbours sampled hop by hop, without a compiled extension.

    A batch starts with its *seeds* in their order, and every node brings up to `num_neighbors[h]`
    of the edges that arrive at it in hop h, a uniform draw without repetition. It follows PyG's
    conventions: every attribute of nodes at `[n_id]` and of edges at `[e_id]`, `n_id`, `e_id`,
    `input_id`, `batch_size` (the seeds). The methods here learn from and embed the seeds alone.

    What a layer computes is near what it computes on the whole graph: `degree` has the weighted
    in-degrees of the whole graph without loops, by which `gcl.nn.GCNEncoder` normalises, and

        edge_weight_e = w_e * (edges that arrive at the target in the graph) / (those in the batch)

    makes sums over neighbours right on average; none is written where all are taken. Lists of pairs
    beside the edges (`pos_edge_index`, `across_edge_index`) are numbered anew, those that leave the
    batch are dropped, and their weights follow.

    Time O(seeds k_1 k_2 ...); memory beyond the graph 4 bytes an edge, none where the edges are
    sorted by target, and 20 a node, of which 4 in each worker.

    Args:
        data: a `Data` or `HeteroData`; what needs the whole graph is written to it before, see
            `gcl.training.prepare_for_batches`.
        num_neighbors: edges a node, one number a hop, -1 for all; [] for rows alone. Of a
            `HeteroData` a dict by edge type may tell them apart.
        batch_size: seeds a batch, of each rank.
        input_nodes: the seeds, as numbers or a mask; all nodes if None. Of a `HeteroData`, a node
            type or `(node type, nodes)`.
        shuffle: see `gcl.loader.Batches`, as all that follow.
        drop_last: see there.
        seed: see there.
        num_workers: see there.
        edges: "sampled" for the edges that were drawn, "induced" for all between the nodes.
        normalize: "gcn" writes the weights that a GCN computes, loops among the edges, for encoders
            that do not ask for `degree`, such as PyG's `GCN(..., normalize=False)`. What is
            embedded as a whole then goes through `torch_geometric.transforms.GCNNorm` first.

    Raises:
        TypeError: no graph, arguments of another kind.
        ValueError: numbers of neighbours, seeds or attributes that do not fit.

    Reference:
        Hamilton et al., "Inductive Representation Learning on Large Graphs" (GraphSAGE), NIPS 2017.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> loader = NeighborBatches(data, [5, 5], batch_size=10)
        >>> batch = next(iter(loader))
        >>> len(loader), batch.batch_size, torch.equal(batch.x, data.x[batch.n_id])
        (4, 10, True)
    """

    def __init__(
        self,
        data: Graph,
        num_neighbors: Sequence[int] | Mapping[Any, Sequence[int]],
        *,
        batch_size: int = 1024,
        input_nodes: Any = None,
        shuffle: bool = True,
        drop_last: bool = False,
        seed: int = 0,
        num_workers: int = 0,
        edges: Literal["sampled", "induced"] = "sampled",
        normalize: Literal["gcn"] | None = None,
    ):
        check_choice("NeighborBatches", "edges", edges, ("sampled", "induced"))
        self._cutter = Cutter("NeighborBatches", data)
        self.normalize = normalize
        if normalize is not None:
            check_choice("NeighborBatches", "normalize", normalize, ("gcn",))
            self._check_takes_loops()
        self.num_neighbors = _fanouts(num_neighbors, list(self._cutter.ends), data)
        self.edges = edges
        self.kind, self.input_nodes = _seeds(input_nodes, self._cutter.num_nodes, data)
        self._hops = len(next(iter(self.num_neighbors.values()), ()))
        drawn = [k for fanout in self.num_neighbors.values() for k in fanout if k >= 0]
        self._scaled = bool(drawn) or edges == "induced"
        every = self._cutter.num_nodes[self.kind]
        super().__init__(
            "NeighborBatches",
            every if self.input_nodes is None else len(self.input_nodes),
            batch_size=batch_size,
            shuffle=shuffle,
            drop_last=drop_last,
            seed=seed,
            num_workers=num_workers,
        )

    def make(self, inputs: Tensor, generator: torch.Generator) -> Graph:
        def choose(kind: Kind, hop: int, rowptr: Tensor, nodes: Tensor) -> tuple[Tensor, Tensor]:
            return sample_neighbors(rowptr, nodes, self.num_neighbors[kind][hop], generator)

        nodes = self.input_nodes
        seeds = inputs if nodes is None else nodes.index_select(0, inputs)
        batch = self._cutter.take(
            {self.kind: seeds},
            self._hops,
            choose,
            induced=self.edges == "induced",
            scaled=self._scaled,
        )
        store = batch if self.kind is None else batch[self.kind]
        store.input_id, store.batch_size = inputs.clone(), len(inputs)
        if self.normalize is not None:
            write_gcn_weights(batch)
        return batch

    def _check_takes_loops(self) -> None:
        check_one_type("NeighborBatches: normalize='gcn'", self._cutter.data)
        others = [name for name in self._cutter.attributes[None].edges if name != "edge_weight"]
        if others:
            raise ValueError(
                "NeighborBatches: normalize='gcn' adds loops, for which the graph has no "
                f"{others[0]}; take it out of the graph, or leave normalize out."
            )

    def __repr__(self) -> str:
        same = len(set(self.num_neighbors.values())) == 1
        told = next(iter(self.num_neighbors.values())) if same else self.num_neighbors
        further: dict[str, str] = {} if self.edges == "sampled" else {"edges": self.edges}
        further |= {} if self.normalize is None else {"normalize": self.normalize}
        return self._described(num_neighbors=list(told) if same else told, **further)

    def graph_digest(self) -> str:
        return structure_digest(self._cutter.data)


def _fanouts(given: Any, kinds: list[Kind], data: Graph) -> dict[Kind, tuple[int, ...]]:
    """Numbers of neighbours by edge type, one a hop."""
    if isinstance(given, Mapping):
        if not isinstance(data, HeteroData):
            raise TypeError(
                "NeighborBatches: num_neighbors must be a list for a graph of one edge type, such "
                "as [10, 10], got a dict."
            )
        for kind in kinds:
            if kind not in given:
                raise ValueError(
                    f"NeighborBatches: num_neighbors has no edge type {kind}; give [0, ...] for "
                    "one that is not followed."
                )
        for kind in given:
            if kind not in kinds:
                raise ValueError(
                    f"NeighborBatches: num_neighbors names the edge type {kind!r}, which the graph "
                    "has not."
                )
        listed = {kind: given[kind] for kind in kinds}
    else:
        listed = dict.fromkeys(kinds, given)
    for fanout in listed.values():
        whole = isinstance(fanout, Sequence) and not isinstance(fanout, str)
        if not whole or not all(isinstance(k, Integral) and not isinstance(k, bool)
                                for k in fanout):  # fmt: skip
            raise TypeError(
                "NeighborBatches: num_neighbors must be whole numbers, one a hop, such as "
                f"[10, 10], got {shown(fanout)}."
            )
        if any(k < -1 for k in fanout):
            raise ValueError(
                "NeighborBatches: num_neighbors must be at least 0, or -1 for all, got "
                f"{shown(list(fanout))}."
            )
    if len({len(fanout) for fanout in listed.values()}) > 1:
        raise ValueError(
            "NeighborBatches: num_neighbors must have as many hops for every edge type, got "
            f"{sorted({len(fanout) for fanout in listed.values()})}."
        )
    return {kind: tuple(map(int, fanout)) for kind, fanout in listed.items()}


def _seeds(given: Any, num_nodes: dict[Kind, int], data: Graph) -> tuple[Kind, Tensor | None]:
    """The node type of the seeds, and their numbers; None for all."""
    kind = None
    if isinstance(data, HeteroData):
        if isinstance(given, str):
            kind, given = given, None
        elif isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str):
            kind, given = given
        else:
            raise TypeError(
                "NeighborBatches: of a HeteroData, input_nodes must be a node type or "
                f"(node type, nodes), got {shown(given)}."
            )
        if kind not in num_nodes:
            raise ValueError(
                f"NeighborBatches: input_nodes names the node type {kind!r}; the graph has "
                f"{', '.join(map(repr, num_nodes))}."
            )
    size = num_nodes[kind]
    if given is None:
        return kind, None
    try:
        nodes = torch.as_tensor(given).cpu()
    except (TypeError, ValueError, RuntimeError):
        nodes = None
    if nodes is not None and nodes.dtype == torch.bool and nodes.shape == (size,):
        return kind, nodes.nonzero().view(-1)
    if nodes is not None and nodes.numel() == 0:
        raise ValueError("NeighborBatches: input_nodes is empty; give at least one node.")
    if nodes is None or nodes.dim() != 1 or nodes.dtype not in (torch.int64, torch.int32):
        raise TypeError(
            f"NeighborBatches: input_nodes must be whole numbers below {size}, or a boolean mask "
            f"[{size}], got {shown(given)}."
        )
    nodes = nodes.long()
    low, high = int(nodes.min()), int(nodes.max())
    if low < 0 or high >= size:
        raise ValueError(
            f"NeighborBatches: input_nodes must lie in [0, {size}), got {low if low < 0 else high}."
        )
    twice = len(nodes) - len(nodes.unique())
    if twice:
        raise ValueError(f"NeighborBatches: input_nodes lists {twice} nodes more than once.")
    return kind, nodes
