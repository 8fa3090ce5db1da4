"""Splits of links: nothing leaks, in any graph."""

from __future__ import annotations

import copy
import dataclasses
import random
from collections import Counter
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data, HeteroData

import gcl
from gcl.evaluate import EdgeSplit, edge_split

PARTS = ("train", "val", "test")


def pairs(edges):
    """Unordered pairs, as a list of sets: copies count."""
    return [frozenset(pair) for pair in edges.T.tolist()]


@st.composite
def graphs(draw):
    """Directed or not, with self-loops, copies of edges and nodes without any."""
    num_nodes = draw(st.integers(2, 25))
    node = st.integers(0, num_nodes - 1)
    edges = draw(st.lists(st.tuples(node, node), min_size=0, max_size=60))
    edges += edges[: draw(st.integers(0, 5))]
    if draw(st.booleans()):
        edges += [(v, u) for u, v in edges]
    edge_index = torch.tensor(edges, dtype=torch.long).view(-1, 2).T.contiguous()
    return Data(
        x=torch.zeros(num_nodes, 3), edge_index=edge_index, edge_attr=edge_index.T.clone().float()
    )


@pytest.mark.filterwarnings("ignore:edge_split. all links lead")
@settings(max_examples=200, deadline=None)
@given(
    data=graphs(),
    val=st.sampled_from([0.0, 0.1, 0.3]),
    test=st.sampled_from([0.1, 0.2, 0.5]),
    negatives=st.sampled_from([0.5, 1.0, 3.0]),
    seed=st.integers(0, 5),
)
def test_nothing_leaks(data, val, test, negatives, seed):
    links = {pair for pair in pairs(data.edge_index) if len(pair) == 2}
    sizes = [0, round(val * len(links)), round(test * len(links))]
    sizes[0] = len(links) - sum(sizes)
    wanted = [max(1, round(negatives * size)) if size else 0 for size in sizes]
    free = data.num_nodes * (data.num_nodes - 1) // 2 - len(links)
    before = copy.deepcopy(data)
    few = min(sizes[0], sizes[2]) < 1 or (val > 0 and sizes[1] < 1)
    if few or free < sum(wanted):
        reason = "links are too few" if few else "without a link"
        with pytest.raises(ValueError, match=reason):
            edge_split(data, val, test, negatives=negatives, seed=seed)
        return
    split = edge_split(data, val, test, negatives=negatives, seed=seed)
    positive = [pairs(getattr(split, part)) for part in PARTS]
    assert [len(part) for part in positive] == sizes
    assert Counter(chain(*positive)) == Counter(links)  # each once, in one part

    negative = [pairs(getattr(split, f"{part}_neg")) for part in PARTS]
    assert [len(part) for part in negative] == wanted
    drawn = list(chain(*negative))
    assert len(set(drawn)) == len(drawn)
    assert not links & set(drawn)
    assert all(len(pair) == 2 for pair in drawn)

    shown = [
        e for e in data.edge_index.T.tolist() if frozenset(e) in {*positive[0]} or e[0] == e[1]
    ]
    assert split.data.edge_index.T.tolist() == shown
    assert torch.equal(split.data.edge_attr, split.data.edge_index.T.float())
    assert split.data.num_nodes == split.num_nodes == data.num_nodes
    assert data.to_dict().keys() == before.to_dict().keys()
    assert all(torch.equal(value, before[name]) for name, value in data.to_dict().items())


def test_both_directions_and_copies_go_together():
    """What PyG's RandomLinkSplit does by default with an undirected graph."""
    data = gcl.datasets.load("digits")
    doubled = Data(num_nodes=data.num_nodes, edge_index=data.edge_index.repeat(1, 2))
    split = edge_split(doubled, 0.1, 0.2)
    assert split.data.is_undirected()
    assert split.data.num_edges == 4 * split.train.shape[1]
    hidden = set(pairs(split.val)) | set(pairs(split.test))
    assert not hidden & set(pairs(split.data.edge_index))
    assert len(hidden) == split.val.shape[1] + split.test.shape[1]


@pytest.mark.parametrize(("num_nodes", "listed"), [(6, True), (12, False)])
def test_negatives_are_uniform(num_nodes, listed):
    """Both ways to draw them: from the list of all pairs, and by rejection."""
    edge_index = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 4]])
    population, draws = num_nodes * (num_nodes - 1) // 2, 800
    assert (population <= 4 * (4 + 4)) == listed
    counts = Counter()
    for seed in range(draws):
        split = edge_split(Data(edge_index=edge_index, num_nodes=num_nodes), 0.25, 0.25, seed=seed)
        counts.update(pairs(split.test_neg))
    assert len(counts) == population - 4
    share = 1 / len(counts)
    deviation = (draws * share * (1 - share)) ** 0.5
    assert max(abs(c - draws * share) for c in counts.values()) < 4.5 * deviation


def test_every_link_may_come_to_the_test():
    path = Data(edge_index=torch.tensor([[0, 1, 2, 3], [1, 2, 3, 4]]), num_nodes=5)
    counts = Counter()
    for seed in range(600):
        counts.update(pairs(edge_split(path, 0.25, 0.25, seed=seed).test))
    assert all(abs(counts[frozenset((i, i + 1))] - 150) < 4.5 * 112.5**0.5 for i in range(4))


def test_a_graph_in_which_nearly_all_pairs_are_linked():
    first, second = torch.triu_indices(40, 40, 1)
    full = Data(edge_index=torch.stack([first, second])[:, 30:], num_nodes=40)
    split = edge_split(full, 0.01, 0.02, negatives=0.0385)
    drawn = torch.cat([split.train_neg, split.val_neg, split.test_neg], 1)
    assert set(pairs(drawn)) == {frozenset((0, i)) for i in range(1, 31)}
    with pytest.raises(ValueError, match="30 pairs without a link, and the parts need 76"):
        edge_split(full, 0.01, 0.02, negatives=0.1)


def test_nodes_that_lose_their_last_edge_stay():
    """PyG would count the nodes from the edges that are left."""
    star = Data(edge_index=torch.stack([torch.zeros(9, dtype=torch.long), torch.arange(1, 10)]))
    assert all(edge_split(star, 0, 0.5, seed=s).data.num_nodes == 10 for s in range(5))


def test_seeds_own_their_generator():
    data = gcl.datasets.load("karate")
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    one, same, other = (edge_split(data, seed=s) for s in (1, 1, 2))
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()
    assert np.array_equal(states[2], np.random.get_state()[1])  # noqa: NPY002
    for field in dataclasses.fields(one)[2:8]:
        assert torch.equal(getattr(one, field.name), getattr(same, field.name))
    assert not torch.equal(one.train, other.train)
    assert not torch.equal(one.train_neg, other.train_neg)


def test_memory_does_not_grow_with_the_square_of_the_nodes():
    data = gcl.datasets.sbm(num_nodes=20_000, degree=4.5)
    sizes = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for x in out if isinstance(out, tuple | list) else (out,):
                if isinstance(x, torch.Tensor) and x.data_ptr() != data.x.data_ptr():
                    sizes.append(x.numel())
            return out

    with Watch():
        edge_split(data)
    assert max(sizes) <= 4 * data.num_edges


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        ({}, {"val": -0.1}, ValueError, "val in"),
        ({}, {"test": 0.0}, ValueError, "test in"),
        ({}, {"val": 0.5, "test": 0.5}, ValueError, "sum below 1"),
        ({}, {"negatives": 0}, ValueError, "negatives must be a number above 0"),
        ({}, {"test": "0.1"}, TypeError, "number"),
        ({}, {"seed": 0.5}, TypeError, "whole number"),
        ({}, {"val": 0.001}, ValueError, "78 links are too few"),
        ({"community": torch.zeros(34)}, {}, ValueError, "community tells of all edges"),
        ({"edge_index": torch.zeros(2, 4)}, {}, TypeError, "int64"),
        ({"edge_index": torch.full((2, 4), 34)}, {}, ValueError, "edge_index must lie in"),
        ({"edge_index": torch.empty(2, 0, dtype=torch.long)}, {}, ValueError, "0 links"),
    ],
)
def test_mistakes(change, options, error, message):
    data = gcl.datasets.load("karate").update(change)
    with pytest.raises(error, match=message):
        edge_split(data, **options)


def test_only_one_graph_of_one_type():
    karate = gcl.datasets.load("karate")
    for graph in ([karate], Batch.from_data_list([karate, karate]), karate.edge_index):
        with pytest.raises(TypeError, match="expected one graph"):
            edge_split(graph)
    with pytest.raises(ValueError, match="no edge_index"):
        edge_split(Data(x=torch.ones(3, 2)))


def own(**change):
    """A split by hand, honest unless changed."""
    edges = torch.tensor([[0, 1], [1, 0]])
    parts = {"train": [0, 1], "val": [1, 2], "test": [2, 3]}
    parts |= {"train_neg": [0, 2], "val_neg": [0, 3], "test_neg": [4, 1]}
    columns = {name: torch.tensor(pair).view(2, 1) for name, pair in parts.items()}
    return EdgeSplit("own", Data(edge_index=edges, num_nodes=5), **columns | change)


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("test", [[1], [0]], "1 pairs are listed twice"),  # a training link, reversed
        ("test_neg", [[3], [2]], "1 pairs are listed twice"),
        ("val_neg", [[2], [0]], "1 pairs are listed twice"),
        ("test_neg", [[1, 4], [4, 1]], "1 pairs are listed twice"),
        ("test", [[2], [2]], "with itself"),
        ("test", [[2], [5]], "must lie in"),
        ("test", [[], []], "test is empty"),
        ("val", [[], []], "both be empty"),
        ("train", [[3], [4]], "2 edges of data are no training links"),
    ],
)
def test_a_dishonest_split_is_refused(part, value, message):
    assert own().num_nodes == 5
    with pytest.raises(ValueError, match=message):
        own(**{part: torch.tensor(value, dtype=torch.long)})


def shop(reverse="rev_buys", users=40, items=25, count=200, seed=0):
    """Users and items under the same numbers, and what tells of the links besides them."""
    generator = torch.Generator().manual_seed(seed)
    keys = torch.randperm(users * items, generator=generator)[:count]
    links = torch.stack([keys // items, keys % items])
    data = HeteroData()
    data["user"].x, data["item"].num_nodes = torch.eye(users), items
    data["user", "buys", "item"].edge_index = links
    data["user", "buys", "item"].edge_attr = keys.clone()
    order = torch.randperm(count, generator=generator)
    data["item", reverse, "user"].edge_index = links.flip(0)[:, order]
    data["item", reverse, "user"].edge_attr = keys[order]
    views = torch.stack([keys // items, (keys + 1) % items])
    data["user", "views", "item"].edge_index = torch.cat([links[:, :50], views], 1)
    data["user", "knows", "user"].edge_index = torch.tensor([[0, 1], [1, 0]])
    return data


BUYS = ("user", "buys", "item")


def ordered(pairs):
    return set(map(tuple, pairs.T.tolist()))


@settings(max_examples=60, deadline=None)
@given(
    users=st.integers(2, 30),
    items=st.integers(2, 30),
    share=st.floats(0.1, 0.6),
    val=st.sampled_from([0.0, 0.2]),
    negatives=st.sampled_from([0.5, 1.0]),
    seed=st.integers(0, 3),
)
def test_links_between_two_types(users, items, share, val, negatives, seed):
    count = max(10, int(share * users * items))
    if count * (1 + negatives) + 3 > users * items:
        return
    data = shop(users=users, items=items, count=count, seed=seed)
    links = ordered(data[BUYS].edge_index)
    split = edge_split(data, val, 0.2, negatives=negatives, seed=seed, edge_type=BUYS)
    positive = [ordered(getattr(split, part)) for part in PARTS]
    assert sum(map(len, positive)) == len(links) == count  # user i and item i are two nodes
    assert set().union(*positive) == links
    assert split.test.shape[1] == round(0.2 * count)
    drawn = torch.cat([getattr(split, f"{part}_neg") for part in PARTS], 1)
    assert len(ordered(drawn)) == drawn.shape[1]
    assert not ordered(drawn) & links
    assert bool((drawn >= 0).all() and (drawn[0] < users).all() and (drawn[1] < items).all())
    for key, flip in ((BUYS, False), (("item", "rev_buys", "user"), True)):
        edges = split.data[key].edge_index.flip(0) if flip else split.data[key].edge_index
        assert ordered(edges) == positive[0]
        assert torch.equal(edges[0] * items + edges[1], split.data[key].edge_attr)
    for key in (("user", "views", "item"), ("user", "knows", "user")):
        assert split.data[key].edge_index is data[key].edge_index
    assert split.sizes == {"user": users, "item": items}
    assert split.data["user"].x is data["user"].x
    assert data[BUYS].edge_index.shape[1] == count


@pytest.mark.parametrize(("users", "items", "listed"), [(3, 4, True), (9, 4, False)])
def test_negatives_between_two_types_are_uniform(users, items, listed):
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = users, items
    data[BUYS].edge_index = torch.tensor([[0, 1, 1, 2], [0, 1, 2, 3]])
    assert (users * items <= 4 * (4 + 4)) == listed
    counts, draws = Counter(), 300
    for seed in range(draws):
        split = edge_split(data, 0.25, 0.25, seed=seed, edge_type=BUYS)
        counts.update(ordered(split.test_neg))
    assert len(counts) == users * items - 4
    share = 1 / (users * items - 4)
    deviation = (draws * share * (1 - share)) ** 0.5
    assert max(abs(c - draws * share) for c in counts.values()) < 4.5 * deviation


@pytest.mark.parametrize("name", ["rev_buys", "buys", "bought_by"])
def test_a_reverse_is_known_by_its_name_or_by_what_it_holds(name):
    split = edge_split(shop(name), 0.1, 0.2, edge_type=BUYS)
    back = split.data["item", name, "user"].edge_index
    assert ordered(back.flip(0)) == ordered(split.train)


def test_a_reverse_that_lacks_some_links_is_hidden_by_name_or_on_demand():
    hidden = {}
    for name in ("rev_buys", "bought_by"):
        data = shop(name)
        key = ("item", name, "user")
        data[key].edge_index = data[key].edge_index[:, :-10]
        data[key].edge_attr = data[key].edge_attr[:-10]
        for hide in ((), (key,)):
            split = edge_split(data, 0.1, 0.2, edge_type=BUYS, hide=hide)
            shown = ordered(split.data[key].edge_index.flip(0))
            hidden[name, bool(hide)] = not shown - ordered(split.train)
    assert hidden == {
        ("rev_buys", False): True, ("rev_buys", True): True,
        ("bought_by", False): False, ("bought_by", True): True,
    }  # fmt: skip


def test_reverse_split_by_the_reverse():
    split = edge_split(shop(), 0.1, 0.2, edge_type=("item", "rev_buys", "user"))
    assert ordered(split.data[BUYS].edge_index.flip(0)) == ordered(split.train)
    assert split.name == "links-70-10-20 of item-rev_buys-user"


def test_links_of_one_type_in_a_graph_of_several():
    """Exactly the split that the type has by itself, self-loops and all."""
    karate = gcl.datasets.load("karate")
    loops = torch.tensor([[3, 5], [3, 5]])
    edges = torch.cat([karate.edge_index, loops], 1)
    data = shop()
    data["user"].x = torch.eye(34)
    for key in (BUYS, ("item", "rev_buys", "user"), ("user", "views", "item")):
        del data[key]
    data["user", "knows", "user"].edge_index = edges
    data["user", "known_by", "user"].edge_index = edges.flip(0)
    alone = edge_split(Data(edge_index=edges, num_nodes=34), seed=3)
    split = edge_split(data, seed=3, edge_type=("user", "knows", "user"))
    for field in dataclasses.fields(split)[2:8]:
        assert torch.equal(getattr(split, field.name), getattr(alone, field.name))
    assert torch.equal(split.data["user", "knows", "user"].edge_index, alone.data.edge_index)
    assert torch.equal(
        split.data["user", "known_by", "user"].edge_index.flip(0), alone.data.edge_index
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"expected edge_type.*; there are \('user', 'buys', 'item'\)"),
        ({"edge_type": ("user", "sells", "item")}, "got .'user', 'sells', 'item'.; there are"),
        ({"edge_type": BUYS, "hide": [("user", "knows", "user")]}, "hide must list edge types"),
        ({"edge_type": BUYS, "hide": [("a", "b", "c")]}, "hide must list edge types"),
        ({"edge_type": BUYS, "val": 0.001}, "200 links are too few"),
        ({"edge_type": BUYS, "negatives": 4.1}, "800 pairs without a link"),
    ],
)
def test_mistakes_with_edge_types(options, message):
    with pytest.raises(ValueError, match=message):
        edge_split(shop(), **options)
    with pytest.raises(ValueError, match="is for a HeteroData"):
        edge_split(gcl.datasets.load("karate"), edge_type=BUYS)


def test_what_tells_of_all_edges_is_refused_in_every_store():
    for name, where in (("community", "item"), ("adj", ("user", "views", "item"))):
        data = shop()
        data[where][name] = torch.zeros(25)
        with pytest.raises(ValueError, match=f"{name} tells of all edges"):
            edge_split(data, edge_type=BUYS)
    data = shop()
    data[BUYS].edge_index = torch.tensor([[0, 1, 2], [0, 1, 25]])
    with pytest.raises(ValueError, match=r"the targets of edge_index must lie in \[0, 24\]"):
        edge_split(data, edge_type=BUYS)


def test_a_dishonest_split_between_two_types_is_refused():
    split = edge_split(shop(), 0.1, 0.2, edge_type=BUYS)
    for key in (BUYS, ("item", "rev_buys", "user")):
        data = copy.copy(split.data)
        data[key].edge_index = shop()[key].edge_index
        with pytest.raises(ValueError, match=r"60 edges of data\[.* are no training links"):
            dataclasses.replace(split, data=data)
    with pytest.raises(ValueError, match="1 pairs are listed twice; make"):
        dataclasses.replace(split, test_neg=split.test[:, :1])
    # (u, i) and (i, u) are two pairs here.
    data = HeteroData()
    data["user"].num_nodes = data["item"].num_nodes = 6
    data[BUYS].edge_index = torch.tensor([[0], [1]])
    parts = [[[0], [1]], [[], []], [[3], [4]], [[1], [0]], [[], []], [[4], [3]]]
    EdgeSplit("own", data, *(torch.tensor(p, dtype=torch.long) for p in parts), edge_type=BUYS)


def test_two_sides_in_one_graph_are_warned_of():
    """Of all pairs of 60 users and 60 items half join a side with itself."""
    data = shop(users=60, items=60, count=400)
    edges = data[BUYS].edge_index + torch.tensor([[0], [60]])
    one = Data(edge_index=torch.cat([edges, edges.flip(0)], 1), num_nodes=120)
    with pytest.warns(UserWarning, match="make the graph a HeteroData and pass edge_type"):
        split = edge_split(one, 0.1, 0.2)
    side = split.test_neg >= 60
    assert 0.35 < float((side[0] == side[1]).float().mean()) < 0.75
    odd = Data(edge_index=torch.cat([edges, torch.tensor([[0], [1]])], 1), num_nodes=120)
    edge_split(odd, 0.1, 0.2)  # one link within a side
    edge_split(Data(edge_index=edges[:, :30], num_nodes=120), 0.1, 0.2)  # no more links than nodes
