"""Encoders told by a word: `encoder="propagated"`, an epoch that never meets the graph."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from gcl.checks import check_count
from gcl.contracts import Encoder, Transform
from gcl.graphs.kinds import input_width
from gcl.nn import GCNEncoder, MLPEncoder
from gcl.transforms import AddPropagated

EncoderChoice: TypeAlias = Encoder | Literal["propagated"] | None
"""None for the recipe's GCN; "propagated" for its layers on rows of propagated features."""

HOPS = 8


def on_rows(encoder: EncoderChoice) -> bool:
    """Whether the encoder reads rows alone, so that no view of the edges can change anything."""
    return isinstance(encoder, str)


def smoothing(encoder: EncoderChoice) -> list[Transform]:
    """What an encoder on rows needs of the whole graph: SSGC's features, K = 8."""
    return [AddPropagated(HOPS)] if on_rows(encoder) else []


def encoder_of(
    recipe: str,
    data: Any,
    encoder: EncoderChoice,
    hidden: int,
    out: int | None = None,
    *,
    num_layers: int = 2,
    act: str = "relu",
    norm: str | None = None,
    norm_kwargs: dict[str, Any] | None = None,
    plain_last: bool = False,
) -> Encoder:
    """The recipe's GCN, the same layers without messages, or the given encoder.

    Args:
        recipe: its name, for messages.
        data: gives the number of features; nothing else of it is read.
        encoder: None for a GCN; "propagated" for an MLP of the same widths, activations, norms and
            start; or an encoder, which is taken as it is.
        hidden: width of the layers before the last.
        out: width of the embeddings; `hidden` if None.
        num_layers: layers; 1 on rows is a linear map with what follows it.
        act: see `gcl.nn.GCNEncoder`, as all that follow.
        norm: see there.
        norm_kwargs: see there.
        plain_last: see there.

    Raises:
        TypeError, ValueError: another word; features or an encoder that do not fit.
    """
    if isinstance(encoder, str):
        if encoder != "propagated":
            raise TypeError(
                f"{recipe}: encoder must be 'propagated', or a module (x, edge_index, edge_weight) "
                f"-> [n, out_channels], got {encoder!r}."
            )
        check_count(recipe, num_layers=num_layers)
        width = input_width(recipe, data, None)
        return MLPEncoder(
            width,
            (hidden,) * (num_layers - 1),
            hidden if out is None else out,
            act=act,
            norm=norm,
            norm_kwargs=norm_kwargs,
            plain_last=plain_last,
            init="glorot",
        )
    width = input_width(recipe, data, encoder)
    if encoder is not None:
        return encoder
    return GCNEncoder(
        width,
        hidden,
        out,
        num_layers=num_layers,
        act=act,
        norm=norm,
        norm_kwargs=norm_kwargs,
        plain_last=plain_last,
    )
