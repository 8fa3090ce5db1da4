"""Columns of a grown table made as those of an earlier one, against NumPy by hand."""

import copy
from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch.nn.functional import cosine_similarity
from torch_geometric.data import Batch, Data

import gcl
from gcl.data import from_anndata, from_edges, from_networkx, save_columns

RNG = np.random.default_rng(0)
OLD, NEW = 40, 60
AGES = np.where(np.arange(NEW) % 7 == 0, np.nan, RNG.integers(18, 80, NEW).astype(float))
CITIES = np.array(["Rome", "Oslo", None], dtype=object)[np.arange(NEW) % 3]
CITIES[OLD:] = np.array(["Lima", "Oslo"], dtype=object)[np.arange(NEW - OLD) % 2]
SIZES = np.arange(NEW) / 4
ENDS = RNG.integers(0, OLD, (2, 150))
SHARES = np.where(np.arange(150) % 5 == 0, np.nan, RNG.random(150))


def grown(rows, **options):
    """A table of the first rows; later ones have another order and more columns."""
    nodes = {"id": np.arange(rows), "age": AGES[:rows], "city": CITIES[:rows], "size": SIZES[:rows]}
    if rows > OLD:
        nodes = {"id": nodes.pop("id"), "new": np.ones(rows), **dict(reversed(nodes.items()))}
    edges = {"source": ENDS[0], "target": ENDS[1], "share": SHARES}
    return from_edges(edges, nodes, **options)


def by_hand(rows):
    known = AGES[:OLD][~np.isnan(AGES[:OLD])]
    gone = np.isnan(AGES[:rows])
    city = CITIES[:rows]
    other = [c not in ("Rome", "Oslo") for c in city]
    columns = [np.where(gone, known.mean(), AGES[:rows]), gone, city == "Oslo", city == "Rome"]
    return np.stack([*columns, other, SIZES[:rows]], 1).astype(np.float32)


@pytest.mark.parametrize("kept", ["graph", "file"])
def test_a_grown_table_has_the_columns_of_the_earlier_one(tmp_path, kept):
    before = grown(OLD)
    np.testing.assert_allclose(before.x, by_hand(OLD), rtol=1e-6)
    like = before
    if kept == "file":
        like = tmp_path / "columns.safetensors"
        save_columns(before, like)
    with pytest.warns(UserWarning, match="'city' has 1 words that .*, such as 'Lima'; they are 'c"):
        after = grown(NEW, like=like)
    assert after.feature_names == before.feature_names
    assert after.categories == before.categories
    np.testing.assert_allclose(after.x, by_hand(NEW), rtol=1e-6)
    torch.testing.assert_close(
        cosine_similarity(after.x[:OLD], before.x), torch.ones(OLD), rtol=0, atol=1e-5
    )
    assert after.edge_attr.equal(before.edge_attr)
    assert after.edge_feature_names == before.edge_feature_names
    assert after.columns_made == before.columns_made
    # Without like= the mean is another, and Lima takes a column.
    assert grown(NEW).feature_names != before.feature_names


def test_a_method_gives_old_nodes_of_a_grown_graph_what_it_gave():
    before = grown(OLD)
    method = gcl.methods.grace(before, hidden=8, proj=8)
    gcl.fit(method, before, epochs=1)
    with pytest.warns(UserWarning, match="'city'"):
        after = grown(NEW, like=before)
    assert gcl.embed(method, after)[:OLD].allclose(gcl.embed(method, before), atol=1e-5)


def kinds(words, numbers=None, **options):
    numbers = [1.0] * len(words) if numbers is None else numbers
    nodes = {"id": range(len(words)), "kind": words, "n": numbers}
    edges = {"source": [0], "target": [1]}
    return from_edges(edges, nodes, **options)


def test_what_has_no_column_is_zero_and_told():
    before = kinds(["a", "b"], [1.0, 4.0])
    with pytest.warns(UserWarning, match="earlier graph") as told:
        after = kinds(["b", "c", None], [7.0, None, 2.0], like=before)
    assert after.x.tolist() == [[0, 1, 7], [0, 0, 2.5], [0, 0, 2]]
    said = [str(one.message) for one in told]
    assert any("'kind' has 1 words" in s and "'c'; they are zero in all its columns" in s
               for s in said)  # fmt: skip
    assert any("'kind' has 1 missing values" in s for s in said)
    assert any("'n' has 1 missing values and had none" in s for s in said)
    assert {one.filename for one in told} == {__file__}


def test_new_words_are_rare_ones_where_there_is_such_a_column(recwarn):
    with pytest.warns(UserWarning, match="different words"):
        before = kinds(list("aaabbcd"), max_categories=3)
    recwarn.clear()
    after = kinds(["z", "a", "c"], like=before)
    assert after.feature_names == ["kind=a", "kind=b", "kind=other", "n"]
    assert after.x[:, :3].tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1]]
    assert not recwarn.list


def test_codes_stay_and_unknown_ones_are_0():
    nodes = {"id": range(3), "kind": ["b", None, "a"]}
    edges = {"source": [0], "target": [1]}
    before = from_edges(edges, nodes, categories="codes")
    assert (before.x.tolist(), before.categories) == ([[2], [0], [1]], {"kind": ["a", "b"]})
    with pytest.warns(UserWarning, match="such as 'c'; they are 0"):
        after = from_edges(edges, {**nodes, "kind": ["c", "a", "b"]}, like=before)
    assert (after.x.tolist(), after.x.dtype) == ([[0], [1], [2]], torch.int64)
    encoder = gcl.nn.CodeEmbedding(gcl.nn.GCNEncoder(8, 4), num_codes=[2])
    assert encoder(after.x, after.edge_index).shape == (3, 4)


def test_numbers_that_were_categories_are_the_same_words():
    with pytest.warns(UserWarning, match="words among numbers"):
        before = kinds(["1", "2", "x"])
    with pytest.warns(UserWarning, match="'kind' has 1 missing"):
        assert kinds([2, None, 1], like=before).x[:, :3].tolist() == [[0, 1, 0], [0] * 3, [1, 0, 0]]
    with pytest.warns(UserWarning, match="words among numbers"):
        before = kinds([1.0, 2.0, 3.5, "x"])
    assert kinds([2, 1, 1], like=before).x[:, :2].tolist() == [[0, 1], [1, 0], [1, 0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"like": Data()}, "expected a graph of gcl.data.from_edges"),
        ({"like": "nowhere"}, "there is no file nowhere"),
        ({"numbers": ["?", 1]}, "'n' held numbers in the earlier graph, and now holds '\\?'"),
        ({"features": ["n"]}, "leave out features"),
        ({"categories": "codes"}, "leave out categories"),
        ({"directed": True}, "made with directed=False"),
        ({"features": np.ones((2, 2))}, "give none"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_earlier_graph_is_told(change, message):
    before = kinds(["a", "b"])
    with pytest.raises((ValueError, TypeError, FileNotFoundError), match=message) as caught:
        kinds(["a", "b"], **{"like": before, **change})
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="no column 'kind', which the earlier graph had"):
        from_edges({"source": [0], "target": [1]}, {"id": [0, 1], "n": [1, 2]}, like=before)


def test_another_file_holds_no_columns(tmp_path):
    (tmp_path / "a").write_text("nothing")
    with pytest.raises(ValueError, match="holds no columns"):
        kinds(["a", "b"], like=tmp_path / "a")


def test_weights_degrees_and_matrices_of_an_earlier_graph():
    pd = pytest.importorskip("pandas")
    edges = {"u": [0, 1], "v": [1, 2], "amount": [1.0, 2.0], "weight": [5.0, 6.0]}
    before = from_edges(edges, weight="amount")
    after = from_edges(edges, like=before)
    assert after.edge_weight.equal(before.edge_weight)
    assert after.edge_attr.equal(before.edge_attr)
    assert after.x.equal(before.x)
    frame = pd.DataFrame(RNG.normal(size=(3, 2)), columns=["a", "b"])
    before = from_edges(edges, features=frame)
    after = from_edges(edges, features=frame[["b", "a"]].assign(c=1), like=before)
    assert after.x.equal(before.x)
    assert after.feature_names == ["a", "b"]
    with pytest.raises(ValueError, match="had 2 columns in the graph of like=, and have 3"):
        from_edges(edges, features=np.ones((3, 3)), like=before)


def test_columns_made_ride_along(tmp_path):
    data = grown(OLD)
    for other in (data.clone(), copy.copy(data), gcl.augment.NodeDropping(0.5)(data)):
        assert other.columns_made == data.columns_made
    for batch in gcl.loader.NeighborBatches(data, [2], batch_size=8):
        assert batch.columns_made == data.columns_made
    pair = Batch.from_data_list([data, data])
    assert pair[1].columns_made == data.columns_made
    torch.save(data, tmp_path / "data.pt")
    assert torch.load(tmp_path / "data.pt", weights_only=False).columns_made == data.columns_made
    # As many nodes as entries: they are no rows of nodes.
    small = kinds(["a", "b", "a"])
    assert len(small.columns_made) == small.num_nodes
    part = gcl.augment.NodeDropping(0.5)(small)
    assert part.columns_made == small.columns_made


def test_graphs_of_networkx_have_the_columns_of_an_earlier_one():
    graph = nx.Graph([(0, 1), (1, 2)])
    nx.set_node_attributes(graph, {0: 1.0, 2: 4.0}, "age")
    before = from_networkx(graph)
    graph.add_edge(2, 3)
    after = from_networkx(graph, like=before)
    assert after.x.tolist() == [[1, 0], [2.5, 1], [4, 0], [2.5, 1]]


COUNTS = sp.csr_matrix(RNG.poisson(0.6, (160, 30)) + (np.arange(30) == 0), dtype=np.float32)
PLACES = RNG.normal(size=(160, 2))


def spots(rows, genes):
    return SimpleNamespace(
        X=COUNTS[:rows][:, genes], obs={"kind": ["a", "b"] * (rows // 2)},
        obs_names=[f"s{i}" for i in range(rows)],
        var_names=[f"g{i}" for i in genes], layers={}, obsm={"spatial": PLACES[:rows]}, obsp={},
    )  # fmt: skip


@pytest.mark.parametrize("components", [None, 5])
def test_grown_anndata_is_projected_as_before(tmp_path, components):
    first = np.arange(25)
    before = from_anndata(spots(60, first), counts=True, n_components=components, label="kind")
    save_columns(before, tmp_path / "c")
    # More spots, more genes, in another order.
    turned = RNG.permutation(30)
    after = from_anndata(spots(160, turned), like=tmp_path / "c")
    assert after.feature_names == before.feature_names
    x, old = after.x.to_dense(), before.x.to_dense()
    torch.testing.assert_close(cosine_similarity(x[:60], old), torch.ones(60), rtol=0, atol=1e-5)
    counts = COUNTS.toarray()[:, :25].astype(np.float64)
    expected = np.log1p(counts / counts.sum(1, keepdims=True) * 1e4)
    if components:
        matrix = np.linalg.lstsq(expected[:60], old.double().numpy(), rcond=None)[0]
        assert matrix.shape == (25, 5)
        expected = expected @ matrix
        again = from_anndata(spots(160, first), counts=True, n_components=5)
        assert not again.x[:60].allclose(old, atol=1e-2)
    np.testing.assert_allclose(x, expected, rtol=1e-4, atol=1e-3)
    with pytest.raises(ValueError, match="5 of 25 genes of the earlier graph are not there"):
        from_anndata(spots(160, np.arange(5, 30)), like=before)
    with pytest.raises(ValueError, match=r"made with n_components=.*leave n_components out"):
        from_anndata(spots(160, turned), n_components=7, like=before)
    with pytest.raises(ValueError, match=r"a graph of gcl\.data\.from_anndata"):
        grown(OLD, like=before)
