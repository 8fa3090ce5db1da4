"""AddMetaPaths against paths counted one by one, and rows sorted one by one."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, HeteroData
from torch_geometric.transforms import ToUndirected

from gcl.graphs.meta_paths import metapath_contexts
from gcl.transforms import meta_path_counts
from gcl.transforms.add_meta_paths import AddMetaPaths
from tests.heterogeneous import (
    CITES,
    PATHS,
    SIZES,
    as_dict,
    random_graph,
    steps_of,
    turned,
    walk_counts,
)


def top_rows(counts, k, similarity):
    """The k best entries of every row, by sorting Python lists."""

    def score(i, j):
        if i == j:
            return float("inf")
        if similarity == "count":
            return counts[i, j]
        own = counts.get((i, i), 0), counts.get((j, j), 0)
        if not all(own):
            return counts[i, j] / sum(n for (r, _), n in counts.items() if r == i)
        return (counts[i, j] + counts.get((j, i), 0)) / sum(own)

    kept = {}
    for i in range(SIZES["t"]):
        row = [j for (r, j) in counts if r == i]
        row.sort(key=lambda j: (-score(i, j), -counts[i, j], j))
        kept.update({(i, j): counts[i, j] for j in row[:k]})
    return kept


@pytest.fixture(params=[1 << 22, 5])
def blocks(request, monkeypatch):
    monkeypatch.setattr(meta_path_counts, "CHUNK", request.param)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("path", PATHS)
def test_counts_are_those_of_paths(path, seed, blocks):
    data = random_graph(seed)
    out = AddMetaPaths([PATHS[path]], topk_form="row")(data)
    assert as_dict(out["t", "metapath_0", "t"]) == walk_counts(data, steps_of(PATHS[path]))
    transposed = AddMetaPaths([PATHS[path]])(data)["t", "metapath_0", "t"]
    assert as_dict(transposed) == turned(as_dict(out["t", "metapath_0", "t"]))


@pytest.mark.parametrize("similarity", ["pathsim", "count"])
@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("path", PATHS)
def test_top_entries_of_rows(path, k, similarity, blocks):
    data = random_graph(7)
    counts = walk_counts(data, steps_of(PATHS[path]))
    expected = top_rows(counts, k, similarity)
    if k == 1:
        assert len(expected) < len(counts)

    def run(form):
        transform = AddMetaPaths(
            [PATHS[path]], topk=k, similarity=similarity, topk_form=form, ties="index"
        )
        return transform(data)["t", "metapath_0", "t"]

    assert as_dict(run("row")) == expected
    assert as_dict(run("transpose")) == turned(expected)
    back = turned(expected)
    union = {e: max(expected.get(e, 0), back.get(e, 0)) for e in expected | back}
    assert as_dict(run("union")) == union
    assert as_dict(run("mutual")) == {e: min(expected[e], back[e]) for e in expected if e in back}


def test_ties_go_to_the_count_then_to_the_index_and_never_against_the_node():
    data = HeteroData()
    data["p"].num_nodes, data["s"].num_nodes = 5, 1
    data["p", "to", "s"].edge_index = torch.stack([torch.arange(5), torch.zeros(5, dtype=int)])
    data = ToUndirected()(data)
    out = AddMetaPaths([["p", "s", "p"]], topk=2, ties="index", topk_form="row")(data)
    chosen = sorted(as_dict(out["p", "metapath_0", "p"]))
    assert chosen == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
        (2, 0),
        (2, 2),
        (3, 0),
        (3, 3),
        (4, 0),
        (4, 4),
    ]


@pytest.mark.parametrize("form", ["transpose", "row", "union"])
def test_normalisation_from_what_is_written(form):
    """`D^-1/2 T^T D^-1/2` with the row sums of T, as MEOW's code; symmetric forms by their own."""
    data = random_graph(3)
    counts = walk_counts(data, steps_of(PATHS["length 4"]))
    t = np.zeros((9, 9))
    for (i, j), count in top_rows(counts, 2, "pathsim").items():
        t[i, j] = count
    expected = {"transpose": t.T, "row": t, "union": np.maximum(t, t.T)}[form]
    sums = (expected if form == "union" else t).sum(1)
    scale = np.divide(1, np.sqrt(sums), where=sums > 0, out=np.zeros(9))
    out = AddMetaPaths([PATHS["length 4"]], topk=2, ties="index", topk_form=form)(data)
    store = out["t", "metapath_0", "t"]
    source, target = store.edge_index
    by = store.edge_index[store.selector]
    found_sums = torch.zeros(9).index_add(0, by, store.edge_weight)
    found = np.zeros((9, 9))
    weight = store.edge_weight / (found_sums[source] * found_sums[target]).sqrt()
    finite = (found_sums[source] > 0) & (found_sums[target] > 0)
    found[target[finite], source[finite]] = weight[finite]
    np.testing.assert_allclose(found, scale[:, None] * expected * scale, rtol=1e-6)


def mean_along(data, chain, h):
    """Means over the edges that arrive, from the last edge type of the chain to the first."""
    for step in reversed(chain):
        source, target = data[step].edge_index
        size = data[step[2]].num_nodes
        total = torch.zeros(size, h.shape[1], dtype=h.dtype).index_add(0, target, h[source])
        count = torch.bincount(target, minlength=size).clamp(min=1)
        h = total / count[:, None]
    return h


@pytest.mark.parametrize("path", PATHS)
def test_contexts(path, blocks):
    data = random_graph(5)
    steps = steps_of(PATHS[path])
    sets = AddMetaPaths([PATHS[path]])(data)
    walks = AddMetaPaths([PATHS[path]], contexts="walk")(data)
    (chains,), (long_chains,) = metapath_contexts(sets).values(), metapath_contexts(walks).values()
    assert len(chains) == len(long_chains) == len(steps) - 1
    for position, (chain, long_chain) in enumerate(zip(chains, long_chains, strict=True), 1):
        kind = steps[position - 1][2]
        h = torch.randn(SIZES[kind], 3, dtype=torch.float64)
        reached = walk_counts(data, steps[:position])
        expected = torch.zeros(9, 3, dtype=torch.float64)
        for i in range(9):
            nodes = [j for (r, j) in reached if r == i]
            if nodes:
                expected[i] = h[nodes].mean(0)
        assert len(chain) == 1
        assert chain[0][::2] == (kind, "t")
        torch.testing.assert_close(mean_along(sets, chain, h), expected)
        assert len(long_chain) == position
        walked = h
        for step in reversed(steps[:position]):
            average = torch.zeros(SIZES[step[0]], SIZES[step[2]], dtype=torch.float64)
            for source, target in data[step].edge_index.t().tolist():
                average[source, target] += 1
            walked = average / average.sum(1, keepdim=True).clamp(min=1) @ walked
        torch.testing.assert_close(mean_along(walks, long_chain, h), walked)


def test_edge_types_are_shared_between_meta_paths():
    paths = [["t", "a", "t"], ["t", "a", "b", "a", "t"]]
    sets = metapath_contexts(AddMetaPaths(paths)(random_graph()))
    short, long = sets.values()
    assert short[0] == long[0]
    assert len({chain[0] for chain in short + long}) == 3
    walks = metapath_contexts(AddMetaPaths(paths, contexts="walk")(random_graph()))
    short, long = walks.values()
    assert short[0] == long[0] == long[2][:1]
    assert metapath_contexts(AddMetaPaths(paths, contexts="none")(random_graph())) == {
        ("t", "metapath_0", "t"): [],
        ("t", "metapath_1", "t"): [],
    }


def test_permuting_nodes_permutes_the_result():
    data = random_graph(2)
    generator = torch.Generator().manual_seed(0)
    new = {kind: torch.randperm(size, generator=generator) for kind, size in SIZES.items()}
    moved = HeteroData()
    for kind, size in SIZES.items():
        moved[kind].num_nodes = size
    for edge_type in data.edge_types:
        source, target = data[edge_type].edge_index
        edges = torch.stack([new[edge_type[0]][source], new[edge_type[2]][target]])
        moved[edge_type].edge_index = edges[:, torch.randperm(edges.shape[1], generator=generator)]
    transform = AddMetaPaths([PATHS["length 4"], PATHS["directed"]])
    one, other = transform(data), transform(moved)
    for edge_type in one.edge_types:
        if edge_type in data.edge_types:
            continue
        source, target = one[edge_type].edge_index
        edges = torch.stack([new[edge_type[0]][source], new[edge_type[2]][target]])
        order = np.lexsort(edges.numpy())
        assert torch.equal(edges[:, order], other[edge_type].edge_index)
        if "edge_weight" in one[edge_type]:
            weight = one[edge_type].edge_weight[order]
            assert torch.equal(weight, other[edge_type].edge_weight)


def test_isolated_targets_have_neither_edges_nor_context():
    out = AddMetaPaths([PATHS["length 4"]], topk=3)(random_graph())
    assert 8 not in out["t", "metapath_0", "t"].edge_index
    (chains,) = metapath_contexts(out).values()
    assert all(8 not in out[step].edge_index[1] for chain in chains for step in chain)


@pytest.mark.parametrize("contexts", ["set", "walk", "none"])
def test_graph_without_edges(contexts):
    data = random_graph()
    for edge_type in data.edge_types:
        data[edge_type].edge_index = torch.empty(2, 0, dtype=torch.long)
    out = AddMetaPaths([PATHS["length 4"]], contexts, topk=2)(data)
    assert all(out[edge_type].num_edges == 0 for edge_type in out.edge_types)
    assert out["t", "metapath_0", "t"].edge_weight.shape == (0,)
    data["t"].num_nodes = 0
    assert AddMetaPaths([PATHS["length 4"]], contexts, topk=2)(data)["t"].num_nodes == 0


def test_what_pyg_sees():
    data = random_graph()
    before = list(data.edge_types)
    transform = AddMetaPaths([PATHS["length 4"], PATHS["length 1"]], topk=[2, None])
    out = transform(data)
    assert data.edge_types == before
    assert "metapath_dict" not in data
    assert out.validate()
    for store in out.edge_stores:
        assert store.edge_index.dtype == torch.int64
    assert out.metapath_dict == {
        ("t", "metapath_0", "t"): steps_of(PATHS["length 4"]),
        ("t", "metapath_1", "t"): [CITES],
    }
    moved = pickle.loads(pickle.dumps(out.to("cpu")))
    assert metapath_contexts(moved) == metapath_contexts(out)
    part = moved.subgraph({"t": torch.arange(5)})
    store = part["t", "metapath_0", "t"]
    assert len(store.edge_weight) == store.num_edges < out["t", "metapath_0", "t"].num_edges
    assert repr(pickle.loads(pickle.dumps(transform))) == repr(transform)


def test_a_second_run_replaces_the_first():
    data = random_graph()
    paths = [PATHS["length 4"], PATHS["length 6"]]
    twice = AddMetaPaths([PATHS["length 2"]])(AddMetaPaths(paths, "walk")(data).to("cpu"))
    once = AddMetaPaths([PATHS["length 2"]])(data)
    assert twice.edge_types == once.edge_types
    assert metapath_contexts(twice) == metapath_contexts(once)
    # node types alone stay unambiguous, though the first run has added t -> t
    paths = [["t", "t"]]
    assert AddMetaPaths(paths)(twice).metapath_dict == {("t", "metapath_0", "t"): [CITES]}


def test_budget_turns_long_contexts_into_walks():
    data = random_graph()
    path = PATHS["length 6"]
    whole = AddMetaPaths([path], topk=1)(data)
    (chains,) = metapath_contexts(whole).values()
    sizes = [16 * whole[chain[0]].num_edges for chain in chains]
    beyond = next(i for i, size in enumerate(sizes) if size > sizes[0])
    with pytest.warns(UserWarning, match=rf"meta-path 1 reaches at position {beyond + 1}"):
        out = AddMetaPaths([PATHS["length 2"], path], topk=1, budget=max(sizes[:beyond]))(data)
    found = [len(chain) for chain in list(metapath_contexts(out).values())[1]]
    assert found == [1] * beyond + list(range(beyond + 1, 6))
    with pytest.raises(ValueError, match=r"meta-path 0 joins more pairs.*budget=300 bytes.*topk"):
        AddMetaPaths([path], budget=300)(data)


def test_numbers_of_numpy_are_numbers():
    given = [AddMetaPaths([["t", "a", "t"]], topk=k) for k in (np.int64(3), [np.int32(3)], 3)]
    for transform in given:
        assert transform.topk in (3, [3])
        assert repr(transform).endswith(("topk=3)", "topk=[3])"))
        edges = transform(random_graph())["t", "metapath_0", "t"].edge_index
        assert torch.equal(edges, given[-1](random_graph())["t", "metapath_0", "t"].edge_index)


def broken(**changes):
    data = random_graph()
    for key, value in changes.items():
        data["t", "to", "a"][key] = value
    return data


@pytest.mark.parametrize(
    ("options", "data", "error", "message"),
    [
        ({"metapaths": []}, None, ValueError, "metapaths is empty"),
        ({"metapaths": ["t", "a", "t"]}, None, TypeError, "a list of meta-paths"),
        ({"metapaths": "tat"}, None, TypeError, "a list of meta-paths"),
        ({"metapaths": [["t"]]}, None, ValueError, "names one node type"),
        ({"metapaths": [[]]}, None, TypeError, "must hold node types"),
        ({"metapaths": [["t", ("t", "to", "a")]]}, None, TypeError, "must hold node types"),
        ({"topk": 0}, None, ValueError, "topk must be at least 1"),
        ({"topk": True}, None, TypeError, "topk must be a whole number"),
        ({"topk": 2.5}, None, TypeError, "topk must be a whole number, None or a list"),
        ({"topk": [3, 4]}, None, ValueError, "one number for each of 1 meta-paths, got 2"),
        ({"topk_form": "both"}, None, ValueError, "topk_form must be one of 'transpose'"),
        ({"contexts": "all"}, None, ValueError, "contexts must be one of 'set'"),
        ({"similarity": "cosine"}, None, ValueError, "similarity must be one of 'pathsim'"),
        ({"budget": 0}, None, ValueError, "budget must be at least 1"),
        ({}, HeteroData().to_dict(), TypeError, "expected a HeteroData, got dict"),
        ({}, Batch.from_data_list([random_graph()] * 2), ValueError, "a batch of 2"),
        ({}, broken(edge_index=torch.tensor([[0], [6]])), ValueError, r"lie in \[0, 6\), got .* 6"),
        ({}, broken(edge_index=torch.tensor([[-1], [0]])), ValueError, r"lie in \[0, 9\)"),
        ({}, broken(edge_index=torch.ones(2, 2)), TypeError, "must be int64"),
        ({}, broken(edge_index=torch.ones(3, 2).long()), ValueError, r"must be \[2, e\]"),
    ],
)
def test_mistakes(options, data, error, message):
    options = {"metapaths": [["t", "a", "t"]], **options}
    with pytest.raises(error, match=message):
        AddMetaPaths(**options)(random_graph() if data is None else data)


def test_more_mistakes():
    data = random_graph()
    del data["a"].num_nodes
    with pytest.raises(ValueError, match=r"node type 'a' of .* has no number of nodes"):
        AddMetaPaths([["t", "a", "t"]])(data)
    data = random_graph()
    data["t", "metapath_0", "t"].edge_index = torch.tensor([[0], [0]])
    with pytest.raises(ValueError, match="rename or remove"):
        AddMetaPaths([["t", "a", "t"]])(data)
    with pytest.raises(ValueError, match="apply AddMetaPaths"):
        metapath_contexts(random_graph())
