"""Meta-paths as users write them, and what is said of those that do not fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from gcl.graphs.meta_paths import (
    check_metapaths,
    check_topk,
    metapath_contexts,
    metapaths_of,
    resolve,
)
from gcl.transforms.add_meta_paths import AddMetaPaths
from tests.heterogeneous import CITES, as_dict, random_graph, walk_counts


@pytest.mark.parametrize(
    ("metapath", "message"),
    [
        (["t", "a"], "meta-path 1 starts at 't', so step 1 must end there, but it ends at 'a'"),
        (["a", "t", "a"], "meta-path 1 starts at 'a' in step 1, meta-path 0 at 't'"),
        (["t", "a", "z", "t"], "step 2 of meta-path 1, 'a' -> 'z': there is no node type 'z'"),
        (["t", "b", "b", "t"], "step 2 of meta-path 1, 'b' -> 'b': no edge type leads there.*Undi"),
        ([("t", "to", "a"), ("b", "to", "t")], "step 2 of meta-path 1 must start at 'a', where st"),
        ([("t", "to", "a"), ("a", "by", "t")], r"step 2 of meta-path 1: there is no edge type \('"),
    ],
)
def test_chains_that_do_not_fit(metapath, message):
    with pytest.raises(ValueError, match=message):
        AddMetaPaths([["t", "a", "t"], metapath])(random_graph())


def test_ambiguous_steps_ask_for_edge_types():
    data = random_graph()
    data["t", "like", "a"].edge_index = torch.tensor([[0], [0]])
    with pytest.raises(ValueError, match="step 1 of meta-path 0, 't' -> 'a': 2 edge types lead"):
        AddMetaPaths([["t", "a", "t"]])(data)
    out = AddMetaPaths([[("t", "like", "a"), ("a", "to", "t")]], topk_form="row")(data)
    expected = walk_counts(data, [("t", "like", "a"), ("a", "to", "t")])
    assert as_dict(out["t", "metapath_0", "t"]) == expected


def test_lists_of_any_kind_are_meta_paths() -> None:
    assert check_metapaths([("t", "a", "t"), ["t", "b"]]) == [["t", "a", "t"], ["t", "b"]]
    steps = [["t", "to", "a"], ("a", "to", "t")]  # as the command line and as Python write them
    assert check_metapaths([steps]) == [[("t", "to", "a"), ("a", "to", "t")]]


def test_chains_of_edge_types() -> None:
    data = random_graph()
    short, long = resolve(data, [["t", "a", "t"], [CITES, ("t", "to", "b"), ("b", "to", "t")]])
    assert short == (("t", "to", "a"), ("a", "to", "t"))
    assert long == (CITES, ("t", "to", "b"), ("b", "to", "t"))
    # What AddMetaPaths wrote does not count as a way.
    data["t", "metapath_0", "t"].edge_index = data["t", "context_3", "t"].edge_index = None
    assert resolve(data, [["t", "t"]]) == [(CITES,)]


@pytest.mark.parametrize(
    ("topk", "expected"),
    [(None, [None] * 3), (4, [4] * 3), ([1, None, np.int64(2)], [1, None, 2])],
)
def test_a_number_for_every_meta_path(topk: object, expected: list[int | None]) -> None:
    assert check_topk(topk, 3) == expected
    assert all(k is None or type(k) is int for k in check_topk(topk, 3))


def test_a_type_without_nodes_of_its_own_is_pointed_out() -> None:
    data = HeteroData()
    data["t"].num_nodes = 2
    data["t", "to", "a"].edge_index = torch.tensor([[0], [1]])
    with pytest.raises(ValueError, match=r"Edges name it: set data\['a'\]\.num_nodes"):
        resolve(data, [["t", "a", "t"]])


def test_the_graph_may_name_its_meta_paths() -> None:
    data = random_graph()
    with pytest.raises(ValueError, match="Me: this graph names no meta-paths of its own"):
        metapaths_of("Me", data, None)
    data.metapaths = [("t", "a", "t")]
    assert metapaths_of("Me", data, None) == [["t", "a", "t"]]
    assert metapaths_of("Me", data, [["t", "b", "t"]]) == [["t", "b", "t"]]


def test_contexts_read_after_a_copy() -> None:
    data = random_graph()
    data.context_dict = {CITES: [[["t", "context_0", "a"]], []]}  # tuples became lists
    assert metapath_contexts(data) == {CITES: [[("t", "context_0", "a")], []]}
    with pytest.raises(ValueError, match="apply AddMetaPaths to it first"):
        metapath_contexts(random_graph())
