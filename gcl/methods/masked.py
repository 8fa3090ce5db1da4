"""Features of some nodes are hidden and told from the rest: the mechanism of GraphMAE."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gcl.checks import check_encoder, check_fraction, check_positive
from gcl.contracts import Encoder, Loss, Method, Transform
from gcl.describe import describe_parts
from gcl.graphs.encoding import encode
from gcl.graphs.features import as_features
from gcl.graphs.kinds import check_input, is_codes
from gcl.graphs.rows import counted_rows
from gcl.losses import ScaledCosineError
from gcl.nn.fresh_weights import draw_again
from gcl.ops.tracing import outside_graph


class Masked(Method):
    r"""An encoder and a decoder that tell the features of masked nodes from their neighbours.

    Of the nodes, `mask_rate` are chosen, M. A share `replace_rate` of them gets the features of
    other nodes, the others one learnt token, and with x' these features

        h = encoder(x'),   r = W h,   r_M = 0,   x^ = decoder(r),   L = loss(x^_M, x_M)

    r is masked again so that the decoder, too, has to look at neighbours: it must pass messages.
    The embedding is `encoder(x)`, with nothing masked; token, W and decoder are of training only.

    Args:
        encoder: `(x, edge_index, edge_weight) -> [n, d]`.
        decoder: the same from d columns back to the features; one GNN layer as a rule.
        mask_rate: share of the nodes that is masked, in (0, 1]; at least one node is.
        replace_rate: share of the masked nodes that gets other nodes' features, in [0, 1].
        loss: `(x^_M, x_M) -> scalar`; `ScaledCosineError()` if None.
        prepare: a transform of the whole graph, applied once before training and embedding.

    On a batch with seed nodes (PyG's NeighborLoader) only seeds are masked and embedded, and no
    helper rows (PyG's `HalfHop`) ever. Sparse features are made dense in training.

    Raises:
        ValueError: a rate out of range.
        TypeError: encoder or decoder is none.

    Reference:
        Hou et al., "GraphMAE: Self-Supervised Masked Graph Autoencoders", KDD 2022.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> encoder, decoder = gcl.nn.GCNEncoder(34, 8), gcl.nn.GCNEncoder(8, 34, num_layers=1)
        >>> method = Masked(encoder, decoder)
        >>> method(data).shape, method.embed(data).shape
        (torch.Size([]), torch.Size([34, 8]))
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Encoder,
        *,
        mask_rate: float = 0.5,
        replace_rate: float = 0.05,
        loss: Loss | None = None,
        prepare: Transform | None = None,
    ):
        super().__init__()
        for part in (encoder, decoder):
            check_encoder("Masked", part)
        check_positive("Masked", mask_rate=mask_rate)
        check_fraction("Masked", mask_rate=mask_rate, replace_rate=replace_rate)
        self.encoder, self.decoder = encoder, decoder
        self.bridge = nn.Linear(encoder.out_channels, encoder.out_channels, bias=False)
        self.token = nn.Parameter(torch.zeros(1, decoder.out_channels))
        self.mask_rate, self.replace_rate = mask_rate, replace_rate
        self.objective = ScaledCosineError() if loss is None else loss
        self.whole_graph = prepare

    def reset_parameters(self) -> None:
        for part in (self.encoder, self.decoder):
            if isinstance(part, nn.Module):
                draw_again(part)
        self.bridge.reset_parameters()
        nn.init.zeros_(self.token)

    def loss(self, data: Any) -> Tensor:
        x = self._features(data)
        x = x if x.layout == torch.strided else x.to_dense()
        hidden, replaced, others = _draw(data, self.mask_rate, self.replace_rate)
        shown = x.index_copy(0, replaced, x.index_select(0, others))
        shown = _rows_set(shown, hidden[len(replaced) :], self.token)
        r = self.bridge(encode(self.encoder, data, shown))
        found = encode(self.decoder, data, _rows_set(r, hidden, r.new_zeros(())))
        return self.objective(found.index_select(0, hidden), x.index_select(0, hidden))

    def embed(self, data: Any) -> Tensor:
        z = encode(self.encoder, data, self._features(data))
        return counted_rows(z, data)

    def _features(self, data: Any) -> Tensor:
        """In the type of the weights, which not every encoder sees to."""
        check_input("Masked", data, self.encoder)
        if is_codes(data.x):
            raise TypeError(
                "Masked: features are what is reconstructed, and codes of categories are no "
                "numbers; give one-hot features, or another recipe."
            )
        return as_features(data.x, self.token.dtype)

    def extra_repr(self) -> str:
        rates = f"mask_rate={self.mask_rate:g}, replace_rate={self.replace_rate:g}"
        return f"{rates}{describe_parts(prepare=self.whole_graph)}"


@outside_graph
def _draw(data: Any, mask_rate: float, replace_rate: float) -> tuple[Tensor, Tensor, Tensor]:
    """The masked nodes, those of them that get others' features, first among them, and whose."""
    nodes = counted_rows(torch.arange(len(data.x), device=data.x.device), data)
    order = torch.randperm(len(nodes), device=nodes.device)
    hidden = nodes[order[: max(1, round(mask_rate * len(nodes)))]]
    replaced = hidden[: round(replace_rate * len(hidden))]
    return (
        hidden,
        replaced,
        nodes[torch.randint(max(len(nodes), 1), replaced.shape, device=nodes.device)],
    )


def _rows_set(z: Tensor, rows: Tensor, value: Tensor) -> Tensor:
    """z with some rows set to a value, which gets their gradient."""
    chosen = torch.zeros(len(z), 1, dtype=torch.bool, device=z.device).index_fill_(0, rows, True)
    return torch.where(chosen, value, z)
