"""InfoGraph: mutual information of graphs and their nodes."""

from __future__ import annotations

from typing import Any

from gcl.contracts import Encoder
from gcl.methods.local_global import LocalGlobal
from gcl.methods.made import recorded
from gcl.methods.recipes.graph_frame import gin
from gcl.nn.shortcut_mlp import ShortcutMLP
from gcl.training.settings import trained_with


@recorded()
@trained_with(epochs=20, weight_decay=0.0)
def infograph(
    data: Any,
    *,
    hidden: int = 32,
    num_layers: int = 3,
    encoder: Encoder | None = None,
) -> LocalGlobal:
    """InfoGraph: nodes know their own graph from the other graphs of the batch.

    No augmentation; the Jensen-Shannon estimate of `gcl.losses.LocalGlobalJSD`. The authors train
    batches of 128 graphs for 20 epochs with Adam; their script tries 3, 5, 8 and 16 layers at
    `lr=1e-3` and `1e-2`, and fixes no rule which epoch counts.

    Args:
        data: gives the number of features: a graph, a batch, a data set or a list of graphs.
        hidden: width of a GIN layer; the embedding is `num_layers` times as wide.
        num_layers: layers of the encoder.
        encoder: replaces the GIN; needs `out_channels`.

    Raises:
        ValueError: graphs without features; a width below 1.

    Reference:
        Sun et al., "InfoGraph: Unsupervised and Semi-supervised Graph-Level Representation
        Learning via Mutual Information Maximization", ICLR 2020. Their optional prior matching is
        left out.

    Example:
        >>> import gcl
        >>> infograph(gcl.datasets.load("karate"), hidden=8, num_layers=2).encoders[0].out_channels
        16
    """
    encoder = gin("infograph", data, hidden, num_layers, encoder)
    width = encoder.out_channels
    return LocalGlobal([encoder], ShortcutMLP(width, width), ShortcutMLP(width, width))
