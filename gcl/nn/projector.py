"""The head between embeddings and loss."""

from __future__ import annotations

from torch_geometric.nn import MLP


def projector(in_channels: int, hidden_channels: int, out_channels: int | None = None) -> MLP:
    """GRACE's projection head `Linear -> ELU -> Linear`, as a PyG `MLP`.

    Args:
        in_channels: width of the embeddings.
        hidden_channels: width in between.
        out_channels: width of the result; `in_channels` if None, as in GRACE.

    Raises:
        ValueError: a width below 1.

    Example:
        >>> projector(8, 4)
        MLP(8, 4, 8)
    """
    out_channels = in_channels if out_channels is None else out_channels
    if min(in_channels, hidden_channels, out_channels) < 1:
        raise ValueError(
            f"projector: widths must be at least 1, got {in_channels}, {hidden_channels} and "
            f"{out_channels}."
        )
    return MLP([in_channels, hidden_channels, out_channels], act="elu", norm=None)
