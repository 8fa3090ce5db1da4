"""What torch's own tools are shown, and what is kept from them."""

import pytest
import torch
from torch import nn

from gcl.ops.tracing import outside_graph, traced


def test_traced_is_true_where_torch_follows():
    seen = []

    def look(x):
        seen.append(traced())
        return x.sum()

    class Module(nn.Module):
        def forward(self, x):
            return look(x)

    x = torch.ones(3)
    look(x)
    torch.func.grad(look)(x)
    torch.vmap(look)(x[None])
    torch.export.export(Module(), (x,))
    torch.compile(Module(), backend="aot_eager")(x)
    assert seen == [False, True, True, True, False]
    look(x)
    assert seen[-1] is False


def test_what_is_outside_runs_as_ever():
    called = []

    @outside_graph
    def number(x):
        """Its own text."""
        called.append(torch.compiler.is_compiling())
        return float(x)

    @torch.compile(backend="aot_eager")
    def twice(x):
        return x * number(x.sum())

    assert number.__doc__ == "Its own text."
    assert twice(torch.ones(2)).tolist() == [2.0, 2.0]
    assert called == [False]


def test_an_error_passes_through():
    @outside_graph
    def refuse(x):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        torch.compile(lambda x: refuse(x + 1), backend="aot_eager")(torch.ones(1))
