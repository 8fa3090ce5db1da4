"""PamC: contrastive clustering whose negatives are the meta-nodes of the clusters."""

from __future__ import annotations

from typing import Literal

from torch_geometric.data import Data

from gcl.checks import check_choice
from gcl.contracts import Encoder
from gcl.methods.contrastive_clustering import ContrastiveClustering
from gcl.methods.denominators import ClusterMetaNodes
from gcl.methods.made import recorded
from gcl.methods.recipes.clustering_frame import check_influence, contrastive_clustering
from gcl.training.settings import trained_with
from gcl.transforms.add_influence import AddInfluence
from gcl.transforms.to_sparse_features import ToSparseFeatures


@recorded(
    clusters=lambda method: len(method.clustering.centres),
    pretrained=lambda method: None,
    pretrain_epochs=lambda method: method.pretrain_epochs,
)
@trained_with(weight_decay=0.0)
def pamc(
    data: Data,
    *,
    clusters: int | None = None,
    hidden: tuple[int, ...] = (500, 500, 2000),
    dim: int = 10,
    tau: float = 2.0,
    alpha: float = 0.5,
    beta: float = 0.5,
    influence: AddInfluence = AddInfluence(),
    proxy: Literal["node", "pair", "paper", "none"] = "node",
    assign: Literal["hard", "soft"] = "hard",
    within_cluster: bool = True,
    every: int = 1,
    pretrained: str | None = None,
    pretrain_epochs: int = 30,
    restarts: int = 20,
    start_seed: int = 0,
    encoder: Encoder | None = None,
) -> ContrastiveClustering:
    """PamC: clusters by self-training and by contrast with meta-nodes, linear in the nodes.

    An MLP, pre-trained as an auto-encoder, is pulled towards the nodes that random walks reach
    (positives) and pushed from the clusters' meta-nodes (negatives) in O(n K d).

    The defaults are the authors' for ACM but for the negatives: "node" is never above the sum over
    all nodes (themselves included) and below it by a bounded gap, the released formula ("paper")
    ignores cluster sizes. The authors train `epochs=200, lr=1e-3, weight_decay=0` there, and tau
    multiplies in their paper: tau = 2.0 here is 0.5 there.

    Args:
        data: gives the number of features, and of classes where `clusters` is None; nothing else of
            it is read here. `prepare` pre-trains on its features.
        clusters: number of clusters; the number of classes in data.y if None, as in the papers
            (labels below 0 are none).
        hidden: widths of the MLP between features and embeddings.
        dim: width of the embeddings.
        tau: temperature of the contrast, > 0; it divides.
        alpha: weight of the contrast, >= 0.
        beta: weight of the self-training, >= 0.
        influence: the positives, and their weights. Its `own` says whether a node is among its
            positives, with similarity 0 as in the released code, and among its negatives.
        proxy: "node" is sum_b n_b exp(<u_i, m_b> / tau); "pair" replaces both sides by cluster
            means; "paper" is the released formula; "none" leaves the term out.
        assign: "hard" clusters as in the released code, or "soft" as in the paper's abstract.
        within_cluster: the node's own cluster is among the negatives ("paper" never repels it).
        every: epochs that share a target of the self-training.
        pretrained: file of a pre-trained auto-encoder (`gcl.methods.pretrain(..., path=...)`), read
            here; takes the place of pre-training.
        pretrain_epochs: of the auto-encoder in `prepare`; 0 starts from random weights.
        restarts: starts of the k-means that places the centres.
        start_seed: of pre-training and k-means.
        encoder: replaces the MLP; needs `out_channels`. Only an MLPEncoder is pre-trained.

    Reference:
        Kulatilleke, Portmann and Chandra, "Efficient Block Contrastive Learning via Parameter-Free
        Meta-Node Approximation", 2022.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> method = pamc(data, hidden=(16,), dim=4, pretrain_epochs=5)
        >>> gcl.embed(method, data).shape, method.predict(data).unique().shape
        (torch.Size([34, 4]), torch.Size([4]))
    """
    check_influence("pamc", influence)
    check_choice("pamc", "proxy", proxy, ("node", "pair", "paper", "none"))
    check_choice("pamc", "assign", assign, ("hard", "soft"))
    meta_nodes = None
    if proxy != "none":
        meta_nodes = ClusterMetaNodes(proxy, assign, within_cluster, exclude=not influence.own)
    return contrastive_clustering(
        "pamc",
        data,
        meta_nodes,
        clusters=clusters,
        hidden=hidden,
        dim=dim,
        encoder=encoder,
        pretrained=pretrained,
        pretrain_epochs=pretrain_epochs,
        influence=influence,
        whole_graph=ToSparseFeatures() if encoder is None else None,
        tau=tau,
        alpha=alpha,
        beta=beta,
        every=every,
        restarts=restarts,
        seed=start_seed,
    )
