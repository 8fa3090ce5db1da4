"""Which rows of a view count, and which rows of two views are of one node."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from gcl.graphs.rows import (
    counted_rows,
    matched_rows,
    number_rows,
    take_rows_of,
    with_counted_labels,
    without_helpers,
)
from tests.odd_graphs import random_graph


def sampled(rows: int = 7, seeds: int = 3) -> Data:
    """As PyG's NeighborLoader writes it: the seeds first, then their neighbours."""
    return Data(
        x=torch.arange(float(rows))[:, None], input_id=torch.arange(seeds) + 4, batch_size=seeds
    )


def nodes_of(graph: Data, *views: Data) -> list[list[int]]:
    """Which node stands in each matched row: x says it."""
    rows = matched_rows("Test", graph, views)
    found = [take_rows_of(v.x, r) for v, r in zip(views, rows.of_views, strict=True)]
    return [part[:, 0].long().tolist() for part in [*found, take_rows_of(graph.x, rows.of_graph)]]


def numbered(rows: int = 5) -> Data:
    return number_rows(Data(x=torch.arange(float(rows))[:, None]))


def holding(graph: Data, *nodes: int) -> Data:
    index = torch.tensor(nodes, dtype=torch.long)
    return Data(x=graph.x[index], row_in_graph=graph.row_in_graph[index])


def with_helpers(view: Data, places: list[bool], *, follows: bool = False) -> Data:
    """Rows of 99 where `places` says True, between those of the view."""
    mask = torch.tensor(places)
    x = torch.full((len(mask), 1), 99.0)
    x[~mask] = view.x
    made = Data(x=x, helper_mask=mask, row_in_graph=view.row_in_graph)
    if follows:
        made.row_in_graph = torch.zeros(len(mask), dtype=torch.long)
        made.row_in_graph[~mask] = view.row_in_graph
    return made


def test_only_seed_nodes_of_a_sampled_neighbourhood_count() -> None:
    data = sampled()
    assert counted_rows(data.x, data).tolist() == [[0], [1], [2]]
    assert counted_rows(data.x * 2, data).tolist() == [[0], [2], [4]]


def test_a_batch_of_graphs_has_no_seed_nodes() -> None:
    data = Batch.from_data_list([random_graph(4, 6, 0)] * 2)
    assert data.batch_size == 2  # the number of its graphs
    assert counted_rows(data.x, data) is data.x


def test_helpers_do_not_count() -> None:
    x = torch.arange(4.0)[:, None]
    data = Data(x=x, slow_node_mask=torch.tensor([False, True, False, False]))
    assert counted_rows(x, data).tolist() == [[0], [2], [3]]
    data.helper_mask = torch.tensor([False, False, False, True])
    assert counted_rows(x, data).tolist() == [[0], [2]]
    assert without_helpers(torch.tensor([7, 8]), data).tolist() == [7, 8]  # of nodes already


def test_numbering_leaves_the_graph_alone() -> None:
    data = Data(x=torch.ones(3, 1))
    assert number_rows(data).row_in_graph.tolist() == [0, 1, 2]
    assert "row_in_graph" not in data
    assert number_rows(Data(num_nodes=3)).num_nodes == 3


def test_views_that_keep_all_rows_are_taken_as_they_are() -> None:
    graph = numbered()
    rows = matched_rows("Test", graph, [graph, Data(x=-graph.x)])  # made anew: of equal count
    assert rows.of_views == [slice(None)] * 2
    assert rows.all_held
    z = torch.ones(5, 2)
    assert take_rows_of(z, rows.of_graph) is z


@pytest.mark.parametrize(
    ("first", "second", "common"),
    [
        ((0, 2, 3), (1, 2, 3, 4), [2, 3]),
        ((4, 0, 3), (3, 1, 4), [3, 4]),  # in any order
        ((0, 1, 2, 3), (1, 2, 3, 4), [1, 2, 3]),  # as many, but others
        ((1, 0, 2, 3, 4), (0, 1, 2, 3, 4), [0, 1, 2, 3, 4]),
        ((0,), (1,), []),
    ],
)
def test_rows_are_matched_by_node(first: tuple[int], second: tuple[int], common: list[int]) -> None:
    graph = numbered()
    views = holding(graph, *first), holding(graph, *second)
    assert nodes_of(graph, *views) == [common] * 3
    assert matched_rows("Test", graph, views).all_held == (len(common) == 5)


def test_helpers_anywhere_beside_dropped_nodes_beside_a_whole_view() -> None:
    graph = numbered()
    places = [True, False, False, True, True, False]
    for follows in (False, True):
        view = with_helpers(holding(graph, 4, 0, 2), places, follows=follows)
        assert nodes_of(graph, view, graph) == [[0, 2, 4]] * 3
        whole = with_helpers(graph, [False] * 4 + [True, False], follows=follows)
        assert nodes_of(graph, whole, graph) == [[0, 1, 2, 3, 4]] * 3


def test_seeds_are_followed_through_a_view() -> None:
    graph = number_rows(sampled())
    assert nodes_of(graph, holding(graph, 6, 5, 2, 0), graph) == [[0, 2]] * 3
    assert not matched_rows("Test", graph, [holding(graph, 6, 5, 2, 0)]).all_held
    assert matched_rows("Test", graph, [holding(graph, 2, 0, 1, 6)]).all_held
    appended = with_helpers(graph, [False] * 7 + [True] * 2)
    assert nodes_of(graph, appended, graph) == [[0, 1, 2]] * 3


def test_a_graph_may_bring_helpers_itself() -> None:
    data = Data(x=torch.tensor([[0.0], [1.0], [9.0]]), helper_mask=torch.tensor([0, 0, 1]).bool())
    graph = number_rows(data)
    assert nodes_of(graph, graph, graph) == [[0, 1]] * 3
    assert matched_rows("Test", graph, [graph]).all_held


def views_that_do_not_tell() -> dict[str, tuple[Data, type[Exception], str]]:
    graph = numbered()
    ids: Tensor = graph.row_in_graph
    mask = torch.tensor([False] * 5 + [True])
    more = torch.zeros(6, 1)
    return {
        "fewer": (Data(x=graph.x[:3]), ValueError, "with the 5 rows of its graph, got 3; a view"),
        "stale": (Data(x=graph.x[:3], row_in_graph=ids), ValueError, "got 3; .*row_in_graph along"),
        "more": (Data(x=more, row_in_graph=ids), ValueError, "got 6; a view that adds rows marks"),
        "some": (Data(x=torch.zeros(7, 1), helper_mask=torch.arange(7) == 6, row_in_graph=ids),
                 ValueError, "got 6 besides 1 helper rows"),
        "twice": (Data(x=more, row_in_graph=torch.cat([ids, ids[:1]])), ValueError,
                  "from 0 to 4, each at most once"),
        "beyond": (Data(x=graph.x[:1], row_in_graph=torch.tensor([5])), ValueError, "from 0 to 4"),
        "below": (Data(x=graph.x[:1], row_in_graph=torch.tensor([-1])), ValueError, "from 0 to 4"),
        "floats": (Data(x=graph.x[:2], row_in_graph=torch.ones(2)), TypeError, "int64.*float32"),
        "no mask": (Data(x=more, slow_node_mask=mask.long()), ValueError, r"boolean.*int64 \[6\]"),
        "short mask": (Data(x=more, helper_mask=mask[1:]), ValueError, r"tensor \[6\].*\[5\]"),
        "a list": (Data(x=more, helper_mask=[True] * 6), TypeError, "helper_mask must be a bool"),
    }  # fmt: skip


@pytest.mark.parametrize("case", views_that_do_not_tell())
def test_refuses(case: str) -> None:
    view, error, sentence = views_that_do_not_tell()[case]
    with pytest.raises(error, match=f"^Test: .*{sentence}"):
        matched_rows("Test", numbered(), [numbered(), view])


def test_labels_and_masks_of_what_is_embedded() -> None:
    x, y = torch.arange(4.0)[:, None], torch.tensor([5, 6, 7, 8])
    helper = torch.tensor([False, True, False, False])
    data = Data(x=x, y=y, train_mask=y > 6, test_mask=(y > 6)[:, None], slow_node_mask=helper)
    shown = with_counted_labels(data)
    assert shown.y.tolist() == [5, 7, 8]
    assert shown.train_mask.tolist() == [False, True, True]
    assert shown.test_mask.tolist() == [[False], [True], [True]]
    assert shown.slow_node_mask is helper
    assert data.y is y
    data.y = torch.tensor([5, 7, 8])  # of nodes already
    assert with_counted_labels(data).y.tolist() == [5, 7, 8]
    seeds = sampled()
    seeds.y = torch.arange(7)
    assert with_counted_labels(seeds).y.tolist() == [0, 1, 2]
    plain = Data(x=x, y=y)
    assert with_counted_labels(plain) is plain
