"""HeCo: the network schema against meta-paths, with many positives."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform, Compose

from gcl.checks import check_fraction, shown
from gcl.contracts import Graph, Method
from gcl.describe import describe_parts
from gcl.graphs.kinds import check_types
from gcl.graphs.meta_paths import OURS, EdgeType, metapath_contexts
from gcl.losses.infonce import InfoNCE
from gcl.methods.made import recorded
from gcl.methods.recipes.metapath_frame import metapath_chains
from gcl.nn.fresh_weights import draw_again
from gcl.nn.metapath_adjacency import metapath_adjacency
from gcl.nn.prelu import PReLU
from gcl.nn.projector import projector
from gcl.nn.schema_attention import SchemaAttention
from gcl.nn.semantic_attention import SemanticAttention
from gcl.nn.type_projection import GAIN, TypeProjection
from gcl.training.settings import trained_with
from gcl.transforms.add_heco_positives import AddHeCoPositives
from gcl.transforms.add_meta_paths import AddMetaPaths
from gcl.transforms.normalize_rows import NormalizeRows
from gcl.transforms.to_sparse_features import ToSparseFeatures


class HeCo(Method):
    r"""Target nodes through their direct neighbours against the same nodes through meta-paths.

        z^mp = attention over m of PReLU( A_m H_t W_m + b_m ),    z^sc = SchemaAttention(H)
        loss = lam l(mp, sc) + (1 - lam) l(sc, mp),
        l(a, b) = -mean_i log( sum_{j in P_i} exp(cos(a_i, b_j) / tau)
                               / sum_j exp(cos(a_i, b_j) / tau) )

    on projections of both views, with P the positives that `AddHeCoPositives` has written. The
    embedding is z^mp.

    Args:
        projection: brings all types to one space.
        schema: the view through direct neighbours.
        metapaths: number of meta-paths.
        tau: temperature, > 0.
        lam: weight of the direction from meta-paths to schema, in [0, 1].
        dropout: rate on the attention vectors.
        prepare: a transform that writes meta-path graphs and positives.

    Raises:
        TypeError: the graph is no HeteroData.
        ValueError: lam outside [0, 1].

    Reference:
        Wang et al., "Self-supervised Heterogeneous Graph Neural Network with Co-contrastive
        Learning", KDD 2021. Every node is a positive of itself here, which the code misses for
        some.
    """

    one_process = (
        "its attention over meta-paths is a mean over all target nodes, and no loader makes "
        "batches of a graph with meta-paths"
    )

    def __init__(
        self,
        projection: TypeProjection,
        schema: SchemaAttention,
        metapaths: int,
        *,
        tau: float,
        lam: float = 0.5,
        dropout: float = 0.0,
        prepare: BaseTransform,
    ):
        super().__init__()
        check_fraction("HeCo", lam=lam)
        d = projection.out_channels
        self.projection, self.schema = projection, schema
        self.weights = nn.ParameterList(torch.empty(d, d) for _ in range(metapaths))
        self.biases = nn.ParameterList(torch.zeros(d) for _ in range(metapaths))
        self.acts = nn.ModuleList(PReLU() for _ in range(metapaths))
        self.attention = SemanticAttention(d, dropout)
        self.head = projector(d, d)
        self.objective = InfoNCE(tau, intra=False, symmetric=False, positives="sum")
        self.lam, self.whole_graph = lam, prepare
        self._start()

    def _start(self) -> None:
        for weight in [*self.weights, *(linear.weight for linear in self.head.lins)]:
            nn.init.xavier_normal_(weight, gain=GAIN)
        for bias in [*self.biases, *(linear.bias for linear in self.head.lins)]:
            nn.init.zeros_(bias)

    def reset_parameters(self) -> None:
        for part in (self.projection, self.schema, self.acts, self.attention):
            draw_again(part)
        self._start()

    def prepare(self, data: Graph) -> Graph:
        check_types("HeCo", data)
        return super().prepare(data)

    def loss(self, data: Any) -> Tensor:
        check_types("HeCo", data)
        if "pos_edge_index" not in data[self._target(data)]:
            raise ValueError(
                "HeCo: the graph has no positives; gcl.fit prepares a graph, in a loop of your own "
                "call method.prepare(data) once."
            )
        h = self.projection(data)
        through_paths, through_schema = self._paths(data, h), self.schema(data, h)
        a, b = self.head(through_paths), self.head(through_schema)
        pairs = data[self._target(data)].pos_edge_index
        return self.lam * self.objective(a, b, pairs) + (1 - self.lam) * self.objective(b, a, pairs)

    def embed(self, data: Any) -> Tensor:
        check_types("HeCo", data)
        return self._paths(data, self.projection(data))

    def _paths(self, data: HeteroData, h: dict[str, Tensor]) -> Tensor:
        target = h[self._target(data)]
        views = []
        for name, weight, bias, act in zip(
            metapath_contexts(data), self.weights, self.biases, self.acts, strict=True
        ):
            adjacency = metapath_adjacency(data, name, target.dtype, binary=True)
            views.append(act(adjacency @ (target @ weight) + bias))
        return self.attention(views)

    def _target(self, data: HeteroData) -> str:
        return next(iter(metapath_contexts(data)))[0]

    def extra_repr(self) -> str:
        return describe_parts(prepare=self.whole_graph, lam=self.lam)


@recorded()
@trained_with(epochs=10_000, lr=8e-4, weight_decay=0.0, patience=5)
def heco(
    data: HeteroData,
    *,
    paths: AddMetaPaths = AddMetaPaths(contexts="none", topk_form="row"),
    positives: AddHeCoPositives = AddHeCoPositives(5),
    hidden: int = 64,
    tau: float = 0.8,
    lam: float = 0.5,
    samples: dict[str, int] | int = 5,
    feature_dropout: float = 0.3,
    attention_dropout: float = 0.5,
    other_features: bool = False,
    normalize: bool = True,
) -> HeCo:
    """HeCo: a node through its direct neighbours against the same node through meta-paths.

    The defaults are the authors' for ACM, but for `samples={"author": 7, "subject": 1}`. They
    train there with `lr=8e-4, weight_decay=0` until the loss has not fallen for 5 epochs
    (`patience=5`).

    Args:
        data: gives node types, widths of features and default meta-paths (`data.metapaths`).
        paths: the meta-paths; its own where the graph names some. What lies along them plays no
            part (`contexts="none"`), and a node listens to the nodes that it reaches ("row").
        positives: how many a node has, itself counted, and how equally close ones are decided.
        hidden: width of the embeddings.
        tau: temperature, > 0.
        lam: weight of the direction from meta-paths to schema, in [0, 1].
        samples: neighbours drawn at every step, by type or for all; with a dict only the types it
            names are seen.
        feature_dropout: rate on the projected features.
        attention_dropout: rate on the attention vectors.
        other_features: read the features of the other types, too; the authors give each of their
            nodes a free vector.
        normalize: divide rows of sparse features by their sums, as the authors do.

    Reference:
        Wang et al., "Self-supervised Heterogeneous Graph Neural Network with Co-contrastive
        Learning", KDD 2021.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.hetero_sbm(60, num_authors=60, num_subjects=6)
        >>> chains = [["paper", "author", "paper"]]
        >>> paths = AddMetaPaths(chains, contexts="none", topk_form="row")
        >>> method = heco(data, paths=paths, hidden=16)
        >>> gcl.embed(method, data).shape
        torch.Size([60, 16])
    """
    chains = metapath_chains("heco", data, paths)
    target = chains[0][0][0]
    edge_types, numbers = _neighbour_types(data, target, samples)
    others = [name[0] for name in edge_types]
    if not isinstance(positives, AddHeCoPositives):
        raise TypeError(
            "heco: positives must be a gcl.transforms.AddHeCoPositives(threshold), got "
            f"{shown(positives)}."
        )
    prepare: list[BaseTransform] = [paths, positives]
    # Sparse features come out as CSR either way.
    prepare.append(NormalizeRows(sparse_only=True) if normalize else ToSparseFeatures(0.0))
    return HeCo(
        TypeProjection(
            data,
            [target, *others],
            hidden,
            feature_dropout,
            free=[] if other_features else others,
        ),
        SchemaAttention(edge_types, numbers, hidden, attention_dropout),
        len(chains),
        tau=tau,
        lam=lam,
        dropout=attention_dropout,
        prepare=Compose(prepare),
    )


def _neighbour_types(
    data: HeteroData, target: str, samples: dict[str, int] | int
) -> tuple[list[EdgeType], list[int]]:
    """Edge types that lead to the target from other types, with the neighbours to draw of each."""
    found: list[EdgeType] = [
        name
        for name in data.edge_types
        if name[2] == target and name[0] != target and not OURS.fullmatch(name[1])
    ]
    known = {name[0] for name in found}
    if isinstance(samples, dict):
        if not samples:
            raise ValueError("heco: samples is empty; name at least one type, or give one number.")
        if unknown := set(samples) - known:
            raise ValueError(
                f"heco: samples names {', '.join(sorted(unknown))}, but the types with edges to "
                f"{target!r} are {', '.join(sorted(known)) or 'none'}."
            )
        found = [name for name in found if name[0] in samples]
    if not found:
        raise ValueError(
            f"heco: no edge type leads from another node type to {target!r}; add reverse edges by "
            "torch_geometric.transforms.ToUndirected."
        )
    numbers = [samples[n[0]] if isinstance(samples, dict) else samples for n in found]
    return found, numbers
