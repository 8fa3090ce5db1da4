"""What becomes of every recipe when several processes train it."""

from __future__ import annotations

from typing import Literal, NamedTuple


class OverRanks(NamedTuple):
    """How the loss of several processes relates to that of one.

    Attributes:
        kind: "global" where value and gradient are those of one process that has the batches of
            all ranks; "refused" where they would not be, and `gcl.fit` says so.
        how: what makes it so, or why it is refused.
    """

    kind: Literal["global", "refused"]
    how: str


_MOMENTS = "moments of the columns are sums over ranks"
_RING = "denominators come from a half ring of the ranks"
_GATHERED = "rows are gathered, and every rank makes all of the loss"
_ROWWISE = "a mean over rows, a sum over ranks by the number of all rows"

OVER_RANKS = {
    "adameow": OverRanks("refused", "GlobalNorm and SemanticAttention are means over all targets"),
    "afgrl": OverRanks("global", "neighbours and clusters are looked for among gathered rows"),
    "bgrl": OverRanks("global", _ROWWISE),
    "cca_ssg": OverRanks("global", _MOMENTS),
    "costa": OverRanks("global", f"{_GATHERED}; the sketch is common"),
    "csgcl": OverRanks("global", f"{_RING}, with the strengths of all communities"),
    "dgi": OverRanks("global", f"{_ROWWISE}; the summary is a mean over all"),
    "gbt": OverRanks("global", _MOMENTS),
    "gca": OverRanks("global", _RING),
    "ggd": OverRanks("global", _ROWWISE),
    "grace": OverRanks("global", _RING),
    "graphcl": OverRanks("global", f"{_RING}; rows are graphs"),
    "graphmae": OverRanks("global", f"{_ROWWISE} that are masked"),
    "heco": OverRanks("refused", "SemanticAttention is a mean over all target nodes"),
    "infograph": OverRanks("global", "nodes of a rank meet the gathered graphs of all"),
    "meow": OverRanks("refused", "GlobalNorm and SemanticAttention are means over all targets"),
    "mvgrl": OverRanks("global", f"{_ROWWISE}; both summaries are means over all"),
    "mvgrl_graph": OverRanks("global", "nodes of a rank meet the gathered graphs of all"),
    "ns4gc": OverRanks("global", f"{_GATHERED}, with the edges between them"),
    "pamc": OverRanks("global", "embeddings and pairs are gathered; clusters are those of all"),
    "progcl": OverRanks("global", f"{_GATHERED}; the mixture is fitted to common columns"),
    "scgc": OverRanks("global", "embeddings and pairs are gathered; clusters are those of all"),
    "sgrl": OverRanks("global", f"{_ROWWISE}; targets scatter around the mean of all"),
    "simgrace": OverRanks("global", f"{_RING}; the noisy encoder is common"),
    "sugrl": OverRanks("global", f"{_GATHERED}; negatives are common draws"),
    "vicreg": OverRanks("global", _MOMENTS),
}
"""Recipes by name. Edges between rows of different ranks are in no batch and count for nothing."""
