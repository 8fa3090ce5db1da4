"""What PamC and SCGC* share: an MLP, started from an auto-encoder, and its clusters."""

from __future__ import annotations

from os import PathLike
from typing import Any

from gcl.checks import shown
from gcl.contracts import Encoder
from gcl.evaluate.inputs import as_classes
from gcl.graphs.kinds import input_width
from gcl.methods.contrastive_clustering import ContrastiveClustering
from gcl.methods.denominators import Denominator
from gcl.nn.auto_encoder import AutoEncoder
from gcl.nn.mlp_encoder import MLPEncoder
from gcl.nn.student_t_clustering import StudentTClustering
from gcl.transforms.add_influence import AddInfluence


def contrastive_clustering(
    recipe: str,
    data: Any,
    denominator: Denominator | None,
    *,
    clusters: int | None,
    hidden: tuple[int, ...],
    dim: int,
    encoder: Encoder | None,
    pretrained: str | None,
    pretrain_epochs: int,
    **options: Any,
) -> ContrastiveClustering:
    """The frame that PamC and SCGC* share: an MLP, started from an auto-encoder."""
    num_features = input_width(recipe, data, encoder)
    clusters = _number_of_classes(recipe, data) if clusters is None else clusters
    if not isinstance(hidden, tuple | list):
        such = hidden if isinstance(hidden, int) else 256
        raise TypeError(
            f"{recipe}: hidden must be a tuple of widths such as ({such},), got {shown(hidden)}."
        )
    if pretrained is not None and not isinstance(pretrained, str | PathLike):
        raise TypeError(
            f"{recipe}: pretrained must be the path of a file, got {shown(pretrained)}."
        )
    if encoder is None:
        encoder = MLPEncoder(num_features, tuple(hidden), dim)
    if not isinstance(encoder, MLPEncoder):
        if pretrained is not None:
            raise ValueError(
                f"{recipe}: pretrained weights are those of an MLPEncoder, but encoder is a "
                f"{type(encoder).__name__}."
            )
        pretrain_epochs = 0
    elif pretrained is not None:
        # The decoder of the file is read for its checks, and dropped.
        AutoEncoder(encoder).restore(pretrained)
        pretrain_epochs = 0
    return ContrastiveClustering(
        encoder,
        StudentTClustering(clusters, encoder.out_channels),
        denominator=denominator,
        pretrain_epochs=pretrain_epochs,
        **options,
    )


def check_influence(recipe: str, influence: Any) -> None:
    """The transform that finds positives.

    Raises:
        TypeError: another one.
    """
    if not isinstance(influence, AddInfluence):
        raise TypeError(
            f"{recipe}: influence must be a gcl.transforms.AddInfluence(...), got "
            f"{shown(influence)}."
        )


def _number_of_classes(recipe: str, data: Any) -> int:
    y = data.get("y")
    if y is None:
        raise ValueError(
            f"{recipe}: the graph has no labels to count, so the number of clusters must be given: "
            "clusters=..."
        )
    try:
        classes = as_classes(y, int(data.num_nodes), recipe)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{recipe}: data.y is no list of classes ({error}), so the number of clusters must be "
            "given: clusters=..."
        ) from None
    return len(classes[classes >= 0].unique())  # -1 stands for a node without a label
