"""PReLU whose backward pass is vectorised on a CPU."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gcl.ops.tracing import traced


def prelu(x: Tensor, weight: Tensor) -> Tensor:
    r"""`max(0, x) + weight min(0, x)`: `torch.nn.functional.prelu`, bit by bit.

    With one weight the backward pass is vectorised on a CPU, where torch's is not. With a
    weight a channel, on other devices, and wherever torch itself must follow every operation
    (`torch.compile`, `torch.export`, `torch.func`) this is torch's own. There are second
    derivatives, but outside `torch.func` none in forward mode.

    Shape:
        x `[n, d, ...]`, weight `[1]` or `[d]` -> as x; under autocast in its type, as of torch's.

    Example:
        >>> prelu(torch.tensor([[-2.0, 3.0]]), torch.tensor([0.25]))
        tensor([[-0.5000,  3.0000]])
    """
    followed = torch.compiler.is_compiling() or traced()
    if x.device.type != "cpu" or weight.numel() != 1 or followed:
        return functional.prelu(x, weight)
    if torch.is_autocast_enabled("cpu"):
        x, weight = _as_autocast(x), _as_autocast(weight)
    return _PReLU.apply(x, weight)


def _as_autocast(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.to(torch.get_autocast_dtype("cpu"))


class _PReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return functional.prelu(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        if torch.is_grad_enabled():  # which has a derivative itself
            below = torch.where(x > 0, 0.0, grad)
            return torch.where(x > 0, grad, weight * grad), (below * x).sum().view(weight.shape)
        grad_x, grad_weight = None, None
        if ctx.needs_input_grad[0]:
            slope = float(weight)
            grad_x = torch.ops.aten.leaky_relu_backward(grad, x, slope, self_is_result=False)
        if ctx.needs_input_grad[1]:
            below = torch.ops.aten.hardtanh_backward(grad, x, -math.inf, 0.0)  # 0 where x >= 0
            grad_weight = below.mul_(x).sum().view(weight.shape)
        return grad_x, grad_weight
