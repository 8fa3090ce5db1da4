"""Zachary's karate club."""

from __future__ import annotations

from torch_geometric.data import Data
from torch_geometric.datasets import KarateClub


def karate() -> Data:
    """The karate club (Zachary, 1977): 34 members, 78 friendships, one-hot features, 4 classes.

    The classes are the modularity clusters of Kipf and Welling (2017), as in
    `torch_geometric.datasets.KarateClub`. Its mask of four labelled nodes is left out, because
    half a split (no validation, no test nodes) is taken for a whole one too easily.

    Shape:
        x `[34, 34]`, edge_index `[2, 156]`, y `[34]`.

    Reference:
        Zachary: An Information Flow Model for Conflict and Fission in Small Groups, Journal of
        Anthropological Research, 1977.

    Example:
        >>> karate()
        Data(x=[34, 34], edge_index=[2, 156], y=[34])
    """
    club = KarateClub()[0]
    return Data(x=club.x, edge_index=club.edge_index, y=club.y)
