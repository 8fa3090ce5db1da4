"""GCNEncoder against a stack of PyG's GCNConv, and its parts against dense matrices."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.nn import GAT, GCN, GIN, GCNConv, GraphSAGE

from gcl.nn import GCNEncoder, gcn_adjacency
from gcl.ops.sparse import csr_tensor
from gcl.ops.structure import structure


def pyg_stack(encoder, act):
    convs = []
    for weight, bias in zip(encoder.weights, encoder.biases, strict=True):
        conv = GCNConv(*weight.shape).to(weight.dtype)
        with torch.no_grad():
            conv.lin.weight.copy_(weight.t())
            conv.bias.copy_(bias)
        convs.append(conv)

    def run(x, edge_index, edge_weight):
        for conv in convs:
            x = act(conv(x, edge_index, edge_weight))
        return x

    return convs, run


def random_graph(kind, n=30, e=120):
    generator = torch.Generator().manual_seed(3)
    edges = torch.randint(n, (2, e), generator=generator)
    edges = edges[:, edges[0] != edges[1]]
    if kind == "undirected":
        edges = torch.cat([edges, edges.flip(0)], 1)
    if kind == "loops":
        loops = torch.tensor([[1, 4, 9], [1, 4, 9]])
        edges = torch.cat([edges[:, :40], loops, edges[:, 40:]], 1)
    if kind == "empty":
        edges = edges[:, :0]
    return edges


@pytest.mark.parametrize("kind", ["directed", "undirected", "loops", "empty"])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_gcnconv_in_value_and_gradient(kind, weighted):
    torch.manual_seed(0)
    edges = random_graph(kind)
    weight = torch.rand(edges.shape[1], dtype=torch.float64).requires_grad_() if weighted else None
    x = torch.randn(30, 7, dtype=torch.float64, requires_grad=True)
    encoder = GCNEncoder(7, 16, 5, num_layers=3).double()
    with torch.no_grad():
        for bias in encoder.biases:
            bias.normal_()
    convs, stack = pyg_stack(encoder, torch.relu)
    mine, theirs = encoder(x, edges, weight), stack(x, edges, weight)
    assert torch.allclose(mine, theirs, rtol=1e-10, atol=1e-12)

    up = torch.randn_like(mine)
    inputs = (x, weight) if weighted and edges.numel() else (x,)
    own = torch.autograd.grad((mine * up).sum(), (*inputs, *encoder.weights, *encoder.biases))
    pyg = torch.autograd.grad(
        (theirs * up).sum(), (*inputs, *(c.lin.weight for c in convs), *(c.bias for c in convs))
    )
    turned = {*range(len(inputs), len(inputs) + 3)}  # PyG stores its weights transposed
    for i, (a, b) in enumerate(zip(own, pyg, strict=True)):
        b = b.t() if i in turned else b
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-11)


def test_parallel_edges_count_twice():
    edges = torch.tensor([[0, 0, 1, 1], [1, 1, 0, 0]])
    encoder = GCNEncoder(3, 4, num_layers=1, act=None).double()
    x = torch.randn(2, 3, dtype=torch.float64)
    _, stack = pyg_stack(encoder, lambda z: z)
    assert torch.allclose(encoder(x, edges), stack(x, edges, None), rtol=1e-12)


def test_weight_zero_equals_a_dropped_edge():
    edges = random_graph("undirected")
    keep = torch.rand(edges.shape[1], generator=torch.Generator().manual_seed(0)) > 0.4
    encoder, x = GCNEncoder(4, 6).double(), torch.randn(30, 4, dtype=torch.float64)
    dropped = encoder(x, edges[:, keep])
    assert torch.allclose(encoder(x, edges, keep.double()), dropped, rtol=1e-12, atol=1e-14)


def test_sparse_features_equal_dense_ones():
    torch.manual_seed(0)
    edges, encoder = random_graph("directed"), GCNEncoder(20, 8, 4).double()
    x = torch.randn(30, 20, dtype=torch.float64) * (torch.rand(30, 20) < 0.2)
    index = x.nonzero()
    crow = torch.cat([torch.zeros(1, dtype=torch.long), (x != 0).sum(1).cumsum(0)])
    sparse = csr_tensor(crow, index[:, 1].contiguous(), x[x != 0], (30, 20))
    answers = []
    for features in (x, sparse):
        z = encoder(features, edges)
        answers.append([z, *torch.autograd.grad(z.square().sum(), list(encoder.parameters()))])
    for a, b in zip(*answers, strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-12)


def test_gradcheck_of_the_propagation():
    edges = random_graph("loops", n=6, e=14)
    edges = edges % 6
    weight = torch.rand(edges.shape[1], dtype=torch.float64, requires_grad=True)
    x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, w: gcn_adjacency(edges, w, 6, torch.float64) @ x, (x, weight)
    )


def test_a_changed_edge_list_is_not_remembered():
    edges = torch.tensor([[0, 1], [1, 0]])
    encoder, x = GCNEncoder(2, 3, num_layers=1).double(), torch.randn(3, 2, dtype=torch.float64)
    encoder(x, edges)
    edges[0, 0] = 2
    assert torch.equal(encoder(x, edges), encoder(x, edges.clone()))


def test_options_and_errors():
    encoder = GCNEncoder(
        3,
        4,
        num_layers=2,
        act="prelu",
        norm="batch",
        norm_kwargs={"momentum": 0.01},
        plain_last=True,
    )
    kinds = [type(m).__name__ for m in encoder.modules()]
    assert kinds.count("BatchNorm") == kinds.count("PReLU") == 1
    assert encoder.out_channels == 4
    with pytest.raises(ValueError, match="at least 1"):
        GCNEncoder(3, 4, num_layers=0)
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        GCNEncoder(3, 4, dropout=1.0)


@pytest.mark.parametrize("model", [GCN, GIN, GAT, GraphSAGE])
def test_models_of_pyg_are_encoders_as_they_are(model):
    encoder = model(5, 8, num_layers=2, out_channels=6)
    edges = random_graph("undirected")
    z = encoder(torch.randn(30, 5), edges, torch.ones(edges.shape[1]))
    assert z.shape == (30, encoder.out_channels)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=15))
def test_structure_equals_a_dense_matrix(n, pairs):
    edges = torch.tensor([(a % n, b % n) for a, b in pairs], dtype=torch.long).view(-1, 2).t()
    edges = edges.contiguous()
    found = structure(edges, n)
    dense = torch.zeros(n, n)
    for a, b in edges.t().tolist():
        dense[b, a] += 1
    rebuilt = torch.zeros(n, n).index_put((found.row, found.col), torch.ones(()), accumulate=True)
    assert torch.equal(rebuilt, dense)
    rowptr, col, slots = found.transpose
    assert torch.equal(found.row[slots], col)
    assert rowptr.tolist() == [0, *dense.sum(0).cumsum(0).int().tolist()]
    undirected = bool((dense == dense.t()).all())
    assert (found.partner is not None) == undirected
    if undirected and edges.numel():
        partner = found.partner
        assert torch.equal(edges[:, partner], edges.flip(0))
        assert torch.equal(partner[partner], torch.arange(edges.shape[1]))


def test_prints_a_layer_a_line():
    shown = repr(GCNEncoder(7, 6, 5, num_layers=2, norm="layer", dropout=0.25, plain_last=True))
    assert shown.splitlines() == [
        "GCNEncoder(",
        "  7 -> 6, LayerNorm(6, affine=True, mode=graph), ReLU()",
        "  6 -> 5",
        "  dropout=0.25",
        ")",
    ]
