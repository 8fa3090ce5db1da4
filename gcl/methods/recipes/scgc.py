"""SCGC*: contrastive clustering with all nodes as negatives."""

from __future__ import annotations

from torch_geometric.data import Data

from gcl.contracts import Encoder
from gcl.methods.contrastive_clustering import ContrastiveClustering
from gcl.methods.denominators import ExactNegatives
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
def scgc(
    data: Data,
    *,
    clusters: int | None = None,
    hidden: tuple[int, ...] = (500, 500, 2000),
    dim: int = 10,
    tau: float = 4.0,
    alpha: float = 1.0,
    beta: float = 0.1,
    influence: AddInfluence = AddInfluence(),
    every: int = 1,
    pretrained: str | None = None,
    pretrain_epochs: int = 30,
    restarts: int = 20,
    start_seed: int = 0,
    encoder: Encoder | None = None,
) -> ContrastiveClustering:
    """SCGC*: clusters by self-training and by contrast with every other node, exact.

    The loss that PamC approximates: time grows with the square of the nodes, memory does not. It is
    SCGC without its decoder; the decoder serves the pre-training only.

    The defaults are the authors' for ACM; they train `epochs=200, lr=1e-3, weight_decay=0`
    there, and tau multiplies in their paper: tau = 4.0 here is 0.25 there.

    Args:
        data: gives the number of features, and of classes where `clusters` is None; nothing else of
            it is read here. `prepare` pre-trains on its features.
        clusters: number of clusters; the number of classes in data.y if None, as in the papers.
        hidden: widths of the MLP between features and embeddings.
        dim: width of the embeddings.
        tau: temperature of the contrast, > 0; it divides.
        alpha: weight of the contrast, >= 0.
        beta: weight of the self-training, >= 0.
        influence: the positives, and their weights. Its `own` says whether a node is among its
            positives, with similarity 0 as in the released code, and among its negatives.
        every: epochs that share a target of the self-training.
        pretrained: file of a pre-trained auto-encoder (`gcl.methods.pretrain(..., path=...)`), read
            here; takes the place of pre-training.
        pretrain_epochs: of the auto-encoder in `prepare`; 0 starts from random weights.
        restarts: starts of the k-means that places the centres.
        start_seed: of pre-training and k-means.
        encoder: replaces the MLP; needs `out_channels`. Only an MLPEncoder is pre-trained.

    Reference:
        Kulatilleke, Portmann and Chandra, "SCGC: Self-Supervised Contrastive Graph Clustering",
        2022.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> method = scgc(data, hidden=(16,), dim=4, pretrain_epochs=5)
        >>> gcl.embed(method, data).shape, method.predict(data).unique().shape
        (torch.Size([34, 4]), torch.Size([4]))
    """
    check_influence("scgc", influence)
    return contrastive_clustering(
        "scgc",
        data,
        ExactNegatives(influence.own),
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
