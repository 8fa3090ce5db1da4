"""Two views of a heterogeneous graph: which target nodes are connected, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from gcl.checks import check_choice, check_real
from gcl.contracts import Graph, Method
from gcl.describe import describe_parts
from gcl.graphs.kinds import check_types
from gcl.graphs.meta_paths import EdgeType
from gcl.nn.metapath_adjacency import masked_adjacency, metapath_adjacency
from gcl.nn.metapath_contexts import MetaPathContexts
from gcl.nn.metapath_gcn import MetaPathGCN
from gcl.nn.semantic_attention import SemanticAttention
from gcl.nn.type_projection import TypeProjection
from gcl.ops.propagation import Adjacency
from gcl.ops.similarity import unit_rows
from gcl.ops.sparse import csr_tensor

Objective: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Of the coarse and the fine view `[n, d]` -> scalar."""


class MetaPathContrast(Method):
    r"""MEOW's frame: a coarse view, a fine view, and an objective between them.

    With `A_m` the normalised graph of meta-path m, `H_t` the projected target nodes, `F_m` the
    same with what lies along meta-path m (`MetaPathContexts`), and primes for masked copies,

        coarse = pi( Enc(H_t, mean_m A_m) )
        z      = attention over m of unit( Enc(F_m, A_m) ) and unit( Enc(F'_m, A'_m) )
        fine   = pi(z),   pi(z) = unit( tanh(W z + b) ),   loss = objective(coarse, fine)

    and z is the embedding. Masked copies lose edges of the meta-path graphs and entries of the
    target's features.

    Args:
        projection: brings all types to one space.
        contexts: adds what lies along the meta-paths.
        gcn: `Enc`, shared by all views.
        objective: of coarse and fine.
        prepare: a transform that writes the meta-path graphs, `AddMetaPaths`.
        mask_edge: chance that an edge of a meta-path graph is dropped, one for each or one for
            all, in [0, 1).
        mask_feature: chance that a non-zero feature of a target node is set to 0, in [0, 1).
        proj: width of the projected views.
        dropout: rate on the attention vector.
        resample: "epoch" draws masks at every step and none in evaluation; "once" has the same
            masks always, in evaluation too, as the released code does.
        self_loops: target nodes that would listen to nobody in a meta-path graph listen to
            themselves there.

    Raises:
        TypeError: the graph is no HeteroData.
        ValueError: rates outside their range, or not one for each meta-path.

    Reference:
        Yu et al., "Heterogeneous Graph Contrastive Learning with Meta-path Contexts and Adaptively
        Weighted Negative Samples", SDM 2023 and TKDE 2024. Their code draws masks once, and embeds
        with dropout on after the last step; take the best weights by `EarlyStopping`.
    """

    one_process = (
        "its normalisation and its attention over meta-paths are means over all target nodes, and "
        "no loader makes batches of a graph with meta-paths"
    )

    def __init__(
        self,
        projection: TypeProjection,
        contexts: MetaPathContexts,
        gcn: MetaPathGCN,
        objective: Objective,
        *,
        prepare: BaseTransform,
        mask_edge: float | Sequence[float] = 0.3,
        mask_feature: float = 0.3,
        proj: int | None = None,
        dropout: float = 0.0,
        resample: Literal["epoch", "once"] = "epoch",
        self_loops: bool = True,
    ):
        super().__init__()
        check_choice("MetaPathContrast", "resample", resample, ("epoch", "once"))
        paths = len(contexts.positions)
        one = isinstance(mask_edge, str) or not isinstance(mask_edge, Sequence)
        rates: list[Any] = [mask_edge] * paths if one else list(cast(Any, mask_edge))
        if len(rates) != paths:
            raise ValueError(
                f"MetaPathContrast: mask_edge must be one rate, or one for each of {paths} "
                f"meta-paths, got {len(rates)}."
            )
        for key, rate in (("mask_feature", mask_feature), *(("mask_edge", r) for r in rates)):
            check_real("MetaPathContrast", **{key: rate})
            if not 0 <= rate < 1:
                raise ValueError(f"MetaPathContrast: {key} must lie in [0, 1), got {rate}.")
        self.projection, self.contexts, self.gcn, self.objective = (
            projection,
            contexts,
            gcn,
            objective,
        )
        channels = projection.out_channels
        self.attention = SemanticAttention(channels, dropout)
        self.head = nn.Linear(channels, channels if proj is None else proj)
        self.mask_edge, self.mask_feature, self.resample = rates, mask_feature, resample
        self.self_loops, self.whole_graph = self_loops, prepare

    def prepare(self, data: Graph) -> Graph:
        check_types("MetaPathContrast", data)
        return super().prepare(data)

    def loss(self, data: Any) -> Tensor:
        return self.objective(*self.views(data))

    def embed(self, data: Any) -> Tensor:
        check_types("MetaPathContrast", data)
        return self._fine(data, self.projection(data))

    def views(self, data: Any) -> tuple[Tensor, Tensor]:
        """The coarse and the fine view, projected: what the objective compares."""
        check_types("MetaPathContrast", data)
        h = self.projection(data)
        names = _metapath_names(data)
        graphs = [self._graph(data, name) for name in names]
        coarse = self.gcn(h[names[0][0]], graphs)
        return self._project(coarse), self._project(self._fine(data, h))

    def _fine(self, data: HeteroData, h: dict[str, Tensor]) -> Tensor:
        names = _metapath_names(data)
        target = names[0][0]
        generator = self._generator(h[target].device)
        contexts = self.contexts(data, h)
        plain = self.contexts.fuse(h[target], contexts)
        masked = self.contexts.fuse(self._masked_target(data[target], target, generator), contexts)
        found = []
        for name, rate, f, f_masked in zip(names, self.mask_edge, plain, masked, strict=True):
            rate = rate if self._masks else 0.0
            graph = masked_adjacency(data, name, rate, f.dtype, generator)
            found.append(unit_rows(self.gcn(f, [self._graph(data, name)])))
            found.append(unit_rows(self.gcn(f_masked, [graph])))
        return self.attention(found)

    def _graph(self, data: HeteroData, name: EdgeType) -> Adjacency:
        dtype = self.head.weight.dtype
        return metapath_adjacency(data, name, dtype, self_loops=self.self_loops)

    def _masked_target(self, nodes: Any, target: str, generator: torch.Generator | None) -> Tensor:
        x, p = nodes.get("x"), self.mask_feature if self._masks else 0.0
        if p == 0:
            return self.projection.project(target, x)
        if x is None:
            device = self.head.weight.device
            draws = torch.rand(int(nodes.num_nodes), generator=generator, device=device)
            return self.projection.project(target, None, draws >= p)
        values = x.values() if x.layout == torch.sparse_csr else x
        draws = torch.rand(values.shape, generator=generator, device=values.device)
        values = values * (draws >= p).to(values)
        if x.layout == torch.sparse_csr:
            values = csr_tensor(x.crow_indices(), x.col_indices(), values, tuple(x.shape))
        return self.projection.project(target, values)

    @property
    def _masks(self) -> bool:
        return self.training or self.resample == "once"

    def _generator(self, device: torch.device) -> torch.Generator | None:
        # The same numbers at every call are the same masks, with nothing to store.
        return torch.Generator(device).manual_seed(0) if self.resample == "once" else None

    def _project(self, z: Tensor) -> Tensor:
        return unit_rows(self.head(z.to(self.head.weight.dtype)).tanh())

    def extra_repr(self) -> str:
        return describe_parts(
            prepare=self.whole_graph,
            mask_edge=self.mask_edge,
            mask_feature=self.mask_feature,
            resample=self.resample,
        )


def _metapath_names(data: HeteroData) -> list[EdgeType]:
    if "metapath_dict" not in data:
        raise ValueError(
            "MetaPathContrast: the graph has no meta-path graphs; gcl.fit and gcl.embed prepare a "
            "graph, in a loop of your own call method.prepare(data) once."
        )
    return [cast(EdgeType, tuple(name)) for name in data.metapath_dict]
