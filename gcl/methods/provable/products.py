"""`h W` of every layer on the graph with all its edges: what both views' intervals start from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor

from gcl.graphs.features import is_csr
from gcl.methods.provable.layers import Layer, activate
from gcl.ops.propagation import Adjacency, sparse_linear


class CleanProducts:
    """`h W` of every layer on the clean graph, computed once for all views with the same features.

    Args:
        layers: of the encoder, from the first on; as many products are made.
        clean: `A_hat` of the graph with all its edges.
    """

    def __init__(self, layers: Sequence[Layer], clean: Adjacency):
        self._layers, self._clean = layers, clean
        # With the features themselves: an id means nothing once its tensor is gone.
        self._known: dict[int, tuple[Tensor, list[Tensor]]] = {}

    def of(self, x: Float[Tensor, "n f"]) -> list[Tensor]:
        """One product a layer, that of the features first."""
        if id(x) not in self._known:
            found = [feature_product(x, self._layers[0].weight)]
            for below, layer in pairwise(self._layers):
                hidden = activate(self._clean @ found[-1] + below.bias, below.slope)
                found.append(hidden @ layer.weight)
            self._known[id(x)] = x, found
        return self._known[id(x)][1]


def feature_product(x: Float[Tensor, "n f"], weight: Float[Tensor, "f c"]) -> Float[Tensor, "n c"]:
    """`x @ weight` for dense or CSR features."""
    x = x.to(weight.dtype)
    return sparse_linear(x, weight) if is_csr(x) else x @ weight
