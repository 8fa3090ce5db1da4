"""MEOW: meta-path contexts, with negatives weighed by clusters."""

from __future__ import annotations

from typing import Literal

from torch_geometric.data import HeteroData

from gcl.losses.cluster_contrast import ClusterContrast
from gcl.methods.made import recorded
from gcl.methods.metapath_contrast import MetaPathContrast
from gcl.methods.recipes.metapath_frame import metapath_chains, metapath_contrast
from gcl.training.settings import trained_with
from gcl.transforms.add_meta_paths import AddMetaPaths


@recorded(clusters=lambda method: method.objective.clusters)
@trained_with(epochs=10_000, lr=7e-4, weight_decay=0.0, patience=30)
def meow(
    data: HeteroData,
    *,
    paths: AddMetaPaths = AddMetaPaths(),
    hidden: int = 64,
    tau: float = 0.4,
    lam: float = 1.0,
    clusters: tuple[int, ...] | int | None = (100, 300),
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

    The defaults are the authors' for ACM, but for `AddMetaPaths(topk=[110, 700])` and
    `mask_edge=[0.3, 0.2]`, which are one number a meta-path. They train there with `lr=7e-4,
    weight_decay=0` until the loss has not fallen for 30 epochs (`patience=30`).

    Args:
        data: gives node types, widths of features and meta-paths (`data.metapaths`).
        paths: the meta-paths, and what is kept of their graphs; its own where the graph names some.
            The form "transpose" lets a node listen to those that chose it, as the released code
            does; its ties ("legacy") let the order of the files tell labels on ACM.
        hidden: width of the embeddings.
        tau: temperature, > 0.
        lam: weight of the prototypes, >= 0; 0 leaves them out.
        clusters: numbers of clusters, one or several; None takes about n / 40 and n / 13.
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
        >>> method = meow(data, paths=AddMetaPaths([["paper", "author", "paper"]]), clusters=(4, 8))
        >>> gcl.embed(method, data).shape
        torch.Size([60, 64])
    """
    if clusters is None:
        target = metapath_chains("meow", data, paths)[0][0][0]
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
        paths=paths,
        hidden=hidden,
        dropout=dropout,
        norm=norm,
        mask_edge=mask_edge,
        mask_feature=mask_feature,
        resample=resample,
        self_loops=self_loops,
        normalize=normalize,
    )
