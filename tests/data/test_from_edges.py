"""A graph from tables, against dictionaries, networkx and pandas."""

from decimal import Decimal
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch_geometric.utils import degree

import gcl
from gcl.data import from_edges
from gcl.graphs.cutter import Cutter

EDGES = {
    "source": ["d", "a", "a", "b", "b", "c"],
    "target": ["a", "b", "b", "a", "b", "a"],
    "weight": [1.0, 2.0, 0.5, 4.0, 8.0, 3.0],
    "hours": [1.0, 2.0, 4.0, 6.0, 8.0, 3.0],
    "kind": ["x", "y", "y", "x", "x", "x"],
}
NODES = {
    "id": ["c", "a", "e", "b", "d"],
    "age": [30.0, None, 50.0, 20.0, 40.0],
    "team": ["red", "blue", None, "red", "red"],
}


def listed(data, *values):
    """`{(source, target): values}` by ids."""
    ends = data.ids[data.edge_index.numpy()].T.tolist()
    rows = [
        tuple(np.round(v[i].double().numpy(), 4).tolist() for v in values) for i in range(len(ends))
    ]
    assert len({tuple(e) for e in ends}) == len(ends)
    return {tuple(end): row for end, row in zip(ends, rows, strict=True)}


def by_hand(directed):
    """Edges one after the other."""
    found = {}
    for s, t, w, h, k in zip(*EDGES.values(), strict=True):
        pairs = [(s, t)] if directed or s == t else [(s, t), (t, s)]
        for pair in pairs:
            found.setdefault(pair, []).append((w, h, float(k == "x"), float(k == "y")))
    return {
        pair: (
            round(sum(r[0] for r in rows), 4),
            [round(float(v), 4) for v in np.mean(rows, 0)[1:]],
        )
        for pair, rows in found.items()
    }


@pytest.mark.parametrize("directed", [False, True])
def test_weights_are_added_and_attributes_averaged(directed):
    data = from_edges(EDGES, NODES, directed=directed)
    assert listed(data, data.edge_weight, data.edge_attr) == by_hand(directed)
    assert data.edge_feature_names == ["hours", "kind=x", "kind=y"]
    assert data.is_undirected() is not directed
    data.validate()


def test_the_order_of_the_rows_does_not_count():
    turned = {name: column[::-1] for name, column in EDGES.items()}
    one, other = (from_edges(e, NODES) for e in (EDGES, turned))
    assert one.edge_index.equal(other.edge_index)
    assert one.edge_weight.equal(other.edge_weight)
    assert one.edge_attr.allclose(other.edge_attr)


def test_nodes_keep_their_order_and_those_without_edges():
    data = from_edges(EDGES, NODES)
    assert data.ids.tolist() == NODES["id"]
    assert data.num_nodes == 5
    assert degree(data.edge_index[0], 5)[2] == 0
    assert data.feature_names == ["age", "age=missing", "team=blue", "team=red", "team=missing"]
    assert data.x[1].tolist() == [35, 1, 1, 0, 0]
    assert data.x[2].tolist() == [50, 0, 0, 0, 1]


def test_one_table_in_every_form(tmp_path):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    expected = from_edges(EDGES, NODES, label="team")
    for table, name in ((EDGES, "edges"), (NODES, "nodes")):
        pd.DataFrame(table).to_csv(tmp_path / f"{name}.csv", index=False)
    for edges, nodes in [
        (pd.DataFrame(EDGES), pd.DataFrame(NODES)),
        (pl.DataFrame(EDGES), pl.DataFrame(NODES)),
        (tmp_path / "edges.csv", str(tmp_path / "nodes.csv")),
    ]:
        data = from_edges(edges, nodes, label="team")
        assert list(data.keys()) == list(expected.keys())
        for name in ("x", "edge_index", "edge_weight", "edge_attr", "y"):
            assert data[name].equal(expected[name]), name
        assert data.ids.tolist() == expected.ids.tolist()
        assert data.classes == ["blue", "red"]
    assert expected.y.tolist() == [1, 0, -1, 1, 1]


def test_without_nodes_degrees_are_features():
    data = from_edges({"source": [3, 3, 10], "target": [10, 70, 70]})
    assert data.ids.tolist() == [3, 10, 70]
    assert data.x.shape == (3, 32)
    assert data.x[:, 2].tolist() == [1, 1, 1]
    assert data.feature_names[2] == "degree=2"
    assert len(data.feature_names) == 32
    assert "edge_weight" not in data
    assert "edge_attr" not in data


def test_the_structure_is_that_of_networkx():
    graph = nx.gnm_random_graph(40, 90, seed=1)
    names = [f"n{v}" for v in graph]
    ends = np.array([(names[u], names[v]) for u, v in graph.edges])
    data = from_edges({"source": ends[:, 0], "target": ends[:, 1]}, names)
    expected = nx.to_scipy_sparse_array(graph, weight=None).toarray()
    found = np.zeros((40, 40))
    found[tuple(data.edge_index.numpy())] = 1
    np.testing.assert_array_equal(found, expected)


def test_numbers_and_text_name_the_same_node():
    data = from_edges(
        {"source": [1, 2], "target": [2, 3]}, {"id": ["1", "2", "3", "x"], "a": [0, 1, 2, 3]}
    )
    assert data.ids.tolist() == ["1", "2", "3", "x"]
    assert data.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]


def test_matrices_of_features():
    x = sp.random_array((4, 6), density=0.5, rng=np.random.default_rng(0), format="csr")
    edges = {"source": ["b", "c"], "target": ["a", "d"]}
    data = from_edges(edges, list("abcd"), features=x)
    np.testing.assert_allclose(data.x.to_dense(), x.toarray(), rtol=1e-6)
    # Node 4 has no edge, and is there.
    whole = from_edges({"source": [0], "target": [2]}, features=np.ones((5, 2)))
    assert whole.num_nodes == 5
    assert whole.ids.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match=r"Give nodes=\[\.\.\.\]"):
        from_edges(edges, features=x)
    with pytest.raises(ValueError, match="features must be"):
        from_edges(edges, list("abcde"), features=x)


def test_columns_can_be_chosen():
    data = from_edges(EDGES, NODES, weight="hours", edge_features=["weight"], features=["age"])
    assert data.feature_names == ["age", "age=missing"]
    assert data.edge_feature_names == ["weight"]
    assert listed(data, data.edge_weight)[("c", "a")] == (3.0,)
    assert "edge_attr" not in from_edges(EDGES, NODES, edge_features=[])
    assert from_edges(EDGES, NODES, features=["team"], categories="codes").x.dtype == torch.int64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": "form"}, "no column 'form' for source; .*the columns are 'source', 'target'"),
        ({"weight": "wieght"}, "no column 'wieght' for weight; did you mean 'weight'"),
        ({"id": "key"}, "no column 'key' for id"),
        ({"nodes": {"weight": [1, 2]}}, "nodes has only 'weight'; one column must hold the ids"),
        ({"label": "class"}, "no column 'class' for label"),
        ({"features": ["size"]}, "no column 'size' for features"),
        ({"edge_features": ["size"]}, "no column 'size' for features"),
        ({"categories": "code"}, "categories must be one of"),
        ({"max_categories": 1}, "max_categories must be at least 2"),
        ({"nodes": {"id": list("abcda")}}, "1 ids stand in nodes more than once, such as 'a'"),
        ({"nodes": {}}, "nodes has no columns"),
        ({"nodes": list("ab")}, "2 of 6 edges name 2 nodes that are .* such as 'c', 'd'"),
        ({"edges": {"source": ["a"]}}, "edges needs two columns.* got 'source'"),
        ({"edges": {**EDGES, "weight": [1, 0, 1, -1, 1, 1]}}, "has .*0.* in row 1 and 1 more"),
        ({"edges": {**EDGES, "weight": [1, None, 1, 1, 1, 1]}}, "'weight' has no value in row 1;"),
        ({"weight": "kind"}, "must be finite numbers above 0"),
        ({"edges": {**EDGES, "source": ["a", None, *"bbbb"]}}, "source of edges is missing"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_in_one_sentence(change, message):
    edges, nodes = change.pop("edges", EDGES), change.pop("nodes", NODES)
    with pytest.raises(ValueError, match=message) as caught:
        from_edges(edges, nodes, **change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"source": 0}, {"directed": 1}, {"label": 3}, {"features": 7}, {"nodes": 7}]
)
def test_what_is_of_another_type(change):
    nodes = change.pop("nodes", NODES)
    with pytest.raises(TypeError, match="from_edges"):
        from_edges(EDGES, nodes, **change)


def test_no_edges():
    data = from_edges({"source": [], "target": []}, NODES)
    assert data.edge_index.shape == (2, 0)
    assert data.num_nodes == 5


def ring(nodes):
    """As many edges as nodes, listed one way: what belongs to which only names tell."""
    ids = [f"n{i}" for i in range(nodes)]
    return from_edges(
        {"source": ids, "target": [*ids[1:], ids[0]], "weight": [1.0] * nodes, "km": range(nodes)},
        {"id": ids, "kind": ["a", "b"] * (nodes // 2), "size": range(nodes)},
        label="kind",
        directed=True,
    )


@pytest.mark.parametrize("nodes", [2, 20])
def test_ids_follow_their_nodes_through_training_and_batches(nodes):
    data = ring(nodes)
    names, classes = list(data.feature_names), list(data.classes)
    part = Cutter("here", data).take({None: torch.tensor([nodes - 1, 0])})
    assert part.ids.tolist() == [f"n{nodes - 1}", "n0"]
    assert (part.feature_names, part.classes) == (names, classes)
    for batch in gcl.loader.NeighborBatches(data, [2], batch_size=2):
        assert batch.ids.tolist() == [f"n{i}" for i in batch.n_id.tolist()]
        assert (batch.feature_names, batch.classes) == (names, classes)
    if nodes == 2:
        return
    kept = gcl.augment.NodeDropping(0.5)(data)
    assert [int(i[1:]) for i in kept.ids] == kept.x[:, -1].tolist()
    method = gcl.methods.grace(data, hidden=4, proj=4)
    gcl.fit(method, data, epochs=1)
    assert gcl.embed(method, data).shape == (nodes, 4)
    assert data.ids.tolist() == [f"n{i}" for i in range(nodes)]


def test_fifty_thousand_edges_to_ten_neighbours(tmp_path: Path):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    group = rng.integers(0, 5, 2000)
    near = np.argsort(group, kind="stable").reshape(-1, 20)  # of one group, but for few
    ends = np.concatenate(
        [near[rng.integers(0, 100)][rng.integers(0, 20, 2)][None] for _ in range(50000)]
    )
    names = np.array([f"user-{i}" for i in range(2000)])
    pd.DataFrame({"follower": names[ends[:, 0]], "followed": names[ends[:, 1]]}).to_csv(
        tmp_path / "e.csv", index=False
    )
    nodes = pd.DataFrame({"user": names, "group": [f"g{g}" for g in group]})
    data = from_edges(tmp_path / "e.csv", nodes)
    method = gcl.methods.grace(data, hidden=16)
    gcl.fit(method, data, epochs=1)
    found = gcl.nearest(gcl.embed(method, data), data.ids, k=10, queries="user-7")
    assert found.ids.shape == (1, 10)
    same = [group[int(name.split("-")[1])] == group[7] for name in found.ids[0]]
    assert sum(same) >= 8


def test_rows_longer_than_the_header_are_refused(tmp_path):
    (tmp_path / "edges.csv").write_text("source,target\na,b,c\nb,c,d\n")
    with pytest.raises(ValueError, match="rows with more values than the 2 names"):
        gcl.data.from_edges(tmp_path / "edges.csv")


def test_a_word_among_weights_is_named(tmp_path):
    edges = {"source": [0, 1, 2], "target": [1, 2, 0], "weight": ["1", "2", "x"]}
    with pytest.raises(ValueError, match="has 'x' in row 2"):
        gcl.data.from_edges(edges)


def write(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "ann,bob\nbob,cay\ncay,ann\n",
        "ann,bob,3\nbob,cay,1\ncay,bob,2\n",
        "0,1\n1,2\n",
        "0,1,0.5\n1,2,0.25\n",
        "3,3\n1,2\n",
    ],
)
def test_a_file_without_names_of_columns_is_refused(tmp_path, text):
    pd = pytest.importorskip("pandas")
    path = write(tmp_path / "edges.csv", text)
    with pytest.raises(ValueError, match=r"pandas\.read_csv\(.*edges\.csv', header=None, names="):
        from_edges(path)
    names = ["source", "target", "weight"][: text.splitlines()[0].count(",") + 1]
    data = from_edges(pd.read_csv(path, header=None, names=names), directed=True)
    assert data.num_edges == len(text.splitlines())
    if "3,3" not in text:
        with pytest.raises(ValueError, match=r"give pandas\.read_csv"):
            from_edges(pd.read_csv(path))
        first, second = text.splitlines()[0].split(",")[:2]
        told = from_edges(path, source=first, target=second, directed=True)
        assert told.num_edges == len(text.splitlines()) - 1


def test_a_table_of_nodes_without_names_of_columns_is_refused(tmp_path):
    edges = {"source": ["ann", "bob"], "target": ["bob", "cay"]}
    path = write(tmp_path / "nodes.csv", "ann,30\nbob,20\ncay,10\n")
    with pytest.raises(ValueError, match=r"'ann' looks like an id; if it is a node, .*'id', 'colu"):
        from_edges(edges, path)


def test_good_files_are_not_taken_for_such(tmp_path):
    pd = pytest.importorskip("pandas")
    words = write(tmp_path / "a.csv", "word,synonym\nword,term\nterm,name\n")
    with pytest.warns(UserWarning, match="'word' looks like an id; if it is an edge"):
        assert from_edges(words).ids.tolist() == ["name", "term", "word"]
    flow = write(tmp_path / "b.csv", "source,target\nsource,a\na,target\n")
    assert from_edges(flow).num_nodes == 3
    assert from_edges(pd.DataFrame([[0, 1], [1, 2]])).num_nodes == 3  # pandas named them
    assert from_edges({"0": [0, 1], "1": [1, 2]}).num_nodes == 3  # the user did


def test_an_index_that_pandas_wrote_is_no_feature(tmp_path):
    pd = pytest.importorskip("pandas")
    edges, nodes = tmp_path / "edges.csv", tmp_path / "nodes.csv"
    pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"], "km": [1.0, 2.0]}).to_csv(edges)
    pd.DataFrame({"id": ["a", "b", "c"], "age": [1, 2, 3]}).to_csv(nodes)
    for read in (str, pd.read_csv):
        with pytest.warns(UserWarning, match="left out the first column, .* that pandas wrote"):
            data = from_edges(read(edges), read(nodes))
        assert (data.feature_names, data.edge_feature_names) == (["age"], ["km"])
    pd.DataFrame({"name": ["a", "b", "c"], "age": [1, 2, 3]}).to_csv(nodes)
    ends = {"source": ["a"], "target": ["b"]}
    with pytest.raises(ValueError, match="id='name', or id='Unnamed: 0' where these numbers are"):
        from_edges(ends, nodes)
    with pytest.warns(UserWarning, match="left out"):
        assert from_edges(ends, nodes, id="name").feature_names == ["age"]
    by_number = from_edges({"source": [0], "target": [2]}, nodes, id="Unnamed: 0")
    assert by_number.ids.tolist() == [0, 1, 2]


def test_ids_in_an_index_of_pandas():
    pd = pytest.importorskip("pandas")
    ends = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"], "km": [1, 2]})
    nodes = pd.DataFrame({"name": ["a", "b", "c"], "age": [1, 2, 3]}).set_index("name")
    for edges in (ends, ends.set_index(["source", "target"])):
        for table in (nodes, nodes.rename_axis(None)):
            data = from_edges(edges, table)
            assert data.ids.tolist() == ["a", "b", "c"]
            assert (data.feature_names, data.edge_feature_names) == (["age"], ["km"])
    # Rows that were chosen have an index of numbers, which names nothing.
    chosen = nodes.reset_index().sort_values("age", ascending=False)
    assert from_edges(ends, chosen).ids.tolist() == ["c", "b", "a"]


@pytest.mark.parametrize("name", ["Weight", "WEIGHT", "weight"])
def test_weights_by_a_name_of_any_case(name):
    edges = {"source": ["a", "b"], "target": ["b", "c"], name: [1, 2]}
    data = from_edges(edges)
    assert data.edge_weight.tolist() == [1, 1, 2, 2]
    assert "edge_attr" not in data
    assert from_edges(edges, edge_features=[name]).edge_feature_names == [name]
    both = from_edges({**edges, "weight": [3, 4], "Weight": [1, 2]})
    assert both.edge_weight.tolist() == [3, 3, 4, 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": ["age", "age"]}, "features of nodes name 'age' more than once"),
        ({"nodes": {**NODES, "age=missing": range(5)}}, "two features would be called 'age=mis"),
        ({"nodes": {**NODES, "k": [np.inf, 1, 2, 3, 4]}, "label": "k"}, "label 'k' holds infinity"),
        ({"nodes": {**NODES, "k": [None] * 5}, "label": "k"}, "label 'k' has no values"),
        ({"nodes": {"id": ["01", "02"]}, "edges": {"a": [1], "b": [2]}},
         r"ids of nodes are text such as '01', those of edges whole numbers"),
        ({"nodes": {"id": [True, False]}, "edges": {"a": [1], "b": [0]}}, "'id' names nodes, but"),
        ({"nodes": None, "edges": {"a": np.array([True]), "b": [0]}}, "holds True and False"),
        ({"nodes": None, "edges": {"a": [], "b": []}}, "edges has no rows"),
    ],
)  # fmt: skip
def test_names_labels_and_ids_that_are_none(change, message):
    edges, nodes = change.pop("edges", EDGES), change.pop("nodes", NODES)
    with pytest.raises(ValueError, match=message) as caught:
        from_edges(edges, nodes, **change)
    assert "\n" not in str(caught.value)


def test_columns_that_are_not_used_may_hold_anything():
    nodes = {"id": ["a", "b"], "age": [1, 2], "tags": [["x"], []], "size": ["1,5", "2,5"]}
    edges = {"source": ["a"], "target": ["b"], "path": [{"x": 1}]}
    data = from_edges(edges, nodes, features=["age"], edge_features=[])
    assert data.feature_names == ["age"]
    with pytest.raises(TypeError, match="edges: column 'path' must hold one value a row"):
        from_edges(edges, nodes, features=["age"])
    with pytest.raises(TypeError, match="nodes: column 'tags' must hold one value a row"):
        from_edges(edges, nodes, edge_features=[])
    weighted = {"source": ["a"], "target": ["b"], "weight": ["1,5"]}
    with pytest.raises(ValueError, match="'weight' holds numbers with commas, such as '1,5'"):
        from_edges(weighted)


@pytest.mark.parametrize("first", ["weight", "Weight", "when"])
@pytest.mark.parametrize("as_file", [False, True])
def test_weights_and_dates_name_no_nodes(tmp_path, first, as_file):
    pd = pytest.importorskip("pandas")
    day = first == "when"
    values = ["2020-01-31", "2020-02-01"] if day else [4, 5]
    # The second end is text as it is written, wherever the first column stands.
    edges = pd.DataFrame({first: values, "u": ["001", "002"], "v": ["002", "007"]})
    if as_file:
        edges.to_csv(tmp_path / "e.csv", index=False)
    data = from_edges(tmp_path / "e.csv" if as_file else edges)
    assert data.ids.tolist() == ["001", "002", "007"]
    assert day or data.edge_weight.tolist() == [4, 4, 5, 5]
    nodes = pd.DataFrame({first: values, "key": ["001", "002"]})
    if as_file:
        nodes.to_csv(tmp_path / "n.csv", index=False)
    named = from_edges({"u": ["001"], "v": ["002"]}, tmp_path / "n.csv" if as_file else nodes)
    assert named.ids.tolist() == ["001", "002"]
    told = from_edges(tmp_path / "e.csv" if as_file else edges, source=first, target="u")
    assert told.num_nodes == 4


@pytest.mark.parametrize("role", ["source", "target"])
def test_a_column_that_a_file_has_not(tmp_path, role):
    path = write(tmp_path / "e.csv", "from,to\na,b\n")
    with pytest.raises(ValueError, match=f"no column 'form' for {role}; did you mean 'from'"):
        from_edges(path, **{role: "form"})


def test_numbers_of_sections_are_ids():
    edges = {"part": ["1.2.30", "1.2.31"], "whole": ["1.2.10", "1.2.10"], "kind": ["a", "b"]}
    assert from_edges(edges).ids.tolist() == ["1.2.10", "1.2.30", "1.2.31"]


def test_real_dates_before_the_ends():
    pd = pytest.importorskip("pandas")
    days = pd.to_datetime(["2020-01-31", "2020-02-01"])
    edges = pd.DataFrame({"when": days, "u": ["a", "b"], "v": ["b", "c"]})
    assert from_edges(edges, edge_features=[]).ids.tolist() == ["a", "b", "c"]


def test_decimals_are_numbers_and_categories_of_numbers_are_words():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    price = [Decimal("1.5"), None, Decimal("2.25"), Decimal("NaN")]
    edges = {"source": [0], "target": [1]}
    expected = [[1.5, 0], [1.875, 1], [2.25, 0], [1.875, 1]]
    for nodes in ({"id": range(4), "p": price}, pd.DataFrame({"id": range(4), "p": price})):
        assert from_edges(edges, nodes).x.tolist() == expected
    assert from_edges(edges, pl.DataFrame({"id": range(3), "p": price[:3]})).x.tolist() == [
        [1.5, 0], [1.875, 1], [2.25, 0]
    ]  # fmt: skip
    weighted = from_edges({**edges, "weight": [Decimal("0.5")]})
    assert weighted.edge_weight.tolist() == [0.5, 0.5]
    kinds = pd.Categorical([10, 20, 10, None])
    for nodes in ({"id": range(4), "k": kinds}, pd.DataFrame({"id": range(4), "k": kinds})):
        data = from_edges(edges, nodes)
        assert data.feature_names == ["k=10", "k=20", "k=missing"]
        assert data.x.argmax(1).tolist() == [0, 1, 0, 2]
        assert from_edges(edges, nodes, label="k").classes == [10, 20]


@pytest.mark.parametrize("column", [[1 + 2j, 3.0], np.array([1j, 2j])])
def test_complex_numbers_are_refused(column):
    with pytest.raises(TypeError, match="'c' holds complex numbers, such as"):
        from_edges({"source": [0], "target": [1]}, {"id": [0, 1], "c": column})


def test_a_dataframe_of_features_goes_by_its_index():
    pd = pytest.importorskip("pandas")
    edges = {"source": ["a", "b"], "target": ["b", "c"]}
    frame = pd.DataFrame({"f": [3.0, 1.0, 2.0]}, index=["c", "a", "b"])
    assert from_edges(edges, list("abc"), features=frame).x.tolist() == [[1], [2], [3]]
    numbers = pd.DataFrame({"f": [3.0, 1.0, 2.0]}, index=[30, 10, 20])
    by_number = from_edges({"source": [10], "target": [30]}, [10, 20, 30], features=numbers)
    assert by_number.x.tolist() == [[1], [2], [3]]
    # An index that counts, or that is of other rows, names nothing.
    for index in ([0, 1, 2], [7, 3, 5]):
        plain = from_edges(edges, list("abc"), features=frame.set_axis(index))
        assert plain.x.tolist() == [[3], [1], [2]]
    for index in (["c", "a", "x"], pd.Index([5, 6, 7], name="node")):
        with pytest.raises(ValueError, match=r"called otherwise than the nodes.*features\.loc"):
            from_edges(edges, list("abc"), features=frame.set_axis(index))


def test_numbers_as_names_of_columns_that_are_meant(tmp_path):
    path = write(tmp_path / "e.csv", "a,b,3\nann,bob,2\nbob,cay,1\n")
    with pytest.raises(ValueError, match="but '3' looks like a value; if it is an edge"):
        from_edges(path)
    for told in ({"source": "a"}, {"weight": "3"}, {"edge_features": ["3"]}):
        assert from_edges(path, **told).num_edges == 4
    # As pandas writes the columns of a matrix.
    nodes = write(tmp_path / "n.csv", "name,0,1\nann,2,1\nbob,1,5\ncay,1,7\n")
    assert from_edges(path, nodes, source="a").feature_names == ["0", "1"]
