"""How target nodes are connected: what lies along the meta-paths between them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from gcl.checks import check_count
from gcl.graphs.meta_paths import metapath_contexts
from gcl.nn.dropout import Dropout
from gcl.nn.metapath_adjacency import context_mean


class MetaPathContexts(nn.Module):
    r"""Adds to every target node the nodes on the way of each meta-path.

        F_m = ELU( H_t + sum_l dropout( C_ml W_ml ) ),   C_ml = mean of h over the context

    with one matrix W_ml for every meta-path m and interior position l. The context of a position
    is what `AddMetaPaths` has written: the distinct nodes reached by the first l steps ("set"), or
    all walks ("walk"). A meta-path of length 1 has no interior: `F = ELU(H_t)`.

    Args:
        positions: number of interior positions of each meta-path.
        channels: width d.
        dropout: rate, in [0, 1).

    Shape:
        `contexts(data, h)` with h a dict of `[n_s, d]` -> a list, for each meta-path a list of
        `C_ml W_ml` `[n, d]`; `fuse(h_t, those)` -> a list of F_m `[n, d]`.

    Reference:
        Yu et al., "Heterogeneous Graph Contrastive Learning with Meta-path Contexts and Adaptively
        Weighted Negative Samples", SDM 2023 and TKDE 2024.

    Example:
        >>> import gcl
        >>> from gcl.transforms import AddMetaPaths
        >>> data = gcl.datasets.hetero_sbm(40, num_authors=40, num_subjects=5)
        >>> data = AddMetaPaths([["paper", "author", "paper"]])(data)
        >>> h = {"paper": torch.randn(40, 8), "author": torch.randn(40, 8)}
        >>> layer = MetaPathContexts([1], 8)
        >>> [f.shape for f in layer.fuse(h["paper"], layer(data, h))]
        [torch.Size([40, 8])]
    """

    def __init__(self, positions: Sequence[int], channels: int, dropout: float = 0.0):
        super().__init__()
        check_count("MetaPathContexts", channels=channels)
        self.positions = tuple(positions)
        self.weights = nn.ParameterList(
            torch.empty(channels, channels) for _ in range(sum(positions))
        )
        self.dropout, self.act = Dropout(dropout), nn.ELU()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for weight in self.weights:
            bound = 1 / math.sqrt(weight.shape[0])
            nn.init.uniform_(weight, -bound, bound)

    def forward(self, data: HeteroData, h: dict[str, Tensor]) -> list[list[Tensor]]:
        chains = list(metapath_contexts(data).values())
        found = tuple(len(positions) for positions in chains)
        if found != self.positions:
            raise ValueError(
                f"MetaPathContexts: made for {self.positions} interior positions a meta-path, but "
                f"the graph has {found}; apply the same AddMetaPaths."
            )
        weights = iter(self.weights)
        means: dict[tuple[object, ...], Tensor] = {}
        for chain in (chain for positions in chains for chain in positions):
            if tuple(chain) not in means:  # meta-paths share their beginnings
                means[tuple(chain)] = context_mean(data, chain, h)
        return [[means[tuple(c)] @ next(weights) for c in positions] for positions in chains]

    def fuse(self, h: Tensor, contexts: list[list[Tensor]]) -> list[Tensor]:
        """F_m of every meta-path, each with its own draw of the dropout."""
        return [self.act(sum((self.dropout(c) for c in found), h)) for found in contexts]

    def extra_repr(self) -> str:
        return f"positions={self.positions}"
