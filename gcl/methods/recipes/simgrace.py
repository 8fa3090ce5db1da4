"""SimGRACE: two encoders in place of two views."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from gcl.checks import check_encoder, check_number
from gcl.contracts import Encoder, Graph, Loss, Method, Readout
from gcl.distributed import common_draws, ranks
from gcl.graphs.batches import membership
from gcl.graphs.encoding import encode
from gcl.graphs.kinds import check_input
from gcl.graphs.rows import without_helpers
from gcl.losses import DCL
from gcl.methods.made import recorded
from gcl.methods.recipes.graph_frame import gin, graph_head
from gcl.nn.readouts import sum_readout
from gcl.training.settings import trained_with


class SimGRACE(Method):
    r"""Contrast of a graph under the encoder and under a noisy copy of it; nothing is augmented.

        theta'_l = theta_l + eta sigma_l eps_l,   eps_l ~ N(0, I),   L = loss( g(f'(G)), g(f(G)) )

    with sigma_l the standard deviation of the weights of tensor l. The copy is drawn anew in every
    step and gets no gradient; the projector g is not perturbed.

    Args:
        encoder: `(x, edge_index, edge_weight) -> [n, d]`, a module.
        loss: `(h', h) -> scalar`.
        projector: head between readout and loss; none if None.
        readout: `(z, batch, num_graphs) -> [num_graphs, d]`; nodes are contrasted if None.
        eta: size of the noise relative to the weights, >= 0.

    Raises:
        ValueError: eta negative or not finite.

    Reference:
        Xia et al., "SimGRACE: A Simple Framework for Graph Contrastive Learning without Data
        Augmentation", WWW 2022.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> method = gcl.methods.simgrace(data, hidden=8)
        >>> method.embed(data).shape
        torch.Size([1, 24])
    """

    def __init__(
        self,
        encoder: nn.Module,
        loss: Loss,
        projector: nn.Module | None = None,
        readout: Readout | None = None,
        eta: float = 1.0,
    ):
        super().__init__()
        check_number("SimGRACE", least=0, eta=eta)
        check_encoder("SimGRACE", encoder, width=False)
        self.encoder, self.objective, self.eta = encoder, loss, eta
        self.projector, self.readout = projector, readout
        self.graph_level = readout is not None

    def loss(self, data: Graph) -> Tensor:
        z = self._encode(self.encoder, data)
        # The noise is part of one noisy encoder, which all ranks have.
        with torch.no_grad(), common_draws(ranks(z)):
            noisy = self._project(self._encode(self._perturbed, data))
        return self.objective(noisy, self._project(z))

    def embed(self, data: Graph) -> Tensor:
        return self._encode(self.encoder, data)

    def _encode(self, encoder: Any, data: Any) -> Tensor:
        check_input("SimGRACE", data, self.encoder)
        z = without_helpers(encode(encoder, data, asked=self.encoder), data)
        return z if self.readout is None else self.readout(z, *membership(data, z))

    def _perturbed(self, *arguments: Any, **further: Any) -> Tensor:
        weights = {
            name: p + self.eta * _spread(p) * torch.randn_like(p)
            for name, p in self.encoder.named_parameters()
        }
        # Copies: batch norm must not average the noisy encoder into its running statistics.
        buffers = {name: b.clone() for name, b in self.encoder.named_buffers()}
        return functional_call(self.encoder, {**weights, **buffers}, arguments, further)

    def _project(self, z: Tensor) -> Tensor:
        return z if self.projector is None else self.projector(z)

    def extra_repr(self) -> str:
        return f"eta={self.eta:g}"


@recorded()
@trained_with(epochs=20, lr=1e-2, weight_decay=0.0)
def simgrace(
    data: Any,
    *,
    hidden: int = 32,
    num_layers: int = 3,
    tau: float = 0.2,
    eta: float = 1.0,
    encoder: Encoder | None = None,
) -> SimGRACE:
    """SimGRACE: a graph under the encoder and under a noisy copy of it agree.

    Encoder, head and loss are those of `graphcl`. The authors train batches of 128 graphs for 20
    epochs with Adam, `lr=1e-2`.

    Args:
        data: gives the number of features: a graph, a batch, a data set or a list of graphs.
        hidden: width of a GIN layer; the embedding is `num_layers` times as wide.
        num_layers: layers of the encoder.
        tau: temperature of the contrast, > 0.
        eta: noise relative to the standard deviation of each weight tensor, >= 0.
        encoder: replaces the GIN; needs `out_channels`.

    Raises:
        ValueError: graphs without features; a number outside its range.

    Reference:
        Xia et al., "SimGRACE: A Simple Framework for Graph Contrastive Learning without Data
        Augmentation", WWW 2022.

    Example:
        >>> import gcl
        >>> simgrace(gcl.datasets.load("karate"), hidden=8).eta
        1.0
    """
    encoder = gin("simgrace", data, hidden, num_layers, encoder)
    return SimGRACE(
        encoder,  # type: ignore[arg-type]
        DCL(tau, intra=False, symmetric=False),
        projector=graph_head(encoder.out_channels),
        readout=sum_readout,
        eta=eta,
    )


def _spread(weight: Tensor) -> Tensor | float:
    return weight.std() if weight.numel() > 1 else 0.0
