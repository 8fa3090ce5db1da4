"""AdaMEOW: meta-path contexts, with learnt weights of negatives."""

from __future__ import annotations

from typing import Literal

from torch_geometric.data import HeteroData

from gcl.losses.adaptive_contrast import AdaptiveContrast
from gcl.methods.made import recorded
from gcl.methods.metapath_contrast import MetaPathContrast
from gcl.methods.recipes.metapath_frame import metapath_contrast
from gcl.training.settings import trained_with
from gcl.transforms.add_meta_paths import AddMetaPaths


@recorded()
@trained_with(epochs=1200, lr=5e-5)
def adameow(
    data: HeteroData,
    *,
    paths: AddMetaPaths = AddMetaPaths(),
    hidden: int = 64,
    proj: int = 64,
    tau: float = 1.0,
    weight_hidden: int = 16,
    weights: Literal["mean", "softmax", "none"] = "mean",
    mask_edge: float | list[float] = 0.2,
    mask_feature: float = 0.3,
    dropout: float = 0.3,
    norm: Literal["global", "layer", "batch"] | None = "global",
    resample: Literal["epoch", "once"] = "epoch",
    self_loops: bool = True,
    normalize: bool = True,
) -> MetaPathContrast:
    """AdaMEOW: MEOW's two views, every negative weighed by a small network of the pair.

    Anchors are the rows of the fine view, candidates those of the coarse one. See
    `MetaPathContrast` and `AdaptiveContrast`; `gcl.callbacks.MonitorWeights` logs the weights.

    The defaults are the authors' for ACM but for the weights, whose mean is kept at 1 here
    (`weights="none"` is the published form, whose loss falls without end), and
    `AddMetaPaths(topk=690)`. They
    train there with `epochs=1200, lr=5e-5, weight_decay=1e-5` and look at the test set on the way.

    Args:
        data: gives node types, widths of features and meta-paths (`data.metapaths`).
        paths: the meta-paths, and what is kept of their graphs; its own where the graph names some.
            The form "transpose" lets a node listen to those that chose it, as the released code
            does; its ties ("legacy") let the order of the files tell labels on ACM.
        hidden: width of the embeddings.
        proj: width of the projected views.
        tau: temperature, > 0.
        weight_hidden: hidden units of the network of the weights.
        weights: how they are normalised: "mean", "softmax" or "none", see `PairNetwork`.
        mask_edge: rate of dropped edges in the masked views, one or one a meta-path.
        mask_feature: rate of zeroed features in the masked views.
        dropout: rate in all layers.
        norm: of the encoder, see `MetaPathGCN`.
        resample: "epoch" draws new masks at every step; "once" keeps the first, as the authors do.
        self_loops: nodes without an edge of a meta-path listen to themselves.
        normalize: divide rows of sparse features by their sums, as the authors do.

    Reference:
        Yu et al., "Heterogeneous Graph Contrastive Learning with Meta-path Contexts and Adaptively
        Weighted Negative Samples", TKDE 2024.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.hetero_sbm(60, num_authors=60, num_subjects=6)
        >>> method = adameow(data, paths=AddMetaPaths([["paper", "author", "paper"]]))
        >>> gcl.embed(method, data).shape
        torch.Size([60, 64])
    """
    return metapath_contrast(
        "adameow",
        data,
        AdaptiveContrast(proj, tau, hidden=weight_hidden, normalize=weights),
        paths=paths,
        hidden=hidden,
        dropout=dropout,
        norm=norm,
        proj=proj,
        mask_edge=mask_edge,
        mask_feature=mask_feature,
        resample=resample,
        self_loops=self_loops,
        normalize=normalize,
    )
