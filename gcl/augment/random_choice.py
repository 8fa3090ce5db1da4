"""One of several augmentations at random."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch_geometric.data import Batch, HeteroData
from torch_geometric.transforms import BaseTransform

from gcl.checks import shown
from gcl.contracts import Graph, Transform
from gcl.graphs.kinds import check_graph
from gcl.graphs.merge import merge_graphs, split_graphs
from gcl.ops.structure import tally


class RandomChoice(BaseTransform):
    """Applies one transform, drawn anew in every call (GraphCL's random augmentation pool).

    For all of them one after the other there is PyG's `Compose`.

    Args:
        transforms: the transforms to choose from, at least one; plain functions are fine.
        p: probability of each, non-negative with sum 1; None: all alike.
        per_graph: in a `Batch` of `Data` draw for every graph, not once for all. The batch is taken
            apart into one for each transform, so that none of them loops over graphs.

    Raises:
        ValueError: no transform; p of another length, negative or not summing to 1.
            With per_graph, when called: transforms that leave different attributes, or attributes
            that hold node numbers.
        TypeError: a transform is not callable; per_graph and a batch of HeteroData.

    Reference:
        You et al., Graph Contrastive Learning with Augmentations, NeurIPS 2020.

    Example:
        >>> from torch_geometric.data import Data
        >>> from gcl.augment import FeatureDropout, FeatureNoise
        >>> view = RandomChoice([FeatureDropout(1.0), FeatureNoise()], p=[1, 0])
        >>> view(Data(x=torch.ones(1, 2))).x
        tensor([[0., 0.]])
    """

    def __init__(
        self,
        transforms: Sequence[Transform],
        p: Sequence[float] | None = None,
        *,
        per_graph: bool = False,
    ):
        self.per_graph = per_graph
        if not isinstance(transforms, Sequence) or isinstance(transforms, str):
            raise TypeError(
                f"RandomChoice: transforms must be a list of transforms, got {shown(transforms)}."
            )
        self.transforms = list(transforms)
        if not self.transforms:
            raise ValueError("RandomChoice: transforms must hold at least one, got none.")
        for transform in self.transforms:
            if not callable(transform):
                raise TypeError(
                    f"RandomChoice: transforms must be callable, got {shown(transform)}."
                )
        if p is not None and (not isinstance(p, Iterable) or isinstance(p, str)):
            raise TypeError(
                f"RandomChoice: p must be a list of one number per transform, got {shown(p)}."
            )
        self.p = None if p is None else [float(chance) for chance in p]
        if self.p is None:
            return
        if len(self.p) != len(self.transforms):
            raise ValueError(
                f"RandomChoice: p must hold one number per transform ({len(self.transforms)}), "
                f"got {len(self.p)}."
            )
        if not all(chance >= 0 for chance in self.p) or abs(sum(self.p) - 1) > 1e-6:
            raise ValueError(f"RandomChoice: p must be non-negative and sum to 1, got {self.p}.")

    def forward(self, data: Graph) -> Graph:
        check_graph("RandomChoice", data)
        chances = torch.tensor(self.p or [1.0] * len(self.transforms))
        if not self.per_graph or not isinstance(data, Batch):
            return self.transforms[int(torch.multinomial(chances, 1))](data)
        if isinstance(data, HeteroData):
            raise TypeError("RandomChoice: per_graph=True takes a batch of Data, got HeteroData.")
        chances = chances.to(data.batch.device)
        drawn = torch.multinomial(chances, data.num_graphs, replacement=True)
        number = tally(drawn, len(self.transforms))
        used = [t for t, graphs in enumerate(number.tolist()) if graphs]
        if len(used) == 1:
            return self.transforms[used[0]](data)
        group = ((number > 0).cumsum(0) - 1).index_select(0, drawn)
        parts = split_graphs(data, group, len(used))
        done = [self.transforms[t](part) for t, part in zip(used, parts, strict=True)]
        return merge_graphs(data, done)

    def __repr__(self) -> str:
        chances = "" if self.p is None else f", p={self.p}"
        each = ", per_graph=True" if self.per_graph else ""
        return f"RandomChoice({self.transforms!r}{chances}{each})"
