"""Several batches as one contrastive batch: the exact loss of all in the memory of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gcl import checkpoint
from gcl.contracts import Method

Computing = Callable[[], AbstractContextManager[None]]


def check_accumulates(method: Method) -> None:
    """Raises ValueError where the loss of a method is more than its objective of rows."""
    if not method.objective_of_rows:
        raise ValueError(
            f"fit: accumulate needs a loss that is an objective of rows of the batch alone, and "
            f"that of {type(method).__name__} is not; leave accumulate out, or take a two-view "
            "method such as grace."
        )


def accumulated_backward(
    method: nn.Module, inner: Method, batches: Sequence[Any], computing: Computing
) -> Tensor:
    """The loss of the rows of all batches together; its gradients are added to the parameters.

        z_c = f(batch_c)  without a graph,   L = l(z_1, ..., z_k),   g_c = dL / dz_c,
        then for each c once more  z_c = f(batch_c)  and  d<z_c, g_c> / dtheta

    The second pass draws what the first one drew. Buffers, such as the running statistics of a
    BatchNorm, are those after the first pass.

    Args:
        method: what is called with a batch, `inner` or what is wrapped around it.
        inner: the method, `loss` of which is one call of its `objective`.
        batches: on the device of the method.
        computing: the context of a forward pass.

    Raises:
        ValueError: the loss is not that of the objective; attributes that differ by batch and
            cannot be joined; a view that draws from a generator of its own.

    Reference:
        Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"
        (GradCache), RepL4NLP 2021.
    """
    objective: Any = inner.objective
    states, calls = list[dict[str, Any]](), list[_Call]()
    for batch in batches:
        states.append(checkpoint.random_state())
        with torch.no_grad(), computing(), _in_place(inner, recorder := _Recorder()):
            returned = method(batch)
        calls.append(recorder.only_call(inner, returned))
    rows, options = _joined(inner, calls)
    with computing():
        loss = objective(*rows, **options)
    loss.backward()
    after = checkpoint.random_state()
    parts = zip(*(call.rows for call in calls), strict=True)
    by_view = [_by_batch(joined, cut) for joined, cut in zip(rows, parts, strict=True)]
    gradients = zip(*by_view, strict=True)
    buffers = {name: buffer.clone() for name, buffer in inner.named_buffers()}
    for batch, state, call, gradient in zip(batches, states, calls, gradients, strict=True):
        checkpoint.set_random_state(state)
        with computing(), _in_place(inner, _Replay(inner, call, gradient)):
            replayed = method(batch)
        replayed.backward()
    with torch.no_grad():
        for name, buffer in inner.named_buffers():
            buffer.copy_(buffers[name])
    checkpoint.set_random_state(after)
    return loss


@contextmanager
def _in_place(method: Method, objective: nn.Module) -> Iterator[None]:
    """Another objective in the place of the method's, which stays where it is registered."""
    own = method.__dict__.get("objective")  # of a plain function, not of a module
    method.__dict__["objective"] = objective
    try:
        yield
    finally:
        if own is None:
            del method.__dict__["objective"]
        else:
            method.__dict__["objective"] = own


@dataclass
class _Call:
    """What an objective was called with."""

    rows: tuple[Tensor, ...]
    options: dict[str, Any]


class _Recorder(nn.Module):
    """Keeps the rows of a batch in place of comparing them."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[_Call] = []
        self.returned: Tensor | None = None

    def forward(self, *rows: Tensor, **options: Any) -> Tensor:
        self.calls.append(_Call(tuple(r.detach() for r in rows), options))
        self.returned = rows[0].new_zeros(())
        return self.returned

    def only_call(self, method: Method, returned: Any) -> _Call:
        if len(self.calls) != 1 or returned is not self.returned:
            raise ValueError(
                f"fit: accumulate needs a loss that is one call of the objective, and "
                f"{type(method).__name__} makes {len(self.calls)} and returns something else; "
                "leave accumulate out."
            )
        return self.calls[0]


class _Replay(nn.Module):
    """`sum <z, g>` of the rows of a batch and the gradients of the loss of all."""

    def __init__(self, method: Method, call: _Call, gradient: tuple[Tensor, ...]):
        super().__init__()
        self._name, self._call, self._gradient = type(method).__name__, call, gradient

    def forward(self, *rows: Tensor, **_: Any) -> Tensor:
        for now, before in zip(rows, self._call.rows, strict=True):
            if now.device.type == "cpu" and not torch.equal(now, before):
                raise ValueError(
                    f"fit: accumulate draws the views of {self._name} twice, and they came out "
                    "otherwise; let them draw from torch's global generator."
                )
        return torch.stack([(z * g).sum() for z, g in zip(rows, self._gradient, strict=True)]).sum()


def _by_batch(rows: Tensor, parts: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The gradient of joined rows, cut where they were joined."""
    gradient = torch.zeros_like(rows) if rows.grad is None else rows.grad
    return gradient.split([len(part) for part in parts])


def _joined(method: Method, calls: Sequence[_Call]) -> tuple[list[Tensor], dict[str, Any]]:
    """The rows of all batches, leaves of a graph of their own, and what else the objective gets."""
    rows = [
        torch.cat(several).requires_grad_()
        for several in zip(*(call.rows for call in calls), strict=True)
    ]
    lengths = [len(call.rows[0]) for call in calls]
    starts = torch.tensor([0, *lengths]).cumsum(0)[:-1].tolist()
    options = {}
    for name in dict.fromkeys(name for call in calls for name in call.options):
        values: list[Any] = [call.options.get(name) for call in calls]
        if all(isinstance(v, Tensor) for v in values):
            if "index" in name:
                moved = [v + start for v, start in zip(values, starts, strict=True)]
                options[name] = torch.cat(moved, dim=-1)
                continue
            if [len(v) if v.dim() else None for v in values] == lengths or "weight" in name:
                options[name] = torch.cat(values)
                continue
        elif all(_equal(v, values[0]) for v in values):
            options[name] = values[0]
            continue
        raise ValueError(
            f"fit: accumulate joins what the objective of {type(method).__name__} reads, but "
            f"{name} is no tensor with one row a node and differs by batch; leave accumulate out."
        )
    return rows, options


def _equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)
