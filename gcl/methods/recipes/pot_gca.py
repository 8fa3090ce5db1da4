"""GCA under provable training."""

from __future__ import annotations

from typing import Literal

from torch_geometric.data import Data

from gcl.contracts import Encoder
from gcl.methods.provable.pot import POT
from gcl.methods.provable.view_bounds import Mode
from gcl.methods.recipes.gca import gca


def pot_gca(
    data: Data,
    *,
    kappa: float = 0.4,
    mode: Mode = "pot",
    kappa_warmup: float = 0.0,
    feature_bounds: bool = False,
    scale_free: bool = False,
    detach_target: bool = False,
    detach_bounds: bool = False,
    hidden: int = 128,
    proj: int = 128,
    tau: float = 0.9,
    macl: float = 0.0,
    drop_edge: tuple[float, float] = (0.3, 0.1),
    mask_feature: tuple[float, float] = (0.0, 0.0),
    centrality: Literal["degree", "pagerank", "eigenvector"] = "degree",
    p_max: float = 0.7,
    act: str = "relu",
    num_layers: int = 2,
    undirected: bool = True,
    normalize: bool = True,
    encoder: Encoder | None = None,
) -> POT:
    """POT on GCA: `POT(gca(data, ...), ...)` with the settings published for the two together.

    The defaults are the authors' for Cora, where they train `epochs=700, lr=5e-4,
    weight_decay=1e-5`, mask no features, and drop the two directions of an edge independently
    (`undirected=False`).

    Args:
        data: gives the number of features; nothing else of it is read.
        kappa: weight of POT's term, in [0, 1].
        mode: the bound: "pot", "sound", "certified" or "legacy", see `gcl.methods.POT`.
        kappa_warmup: share of the training, in [0, 1], over which kappa grows from 0.
        feature_bounds: bounds over masks of the features too.
        scale_free: divide the bounds by the mean norm of the embeddings.
        detach_target: no gradient through the other view.
        detach_bounds: no gradient through the intervals.
        hidden: width of the embeddings; the first GCN layer is twice as wide.
        proj: width inside the projection head.
        tau: temperature of the contrast, > 0.
        macl: strength alpha of MACL's temperature, in [0, 1]; 0 keeps tau.
        drop_edge: mean probability that an edge is dropped, first and second view.
        mask_feature: mean probability that a feature column is zeroed, first and second view.
        centrality: "degree", "pagerank" or "eigenvector".
        p_max: largest probability of either, in [0, 1].
        act: activation of the encoder: "relu", "leaky_relu" or "prelu".
        num_layers: layers of the encoder.
        undirected: drop both directions of an undirected edge together.
        normalize: divide every row of features by its sum.
        encoder: replaces the GCN; a `gcl.nn.GCNEncoder`.

    Reference:
        Yu et al., "Provable Training for Graph Contrastive Learning", NeurIPS 2023.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> pot_gca(data, hidden=8, kappa=0.3).embed(data).shape
        torch.Size([34, 8])
    """
    method = gca(
        data,
        hidden=hidden,
        proj=proj,
        tau=tau,
        macl=macl,
        drop_edge=drop_edge,
        mask_feature=mask_feature,
        centrality=centrality,
        p_max=p_max,
        act=act,
        num_layers=num_layers,
        undirected=undirected,
        normalize=normalize,
        encoder=encoder,
    )
    return POT(
        method,
        kappa=kappa,
        mode=mode,
        warmup=kappa_warmup,
        feature_bounds=feature_bounds,
        scale_free=scale_free,
        detach_target=detach_target,
        detach_bounds=detach_bounds,
    )
