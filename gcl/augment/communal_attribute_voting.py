"""Random zeroing of feature columns, those of weak communities first."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from gcl.augment.rates import importance, mask_columns
from gcl.checks import check_fraction
from gcl.contracts import Graph
from gcl.describe import describe
from gcl.graphs.features import feature_stores, is_csr
from gcl.graphs.selection import graphs
from gcl.ops.sparse import column_sums


class CommunalAttributeVoting(BaseTransform):
    """Zeroes columns of x, for all nodes, by the votes of strong communities (CSGCL's CAV).

    With `s_i = data.community_strength`, as `gcl.transforms.AddCommunities` writes it, column f is
    zeroed with probability

        clip( a_f / mean(a) * p, 0, threshold ),
        v_f = sum_i |x_if| s_i,   a_f = (max(log v) - log v_f) / (max(log v) - min(log v))

    Columns with v = 0, which the nodes do not use, count as the largest v, so that they do not
    distort the others. Strengths may be negative, and so may v: v <= 0 counts as the smallest
    positive one. All v equal, or none positive: uniform masking at rate p (at most threshold).

    In a `Batch` every graph has its own votes and draw; in `HeteroData` every node type with x.

    Args:
        p: probability to zero a column, in [0, 1]: what goes on average before clipping.
        threshold: largest probability, in [0, 1]. The paper has 0.7, the authors' runs 1.0.
        dense: no special care of columns with v = 0, the authors' form for WikiCS; they too count
            as the smallest positive v then.

    Shape:
        x `[n, f]` -> `[n, f]`; dense, or CSR whose index tensors stay the same.

    Raises:
        ValueError: p or threshold outside [0, 1]; no x; `community_strength` is missing, has the
            wrong length or is not finite.
        TypeError: x neither dense nor CSR.

    Reference:
        Chen et al., CSGCL: Community-Strength-Enhanced Graph Contrastive Learning, IJCAI 2023.
        In their code a negative vote, equal votes or, in the dense form, a vote of 0 make every
        probability NaN, which ends as `threshold` for all columns.

    Example:
        >>> from torch_geometric.data import Data
        >>> data = Data(x=torch.tensor([[1.0, 1.0], [1.0, 0.0]]))
        >>> data.community_strength = torch.tensor([0.1, 0.3])
        >>> CommunalAttributeVoting(p=0.5, threshold=1.0)(data).x  # votes 0.4 and 0.1
        tensor([[1., 0.],
                [1., 0.]])
    """

    def __init__(self, p: float, threshold: float = 0.7, dense: bool = False):
        check_fraction("CommunalAttributeVoting", p=p, threshold=threshold)
        self.p, self.threshold = float(p), float(threshold)
        self.dense = dense

    def forward(self, data: Graph) -> Graph:
        if self.p == 0:
            return data
        for store in feature_stores("CommunalAttributeVoting", data):
            x = store.x
            if x.dim() != 2:
                raise ValueError(
                    f"CommunalAttributeVoting: x must be [num_nodes, features], got "
                    f"{list(x.shape)}; flatten the features of a node."
                )
            strength = importance(
                "CommunalAttributeVoting",
                store,
                "community_strength",
                "node",
                {x.size(0)},
                source="gcl.transforms.AddCommunities",
            ).to(x.device)
            graph, count = graphs(data, store)
            phi = log_votes(column_votes(x, strength, graph, count), dense=self.dense)
            # Votes are sums: equal ones may differ by the order of their terms.
            store.x = mask_columns(x, phi, graph, self.p, self.threshold, tolerance=1e-9)
        return data

    def __repr__(self) -> str:
        return describe(self)


def column_votes(x: Tensor, strength: Tensor, graph: Tensor, count: int) -> Tensor:
    """`v_gf = sum_{i in graph g} |x_if| s_i`, in O(nnz(x)).

    Args:
        x: features, dense or CSR.
        strength: of the community of every node, float64.
        graph: the graph of every node.
        count: number of graphs.

    Shape:
        x `[n, f]`, strength `[n]`, graph `[n]` -> `[count, f]`, float64.

    Example:
        >>> strength, graph = torch.tensor([1.0, -2.0]).double(), torch.tensor([0, 0])
        >>> column_votes(torch.tensor([[1.0, 0.0], [-1.0, 3.0]]), strength, graph, 1)
        tensor([[-1., -6.]], dtype=torch.float64)
    """
    x = x.detach()
    if count == 1:
        return column_sums(x, strength)[None]
    if not is_csr(x):
        weighed = x.double().abs() * strength[:, None]
        return weighed.new_zeros(count, x.size(1)).index_add_(0, graph, weighed)
    col, nodes = x.col_indices(), torch.arange(x.size(0), device=x.device)
    row = torch.repeat_interleave(nodes, x.crow_indices().diff(), output_size=col.numel())
    votes = strength.new_zeros(count * x.size(1))
    return votes.index_add_(
        0, graph[row] * x.size(1) + col, x.values().double().abs() * strength[row]
    ).view(count, -1)


def log_votes(votes: Tensor, *, dense: bool = False) -> Tensor:
    """`log v` of every graph's columns, defined for every sign, see `CommunalAttributeVoting`.

    Shape:
        votes `[g, f]` -> `[g, f]`, finite.

    Example:
        >>> log_votes(torch.tensor([[8.0, 0.0, -5.0, 2.0]])).exp()
        tensor([[8., 8., 2., 2.]])
        >>> log_votes(torch.tensor([[8.0, 0.0, -5.0, 2.0]]), dense=True).exp()
        tensor([[8., 2., 2., 2.]])
    """
    if votes.numel() == 0:
        return votes
    if not dense:
        votes = torch.where(votes == 0, votes.amax(1, keepdim=True), votes)
    least = torch.where(votes > 0, votes, torch.inf).amin(1, keepdim=True)
    least = torch.where(least.isfinite(), least, 1.0)  # no positive vote: all are equal
    return torch.where(votes > 0, votes, least).log()
