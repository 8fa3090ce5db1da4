"""Encoders in blocks of rows give what they give at once, and hold less."""

import pytest
import torch
from torch import nn
from torch_geometric.nn import GAT, GCN, GIN, PNA, EdgeCNN, GraphSAGE, SGConv

import gcl
from gcl.nn import GCNEncoder, GINEncoder, MLPEncoder, UnitRows
from gcl.nn.layerwise import in_row_blocks, is_layered

DEGREES = torch.tensor([0, 4, 9, 12, 3])
ENCODERS = {
    "gcn": lambda: GCNEncoder(6, 8, 5, num_layers=3, norm="batch", act="prelu"),
    "gcn widening": lambda: GCNEncoder(6, 16, dropout=0.5),
    "gcn layer norm": lambda: GCNEncoder(6, 8, norm="layer"),  # over all rows, in PyG
    "mlp": lambda: MLPEncoder(6, (8, 7), 5, norm="batch"),
    "mlp layer norm": lambda: MLPEncoder(6, (8, 7), 5, norm="layer"),
    "gcn of no running means": lambda: GCNEncoder(
        6, 8, norm="batch", norm_kwargs={"track_running_stats": False}),
    "unit rows": lambda: UnitRows(GCNEncoder(6, 8)),
    "gin": lambda: GINEncoder(6, 8, 2),
    "pyg gcn": lambda: GCN(6, 8, 3, 5, norm="batch", jk="cat"),
    "pyg gcn without loops": lambda: GCN(6, 8, 2, add_self_loops=False),
    "pyg gcn improved": lambda: GCN(6, 8, 2, improved=True),
    "pyg gcn layer norm": lambda: GCN(6, 8, 2, norm="layer"),
    "sage": lambda: GraphSAGE(6, 8, 2, 5),
    "sage max": lambda: GraphSAGE(6, 8, 2, 5, aggr="max", project=True),
    "pyg gin": lambda: GIN(6, 8, 2, norm="layer"),
    "gat": lambda: GAT(6, 8, 2, heads=2),
    "gat v2": lambda: GAT(6, 8, 2, v2=True),
    "pna": lambda: PNA(6, 8, 2, aggregators=["mean", "max"], scalers=["identity", "amplification"],
                       deg=DEGREES),
    "edge": lambda: EdgeCNN(6, 8, 2),
}  # fmt: skip


def graph(seed=0, nodes=41):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(nodes, 6, generator=generator)
    edge_index = torch.randint(nodes - 2, (2, 150), generator=generator)  # two are isolated
    return x, edge_index, torch.rand(150, generator=generator) + 0.1


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rows", [1, 7, 100])
@pytest.mark.parametrize("name", ENCODERS)
def test_values_are_those_of_the_usual_way(name, rows, weighted):
    torch.manual_seed(0)
    encoder = ENCODERS[name]().eval()
    x, edge_index, weight = graph()
    weight = weight if weighted else None
    with torch.no_grad():
        expected = encoder(x, edge_index, weight)
        with in_row_blocks(encoder, rows):
            found = encoder(x, edge_index, weight)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
        assert torch.equal(encoder(x, edge_index, weight), expected)  # as it was


@pytest.mark.parametrize("name", ["gcn", "mlp"])
def test_sparse_features_and_degrees(name):
    encoder = ENCODERS[name]().eval()
    x, edge_index, _ = graph()
    x = (x * (x > 1)).to_sparse_csr()
    further = {"degree": torch.rand(41) * 9} if name == "gcn" else {}
    with torch.no_grad(), in_row_blocks(encoder, 5):
        found = encoder(x, edge_index, **further)
    with torch.no_grad():
        torch.testing.assert_close(found, encoder(x, edge_index, **further))


def test_an_empty_graph():
    for name in ("gcn", "mlp", "sage"):
        encoder = ENCODERS[name]().eval()
        given = torch.empty(0, 6), torch.empty(2, 0).long()
        with torch.no_grad(), in_row_blocks(encoder, 5):
            assert encoder(*given).shape == (0, encoder.out_channels)


@pytest.mark.parametrize("make", [lambda: GraphSAGE(6, 8, 2), lambda: MLPEncoder(6, (8,), 5)])
def test_no_array_is_larger_than_a_block_needs(make):
    """The largest input of a linear layer has the rows of a block, and not of the graph."""
    encoder = make().eval()
    seen = []
    for part in encoder.modules():
        if hasattr(part, "weight") and not isinstance(part, nn.PReLU):
            part.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    x, edge_index, _ = graph()
    with torch.no_grad(), in_row_blocks(encoder, 4):
        encoder(x, edge_index)
    assert 0 < max(seen) < len(x)


def test_an_error_within_leaves_the_encoder_as_it_was():
    encoder = GCNEncoder(6, 8)
    with pytest.raises(RuntimeError, match="stop"), in_row_blocks(encoder, 4):
        raise RuntimeError("stop")
    assert "forward" not in vars(encoder)
    conv = GCN(6, 8, 1).eval()
    with pytest.raises(RuntimeError, match="shapes"), in_row_blocks(conv, 4), torch.no_grad():
        conv(torch.ones(3, 5), torch.tensor([[0], [1]]))
    assert conv.convs[0].normalize


def test_which_encoders_are_made_of_known_layers():
    assert is_layered(gcl.methods.grace(gcl.datasets.load("karate")))
    assert all(is_layered(make()) for name, make in ENCODERS.items() if name != "pyg gin")
    assert not is_layered(SGConv(3, 4))
