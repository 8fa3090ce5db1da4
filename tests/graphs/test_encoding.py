"""What encoders are handed of a graph."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Data
from torch_geometric.nn import GAT, GCN, PNA, GATConv
from torch_geometric.transforms import HalfHop
from torch_geometric.utils import degree as count

import gcl
from gcl import losses, methods
from gcl.graphs.encoding import asks_for, encode, known_degree
from gcl.nn import GCNEncoder, MLPEncoder, UnitRows
from gcl.nn.ema import EMA


def karate(with_degree=True):
    data = gcl.datasets.load("karate")
    if with_degree:
        data.degree = torch.full((34,), 7.0)
    return data


class Watching(nn.Module):
    """Counts the calls with degrees."""

    out_channels = 8

    def __init__(self):
        super().__init__()
        self.linear, self.seen = nn.Linear(34, 8), []

    def reset_parameters(self):
        self.linear.reset_parameters()

    def forward(self, x, edge_index, edge_weight=None, degree=None):
        self.seen.append(degree)
        return self.linear(x)


def test_who_asks_for_degrees():
    own = GCNEncoder(34, 8)
    assert all(asks_for(e, "degree") for e in (own, EMA(own), UnitRows(own), EMA(UnitRows(own))))
    others = GCN(34, 8, 2), MLPEncoder(34, (), 8), UnitRows(MLPEncoder(34, (), 8)), len
    assert not any(asks_for(e, "degree") for e in others)


@pytest.mark.parametrize("wrap", [lambda e: e, UnitRows, EMA])
def test_the_degrees_of_the_data_arrive(wrap):
    data, encoder = karate(), wrap(GCNEncoder(34, 8))
    bare = karate(with_degree=False)
    given = encoder(data.x, data.edge_index, degree=data.degree)
    assert torch.equal(encode(encoder, data), given)
    assert not torch.allclose(encode(encoder, data), encode(encoder, bare))
    assert torch.equal(encode(encoder, bare), encoder(data.x, data.edge_index, None))


def test_an_encoder_without_the_parameter_is_called_without():
    encoder = GCN(34, 8, 2)
    assert torch.equal(encode(encoder, karate()), encode(encoder, karate(with_degree=False)))


def test_helper_rows_have_no_degree():
    data = HalfHop(p=1.0)(karate())
    assert len(data.x) > len(data.degree)
    assert known_degree(data, len(data.x)) is None
    assert GCNEncoder(34, 8)(data.x, data.edge_index).shape == encode(GCNEncoder(34, 8), data).shape


def test_another_meaning_of_degree_is_named():
    data = karate()
    data.degree = torch.ones(34, 1)
    with pytest.raises(ValueError, match=r"degree must be \[34\], .* got \[34, 1\]; rename"):
        encode(GCNEncoder(34, 8), data)


FEED = {
    "grace": lambda e: methods.grace(karate(), encoder=e),
    "dgi": lambda e: methods.dgi(karate(), encoder=e),
    "bgrl": lambda e: methods.bgrl(karate(), encoder=e),
    "graphmae": lambda e: methods.graphmae(karate(), encoder=e),
    "sugrl": lambda e: methods.sugrl(karate(), encoder=e),
    "pamc": lambda e: methods.pamc(karate(), encoder=e, pretrain_epochs=0),
    "infograph": lambda e: methods.infograph(karate(), encoder=e),
    "simgrace": lambda e: methods.SimGRACE(e, losses.InfoNCE(0.5)),
}


@pytest.mark.filterwarnings("ignore:LocalGlobalJSD. one graph")
@pytest.mark.parametrize("name", FEED)
def test_every_mechanism_hands_them_over(name):
    """In the loss, and in the embedding."""
    encoder = Watching()
    method, data = FEED[name](encoder), karate()
    prepared = method.prepare(data)
    encoder.seen.clear()
    method.loss(prepared)
    method.embed(prepared)
    assert len(encoder.seen) >= 2
    assert all(d is not None and torch.equal(d, data.degree) for d in encoder.seen)


def test_views_that_drop_nodes_take_the_rows_along():
    data = karate()
    data.degree = torch.arange(34.0)
    encoder = Watching()
    drop = gcl.augment.NodeDropping(0.5, remove=True)
    methods.TwoView(encoder, (drop, drop), losses.InfoNCE(0.5)).loss(data)
    assert all(0 < len(d) < 34 and len(d.unique()) == len(d) for d in encoder.seen)


def test_a_part_of_a_graph_is_normalised_as_the_whole():
    """The rows of nodes whose neighbours are all there are those of the whole graph."""
    data = karate(with_degree=False)
    encoder = GCNEncoder(34, 8, num_layers=1)
    whole = encoder(data.x, data.edge_index)
    source, target = data.edge_index
    part = torch.cat([torch.tensor([5]), source[target == 5]])
    inside = (torch.isin(data.edge_index, part)).all(0)
    edges = torch.searchsorted(part.sort().values, data.edge_index[:, inside])
    rows = part.sort().values
    own = Data(x=data.x[rows], edge_index=edges, degree=count(target, 34)[rows])
    at = int((rows == 5).nonzero())
    torch.testing.assert_close(encode(encoder, own)[at], whole[5])
    own.degree = None
    assert not torch.allclose(encode(encoder, own)[at], whole[5])


def of_edges(width):
    """PyG's encoders made for attributes of a width."""
    pna = {"aggregators": ["mean"], "scalers": ["identity"], "deg": torch.tensor([0, 1])}
    return {
        "GAT": GAT(34, 8, 2, edge_dim=width),
        "coded": gcl.nn.CodeEmbedding(GAT(4, 8, 2, edge_dim=width, v2=True), [3] * 34),
        "layer": GATConv(34, 8, edge_dim=width),
        "PNA": PNA(34, 8, 2, edge_dim=width, **pna),
    }


@pytest.mark.parametrize("name", of_edges(3))
@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 1)])
def test_edge_attributes_of_another_width_are_told(name, shape):
    data = karate(with_degree=False)
    if name == "coded":
        data.x = data.x.long()
    data.edge_attr = torch.rand(data.num_edges, 3)
    assert encode(of_edges(3)[name], data).shape == (34, 8)
    data.edge_attr = torch.rand(data.num_edges, *shape)
    with pytest.raises(ValueError, match=r": made for 3 features an edge, but edge_attr is \[156"):
        encode(of_edges(3)[name], data)


def test_one_number_an_edge_is_one_column_to_pyg():
    data = karate(with_degree=False)
    encoder, data.edge_attr = of_edges(1)["GAT"], torch.rand(data.num_edges, 1)
    z = encode(encoder, data)
    data.edge_attr = data.edge_attr.view(-1)
    assert torch.equal(encode(encoder, data), z)


def test_an_encoder_that_widens_attributes_itself_is_not_held_to_the_width_of_its_layers():
    class Widened(nn.Module):
        out_channels = 8

        def __init__(self):
            super().__init__()
            self.edges, self.encoder = nn.Linear(2, 6), GAT(34, 8, 2, edge_dim=6)

        def forward(self, x, edge_index, edge_weight=None, edge_attr=None):
            return self.encoder(x, edge_index, edge_attr=self.edges(edge_attr))

    data = karate(with_degree=False)
    data.edge_attr = torch.rand(data.num_edges, 2)
    assert encode(Widened(), data).shape == (34, 8)
