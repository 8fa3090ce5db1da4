"""SGRL: scattering the targets of a bootstrap."""

from __future__ import annotations

from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.nn import MLP
from torch_geometric.transforms import Compose

from gcl.checks import check_count
from gcl.contracts import Encoder
from gcl.distributed import ranks, total, whole
from gcl.graphs.kinds import input_width
from gcl.methods.bootstrap import Bootstrap
from gcl.methods.made import recorded
from gcl.methods.recipes.node_frame import preparation
from gcl.nn import GCNEncoder, PReLU
from gcl.ops.similarity import unit_rows
from gcl.training.settings import trained_with


def scattering(z: Tensor) -> Tensor:
    r"""How close unit rows stay to their mean, to be made small; O(n d).

        L = - mean_i sum_a ( u_ia - mean_j u_ja )^2,   u the rows of z at length 1

    in [-1, 0]; -1 where the directions cancel.

    Shape:
        z `[n, d]` -> scalar.

    Example:
        >>> import torch
        >>> scattering(torch.tensor([[2.0, 0.0], [-1.0, 0.0]]))
        tensor(-1.)
    """
    u = unit_rows(z)
    if (together := ranks(u)) is not None:
        centre = total(u.sum(0), together) / max(together.total, 1)
        part = -(u - centre).square().sum() / max(together.total, 1)
        return whole(part, together)
    if not len(u):
        return u.sum()
    return -(u - u.mean(0)).square().sum(1).mean()


@recorded()
@trained_with(weight_decay=0.0)
def sgrl(
    data: Data,
    *,
    hidden: int = 1024,
    predictor: int = 1024,
    hops: int = 1,
    momentum: float = 0.99,
    act: str = "prelu",
    num_layers: int = 1,
    normalize: bool = True,
    encoder: Encoder | None = None,
) -> Bootstrap:
    """SGRL: the target encoder scatters its nodes, the online encoder predicts them; O(e d).

    No augmentation and no negatives. The online embedding is `z + A_hat^k z`. Width, hops and
    momentum are the authors', who train `epochs=700, lr=1e-3` on Photo and CS, with optimizers of
    their own for the two encoders. The encoders share no weights and no gradient, so that one Adam
    is both where the learning rates are equal (all but Physics).

    Args:
        data: gives the number of features; nothing else of it is read.
        hidden: width of the embeddings.
        predictor: width inside the predictor.
        hops: k, power of the normalised adjacency that is added to z; 0 leaves z alone.
        momentum: share of the target that stays in a step, constant.
        act: activation of the encoders, by PyG's name.
        num_layers: layers of the encoders.
        normalize: divide every row of features by its sum.
        encoder: replaces the GCN; needs `out_channels` and `reset_parameters`.

    Reference:
        He et al., "Exploitation of a Latent Mechanism in Graph Contrastive Learning:
        Representation Scattering", NeurIPS 2024. Their code averages first and then steps the
        target by its own loss; here the step of both comes first, then the average. It keeps the
        online weights of the lowest loss; here the last.

    Example:
        >>> import gcl
        >>> method = sgrl(gcl.datasets.load("karate"), hidden=8)
        >>> method.embed(gcl.datasets.load("karate")).shape
        torch.Size([34, 8])
    """
    num_features = input_width("sgrl", data, encoder)
    check_count("sgrl", predictor=predictor)
    prepare = preparation(normalize, encoder)
    if encoder is None:
        encoder = GCNEncoder(num_features, hidden, num_layers=num_layers, act=act)
    width = encoder.out_channels
    return Bootstrap(
        encoder,
        [Compose([])],
        MLP([width, predictor, width], act=PReLU(), norm=None),
        momentum=momentum,
        schedule="constant",
        fresh_target=True,
        target_loss=scattering,
        hops=hops,
        prepare=prepare,
    )
