"""What recipes on meta-paths share: the parts in the shapes of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform, Compose

from gcl.graphs.meta_paths import EdgeType, check_metapaths, resolve
from gcl.methods.metapath_contrast import MetaPathContrast, Objective, check_hetero
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
    metapaths: Sequence[Sequence[Any]] | None,
    topk: int | Sequence[int | None] | None,
    topk_form: str,
    ties: str,
    ties_seed: int,
    similarity: str,
    contexts: str,
    budget: int,
    hidden: int,
    dropout: float,
    norm: str | None,
    normalize: bool,
    **options: Any,
) -> MetaPathContrast:
    """The parts of `MetaPathContrast` in the shapes of a graph and its meta-paths."""
    chains, metapaths = resolve_metapaths(recipe, data, metapaths)
    positions = [0 if contexts == "none" else len(chain) - 1 for chain in chains]
    along = [step[2] for chain in chains for step in chain[:-1]] if contexts != "none" else []
    prepare: list[BaseTransform] = [
        AddMetaPaths(
            metapaths,
            contexts,
            topk,
            similarity=similarity,
            topk_form=topk_form,
            ties=ties,
            seed=ties_seed,
            budget=budget,
        )
    ]
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


def resolve_metapaths(
    recipe: str, data: HeteroData, metapaths: Sequence[Sequence[Any]] | None
) -> tuple[list[tuple[EdgeType, ...]], list[list[Any]]]:
    """Meta-paths as chains of edge types of this graph, and as they were given."""
    check_hetero(data, recipe)
    given = data.get("metapaths") if metapaths is None else metapaths
    if given is None:
        raise ValueError(
            f"{recipe}: this graph names no meta-paths of its own; give some as lists of node "
            "types, such as metapaths=[['paper', 'author', 'paper']]."
        )
    checked = check_metapaths(given)
    return resolve(data, checked), checked
