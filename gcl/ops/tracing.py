"""What torch's own tools see of the package: `torch.compile`, `torch.export`, `torch.func`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

F = TypeVar("F", bound=Callable[..., Any])


def outside_graph(function: F) -> F:
    """Keeps a function, and all that it calls, out of the graphs of `torch.compile`.

    The graph ends before it and another begins after it; the function itself runs as ever, forward
    and backward. For kernels written by hand, for what is remembered between calls, for Python that
    looks at values, and for random draws: none of them can be, or needs to be, compiled.

    Example:
        >>> @outside_graph
        ... def as_number(x):
        ...     return float(x)
        >>> as_number(torch.tensor(2.0))
        2.0
    """
    return torch.compiler.disable(function)


def traced() -> bool:
    """Whether torch itself must be able to follow every operation of a forward pass.

    So it is in `torch.export` (and in `torch.onnx.export`, which uses it), and inside the
    transforms of `torch.func`. There nothing may be remembered, no size may depend on values, and
    there is no backward pass by hand; the plain form is taken.

    Example:
        >>> traced()
        False
        >>> torch.func.vjp(lambda x: x if traced() else -x, torch.ones(1))[0]
        tensor([1.])
    """
    # torch.autograd.Function asks the same question in the same words; there is no public name.
    return torch.compiler.is_exporting() or torch._C._are_functorch_transforms_active()
