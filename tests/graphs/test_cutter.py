"""Batches cut out of a graph, against networkx and plain Python."""

import networkx
import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData

import gcl
from gcl.graphs.cutter import Cutter
from gcl.nn import GCNEncoder


def graph(seed=0, nodes=30, edges=120, **further):
    generator = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(nodes, (2, edges), generator=generator)
    return Data(
        x=torch.randn(nodes, 3, generator=generator),
        edge_index=edge_index,
        edge_weight=torch.rand(edges, generator=generator) + 0.5,
        names=[f"node {i}" for i in range(nodes)],
        array=np.arange(nodes),
        about="a graph",
        **further,
    )


def check_rows(batch, data):
    """Every attribute is that of the nodes and edges that the batch says it holds."""
    assert torch.equal(batch.x, data.x[batch.n_id])
    assert batch.names == [data.names[i] for i in batch.n_id.tolist()]
    assert batch.array.tolist() == batch.n_id.tolist()
    assert batch.about == data.about
    assert torch.equal(batch.n_id[batch.edge_index], data.edge_index[:, batch.e_id])
    assert len(batch.n_id.unique()) == len(batch.n_id)
    assert len(batch.e_id.unique()) == len(batch.e_id)


@pytest.mark.parametrize("hops", [0, 1, 2, 9])
def test_all_that_reaches_the_seeds(hops):
    data = graph()
    nx = networkx.MultiDiGraph()
    nx.add_nodes_from(range(30))
    nx.add_edges_from(data.edge_index.t().tolist())
    seeds = torch.tensor([7, 2, 11])
    batch = Cutter("here", data).take({None: seeds}, hops)
    check_rows(batch, data)
    assert torch.equal(batch.edge_weight, data.edge_weight[batch.e_id])
    distance = networkx.multi_source_dijkstra_path_length(nx.reverse(), {7, 2, 11})
    assert batch.n_id[:3].tolist() == [7, 2, 11]
    assert set(batch.n_id.tolist()) == {n for n, d in distance.items() if d <= hops}
    # nodes come by the hop in which they are met first
    hop = [distance[n] for n in batch.n_id.tolist()]
    assert hop == sorted(hop)
    followed = [e for e, t in enumerate(data.edge_index[1].tolist())
                if distance.get(t, 99) < hops]  # fmt: skip
    assert sorted(batch.e_id.tolist()) == followed


def test_edges_between_chosen_nodes():
    data = graph()
    nodes = torch.tensor([3, 4, 9, 20, 21, 22])
    batch = Cutter("here", data).take({None: nodes}, induced=True)
    check_rows(batch, data)
    inside = torch.isin(data.edge_index, nodes).all(0).nonzero().view(-1)
    assert sorted(batch.e_id.tolist()) == inside.tolist()


def test_degrees_are_those_of_the_whole_graph_and_of_loops_what_goes_beyond_one():
    data = graph()
    expected, loops = torch.zeros(30), {}
    for (s, t), w in zip(data.edge_index.t().tolist(), data.edge_weight.tolist(), strict=True):
        expected[t] += w if s != t else 0.0
        if s == t:
            loops[t] = w  # the last of several
    assert loops
    for node, w in loops.items():
        expected[node] += w - 1
    batch = Cutter("here", data).take({None: torch.tensor([5, 6])}, 1)
    torch.testing.assert_close(batch.degree, expected[batch.n_id])


def test_weights_times_the_share_of_edges_that_are_left():
    data = graph()
    data.edge_index[:, 0] = 4  # a loop
    nodes = torch.arange(15)
    batch = Cutter("here", data).take({None: nodes}, induced=True, scaled=True)
    other = data.edge_index[0] != data.edge_index[1]
    for (s, t), e, w in zip(batch.edge_index.t().tolist(), batch.e_id.tolist(),
                            batch.edge_weight.tolist(), strict=True):  # fmt: skip
        whole = int((other & (data.edge_index[1] == t)).sum())
        here = int((other & (data.edge_index[1] == t) & (data.edge_index[0] < 15)).sum())
        factor = 1 if s == t else whole / here
        assert w == pytest.approx(float(data.edge_weight[e]) * factor, rel=1e-5)


def test_pairs_are_numbered_anew_with_what_goes_with_them():
    pairs = torch.tensor([[0, 5, 9, 9, 2, 7], [5, 0, 2, 9, 9, 1]])
    data = graph(pos_edge_index=pairs, pos_weight=torch.arange(6.0))
    batch = Cutter("here", data).take({None: torch.tensor([9, 2, 5])})
    found = {(*batch.n_id[p].tolist(), float(w))
             for p, w in zip(batch.pos_edge_index.t(), batch.pos_weight, strict=True)}  # fmt: skip
    assert found == {(9, 2, 2.0), (9, 9, 3.0), (2, 9, 4.0)}


def test_numbers_are_forgotten_after_each_batch_and_after_an_error():
    data = graph()
    cutter = Cutter("here", data)
    first = cutter.take({None: torch.tensor([1, 2])}, 2)

    def fails(*_):
        raise RuntimeError("no draw")

    with pytest.raises(RuntimeError, match="no draw"):
        cutter.take({None: torch.tensor([8, 9])}, 1, fails)
    again = cutter.take({None: torch.tensor([1, 2])}, 2)
    assert torch.equal(first.n_id, again.n_id)
    assert torch.equal(first.edge_index, again.edge_index)


def test_the_graph_stays_as_it_is():
    data = graph(pos_edge_index=torch.zeros(2, 2).long())
    before = data.clone()
    Cutter("here", data).take({None: torch.tensor([1])}, 2, scaled=True)
    assert data.keys() == before.keys()
    assert all(torch.equal(data[k], before[k]) for k in data.keys()  # noqa: SIM118
               if isinstance(data[k], torch.Tensor))  # fmt: skip


def test_sparse_features_are_cut_as_dense_ones():
    data = graph()
    dense = data.x * (data.x > 0)
    data.x = dense.to_sparse_csr()
    batch = Cutter("here", data).take({None: torch.tensor([4, 3])}, 1)
    assert torch.equal(batch.x.to_dense(), dense[batch.n_id])


def test_all_neighbours_give_the_rows_of_the_whole_graph():
    data = gcl.datasets.load("karate")
    encoder = GCNEncoder(34, 8)
    whole = encoder(data.x, data.edge_index)
    batch = Cutter("here", data).take({None: torch.tensor([33, 4])}, 2)
    part = encoder(batch.x, batch.edge_index, degree=batch.degree)
    torch.testing.assert_close(part[:2], whole[[33, 4]])


def test_types():
    data = HeteroData()
    data["a"].x, data["b"].num_nodes = torch.arange(6.0)[:, None], 5
    a_b = torch.tensor([[0, 1, 5, 3], [4, 4, 2, 0]])
    b_a = torch.tensor([[4, 1, 2], [5, 0, 5]])
    data["a", "to", "b"].edge_index, data["b", "to", "a"].edge_index = a_b, b_a
    data["a", "to", "b"].kind = torch.arange(4)
    batch = Cutter("here", data).take({"a": torch.tensor([5])}, 2)
    assert batch["a"].n_id.tolist() == [5, 0, 1]  # 5 itself reaches 2
    assert batch["b"].n_id.tolist() == [2, 4]
    assert batch["b"].num_nodes == 2
    for key, edges in ((("a", "to", "b"), a_b), (("b", "to", "a"), b_a)):
        store = batch[key]
        whole = torch.stack([batch[key[0]].n_id[store.edge_index[0]],
                             batch[key[2]].n_id[store.edge_index[1]]])  # fmt: skip
        assert torch.equal(whole, edges[:, store.e_id])
    assert sorted(batch["a", "to", "b"].e_id.tolist()) == [0, 1, 2]
    assert torch.equal(batch["a", "to", "b"].kind, batch["a", "to", "b"].e_id)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Batch.from_data_list([Data(x=torch.ones(2, 1),
                                            edge_index=torch.zeros(2, 1).long())] * 2),
         "one graph, got a batch of 2"),
        (lambda: Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0], [2]])),
         r"in \[0, 2\), got a target of 2"),
        (lambda: Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0], [1]]),
                      edge_weight=torch.ones(2)), "one row per edge"),
    ],
)  # fmt: skip
def test_what_cannot_be_cut(make, message):
    with pytest.raises(ValueError, match=f"^here: .*{message}"):
        Cutter("here", make())
