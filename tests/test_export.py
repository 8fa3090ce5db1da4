"""Exported encoders, by torch.export and to ONNX, on graphs of other sizes than the one at hand."""

import logging
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import gcl
from tests.test_compile import ENCODERS

onnxruntime = pytest.importorskip("onnxruntime")
SIZES = [(20, 50), (7, 3), (300, 2000)]
# Those that read weights of edges; the others take them and look away.
WEIGHTED = {"AddHops", "GCN", "GCN with all", "Product", "Propagate", "side by side"}
USUAL = [("GCN with all", True)]  # of those to ONNX, seconds each
CASES = [
    pytest.param(
        name, weighted, id=f"{name}{', weighted' * weighted}",
        marks=() if (name, weighted) in USUAL else pytest.mark.slow,
    )
    for name in ENCODERS
    if name != "EMA"  # of which one exports `ema.module`
    for weighted in ([False, True] if name in WEIGHTED else [False])
]  # fmt: skip


def graph(nodes, edges, seed=0):
    """Random, with two loops of one node among the edges, and a second copy of an edge."""
    torch.manual_seed(seed)
    edge_index = torch.randint(nodes, (2, edges))
    if edges > 2:
        edge_index[:, :2], edge_index[:, 2] = 1, edge_index[:, -1]
    return torch.randn(nodes, 6), edge_index, torch.rand(edges)


def taken(weighted, *size):
    return graph(*size)[: 3 if weighted else 2]


def shapes(weighted):
    nodes, edges = torch.export.Dim("nodes"), torch.export.Dim("edges")
    return ({0: nodes}, {1: edges}, {0: edges})[: 3 if weighted else 2]


def encoder(name):
    torch.manual_seed(1)
    module = ENCODERS[name][0]()
    for part in module.modules():  # statistics other than 0 and 1
        if isinstance(part, nn.BatchNorm1d):
            nn.init.uniform_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2.0)
    return module.eval()


@pytest.mark.parametrize(("name", "weighted"), [pytest.param(*p.values, id=p.id) for p in CASES])
def test_torch_export(name, weighted):
    module = encoder(name)
    arguments = taken(weighted, *SIZES[0])
    program = torch.export.export(module, arguments, dynamic_shapes=shapes(weighted)).module()
    for size in [*SIZES, (5, 2), (2, 0)]:
        given = taken(weighted, *size)
        with torch.no_grad():
            torch.testing.assert_close(program(*given), module(*given), rtol=1e-5, atol=1e-5)


# All but the head that needs a QR, which ONNX has not.
TO_ONNX = [case for case in CASES if case.values[0] != "narrow projector"]


@pytest.mark.parametrize(("name", "weighted"), TO_ONNX)
def test_onnx(name, weighted, tmp_path):
    module, path = encoder(name), tmp_path / "encoder.onnx"
    arguments = taken(weighted, *SIZES[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter deprecates its own parts
        torch.onnx.export(
            module, arguments, path, dynamo=True, dynamic_shapes=shapes(weighted), verbose=False
        )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    asked = [given.name for given in session.get_inputs()]
    for size in SIZES:
        given = dict(zip(("x", "edge_index", "edge_weight"), taken(weighted, *size), strict=False))
        (found,) = session.run(None, {key: given[key].numpy() for key in asked})
        with torch.no_grad():
            np.testing.assert_allclose(found, module(*given.values()), rtol=1e-5, atol=1e-5)


def test_the_plain_form_equals_the_product_and_its_gradients():
    """What is exported, with gradients too, against the kernels by hand."""
    for size in [*SIZES, (4, 0)]:
        x, edge_index, weight = (t.double() if t.is_floating_point() else t for t in graph(*size))
        weight[::3] = 0.0  # no edge, and a loop of weight 0 is one
        for weights in (None, weight):
            given = [x] if weights is None else [x, weights]

            def run(x, weights=None, edge_index=edge_index):
                adjacency = gcl.nn.gcn_adjacency(edge_index, weights, len(x), x.dtype)
                return (adjacency @ (adjacency @ x)).cos().sum()

            leaves = [t.clone().requires_grad_() for t in given]
            expected = torch.autograd.grad(run(*leaves), leaves)
            # torch.func takes the same plain form as torch.export.
            found = torch.func.grad(run, argnums=tuple(range(len(given))))(*given)
            for a, b in zip(found, expected, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["GCN", "MLP"])
def test_sparse_features_are_refused(name):
    x, edge_index, _ = graph(20, 50)
    with pytest.raises(
        TypeError, match=r"take dense features, got a torch\.sparse_csr .* x\.to_dense"
    ):
        torch.export.export(encoder(name), (x.to_sparse_csr(), edge_index))


def test_exporting_prints_nothing(caplog):
    with caplog.at_level(logging.WARNING):
        torch.export.export(encoder("GCN"), taken(False, 20, 50), dynamic_shapes=shapes(False))
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]
