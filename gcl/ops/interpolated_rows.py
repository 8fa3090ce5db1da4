"""Interpolated rows of a matrix that a linear map meets before they are written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.utils._pytree import tree_map_only

from gcl.ops.propagation import sparse_linear

_PRODUCTS = {torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.mm, Tensor.mm}
_ASKED = {Tensor.dim, Tensor.size, Tensor.__len__, Tensor.numel, Tensor.is_floating_point}


class InterpolatedRows(Tensor):
    """`[x; alpha x_j + (1 - alpha) x_i]` for pairs (j, i), a matrix of `n + p` rows.

    A linear map goes over x, and what it gives is interpolated: O(n f d + p d) in the place of
    O((n + p) f d) time, and no `[p, f]` array. Whatever else is computed of it, it is written out.

    Args:
        x: `[n, f]`, dense or CSR, without gradient.
        pairs: `[2, p]`, rows (j, i).
        alpha: share of j, in [0, 1].

    Example:
        >>> rows = InterpolatedRows(torch.tensor([[0.0], [4.0]]), torch.tensor([[1], [0]]), 0.25)
        >>> (rows @ torch.tensor([[2.0]])).view(-1), rows.written_out().view(-1)
        (tensor([0., 8., 2.]), tensor([0., 4., 1.]))
    """

    x: Tensor
    pairs: Tensor
    alpha: float

    @staticmethod
    def __new__(cls, x: Tensor, pairs: Tensor, alpha: float) -> InterpolatedRows:
        shape = (x.shape[0] + pairs.shape[1], x.shape[1])
        made: InterpolatedRows = torch.Tensor._make_wrapper_subclass(
            cls, shape, dtype=x.dtype, device=x.device
        )
        made.x, made.pairs, made.alpha = x, pairs, alpha
        return made

    def written_out(self) -> Tensor:
        """The matrix itself, dense."""
        return self._below(self.x.to_dense())

    def _below(self, z: Tensor) -> Tensor:
        j, i = self.pairs
        between = torch.lerp(z.index_select(0, i), z.index_select(0, j), self.alpha)
        return torch.cat([z, between])

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        own = args[0] if args and isinstance(args[0], cls) else None
        if own is not None and func in _PRODUCTS:
            x, weight = own.x, args[1]
            return own._below(x @ weight if x.layout == torch.strided else sparse_linear(x, weight))
        if own is not None and func is linear and own.x.layout == torch.strided:
            return own._below(linear(own.x, *args[1:], **kwargs))  # alpha + (1 - alpha) = 1
        if own is not None and func is Tensor.to and args[1:] == (own.dtype,):
            return own
        with torch._C.DisableTorchFunctionSubclass():
            if func in _ASKED or getattr(func, "__name__", "") == "__get__":
                return func(*args, **kwargs)
            args, kwargs = tree_map_only(cls, cls.written_out, (args, kwargs))
            return func(*args, **kwargs)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        args, kwargs = tree_map_only(cls, cls.written_out, (args, kwargs or {}))
        return func(*args, **kwargs)
