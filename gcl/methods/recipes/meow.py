"""MEOW: meta-path contexts, with negatives weighed by clusters."""

from __future__ import annotations

from typing import Literal

from torch_geometric.data import HeteroData

from gcl.graphs.meta_paths import MetaPaths
from gcl.losses.cluster_contrast import ClusterContrast
from gcl.methods.metapath_contrast import MetaPathContrast
from gcl.methods.recipes.metapath_frame import metapath_contrast, resolve_metapaths


def meow(
    data: HeteroData,
    *,
    metapaths: MetaPaths | None = None,
    hidden: int = 64,
    tau: float = 0.4,
    lam: float = 1.0,
    clusters: tuple[int, ...] | int | None = (100, 300),
    topk: int | list[int | None] | None = None,
    topk_form: Literal["transpose", "row", "union", "mutual"] = "transpose",
    ties: Literal["random", "index", "legacy"] = "random",
    ties_seed: int = 0,
    similarity: Literal["pathsim", "count"] = "pathsim",
    contexts: Literal["set", "walk", "none"] = "set",
    budget: int = 1 << 29,
    mask_edge: float | list[float] = 0.3,
    mask_feature: float = 0.3,
    dropout: float = 0.2,
    norm: Literal["global", "layer", "batch"] | None = "global",
    weighted: bool = True,
    concentration: Literal["distance", "legacy", "constant"] = "distance",
    recluster_every: int = 1,
    resample: Literal["epoch", "once"] = "epoch",
    self_loops: bool = True,
    normalize: bool = True,
) -> MetaPathContrast:
    """MEOW: a view of which nodes meta-paths connect against one of how they do.

    Negatives in other clusters weigh more, nodes of the same clusters do not repel, and the
    clusters' centroids are further positives. See `MetaPathContrast` and `ClusterContrast`.

    The defaults are the authors' for ACM, but for `topk=[110, 700]` and `mask_edge=[0.3, 0.2]`,
    which are one number a meta-path. They train there with `lr=7e-4, weight_decay=0` until the
    loss has not fallen for 30 epochs (`patience=30`).

    Args:
        data: gives node types, widths of features and default meta-paths (`data.metapaths`).
        metapaths: lists of node types, e.g. `[["paper", "author", "paper"]]`, or of edge types.
        hidden: width of the embeddings.
        tau: temperature, > 0.
        lam: weight of the prototypes, >= 0; 0 leaves them out.
        clusters: numbers of clusters, one or several; None takes about n / 40 and n / 13.
        topk: entries kept in each row of a meta-path graph, see `AddMetaPaths`.
        topk_form: "transpose", as in the released code: a node listens to those that chose it.
        ties: how equal scores at the cut are decided, see `AddMetaPaths`; "legacy" is the
            authors', which on ACM lets the order of the files tell labels.
        ties_seed: of ties="random".
        similarity: what is largest in a row, see `AddMetaPaths`.
        contexts: what lies along a meta-path as "set" or "walk", or "none".
        budget: bytes that one edge type of these may take; beyond it contexts are walks.
        mask_edge: rate of dropped edges in the masked views, one or one a meta-path.
        mask_feature: rate of zeroed features in the masked views.
        dropout: rate in all layers.
        norm: of the encoder, see `MetaPathGCN`.
        weighted: False is plain InfoNCE.
        concentration: temperature of the prototypes, see `ProtoNCE`.
        recluster_every: steps between two moves of the clusters.
        resample: "epoch" draws new masks at every step; "once" keeps the first, as the authors do.
        self_loops: nodes without an edge of a meta-path listen to themselves.
        normalize: divide rows of sparse features by their sums, as the authors do.

    Reference:
        Yu et al., "Heterogeneous Graph Contrastive Learning with Meta-path Contexts and Weighted
        Negative Samples", SDM 2023.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.hetero_sbm(60, num_authors=60, num_subjects=6)
        >>> method = meow(data, metapaths=[["paper", "author", "paper"]], clusters=(4, 8))
        >>> gcl.embed(method, data).shape
        torch.Size([60, 64])
    """
    if clusters is None:
        target = resolve_metapaths("meow", data, metapaths)[0][0][0][0]
        n = int(data[target].num_nodes)
        clusters = (max(2, n // 40), max(2, n // 13))
    objective = ClusterContrast(
        tau,
        lam=lam,
        clusters=clusters,
        weighted=weighted,
        concentration=concentration,
        every=recluster_every,
    )
    return metapath_contrast(
        "meow",
        data,
        objective,
        metapaths=metapaths,
        topk=topk,
        topk_form=topk_form,
        ties=ties,
        ties_seed=ties_seed,
        similarity=similarity,
        contexts=contexts,
        budget=budget,
        hidden=hidden,
        dropout=dropout,
        norm=norm,
        mask_edge=mask_edge,
        mask_feature=mask_feature,
        resample=resample,
        self_loops=self_loops,
        normalize=normalize,
    )
