"""The optimizer and the scheduler of a training: what `fit` takes for one, and what it makes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from gcl.checks import check_number, check_positive, check_real, shown
from gcl.contracts import Method


def check_optimizer(optimizer: Any, lr: Any, weight_decay: Any) -> None:
    """Raises TypeError or ValueError for what is no optimizer, and for settings out of range."""
    own = {"lr": lr, "weight_decay": weight_decay}
    if optimizer is None:
        if lr is not None:
            check_number("fit", lr=lr)
            check_positive("fit", lr=lr)
        if weight_decay is not None:
            check_number("fit", least=0, weight_decay=weight_decay)
        return
    if not isinstance(optimizer, Optimizer) and not callable(optimizer):
        raise TypeError(
            "fit: optimizer must be an optimizer or a function of the parameters, such as "
            f"torch.optim.SGD or functools.partial(torch.optim.SGD, lr=0.1), got {optimizer!r}."
        )
    for key, value in own.items():
        if value is not None:
            raise TypeError(
                f"fit: {key}={value!r} is that of the default optimizer; the given one has its "
                f"own: functools.partial(torch.optim.SGD, {key}={value!r})."
            )


def made_optimizer(
    method: Method, optimizer: Any, lr: float | None, weight_decay: float | None
) -> Optimizer:
    """The optimizer that was given, or made of what was; Adam where nothing was."""
    if isinstance(optimizer, Optimizer):
        return _of_method(optimizer, method)
    parameters = [p for p in method.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("fit: the method has no trainable parameter.")
    if optimizer is not None:
        try:
            made = optimizer(parameters)
        except TypeError as error:
            raise TypeError(
                "fit: optimizer must make an optimizer of the parameters alone, such as "
                f"functools.partial(torch.optim.SGD, lr=0.1); it said: {error}."
            ) from None
        if not isinstance(made, Optimizer):
            raise TypeError(f"fit: optimizer must make a torch.optim.Optimizer, got {made!r}.")
        return _of_method(_stepping_at_once(made), method)
    made = torch.optim.Adam(
        parameters,
        lr=1e-3 if lr is None else lr,
        weight_decay=1e-5 if weight_decay is None else weight_decay,
    )
    return _stepping_at_once(made)


def check_scheduler(scheduler: Any) -> None:
    """Raises TypeError for what `fit` takes for no scheduler."""
    if scheduler is not None and not isinstance(scheduler, LRScheduler) and not callable(scheduler):
        raise TypeError(
            "fit: scheduler must be a learning-rate scheduler or a function of the optimizer, such "
            f"as gcl.training.warmup_cosine(10, 200), got {scheduler!r}."
        )


def made_scheduler(optimizer: Optimizer, scheduler: Any) -> LRScheduler | None:
    """The scheduler that was given, or made of what was."""
    if scheduler is None or isinstance(scheduler, LRScheduler):
        return scheduler
    if isinstance(scheduler, type):
        try:
            inspect.signature(scheduler).bind(optimizer)
        except TypeError:
            raise TypeError(
                f"fit: scheduler {scheduler.__name__} takes more than the optimizer; give the rest "
                f"by functools.partial({scheduler.__name__}, ...)."
            ) from None
    made = scheduler(optimizer)
    if not isinstance(made, LRScheduler):
        raise TypeError(f"fit: scheduler must make a learning-rate scheduler, got {shown(made)}.")
    return made


def warmup_cosine(warmup: int, total: int) -> Callable[[Optimizer], LRScheduler]:
    """A scheduler factory for `fit`: linear warm-up from 0, then a cosine down to 0.

    Args:
        warmup: steps of the warm-up, >= 0.
        total: steps of the whole training, > warmup.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> schedule = warmup_cosine(warmup=2, total=10)
        >>> state = gcl.fit(gcl.methods.gbt(data, hidden=8), data, epochs=10, scheduler=schedule)
        >>> state.history[-1]["lr"] < state.history[1]["lr"]
        True
    """
    check_real("warmup_cosine", warmup=warmup, total=total)
    if not 0 <= warmup < total:
        raise ValueError(f"warmup_cosine: expected 0 <= warmup < total, got {warmup} and {total}.")

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))

    return lambda optimizer: LambdaLR(optimizer, factor)


def _stepping_at_once(optimizer: Optimizer) -> Optimizer:
    """Adam's step over all parameters together, which torch takes by itself on a GPU only.

    The same bits in half the time, for temporary copies of the parameters.
    """
    if isinstance(optimizer, torch.optim.Adam):  # and AdamW
        for group in optimizer.param_groups:
            asked = group["foreach"] is not None or group["fused"] or group["differentiable"]
            if not asked and all(p.device.type == "cpu" for p in group["params"]):
                group["foreach"] = True
    return optimizer


def _of_method(optimizer: Optimizer, method: Method) -> Optimizer:
    """An optimizer that `fit` can step, of parameters of the method."""
    if isinstance(optimizer, torch.optim.LBFGS | torch.optim.SparseAdam):
        raise TypeError(
            f"fit: {type(optimizer).__name__} does not train dense parameters by one gradient a "
            "step; take another optimizer, such as torch.optim.Adam."
        )
    own = {id(p) for p in method.parameters()}
    if not any(id(p) in own for group in optimizer.param_groups for p in group["params"]):
        raise ValueError(
            "fit: the optimizer holds no parameter of the method, so nothing would train; make it "
            "of method.parameters()."
        )
    return optimizer
