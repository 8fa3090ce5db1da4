"""An MLP encoder started as the first half of an auto-encoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch_geometric.data import Data

from gcl.callbacks import ProgressBar
from gcl.checks import check_count, check_positive
from gcl.contracts import Encoder, Method
from gcl.graphs.encoding import encode
from gcl.nn.auto_encoder import AutoEncoder
from gcl.nn.mlp_encoder import MLPEncoder
from gcl.ops.sparse import csr_tensor
from gcl.training.loop import fit


class Reconstruction(Method):
    """`mean( (decoder(encoder(x)) - x)^2 )` over all entries of x.

    Args:
        encoder: `(x, edge_index, edge_weight) -> [n, d]`.
        decoder: `(z) -> [n, f]`.

    Example:
        >>> import torch, gcl
        >>> from gcl.nn.mlp_encoder import MLPEncoder
        >>> data = gcl.datasets.load("karate")
        >>> method = Reconstruction(MLPEncoder(34, (8,), 4), MLPEncoder(4, (8,), 34))
        >>> method.embed(data).shape
        torch.Size([34, 4])
    """

    def __init__(self, encoder: Encoder, decoder: nn.Module):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def loss(self, data: Any) -> Tensor:
        found = self.decoder(self.embed(data))
        return mse_loss(found, data.x.to_dense().to(found.dtype))

    def embed(self, data: Any) -> Tensor:
        return encode(self.encoder, data)


@torch.inference_mode(False)  # it trains wherever it is asked for,
@torch.enable_grad()  # also by `embed`
def pretrain(
    encoder: MLPEncoder,
    x: Float[Tensor, "n f"],
    *,
    epochs: int = 30,
    batch_size: int = 256,
    lr: float = 1e-3,
    seed: int = 0,
    path: str | Path | None = None,
) -> AutoEncoder:
    """Train an encoder, in place, as the first half of an auto-encoder.

        minimise  mean( (decoder(encoder(x)) - x)^2 ),  Adam, no weight decay

    The decoder and the order of the rows are drawn from generators of their own: the result depends
    on the encoder's initial weights, x and the arguments alone, and training that comes after is
    the same with and without it. On a terminal a bar shows the progress.

    Args:
        encoder: is trained; stays on its device.
        x: features, finite, dense or sparse CSR.
        epochs: passes over the rows, >= 0; 30 in SDCN and PamC.
        batch_size: rows a step, >= 1.
        lr: learning rate, > 0.
        seed: of decoder and order.
        path: where to write the result, to be read back by `AutoEncoder.restore`.

    Returns:
        Encoder and decoder, with the mean error of every epoch in `history`.

    Raises:
        TypeError, ValueError: arguments or features that do not fit.
        gcl.training.NonFiniteLossError: the error became infinite.

    Reference:
        Bo et al., "Structural Deep Clustering Network", WWW 2020, whose settings these are.

    Example:
        >>> import gcl
        >>> encoder = MLPEncoder(34, (16,), 4)
        >>> model = pretrain(encoder, gcl.datasets.load("karate").x, epochs=20)
        >>> model.history[-1] < model.history[0]
        True
    """
    if not isinstance(encoder, MLPEncoder):
        raise TypeError(
            f"pretrain: expected an MLPEncoder, got {type(encoder).__name__}; other encoders have "
            "no mirror image."
        )
    check_count("pretrain", batch_size=batch_size)
    check_count("pretrain", least=0, epochs=epochs, seed=seed)
    check_positive("pretrain", lr=lr)
    if not isinstance(x, Tensor) or x.dim() != 2 or x.shape[1] != encoder.in_channels:
        got = list(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"pretrain: expected features [n, {encoder.in_channels}], got {got}.")
    device = next(encoder.parameters()).device
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reach GPUs too
        model = AutoEncoder(encoder).to(device)
    state = fit(
        Reconstruction(model.encoder, model.decoder),
        _RowBatches(x.clone() if x.is_inference() else x, batch_size, seed),
        epochs=epochs,
        lr=lr,
        weight_decay=0.0,
        callbacks=[ProgressBar("pre-training", summary=False)],
    )
    for parameter in model.parameters():
        parameter.grad = None
    model.history = [row["loss"] for row in state.history]
    if path is not None:
        model.save(path)
    return model


class _RowBatches:
    """Rows in a new order every epoch, as graphs without edges; sparse rows stay sparse."""

    def __init__(self, x: Tensor, batch_size: int, seed: int):
        self.x, self.batch_size = x.detach(), batch_size
        self.generator = torch.Generator().manual_seed(seed)
        self.matrix = None
        if x.layout != torch.strided:
            # torch cannot take rows out of a CSR matrix.
            csr = self.x.to_sparse_csr().cpu()
            half = csr.dtype.itemsize < 4  # SciPy has no matrices of these
            values = csr.values().float() if half else csr.values()
            parts = (values.numpy(), csr.col_indices().numpy(), csr.crow_indices().numpy())
            self.matrix = sp.csr_array(parts, shape=tuple(csr.shape))

    def __len__(self) -> int:
        return -(-len(self.x) // self.batch_size)

    def __iter__(self) -> Iterator[Data]:
        order = torch.randperm(len(self.x), generator=self.generator)
        no_edges = torch.empty(2, 0, dtype=torch.long)
        for rows in order.split(self.batch_size):
            yield Data(x=self._take(rows), edge_index=no_edges)

    def _take(self, rows: Tensor) -> Tensor:
        if self.matrix is None:
            return self.x[rows.to(self.x.device)]
        part = self.matrix[rows.numpy()]
        part.sort_indices()
        crow, col = (torch.from_numpy(a.astype(np.int64)) for a in (part.indptr, part.indices))
        return csr_tensor(crow, col, torch.from_numpy(part.data), part.shape)
