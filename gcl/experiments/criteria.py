"""What a setting can be chosen by where there are no labels."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import subgraph

from gcl.evaluate import (
    EdgeSplit,
    Result,
    conductance,
    diagnostics,
    edge_split,
    kmeans_clusters,
    link_prediction,
    modularity,
    stability,
)
from gcl.evaluate.stability import Neighbours
from gcl.graphs.rows import HELPERS, counted_rows
from gcl.names import did_you_mean
from gcl.ops.propagation import gcn_adjacency
from gcl.transforms import NormalizeRows

VALIDATION = "val_accuracy"  # reads labels, of validation nodes
CLUSTERS = 10
SEVERAL = (5, 10, 15, 20)  # numbers of clusters over which a mean is taken
NEIGHBOURS, ANCHORS, HOPS = 10, 1000, 2


class Unlabelled:
    """A graph without its labels, and what is known of it.

    Args:
        data: the graph; it shares its attributes with what is kept, less labels and masks. Masks
            of helper rows stay: they say what is embedded, not what is known of it.
    """

    def __init__(self, data: Data):
        self.data = copy.copy(data)
        for key in list(data.keys()):
            if key == "y" or (key.endswith("_mask") and key not in HELPERS):
                del self.data[key]

    @cached_property
    def embedded(self) -> Data:
        """The rows that have an embedding, and the links between them."""
        num_nodes = int(self.data.num_nodes or 0)
        every = torch.arange(num_nodes, device=self.data.edge_index.device)
        rows = counted_rows(every, self.data)
        if len(rows) == num_nodes:
            return self.data
        edges, weight = subgraph(
            rows,
            self.data.edge_index,
            self.data.get("edge_weight"),
            relabel_nodes=True,
            num_nodes=num_nodes,
        )
        found = Data(edge_index=edges, num_nodes=len(rows))
        if weight is not None:
            found.edge_weight = weight
        return found

    @cached_property
    def split(self) -> EdgeSplit:
        """A tenth of the links hidden, always the same."""
        return edge_split(self.embedded, val=0.0, test=0.1)

    @cached_property
    def propagated(self) -> tuple[Neighbours, Tensor]:
        """Nearest neighbours by S^k X, S = D^-1/2 (A + I) D^-1/2, rows of X divided by sums."""
        x = NormalizeRows()(copy.copy(self.data)).x
        x = (x if x.layout == torch.strided else x.to_dense()).float()
        adjacency = gcn_adjacency(
            self.data.edge_index, self.data.get("edge_weight"), len(x), torch.float32
        )
        for _ in range(HOPS):
            x = adjacency @ x
        x = counted_rows(x, self.data)
        sample = Neighbours.draw("select", len(x), min(NEIGHBOURS, len(x) - 2), ANCHORS, 0)
        return sample, sample.of(x)


@dataclass(frozen=True)
class Seen:
    """What a criterion may look at: a graph without labels, and what was trained on it.

    Args:
        graph: the graph.
        zs: its embeddings, `[N, D]` for each training seed.
        hidden: the embeddings of `graph.split.data`, which lacks some links; empty where no
            criterion asks.
    """

    graph: Unlabelled
    zs: Sequence[Tensor]
    hidden: Sequence[Tensor] = ()

    @cached_property
    def geometry(self) -> list[Result]:
        return [
            diagnostics(z, edge_index=self.graph.embedded.edge_index, anchors=ANCHORS, ks=(1,))
            for z in self.zs
        ]

    @cached_property
    def clusters(self) -> list[dict[int, Tensor]]:
        """k-means of each embedding, by the number of clusters."""
        ks = [min(k, len(self.zs[0])) for k in {CLUSTERS, *SEVERAL}]
        return [{k: kmeans_clusters(z, k) for k in ks} for z in self.zs]

    @cached_property
    def agreement(self) -> Result:
        k = min(NEIGHBOURS, len(self.zs[0]) - 2)
        return stability(self.zs, k=k, clusters=CLUSTERS, anchors=ANCHORS)


@dataclass(frozen=True)
class Criterion:
    """A number that is to be large.

    Args:
        about: what it is, in a line.
        of: its value.
        needs: raises ValueError where a graph has not what it reads, before anything is trained.
        seeds: how many trainings it compares, at least.
        hides: whether it asks for embeddings of the graph without some links.
    """

    about: str
    of: Callable[[Seen], float]
    needs: Callable[[Unlabelled], object]
    seeds: int = 1
    hides: bool = False


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _geometry(sign: int, *names: str) -> Callable[[Seen], float]:
    return lambda seen: sign * _mean(sum(g[name] for name in names) for g in seen.geometry)


def _by_clusters(
    measure: Callable[[Tensor, Data], float], sign: int, ks: Sequence[int]
) -> Callable[[Seen], float]:
    return lambda seen: (
        sign
        * _mean(
            measure(found[min(k, len(seen.zs[0]))], seen.graph.embedded)
            for found in seen.clusters
            for k in ks
        )
    )


def _edges(seen: Seen) -> float:
    return _mean(link_prediction(z, seen.graph.split)["auc"] for z in seen.zs)


def _hidden_edges(seen: Seen) -> float:
    return _mean(link_prediction(z, seen.graph.split)["auc"] for z in seen.hidden)


def _as_propagated(seen: Seen) -> float:
    sample, found = seen.graph.propagated
    return _mean(sample.agreement(sample.of(z), found) for z in seen.zs)


def _nodes(graph: Unlabelled) -> None:
    if (nodes := int(graph.embedded.num_nodes or 0)) < 3:
        raise ValueError(f"it compares nodes, at least 3, and the graph has {nodes}.")


def _links(graph: Unlabelled) -> None:
    _nodes(graph)
    # Of one cluster it is 0; what counts is its complaint.
    modularity(torch.zeros(int(graph.embedded.num_nodes or 0), dtype=torch.long), graph.embedded)


def _pairs(graph: Unlabelled) -> None:
    source, target = graph.embedded.edge_index
    if not bool((source != target).any()):
        raise ValueError("the graph has no links between two nodes.")


def _split(graph: Unlabelled) -> EdgeSplit:
    return graph.split


def _hidden_split(graph: Unlabelled) -> EdgeSplit:
    if graph.embedded is not graph.data:
        raise ValueError(
            "the graph has rows that are not embedded (helper rows, or neighbours of seed nodes), "
            "whose links would tell the hidden ones."
        )
    return graph.split


def check_criteria(names: Iterable[str], graph: Unlabelled) -> None:
    """Raises ValueError where one of the criteria could not be measured on a graph."""
    for name in names:
        if name not in CRITERIA:
            continue
        try:
            CRITERIA[name].needs(graph)
        except ValueError as error:
            raise ValueError(
                f"select: {name} cannot be measured, choose another criterion: {error}"
            ) from None


CRITERIA: Mapping[str, Criterion] = {
    "effective_rank": Criterion(
        "effective rank, see gcl.evaluate.geometry", _geometry(1, "effective_rank"), _nodes
    ),
    "uniformity": Criterion("spread on the sphere", _geometry(-1, "uniformity"), _nodes),
    "alignment": Criterion(
        "nearness of linked nodes", _geometry(-1, "neighbour_alignment"), _pairs
    ),
    "alignment_uniformity": Criterion(
        "both: nearness of linked nodes, and spread",
        _geometry(-1, "neighbour_alignment", "uniformity"),
        _pairs,
    ),
    "edge_auc": Criterion("AUC of links among pairs without one", _edges, _split),
    "hidden_edge_auc": Criterion(
        "the same, of links that are hidden when the graph is embedded (not when it was trained)",
        _hidden_edges,
        _hidden_split,
        hides=True,
    ),
    "modularity": Criterion(
        f"modularity of k-means, k = {CLUSTERS}", _by_clusters(modularity, 1, (CLUSTERS,)), _links
    ),
    "modularity_several": Criterion(
        f"the same, mean over k in {SEVERAL}", _by_clusters(modularity, 1, SEVERAL), _links
    ),
    "conductance": Criterion(
        f"minus the conductance of k-means, k = {CLUSTERS}",
        _by_clusters(conductance, -1, (CLUSTERS,)),
        _links,
    ),
    "conductance_several": Criterion(
        f"the same, mean over k in {SEVERAL}", _by_clusters(conductance, -1, SEVERAL), _links
    ),
    "as_propagated": Criterion(
        f"agreement of nearest neighbours with those of features propagated {HOPS} times",
        _as_propagated,
        _nodes,
    ),
    "neighbour_stability": Criterion(
        "agreement of nearest neighbours over training seeds",
        lambda seen: seen.agreement["neighbours"],
        _nodes,
        seeds=2,
    ),
    "cluster_stability": Criterion(
        f"agreement of k-means over training seeds, k = {CLUSTERS}, adjusted Rand index",
        lambda seen: seen.agreement["cluster_ari"],
        _nodes,
        seeds=2,
    ),
}
"""All that need no label, by name. POT's compactness is none of them: it is told by the bounds of
a method that was trained with it, and other methods have none."""

# What lost least in the study over six graphs (benchmarks/results/selection-study.csv): of all,
# and of those that are one number, since a search cannot rank what it has not drawn yet.
DEFAULT = "modularity_several+cluster_stability"
DEFAULT_OF_SEARCH = "cluster_stability"


def parts(criterion: str) -> list[str]:
    """The names in "modularity+neighbour_stability", of which the mean of the ranks counts.

    Raises:
        ValueError: an unknown name, or one twice.
    """
    names = criterion.split("+")
    for name in names:
        if name not in (*CRITERIA, VALIDATION):
            meant = did_you_mean(name, (*CRITERIA, VALIDATION))
            raise ValueError(
                f"unknown criterion {name!r}; {meant}known: {', '.join((*CRITERIA, VALIDATION))}, "
                "or several joined by a plus sign, whose ranks are averaged."
            )
    if len(set(names)) < len(names):
        raise ValueError(f"criterion {criterion!r} has a name twice.")
    return names


def merits(criterion: str, values: Mapping[str, Sequence[float]]) -> np.ndarray:
    """A number for every setting, the largest for the best: the value, or minus the mean rank.

    Values that are no numbers are the worst.

    Args:
        criterion: one name or several, see `parts`.
        values: of every setting, by the name of the criterion.
    """
    names = parts(criterion)
    columns = [
        np.nan_to_num(np.asarray(values[name], dtype=float), nan=-np.inf, posinf=-np.inf)
        for name in names
    ]
    if len(names) == 1:
        return columns[0]
    return -np.mean([rankdata(-column) for column in columns], axis=0)
