"""Batch norm over the rows of all ranks, on any device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric import nn as pyg

from gcl.ops.ranks import Ranks, ranks, total


class GlobalBatchNorm(nn.BatchNorm1d):
    r"""`BatchNorm1d` whose statistics are those of the rows of all ranks.

        mean = sum_r sum_i z_ri / N,   var = sum_r sum_i (z_ri - mean)^2 / N

    torch's `SyncBatchNorm` does the same on CUDA only. Names, parameters and buffers are those of
    `BatchNorm1d`, and so is everything outside a process group and in evaluation mode.

    Shape:
        `[n, d]` -> `[n, d]`; n may differ between ranks, and be 0 on some.

    Raises:
        ValueError: fewer than two rows on all ranks together.

    Example:
        >>> GlobalBatchNorm(4)(torch.randn(3, 4)).shape
        torch.Size([3, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        together = ranks(input) if self.training and input.dim() == 2 else None
        if together is None:
            return super().forward(input)
        if together.total < 2:
            raise ValueError(
                f"Expected more than 1 value per channel when training, got {together.total} rows "
                "on all ranks."
            )
        z = input.to(torch.promote_types(input.dtype, torch.float32))
        mean = total(z.sum(0), together) / together.total
        centred = z - mean
        variance = total(centred.square().sum(0), together) / together.total
        self._follow(mean.detach(), variance.detach(), together)
        z = centred * (variance + self.eps).rsqrt()
        if self.affine:
            z = z * self.weight + self.bias
        return z.to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, together: Ranks) -> None:
        """Moves the running statistics, as `BatchNorm1d` does."""
        if not self.track_running_stats or self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = self.momentum
        if share is None:
            share = 1 / float(self.num_batches_tracked)
        unbiased = variance * (together.total / (together.total - 1))
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_(unbiased.to(self.running_var), share)

    @classmethod
    def of(cls, norm: nn.BatchNorm1d) -> GlobalBatchNorm:
        """The same parameters and buffers, not copies of them."""
        made = cls(
            norm.num_features,
            norm.eps,
            norm.momentum,
            affine=False,
            track_running_stats=False,
        )
        made.affine, made.track_running_stats = norm.affine, norm.track_running_stats
        tensors: dict[str, Any] = {**norm._parameters, **norm._buffers}
        for name, tensor in tensors.items():
            setattr(made, name, tensor)
        return made.train(norm.training)


def with_global_norms(module: nn.Module) -> int:
    """Put the statistics of all ranks in the place of a rank's own; how many norms were replaced.

    Parameters and buffers are those of before. On CUDA torch's `SyncBatchNorm` does it.
    """
    count = 0
    for parent in [*module.modules()]:
        for name, norm in [*parent.named_children()]:
            if type(norm) is nn.BatchNorm1d:
                setattr(parent, name, _synchronised(norm))
                count += 1
        # With fewer than two rows here PyG's would take running statistics, and not ask the others.
        if isinstance(parent, pyg.BatchNorm):
            parent.allow_single_element = False
    return count


def _synchronised(norm: nn.BatchNorm1d) -> nn.Module:
    on_cuda = norm.running_mean is not None and norm.running_mean.is_cuda
    return nn.SyncBatchNorm.convert_sync_batchnorm(norm) if on_cuda else GlobalBatchNorm.of(norm)
