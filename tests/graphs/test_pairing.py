from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data, HeteroData

from gcl.augment import EdgeAdding, EdgeDropping
from gcl.graphs.pairing import edge_pairs
from tests.odd_graphs import hetero


def test_types_find_their_reverse() -> None:
    data = hetero()
    pairs = {
        store._key: (None if reverse is None else reverse._key)
        for store, reverse, _ in edge_pairs(data, data.edge_stores, True)
    }
    assert pairs == {
        ("author", "writes", "paper"): ("paper", "written_by", "author"),
        ("paper", "like", "paper"): ("paper", "like", "paper"),
        ("author", "cites", "paper"): None,
    }
    apart = list(edge_pairs(data, data.edge_stores, False))
    assert len(apart) == 4
    assert all(reverse is None and match is None for _, reverse, match in apart)


@settings(max_examples=40, deadline=None, database=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=12),
    st.randoms(use_true_random=False),
)
def test_match_is_the_reverse_edge(edges: list[tuple[int, int]], random) -> None:  # type: ignore[no-untyped-def]
    order = list(range(len(edges)))
    random.shuffle(order)
    data = HeteroData()
    data["a"].num_nodes, data["b"].num_nodes = 4, 3
    forward = torch.tensor(edges, dtype=torch.long).view(-1, 2).t()
    data["a", "to", "b"].edge_index = forward
    data["b", "from", "a"].edge_index = forward.flip(0)[:, order]
    [(store, reverse, match)] = edge_pairs(data, data.edge_stores, True)
    assert store._key == ("a", "to", "b")
    assert torch.equal(reverse.edge_index[:, match].flip(0), forward)
    assert sorted(match.tolist()) == list(range(len(edges)))


def test_the_name_decides_between_equal_types() -> None:
    data = HeteroData()
    data["a"].num_nodes = data["b"].num_nodes = 2
    edges = torch.tensor([[0, 1], [1, 1]])
    data["a", "to", "b"].edge_index = edges
    data["b", "other", "a"].edge_index = edges.flip(0)
    data["b", "rev_to", "a"].edge_index = edges.flip(0)
    pairs = [(s._key[1], r and r._key[1]) for s, r, _ in edge_pairs(data, data.edge_stores, True)]
    assert pairs == [("to", "rev_to"), ("other", None)]


def test_directed_type_and_its_reverse_within_one_node_type() -> None:
    data = HeteroData()
    data["p"].num_nodes = 3
    data["p", "cites", "p"].edge_index = torch.tensor([[0, 1], [1, 2]])
    data["p", "cited", "p"].edge_index = torch.tensor([[2, 1], [1, 0]])
    [(_, reverse, match)] = edge_pairs(data, data.edge_stores, True)
    assert reverse._key[1] == "cited"
    assert match.tolist() == [1, 0]


def test_directed_and_undirected_graphs_of_one_batch() -> None:
    """Each is treated as if it were alone."""
    ring = torch.arange(6)
    undirected = torch.stack([torch.cat([ring, (ring + 1) % 6]), torch.cat([(ring + 1) % 6, ring])])
    path = torch.stack([torch.arange(5), torch.arange(1, 6)])
    parts = [
        Data(edge_index=edges, tag=torch.arange(edges.size(1)), num_nodes=6)
        for edges in (undirected, path, undirected, path)
    ]
    batch = Batch.from_data_list(parts * 30)
    torch.manual_seed(0)
    single = 0
    for transform in (EdgeDropping(0.4), EdgeAdding(0.4)):
        for i, view in enumerate(transform(batch).to_data_list()):
            there = set(map(tuple, view.edge_index.t().tolist()))
            if i % 2 == 0:
                assert there == {(v, u) for u, v in there}
            else:
                single += sum((v, u) not in there for u, v in there)
            old = parts[i % 4].edge_index[:, view.tag]
            if isinstance(transform, EdgeDropping):
                assert torch.equal(old, view.edge_index)
            else:
                assert torch.equal(
                    view.edge_index[:, : parts[i % 4].num_edges], parts[i % 4].edge_index
                )
                assert len(there) == view.num_edges
    assert single > 300
    sizes = [EdgeDropping(0.4)(batch)[1].num_edges for _ in range(400)]
    assert abs(sum(sizes) - 400 * 5 * 0.6) < 4 * (400 * 5 * 0.24) ** 0.5
