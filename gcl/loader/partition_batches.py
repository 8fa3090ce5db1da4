"""Batches of parts of a graph with the edges inside them."""

from __future__ import annotations

import os
from typing import Any, Literal

import torch
from torch import Tensor

from gcl.checks import check_choice, check_count, shown
from gcl.contracts import Graph
from gcl.graphs.cutter import Cutter
from gcl.graphs.digest import structure_digest
from gcl.graphs.kinds import check_one_type
from gcl.loader.batches import ALONE, Batches
from gcl.loader.partition import partition


class PartitionBatches(Batches):
    r"""Batches of parts of a graph, joined, with the edges between their nodes.

    Every node of a batch counts: all are learnt from and embedded. Nodes come in the order of the
    graph, with `n_id`, `e_id`, `input_id` (the same as `n_id`) and `batch_size`.

    Two ways to cut. *Random* parts, drawn anew every epoch, lose most edges, and a batch looks like
    the whole graph: its negatives are from everywhere. Parts with few edges between them keep most
    edges, and a batch of few of them has negatives from few communities; join several
    (`batch_parts`). That fewer edges are cut does not mean that embeddings are better.

    Args:
        data: a `Data`, see `gcl.loader.NeighborBatches`.
        num_parts: how many parts, at most one a node.
        batch_parts: parts of a batch, of each rank.
        parts: "random"; "metis", "communities" or "auto", see `gcl.loader.partition`; or the part
            of every node, `[num_nodes]`, and then num_parts must be its number of parts.
        degrees: "batch" for a graph of its own, normalised by the edges that are there; "graph" for
            `degree` and scaled `edge_weight` as `gcl.loader.NeighborBatches` writes them. The
            latter embeds nearer to the whole graph where most edges stay, and where most are cut
            leaves of a node little but its own features.
        cache: a file that keeps the parts that an engine found.
        shuffle: see `gcl.loader.Batches`, as all that follow. Random parts are always shuffled.
        drop_last: see there.
        seed: see there; of the engine, too.
        num_workers: see there.

    Raises:
        TypeError: no graph of one node type.
        ValueError: parts or attributes that do not fit.
        ImportError: "metis" without pymetis.

    Reference:
        Chiang et al., "Cluster-GCN: An Efficient Algorithm for Training Deep and Large Graph
        Convolutional Networks", KDD 2019.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> loader = PartitionBatches(data, 4, batch_parts=2, parts="random")
        >>> [batch.num_nodes for batch in loader]
        [18, 16]
    """

    def __init__(
        self,
        data: Graph,
        num_parts: int,
        *,
        batch_parts: int = 1,
        parts: Literal["random", "auto", "metis", "communities"] | Tensor = "auto",
        degrees: Literal["batch", "graph"] = "batch",
        cache: str | os.PathLike[str] | None = None,
        shuffle: bool = True,
        drop_last: bool = False,
        seed: int = 0,
        num_workers: int = 0,
    ):
        check_one_type("PartitionBatches", data)
        check_count("PartitionBatches", num_parts=num_parts, batch_parts=batch_parts)
        self._cutter = Cutter("PartitionBatches", data)
        check_choice("PartitionBatches", "degrees", degrees, ("batch", "graph"))
        self.num_parts, self.batch_parts, self.degrees = num_parts, batch_parts, degrees
        (self.num_nodes,) = self._cutter.num_nodes.values()
        if num_parts > self.num_nodes:
            raise ValueError(
                f"PartitionBatches: num_parts must be at most the number of nodes, "
                f"{self.num_nodes}, got {num_parts}."
            )
        self.parts: Tensor | None = None
        self._members: tuple[Tensor, ...] = ()
        if isinstance(parts, str) and parts == "random":
            inputs, size = self.num_nodes, batch_parts * -(-self.num_nodes // num_parts)
        else:
            if isinstance(parts, str):
                parts = partition(
                    self._cutter.data.edge_index, self.num_nodes, num_parts,
                    engine=parts, seed=seed, cache=cache,
                )  # fmt: skip
            self.parts = _checked(parts, self.num_nodes, num_parts)
            count = torch.bincount(self.parts, minlength=num_parts)
            members = self.parts.argsort(stable=True).split(count.tolist())
            self._members = tuple(nodes for nodes in members if len(nodes))
            inputs, size = len(self._members), batch_parts
        super().__init__(
            "PartitionBatches",
            inputs,
            batch_size=size,
            shuffle=shuffle,
            drop_last=drop_last,
            seed=seed,
            num_workers=num_workers,
        )

    @property
    def num_rows(self) -> int:
        return self.num_nodes

    def make(self, inputs: Tensor, generator: torch.Generator) -> Graph:
        nodes = inputs
        if self.parts is not None:
            chosen = [self._members[part] for part in inputs.tolist()]
            nodes = torch.cat([*chosen, torch.empty(0, dtype=torch.long)])
        whole = self.degrees == "graph"
        seeds = {None: nodes.sort().values}
        batch: Any = self._cutter.take(seeds, induced=True, scaled=whole, degrees=whole)
        batch.input_id, batch.batch_size = batch.n_id, len(batch.n_id)
        return batch

    def _order(self, epoch: int) -> Tensor:
        if self.parts is None and (epoch == ALONE or not self.shuffle):
            # In the order of the graph they would be no random parts.
            return self._permutation(ALONE)
        return super()._order(epoch)

    def __repr__(self) -> str:
        further: dict[str, str] = {"parts": "random"} if self.parts is None else {}
        further |= {} if self.degrees == "batch" else {"degrees": self.degrees}
        return self._described(num_parts=self.num_parts, batch_parts=self.batch_parts, **further)

    def graph_digest(self) -> str:
        return structure_digest(self._cutter.data)


def _checked(parts: Any, num_nodes: int, num_parts: int) -> Tensor:
    if not isinstance(parts, Tensor) or parts.dtype != torch.int64 or parts.shape != (num_nodes,):
        came = f"{parts.dtype} {list(parts.shape)}" if isinstance(parts, Tensor) else shown(parts)
        raise TypeError(
            f"PartitionBatches: parts must be 'random', 'auto', 'metis', 'communities' or a tensor "
            f"of int64 [{num_nodes}], got {came}."
        )
    parts = parts.cpu()
    if int(parts.min()) < 0 or int(parts.max()) >= num_parts:
        raise ValueError(
            f"PartitionBatches: parts must lie in [0, {num_parts}), got values from "
            f"{int(parts.min())} to {int(parts.max())}."
        )
    return parts
