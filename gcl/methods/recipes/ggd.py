"""GGD: graph group discrimination."""

from __future__ import annotations

from torch_geometric.data import Data

from gcl.augment import FeatureMasking, FeatureShuffling
from gcl.methods.infomax import Infomax, SumScore
from gcl.methods.made import recorded
from gcl.methods.recipes.node_frame import preparation
from gcl.methods.recipes.row_frame import EncoderChoice, encoder_of
from gcl.training.settings import trained_with


@recorded()
@trained_with(epochs=500, weight_decay=0.0, patience=500)
def ggd(
    data: Data,
    *,
    hidden: int = 512,
    hops: int = 5,
    mask_feature: float = 0.2,
    act: str = "prelu",
    num_layers: int = 1,
    head_layers: int = 1,
    normalize: bool = True,
    encoder: EncoderChoice = None,
) -> Infomax:
    """GGD: one number a node tells real from corrupted; O(e d), no summary, no pairs.

    The embedding is `z + A_hat^k z`. The defaults are the authors' for Cora (hops 10 on Amazon and
    Coauthor, 0 on CiteSeer); they train `epochs=500, lr=1e-3, weight_decay=0` there and keep the
    weights of the lowest loss.

    Args:
        data: gives the number of features; nothing else of it is read.
        hidden: width of the embeddings.
        hops: k, power of the normalised adjacency in the embedding; 0 leaves z alone.
        mask_feature: probability that a feature column is zeroed, in both copies alike.
        act: activation of the encoder, by PyG's name.
        num_layers: layers of the encoder.
        head_layers: linear layers whose output is summed to the score.
        normalize: divide every row of features by its sum, as the authors do.
        encoder: replaces the GCN; needs `out_channels`. "propagated" is its layers on rows of
            features propagated once, see `gcl.transforms.AddPropagated`.

    Reference:
        Zheng et al., "Rethinking and Scaling Up Graph Contrastive Learning: An Extremely Efficient
        Approach with Group Discrimination", NeurIPS 2022.

    Example:
        >>> import gcl
        >>> method = ggd(gcl.datasets.load("karate"), hidden=8)
        >>> method.embed(gcl.datasets.load("karate")).shape
        torch.Size([34, 8])
    """
    network = encoder_of("ggd", data, encoder, hidden, num_layers=num_layers, act=act)
    return Infomax(
        network,
        FeatureShuffling(),
        SumScore(network.out_channels, head_layers),
        readout=None,
        view=FeatureMasking(mask_feature),
        hops=hops,
        prepare=preparation(normalize, encoder),
    )
