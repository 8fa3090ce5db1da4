"""embed: rows in the order of the nodes, whatever the loader; large graphs; new nodes."""

import copy

import pytest
import torch
from torch import nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader, NeighborLoader, RandomNodeLoader
from torch_geometric.nn import GAT, GCN, GIN, GraphSAGE, SGConv
from torch_geometric.typing import WITH_PYG_LIB, WITH_TORCH_SPARSE
from torch_geometric.utils import subgraph

import gcl
from gcl import callbacks, evaluate, methods
from gcl.loader import NeighborBatches, PartitionBatches
from gcl.training.embedding import embed, embed_prepared
from tests.training.test_reach import Convolved, Own, path


def graph(nodes=90, seed=0):
    data = gcl.datasets.sbm(nodes, 3, num_features=10, degree=6, noise=1.0, seed=seed)
    data.x = data.x.abs()
    return data


class Rows(gcl.Method):
    """Its embedding is the number of the node."""

    def __init__(self, graph_level=False):
        super().__init__()
        self.weight, self.graph_level = nn.Parameter(torch.ones(())), graph_level

    def loss(self, data):
        return self.weight**2

    def embed(self, data):
        if self.graph_level:
            return data.y[:, None].float()
        rows = data.batch_size if "input_id" in data else len(data.number)
        return data.number[:rows, None].float()


def numbered(nodes=30):
    data = graph(nodes)
    data.number = torch.arange(nodes)
    return data


ORDER = torch.arange(30.0)[:, None]
LOADERS = {
    "neighbours": lambda d: NeighborBatches(d, [2], batch_size=7),
    "neighbours, last dropped": lambda d: NeighborBatches(d, [2], batch_size=7, drop_last=True),
    "random parts": lambda d: PartitionBatches(d, 4, parts="random"),
    "parts": lambda d: PartitionBatches(d, 4, parts=torch.arange(30) % 4),
    "random nodes with n_id": lambda d: RandomNodeLoader(with_ids(d), 4, shuffle=True),
    "random nodes in order": lambda d: RandomNodeLoader(d, 4),
    "a list": lambda d: [d],
}


def with_ids(data):
    data = copy.copy(data)
    data.n_id = torch.arange(data.num_nodes)
    return data


@pytest.mark.parametrize("name", LOADERS)
def test_rows_come_in_the_order_of_the_nodes(name):
    assert torch.equal(embed(Rows(), LOADERS[name](numbered())), ORDER)


def test_a_loader_of_chosen_nodes_gives_their_rows_in_their_order():
    nodes = torch.tensor([22, 3, 17, 4])
    loader = NeighborBatches(numbered(), [2], batch_size=3, input_nodes=nodes)
    assert embed(Rows(), loader).view(-1).tolist() == nodes.tolist()


def test_the_probe_is_that_of_the_rows_in_order():
    """It fell to chance over a loader that shuffles."""
    data = graph(300)
    method = methods.grace(data, hidden=16)
    loader = NeighborBatches(data, [-1, -1], batch_size=40)
    z = embed(method, loader)
    torch.testing.assert_close(z, embed(method, data), atol=1e-5, rtol=1e-4)
    found = evaluate.knn(z, data.y, k=5)["accuracy"]
    assert found > 0.6
    assert evaluate.knn(z[torch.randperm(300)], data.y, k=5)["accuracy"] < 0.5


SHUFFLING = {
    "random nodes": lambda d: RandomNodeLoader(d, 4, shuffle=True),
    "graphs": lambda d: DataLoader([d, d], 1, shuffle=True),
    "a batch sampler": lambda d: DataLoader(
        [d, d], batch_sampler=torch.utils.data.BatchSampler(
            torch.utils.data.RandomSampler(range(2)), 1, False)),
}  # fmt: skip


@pytest.mark.parametrize("name", SHUFFLING)
def test_a_loader_that_shuffles_without_telling_is_refused(name):
    loader = SHUFFLING[name](numbered())
    with pytest.raises(ValueError, match=r"^embed: the .*Loader draws its order.*shuffle=False"):
        embed(Rows(), loader)
    with pytest.raises(ValueError, match="draws its order"):
        gcl.fit(Rows(), loader, epochs=1,
                callbacks=[callbacks.Evaluate(lambda z, d: {"a": 1.0}, every=1)])  # fmt: skip


def test_graphs_in_order():
    graphs = [Data(x=torch.ones(2, 1), edge_index=torch.zeros(2, 1).long(), y=i) for i in range(7)]
    z = embed(Rows(graph_level=True), DataLoader(graphs, 3))
    assert z.view(-1).tolist() == list(range(7))
    with pytest.raises(ValueError, match="draws its order"):
        embed(Rows(graph_level=True), DataLoader(graphs, 3, shuffle=True))


def test_missing_and_doubled_nodes_are_counted():
    data = numbered()
    batches = list(NeighborBatches(data, [1], batch_size=10, shuffle=False))
    doubled = [batches[0], batches[0], batches[2]]
    with pytest.raises(ValueError, match="of 30 nodes the loader left out 10 and gave 10 more"):
        embed(Rows(), doubled)
    loader = RandomNodeLoader(with_ids(data), 4, drop_last=True)
    with pytest.raises(ValueError, match="of 30 nodes the loader left out 6 and gave 0 more"):
        embed(Rows(), loader)


def test_evaluate_gets_rows_in_order():
    data, seen = numbered(), []
    watch = callbacks.Evaluate(lambda z, _: (seen.append(z), {"a": 1.0})[1], every=1)
    gcl.fit(Rows(), NeighborBatches(data, [2], batch_size=7), epochs=2, callbacks=[watch])
    assert len(seen) == 2
    assert all(torch.equal(z, ORDER) for z in seen)


def test_diagnose_over_a_loader_is_that_of_the_graph():
    """Of alignment and rank, which no order of rows changes; labels stay with their rows."""
    data = graph()
    method = methods.dgi(data, hidden=8)
    loader = NeighborBatches(data, [-1] * 3, batch_size=20)

    def measured(given):
        watch = callbacks.Diagnose(every=1, labels=True)
        return gcl.fit(copy.deepcopy(method), given, epochs=1, lr=1e-12, callbacks=[watch]).history

    whole, parts = measured(data)[-1], measured(loader)[-1]
    for key in set(whole) & set(parts) - {"loss", "seconds", "step"}:
        assert parts[key] == pytest.approx(whole[key], rel=0.05, abs=0.02), key


@pytest.mark.skipif(not (WITH_PYG_LIB or WITH_TORCH_SPARSE), reason="needs pyg-lib")
def test_loaders_of_pyg():
    data = numbered()
    loader = NeighborLoader(data, [3], batch_size=7, shuffle=True)
    assert torch.equal(embed(Rows(), loader), ORDER)
    gcl.fit(methods.grace(data, hidden=4), loader, epochs=1)


LAYERED = {
    "grace": lambda d: methods.grace(d, hidden=8),
    "bgrl": lambda d: methods.bgrl(d, hidden=8),
    "ggd": lambda d: methods.ggd(d, hidden=8, hops=3),
    "mvgrl": lambda d: methods.mvgrl(d, hidden=8),
    "sugrl": lambda d: methods.sugrl(d, hidden=(8,), dim=8),
    "rows": lambda d: methods.grace(d, hidden=8, encoder="propagated"),
    "hops": lambda d: methods.with_hops(methods.grace(d, hidden=8)),
    "seeds": lambda d: methods.several_seeds(methods.grace(d, hidden=8), seeds=2),
    "gcn": lambda d: methods.grace(d, encoder=GCN(10, 8, 2, norm="batch")),
    "sage": lambda d: methods.grace(d, encoder=GraphSAGE(10, 8, 3)),
    "gin": lambda d: methods.grace(d, encoder=GIN(10, 8, 2)),
    "gat": lambda d: methods.grace(d, encoder=GAT(10, 8, 2)),
}


@pytest.mark.parametrize("name", LAYERED)
def test_blocks_of_rows_are_the_full_batch(name):
    torch.manual_seed(0)
    data = graph()
    method = LAYERED[name](data)
    z = embed(method, data)
    for size in (1, 13, 90, 1000):
        found = embed(method, data, batch_size=size)
        torch.testing.assert_close(found, z, atol=1e-6, rtol=1e-6)
    assert method.training


class Layers(Convolved):
    def __init__(self):
        super().__init__()
        self.conv = SGConv(10, 4, K=3)


class Mine(Own):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(10, 4)


NODES = {name: make for name, make in LAYERED.items() if name != "mvgrl"} | {
    "unknown convolution": lambda d: methods.grace(d, encoder=Layers()),
}


@pytest.mark.parametrize("name", NODES)
def test_chosen_nodes_are_those_of_the_whole_graph(name):
    torch.manual_seed(0)
    data = graph()
    method = NODES[name](data)
    z = embed(method, data)
    chosen = torch.tensor([88, 0, 31, 32, 5])
    for size in (None, 2):
        found = embed(method, data, nodes=chosen, batch_size=size)
        torch.testing.assert_close(found, z[chosen], atol=1e-5, rtol=1e-5)
    mask = torch.zeros(90, dtype=torch.bool)
    mask[[4, 9]] = True
    torch.testing.assert_close(embed(method, data, nodes=mask), z[[4, 9]], atol=1e-5, rtol=1e-5)


def test_an_encoder_of_unknown_layers_takes_neighbourhoods():
    data = graph()
    method = methods.grace(data, encoder=Layers())
    torch.testing.assert_close(embed(method, data, batch_size=20), embed(method, data))


def test_an_encoder_that_does_not_tell_how_far_it_looks():
    data = graph()
    method = methods.grace(data, encoder=Mine())
    for options in ({"batch_size": 9}, {"nodes": [3]}):
        with pytest.raises(ValueError, match=r"^embed: the encoder of TwoView.*give hops"):
            embed(method, data, **options)
    z = embed(method, data)
    torch.testing.assert_close(embed(method, data, batch_size=9, hops=1), z)
    torch.testing.assert_close(embed(method, data, nodes=[3, 1], hops=1), z[[3, 1]])


def test_only_what_reaches_the_nodes_is_computed():
    data = path(12)
    seen = []
    method = methods.grace(data, hidden=4)
    method.encoder.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    embed(method, data, nodes=[9])
    assert seen == [3]  # 9, 8 and 7 on the path


def test_nodes_that_came_later():
    """Trained on a part, the rows of new nodes are those that the grown graph gives them."""
    whole = graph()
    old = torch.arange(70)
    edges, _ = subgraph(old, whole.edge_index, num_nodes=90)
    before = Data(x=whole.x[:70], edge_index=edges)
    method = methods.grace(before, hidden=8)
    gcl.fit(method, before, epochs=2)
    new = embed(method, whole, nodes=torch.arange(70, 90))
    torch.testing.assert_close(new, embed(method, whole)[70:], atol=1e-6, rtol=1e-5)


BAD = {
    "loader": (lambda m, d: embed(m, [d], batch_size=3), TypeError, "one node type, got list"),
    "types": (lambda m, d: embed(m, gcl.datasets.hetero_sbm(20), nodes=[0]), TypeError,
              "got HeteroData"),
    "size": (lambda m, d: embed(m, d, batch_size=0), ValueError, "batch_size must be at least 1"),
    "hops": (lambda m, d: embed(m, d, nodes=[1], hops=-1), ValueError, "hops must be at least 0"),
    "hops of text": (lambda m, d: embed(m, d, hops="x"), TypeError, "hops must be a whole number"),
    "far node": (lambda m, d: embed(m, d, nodes=[90]), ValueError, r"\[0, 90\), each once"),
    "twice": (lambda m, d: embed(m, d, nodes=[1, 1]), ValueError, "each once, got 2 numbers"),
    "no numbers": (lambda m, d: embed(m, d, nodes="all"), TypeError, "nodes must be whole numbers"),
    "floats": (lambda m, d: embed(m, d, nodes=[0.5]), TypeError, "whole numbers below 90"),
    "NaN": (lambda m, d: embed(m, broken(d), nodes=[1]), ValueError, "NaN"),
}  # fmt: skip


def broken(data):
    data = data.clone()
    data.x[5, 0] = torch.nan
    return data


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit(name):
    call, kind, message = BAD[name]
    data = graph()
    with pytest.raises(kind, match=message):
        call(methods.grace(data, hidden=4), data)


def test_methods_that_need_more_than_neighbourhoods():
    data = graph()
    with pytest.raises(ValueError, match=r"also embeds by across_edge_index.*\[nodes\]"):
        embed(methods.mvgrl(data, hidden=4), data, nodes=[3])
    with pytest.raises(TypeError, match="a TwoView embeds graphs"):
        embed(methods.graphcl(data, hidden=4), data, batch_size=8)


@pytest.mark.parametrize("norm", ["layer", "graph", "pair"])
def test_norms_over_all_nodes_have_no_neighbourhoods(norm):
    data = graph()
    for encoder in (GCN(10, 8, 2, norm=norm), gcl.nn.GCNEncoder(10, 8, norm=norm)):
        method = methods.grace(data, encoder=encoder)
        z = embed(method, data)
        torch.testing.assert_close(embed(method, data, batch_size=7), z, atol=1e-6, rtol=1e-5)
        with pytest.raises(ValueError, match="takes means over all nodes"):
            embed(method, data, nodes=[3])
    by_rows = GCN(10, 8, 2, norm="layer", norm_kwargs={"mode": "node"})
    method = methods.grace(data, encoder=by_rows)
    z = embed(method, data)
    torch.testing.assert_close(embed(method, data, nodes=[3]), z[[3]], atol=1e-5, rtol=1e-5)


def test_it_is_where_it_used_to_be():
    assert gcl.embed is gcl.training.embed is gcl.training.loop.embed is embed
    assert gcl.training.embed_prepared is gcl.training.loop.embed_prepared is embed_prepared


def test_weighted_loops_are_those_of_the_whole_graph():
    data = gcl.datasets.sbm(120, 3, degree=6, num_features=5)
    own = torch.tensor([3, 50, 50, 119])  # the last of several counts
    data.edge_index = torch.cat([data.edge_index, torch.stack([own, own])], 1)
    data.edge_weight = 4 * torch.rand(data.num_edges)
    method = gcl.methods.grace(data, hidden=8)
    expected = gcl.embed(method, data)
    found = gcl.embed(method, data, nodes=range(120), batch_size=16)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    loader = gcl.loader.NeighborBatches(data, [-1, -1], batch_size=16)
    torch.testing.assert_close(gcl.embed(method, loader), expected, rtol=1e-5, atol=1e-6)


class Edged(nn.Module):
    """Tells nothing of the widths that it is made for."""

    out_channels = 8

    def __init__(self):
        super().__init__()
        self.nodes, self.edges = nn.Linear(10, 8), nn.Linear(3, 8)

    def forward(self, x, edge_index, edge_weight=None, edge_attr=None):
        sums = torch.zeros(len(x), 8).index_add_(0, edge_index[1], self.edges(edge_attr))
        return self.nodes(x) + sums


@pytest.mark.parametrize("further", [{}, {"nodes": [2, 1], "hops": 1}])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"edge_attr": lambda d: torch.rand(d.num_edges, 5)}, r"edge_attr \[\d+, 5\] of float32 "),
        ({"edge_attr": lambda d: torch.ones(d.num_edges, 3).long()}, r"edge_attr .* of int64 "),
        ({"edge_attr": lambda d: None}, r"and no edge_attr "),
        ({"x": lambda d: d.x[:, :4]}, r"x \[\d+, 4\] of float32 and"),
    ],
)
def test_attributes_of_other_widths_are_told_for_any_encoder(change, said, further):
    data = graph()
    data.edge_attr = torch.rand(data.num_edges, 3)
    method = methods.grace(data, encoder=Edged())
    for name, value in change.items():
        data[name] = value(data)
    with pytest.raises(ValueError, match=rf"^Edged cannot take .*{said}.*; (give|set) "):
        embed(method, data, **further)


def test_other_faults_of_an_encoder_are_its_own():
    class Broken(Edged):
        def forward(self, x, edge_index, edge_weight=None):
            raise RuntimeError("mine")

    method = methods.grace(graph(), encoder=Broken())
    with pytest.raises(RuntimeError, match=r"^mine$"):
        embed(method, graph())
