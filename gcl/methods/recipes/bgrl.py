"""BGRL: bootstrapped graph latents."""

from __future__ import annotations

from torch_geometric.data import Data
from torch_geometric.nn import MLP

from gcl.checks import check_count, check_fraction
from gcl.methods.bootstrap import Bootstrap
from gcl.methods.made import recorded
from gcl.methods.recipes.node_frame import preparation, uniform_view, view_rates
from gcl.methods.recipes.row_frame import EncoderChoice, encoder_of
from gcl.nn import PReLU
from gcl.training.settings import trained_with


@recorded()
@trained_with(epochs=100, optimizer="AdamW", warmup=10)
def bgrl(
    data: Data,
    *,
    hidden: int = 256,
    predictor: int = 512,
    drop_edge: tuple[float, float] = (0.2, 0.3),
    mask_feature: tuple[float, float] = (0.2, 0.1),
    momentum: float = 0.99,
    norm: str | None = "batch",
    norm_momentum: float = 0.99,
    act: str = "prelu",
    num_layers: int = 2,
    undirected: bool = True,
    normalize: bool = True,
    encoder: EncoderChoice = None,
) -> Bootstrap:
    """BGRL: each view predicts the other view's output of a slowly moving encoder; O(n d).

    The defaults are the authors' for WikiCS; they train there with AdamW, `epochs=10000, lr=5e-4,
    weight_decay=1e-5`, 1000 warm-up epochs and a cosine schedule, and drop the two directions of
    an edge independently (`undirected=False`); here they go together by default. The target starts
    from weights of its own, as in their code.

    Args:
        data: gives the number of features; nothing else of it is read.
        hidden: width of the embeddings; the first GCN layer is twice as wide.
        predictor: width inside the predictor.
        drop_edge: probability that an edge is dropped, first and second view.
        mask_feature: probability that a feature column is zeroed, first and second view.
        momentum: share of the target that stays in a step; rises to 1 by a cosine.
        norm: normalisation after each layer, by PyG's name: "batch", "layer", or None.
        norm_momentum: of batch norm; the share of the newest statistics, as PyTorch counts.
        act: activation after each layer, by PyG's name.
        num_layers: layers of the encoder.
        undirected: drop both directions of an undirected edge together.
        normalize: divide every row of features by its sum.
        encoder: replaces the GCN; needs `out_channels` and `reset_parameters`. "propagated" is its
            layers on rows of features propagated once, see `gcl.transforms.AddPropagated`.

    Reference:
        Thakoor et al., "Large-Scale Representation Learning on Graphs via Bootstrapping", ICLR
        2022. Their running statistics of batch norm are nearly those of the last view
        (`norm_momentum=0.99`), and so are they here.

    Example:
        >>> import gcl
        >>> method = bgrl(gcl.datasets.load("karate"), hidden=8)
        >>> method.embed(gcl.datasets.load("karate")).shape
        torch.Size([34, 8])
    """
    check_fraction("bgrl", norm_momentum=norm_momentum)
    check_count("bgrl", hidden=hidden, predictor=predictor)
    rates = view_rates("bgrl", drop_edge, mask_feature)
    network = encoder_of(
        "bgrl",
        data,
        encoder,
        2 * hidden,
        hidden,
        num_layers=num_layers,
        act=act,
        norm=norm,
        norm_kwargs={"momentum": norm_momentum} if norm == "batch" else None,
    )
    width = network.out_channels
    head = MLP([width, predictor, width], act=PReLU(), norm=None)
    return Bootstrap(
        network,
        [uniform_view(*pair, undirected, encoder) for pair in rates],
        head,
        momentum=momentum,
        fresh_target=True,
        prepare=preparation(normalize, encoder),
    )
