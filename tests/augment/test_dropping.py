"""Dropping edges whose rates are known: coins, the two directions of an edge, and weights."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch_geometric.data import Batch, Data

from gcl.augment.dropping import drop_edges, graph_of_edges
from tests.odd_graphs import assert_edges_keep_attributes, batch, edge_set, hetero, random_graph


def dropped(data: Any, rates: Any, undirected: bool = True, as_weight: bool = False) -> Any:
    out = copy.copy(data)
    given = rates if callable(rates) else lambda store: rates
    return drop_edges("Me", out, given, undirected=undirected, as_weight=as_weight)


@pytest.mark.parametrize("undirected", [True, False])
def test_rates_of_zero_and_one_leave_no_choice(undirected: bool) -> None:
    data = random_graph(9, 20, 0)
    # Of an undirected graph the rates of both directions are the same here.
    gone = data.edge_index.sum(0) % 2 == 0
    out = dropped(data, lambda store: gone.float(), undirected)
    assert edge_set(out.edge_index) == edge_set(data.edge_index[:, ~gone])
    assert_edges_keep_attributes(out)
    assert out.num_nodes == 9


def test_every_edge_falls_as_often_as_its_rate_says() -> None:
    data = random_graph(6, 12, 1, undirected=False)
    rate = torch.linspace(0, 1, data.num_edges)
    torch.manual_seed(0)
    runs = 600
    kept = sum(dropped(data, lambda store: rate, False, True).edge_weight != 0 for _ in range(runs))
    kept = kept[data.edge_weight != 0] / runs
    rate = rate[data.edge_weight != 0]
    assert ((kept - (1 - rate)).abs() <= 4 * (rate * (1 - rate) / runs).sqrt()).all()


def test_both_directions_fall_together_by_the_mean_of_their_rates() -> None:
    data = random_graph(8, 16, 2)
    up = (data.edge_index[0] < data.edge_index[1]).float()  # rates of 0 and 1: a mean of 1/2
    torch.manual_seed(0)
    sizes = []
    for _ in range(300):
        found = edge_set(dropped(data, lambda store: up).edge_index)
        assert found == sorted((v, u) for u, v in found)
        sizes.append(len(found))
    pairs = data.num_edges / 2
    assert abs(sum(sizes) / 300 - pairs) < 4 * (pairs / 300) ** 0.5


def test_reverse_types_fall_together_in_their_own_order() -> None:
    data = hetero()
    torch.manual_seed(1)
    out = dropped(data, 0.5)
    writes, written = out["author", "writes", "paper"], out["paper", "written_by", "author"]
    assert 0 < writes.edge_index.shape[1] < 6
    assert edge_set(writes.edge_index) == edge_set(written.edge_index.flip(0))
    for store, flip in ((writes, False), (written, True)):
        author, paper = store.edge_index.flip(0) if flip else store.edge_index
        assert torch.equal(store.edge_attr, author * 100 + paper)


def test_weights_of_zero_mark_what_the_list_keeps() -> None:
    data = random_graph(9, 20, 0)
    torch.manual_seed(3)
    short = dropped(data, 0.4)
    torch.manual_seed(3)
    marked = dropped(data, 0.4, as_weight=True)
    assert marked.edge_index is data.edge_index
    there = marked.edge_weight != 0
    assert edge_set(data.edge_index[:, there]) == edge_set(
        short.edge_index[:, short.edge_weight != 0]
    )
    assert torch.equal(marked.edge_weight[there], data.edge_weight[there])
    plain = Data(x=data.x.double(), edge_index=data.edge_index)
    assert dropped(plain, 0.0, as_weight=True).edge_weight.dtype == torch.float64


def test_graph_of_every_edge() -> None:
    data = batch()
    found, count = graph_of_edges(data, data._store)
    expected = [i for i, g in enumerate(data.to_data_list()) for _ in range(g.num_edges)]
    assert (found.tolist(), count) == (expected, 3)
    alone = Batch.from_data_list([random_graph(4, 6, 0)])
    assert graph_of_edges(alone, alone._store) == (None, 1)


def test_weights_that_do_not_fit() -> None:
    data = random_graph(4, 6, 0)
    data.edge_weight = torch.ones(1)
    with pytest.raises(ValueError, match=r"Me: edge_weight must have .* \(\d+\), got 1"):
        dropped(data, 0.5, as_weight=True)
    with pytest.raises(ValueError, match="Me: data has no edge_index"):
        dropped(Data(x=torch.ones(2, 1)), 0.5)
