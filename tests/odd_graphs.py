"""Graphs that break careless code, for the tests of augmentations."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.utils import coalesce, to_undirected


def tagged(edge_index: Tensor, n: int, dtype: torch.dtype = torch.float32) -> Data:
    """A graph whose every row tells where it came from: node i, edge u -> v."""
    nodes = torch.arange(n)
    code = (edge_index[0] * 1000 + edge_index[1]).to(dtype)
    return Data(
        x=torch.stack([nodes, nodes + 0.5, nodes * 0 + 1], 1).to(dtype),
        edge_index=edge_index,
        edge_attr=torch.stack([code, -code], 1),
        edge_weight=code,
        y=nodes.clone(),
        train_mask=nodes % 2 == 0,
        community_strength=(0.3 - 0.1 * (nodes % 5)).to(dtype),
        edge_strength=(0.2 - 0.1 * (edge_index.sum(0) % 4)).to(dtype),
    )


def random_graph(n: int, e: int, seed: int, undirected: bool = True) -> Data:
    """A simple graph without self-loops."""
    generator = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(n, (2, e), generator=generator)
    edge_index = coalesce(edge_index[:, edge_index[0] != edge_index[1]])
    return tagged(to_undirected(edge_index) if undirected else edge_index, n)


@st.composite
def graphs(draw: st.DrawFn) -> Data:
    """One node, no edges, self-loops, repeats, isolated and trailing nodes, n == e, directed."""
    n = draw(st.integers(1, 7))
    edges = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=12))
    if draw(st.booleans()):
        edges = [edge for pair in edges for edge in (pair, pair[::-1])]
    edge_index = torch.tensor(edges, dtype=torch.long).view(-1, 2).t().contiguous()
    n += draw(st.integers(0, 2))
    data = tagged(edge_index, n, draw(st.sampled_from([torch.float32, torch.float64])))
    if draw(st.booleans()):
        del data.edge_weight
    return data


def batch() -> Batch:
    """Three graphs of different sizes, one without edges."""
    parts = [random_graph(6, 12, 0), random_graph(1, 0, 1), random_graph(9, 25, 2)]
    for number, part in enumerate(parts):
        part.label = torch.tensor([number])
    return Batch.from_data_list(parts)


def hetero(dtype: torch.dtype = torch.float32) -> HeteroData:
    """Papers and authors: a type with a reverse, a symmetric one, a directed one."""
    data = HeteroData()
    data["paper"].x = torch.arange(15, dtype=dtype).view(5, 3)
    data["author"].x = torch.arange(8, dtype=dtype).view(4, 2)
    # Listed in an order that differs from the reverse type's.
    writes = torch.tensor([[3, 0, 0, 1, 2, 3], [4, 0, 1, 1, 3, 2]])
    shuffle = torch.tensor([5, 0, 3, 1, 4, 2])
    data["author", "writes", "paper"].edge_index = writes
    data["author", "writes", "paper"].edge_attr = writes[0] * 100 + writes[1]
    data["paper", "written_by", "author"].edge_index = writes.flip(0)[:, shuffle]
    data["paper", "written_by", "author"].edge_attr = (writes[0] * 100 + writes[1])[shuffle]
    pairs = torch.tensor([[0, 1, 2], [1, 2, 4]])
    data["paper", "like", "paper"].edge_index = torch.cat([pairs, pairs.flip(0)], 1)
    data["paper", "like", "paper"].edge_attr = torch.arange(6)
    data["author", "cites", "paper"].edge_index = torch.tensor([[0, 1, 2], [0, 0, 4]])
    for nodes in data.node_stores:
        nodes.community_strength = 0.3 - 0.2 * (nodes.x[:, 0] % 3)
    for edges in data.edge_stores:
        edges.edge_strength = 0.2 - 0.1 * (edges.edge_index.sum(0) % 4)
    return data


def edge_set(edge_index: Tensor) -> list[tuple[int, int]]:
    """The edges as a sorted list of pairs, repeats included."""
    return sorted(zip(*edge_index.tolist(), strict=True))


def assert_edges_keep_attributes(data: Data) -> None:
    """In a `tagged` graph that kept its node numbers every edge still carries its own tag."""
    code = (data.edge_index[0] * 1000 + data.edge_index[1]).to(data.edge_attr.dtype)
    assert torch.equal(data.edge_attr, torch.stack([code, -code], 1))
    if "edge_weight" in data:
        assert torch.equal(data.edge_weight, code)
