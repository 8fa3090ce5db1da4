"""What recipes on meta-paths share: the parts in the shapes of a graph."""

from __future__ import annotations

from typing import Any, cast

from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform, Compose

from gcl.checks import shown
from gcl.graphs.kinds import check_types
from gcl.graphs.meta_paths import EdgeType, metapaths_of, resolve
from gcl.methods.metapath_contrast import MetaPathContrast, Objective
from gcl.nn.metapath_contexts import MetaPathContexts
from gcl.nn.metapath_gcn import MetaPathGCN
from gcl.nn.type_projection import TypeProjection
from gcl.transforms.add_meta_paths import AddMetaPaths
from gcl.transforms.normalize_rows import NormalizeRows
from gcl.transforms.to_sparse_features import ToSparseFeatures


def metapath_contrast(
    recipe: str,
    data: HeteroData,
    objective: Objective,
    *,
    paths: AddMetaPaths,
    hidden: int,
    dropout: float,
    norm: str | None,
    normalize: bool,
    **options: Any,
) -> MetaPathContrast:
    """The parts of `MetaPathContrast` in the shapes of a graph and its meta-paths."""
    chains = metapath_chains(recipe, data, paths)
    none = paths.contexts == "none"
    positions = [0 if none else len(chain) - 1 for chain in chains]
    along = [] if none else [step[2] for chain in chains for step in chain[:-1]]
    prepare: list[BaseTransform] = [paths]
    # Sparse features come out as CSR either way.
    prepare.append(NormalizeRows(sparse_only=True) if normalize else ToSparseFeatures(0.0))
    return MetaPathContrast(
        TypeProjection(data, [chains[0][0][0], *along], hidden, dropout),
        MetaPathContexts(positions, hidden, dropout),
        MetaPathGCN(hidden, dropout, cast(Any, norm)),
        objective,
        prepare=Compose(prepare),
        dropout=dropout,
        **options,
    )


def metapath_chains(
    recipe: str, data: HeteroData, paths: AddMetaPaths
) -> list[tuple[EdgeType, ...]]:
    """Meta-paths as chains of edge types of this graph."""
    check_types(recipe, data)
    if not isinstance(paths, AddMetaPaths):
        raise TypeError(
            f"{recipe}: paths must be a gcl.transforms.AddMetaPaths(metapaths), got {shown(paths)}."
        )
    return resolve(data, metapaths_of(recipe, data, paths.metapaths))
