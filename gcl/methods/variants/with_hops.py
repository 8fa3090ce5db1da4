"""What a node and its neighbourhoods look like, beside what was learnt of them."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from gcl.checks import check_count, check_positive
from gcl.contracts import Graph, Method, check_is_method
from gcl.graphs.kinds import check_one_type
from gcl.graphs.rows import counted_rows
from gcl.methods.made import recorded
from gcl.ops.similarity import unit_rows
from gcl.transforms import AddPropagated

ROWS = "hop_rows"


class WithHops(Method):
    r"""A method whose embedding has the features of every hop beside it, see `with_hops`.

    Args:
        method: any of nodes of one type.
        hops: K, >= 1.
        weight: length of the rows of each hop, > 0; those of the method have length 1.

    Raises:
        TypeError: no method of nodes.
        ValueError: hops below 1, weight not above 0; at embedding, a graph that was not prepared.
    """

    def __init__(self, method: Method, *, hops: int = 2, weight: float = 1.0):
        super().__init__()
        check_is_method("with_hops", method)
        check_count("with_hops", hops=hops)
        check_positive("with_hops", weight=weight)
        if method.graph_level:
            raise TypeError(
                f"with_hops: hops are those of nodes, and a {type(method).__name__} of graphs "
                "embeds no nodes; take a method of nodes."
            )
        self.method, self.hops, self.weight = method, hops, weight

    def prepare(self, data: Graph) -> Graph:
        check_one_type("with_hops", data)
        prepared = copy.copy(self.method.prepare(data))
        return AddPropagated(self.hops, "concat", attribute=ROWS)(prepared)

    def loss(self, data: Graph) -> Tensor:
        return self.method.loss(data)

    def embed(self, data: Graph) -> Tensor:
        if ROWS not in data:
            raise ValueError(
                f"with_hops: the graph has no {ROWS}; call method.prepare(data) first, as "
                "gcl.embed does."
            )
        z = unit_rows(self.method.embed(data))
        hops = counted_rows(data[ROWS], data).chunk(self.hops + 1, dim=1)
        return torch.cat([z, *(self.weight * unit_rows(hop).to(z.dtype) for hop in hops)], dim=1)

    def after_step(self, step: int, total: int) -> None:
        self.method.after_step(step, total)

    def extra_repr(self) -> str:
        return f"hops={self.hops}, weight={self.weight:g}"


@recorded()
def with_hops(method: Method, *, hops: int = 2, weight: float = 1.0) -> WithHops:
    r"""The embedding of a method beside the features of the node, its neighbours and theirs.

        z_i = [ z_i / ||z_i||, w x_i / ||x_i||, w (S x)_i / ||.||, ..., w (S^K x)_i / ||.|| ]

    with `S = D^-1/2 (A + I) D^-1/2`. An encoder that averages over neighbours loses what tells a
    node from them, which is what counts where neighbours are of other classes; hops kept apart lose
    nothing. Training is that of the method. The features are those that the method prepares: with
    `encoder="propagated"` they are smooth already and this adds little.

    Args:
        method: any of nodes of one type. It is copied.
        hops: K, >= 1.
        weight: w, > 0, the say of the features in distances.

    Raises:
        TypeError: no method of nodes, hops is no whole number.
        ValueError: hops below 1, weight not above 0.

    Reference:
        Zhu et al., "Beyond Homophily in Graph Neural Networks: Current Limitations and Effective
        Designs" (H2GCN), NeurIPS 2020: a node and its neighbourhoods are embedded apart.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> gcl.embed(with_hops(gcl.methods.dgi(data, hidden=8)), data).shape  # 8 + 3 * 34
        torch.Size([34, 110])
    """
    check_is_method("with_hops", method)
    return WithHops(copy.deepcopy(method), hops=hops, weight=weight)
