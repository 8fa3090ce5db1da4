"""The contrast of nodes with whole graphs."""

from __future__ import annotations

import warnings

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import softplus

from gcl.checks import check_columns
from gcl.ops.pairs import pair_dots
from gcl.ops.ranks import Ranks, ranks, rows
from gcl.ops.streaming import streaming_softplus
from gcl.ops.structure import remember
from gcl.ops.tiles import LN2
from gcl.ops.tracing import outside_graph


class LocalGlobalJSD(nn.Module):
    r"""Jensen-Shannon estimate of the mutual information of nodes and their graphs.

    With scores `T(i, g) = <h_i, s_g>` of node i and graph g, and `b_i` the graph of node i,

        E_pos = mean_i ( log 2 - softplus(-T(i, b_i)) )
        E_neg = mean_i mean_{g != b_i} ( softplus(T(i, g)) - log 2 )
        L = E_neg - E_pos

    Positives are read off `batch`, negatives are summed in tiles: no array with one entry a node
    and graph is stored, neither scores nor masks. Memory is O((N + G) D).

    Shape:
        local `[n, d]`, summary `[g, d]`, batch `[n]` -> scalar.

    A batch of one graph has no negatives: the loss is 0, with a warning. A graph without nodes is
    a negative for all others.

    Raises:
        ValueError: widths that differ, or batch does not fit.
        TypeError: not floating-point matrices, batch not int64.

    Reference:
        Sun et al., "InfoGraph: Unsupervised and Semi-supervised Graph-Level Representation
        Learning via Mutual Information Maximization", ICLR 2020. Their code multiplies all scores
        by two masks of nodes by graphs; the value is the same.

    Example:
        >>> batch = torch.tensor([0, 0, 1])
        >>> LocalGlobalJSD()(torch.zeros(3, 4), torch.zeros(2, 4), batch)
        tensor(0.)
    """

    @outside_graph
    def forward(
        self, local: Float[Tensor, "n d"], summary: Float[Tensor, "g d"], batch: Int[Tensor, " n"]
    ) -> Tensor:
        check_columns("LocalGlobalJSD", local, summary)
        _check_batch(batch, len(local), len(summary))
        if len(summary) < 2 or len(local) == 0:
            if len(local):
                warnings.warn(
                    "LocalGlobalJSD: one graph has no negatives, so the loss is 0; train on "
                    "batches of several graphs.",
                    stacklevel=2,
                )
            return 0 * (local.sum() + summary.sum())
        with torch.autocast(local.device.type, enabled=False):
            node = torch.arange(len(local), device=local.device)
            positive = softplus(-pair_dots(local, summary, node, batch)).mean()
            negative = streaming_softplus(local, summary, exclude=batch).mean()
            negative = negative / (len(summary) - 1)
            return positive + negative - 2 * LN2

    def across(self, together: Ranks, local: Tensor, summary: Tensor, batch: Tensor) -> Tensor:
        """The loss of the rows of several ranks: this rank's part, see `gcl.distributed`.

        A rank has whole graphs, with all of their nodes; its nodes meet the graphs of all.
        """
        graphs = ranks(summary)
        assert graphs is not None  # there are several ranks: `together` are their nodes
        if graphs.total < 2 or together.total == 0:
            return self(local, summary, batch) / together.size
        # Every rank makes its own part of the rows of all graphs.
        summary = rows(summary, graphs, summed=True)
        return self(local, summary, batch + graphs.start) * (len(local) / together.total)


def _check_batch(batch: Tensor, nodes: int, graphs: int) -> None:
    if not isinstance(batch, Tensor) or batch.dtype != torch.long:
        got = batch.dtype if isinstance(batch, Tensor) else type(batch).__name__
        raise TypeError(f"LocalGlobalJSD: batch must be a tensor of int64, got {got}.")
    if batch.shape != (nodes,):
        raise ValueError(
            f"LocalGlobalJSD: batch must name the graph of each of the {nodes} nodes, got shape "
            f"{list(batch.shape)}."
        )
    least, most = 0, -1
    if nodes:
        least, most = remember(batch, ("ends",), lambda: torch.stack(batch.aminmax()).tolist())
    if least < 0 or most >= graphs:
        raise ValueError(
            f"LocalGlobalJSD: batch must lie in [0, {graphs}), got values from {least} to {most}."
        )
