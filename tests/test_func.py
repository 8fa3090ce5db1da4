"""The transforms of torch.func, through every loss and the encoders of one node type."""

import copy

import pytest
import torch
from torch.func import functional_call

import gcl
from tests.test_compile import ENCODERS, a_graph
from tests.test_contracts import LOSSES, PARTS, InTiles, OfRows

ROWS = (17, 257)  # on both sides of where tiles begin
CASES = [
    pytest.param(loss, rows, id=f"{name} {i}, {rows} rows", marks=pytest.mark.slow if i else ())
    for name, cases in {**LOSSES, **PARTS}.items()
    for i, (loss, _) in enumerate(cases)
    for rows in ROWS
    # Made for 17 nodes; in tiles because the test says so.
    if not (name == "ISogCLR" and rows > 17) and not isinstance(loss, InTiles)
]


def views(rows):
    torch.manual_seed(rows)
    return torch.randn(2, rows, 8, dtype=torch.float64)


@pytest.mark.parametrize(("loss", "rows"), CASES)
def test_gradient_of_a_loss(loss, rows):
    z1, z2 = views(rows)
    loss = loss.make(z1) if isinstance(loss, OfRows) else copy.deepcopy(loss)
    if isinstance(loss, torch.nn.Module):
        loss.eval()  # what moves in training is state, which torch.func leaves to its caller

    def value(z):
        torch.manual_seed(0)
        return loss(z, z2).sum()

    leaf = z1.clone().requires_grad_()
    (expected,) = torch.autograd.grad(value(leaf), leaf)
    found = torch.func.grad(value)(z1).detach()
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))


def test_second_derivatives_are_those_of_the_dense_form():
    z1, z2 = views(17)[:, :6, :3]
    loss = gcl.losses.InfoNCE(0.5)

    def dense(z):
        with gcl.ops.tiling(implementation="dense"):
            return loss(z, z2)

    expected = torch.autograd.functional.hessian(dense, z1)
    found = torch.func.jacfwd(torch.func.jacrev(lambda z: loss(z, z2)))(z1)
    torch.testing.assert_close(found, expected)


def test_asking_for_tiles_is_one_sentence():
    z1, z2 = views(17)
    loss = gcl.losses.InfoNCE(0.5)
    with (
        gcl.ops.tiling(implementation="tiled"),
        pytest.raises(RuntimeError, match=r"must follow every operation.*torch\.autograd\.grad"),
    ):
        torch.func.grad(lambda z: loss(z, z2))(z1)


@pytest.mark.parametrize("name", ["AddHops", "GCN", "GIN", "MLP"])
def test_gradients_of_an_encoder(name):
    torch.manual_seed(1)
    module, data = ENCODERS[name][0]().double().eval(), a_graph(weighted=True)
    weights = dict(module.named_parameters())
    x = data.x.double()

    def value(weights):
        inputs = (x, data.edge_index, data.edge_weight.double())
        return functional_call(module, weights, inputs).cos().sum()

    expected = torch.autograd.grad(value(weights), list(weights.values()), allow_unused=True)
    found = torch.func.grad(value)({k: w.detach() for k, w in weights.items()})
    for a, b in zip(found.values(), expected, strict=True):
        torch.testing.assert_close(a, torch.zeros_like(a) if b is None else b)


@pytest.mark.parametrize("name", ["GCN", "MLP"])
def test_sparse_features_are_refused(name):
    module, data = ENCODERS[name][0](), a_graph()
    x = data.x.to_sparse_csr()
    with pytest.raises(TypeError, match=r"take dense features, got a torch\.sparse_csr"):
        torch.func.grad(lambda w: (module(x, data.edge_index) * w).sum())(torch.ones(()))


def test_nothing_of_a_transform_is_remembered():
    data, module = a_graph(), gcl.nn.GCNEncoder(6, 4)
    torch.func.grad(lambda x: module(x, data.edge_index).sum())(data.x)
    expected = module(data.x, data.edge_index.clone())
    torch.testing.assert_close(module(data.x, data.edge_index), expected)
