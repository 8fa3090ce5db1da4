"""The published heterogeneous graphs: their files, and the counts that are known of them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from gcl.datasets import load
from gcl.datasets.hetero import LABELLED, PARTS, SCHEMAS, Schema, read_hetero
from gcl.graphs.validate import validate_graph
from gcl.ops.sparse import csr_product
from gcl.transforms.add_meta_paths import AddMetaPaths

TINY = Schema(
    target="paper",
    sizes={"paper": 4, "author": 3, "subject": 2},
    links=("pa", "ps"),
    features="pa",
    metapaths=("pap", "psp"),
)
X = np.array([[0, 2, 0], [0, 0, 0], [1, 0, 3], [0, 0, 0]])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pa.txt").write_text("3\t0\n0\t2\n0\t0\n2\t1\n0\t2\n")
    (tmp_path / "ps.txt").write_text("0 1\n1 1\n")
    sp.save_npz(tmp_path / "p_feat.npz", sp.coo_matrix(X))
    with open(tmp_path / "a_feat.npz", "wb") as file:  # a plain array, as the terms of DBLP
        np.save(file, np.arange(6.0).reshape(3, 2))
    np.save(tmp_path / "labels.npy", np.array([3.0, 1.0, 3.0, 2.0]))
    for few in LABELLED:
        for part, nodes in zip(PARTS, ([0, 2], [1], [3]), strict=True):
            np.save(tmp_path / f"{part}_{few}.npy", np.array(nodes))
    return tmp_path


def test_literal_graph(folder):
    data = read_hetero(folder, TINY)
    validate_graph(data)
    assert data.validate()
    assert data.node_types == ["paper", "author", "subject"]
    assert data.metapaths == [["paper", "author", "paper"], ["paper", "subject", "paper"]]
    paper, author = data["paper"], data["author"]
    assert paper.x.layout == torch.sparse_csr
    assert paper.x.dtype == author.x.dtype == torch.float32
    assert paper.x.to_dense().tolist() == X.tolist()
    assert author.x.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert dict(data["subject"].items()) == {"num_nodes": 2}
    there, back = data["paper", "to", "author"].edge_index, data["author", "to", "paper"].edge_index
    assert there.t().tolist() == [[0, 0], [0, 2], [2, 1], [3, 0]]
    assert back.t().tolist() == [[0, 0], [0, 3], [1, 2], [2, 0]]
    assert paper.y.tolist() == [2, 0, 2, 1]
    assert paper.train_mask_40.tolist() == [True, False, True, False]
    assert paper.test_mask_60.tolist() == [False, False, False, True]
    assert not [key for key in author if "mask" in key]


def test_repeated_nodes_are_taken_once_with_a_warning(folder):
    np.save(folder / "train_40.npy", np.array([2, 0, 2, 2]))
    with pytest.warns(UserWarning, match=r"train_40.npy lists 4 nodes, 2 of them again") as caught:
        data = read_hetero(folder, TINY)
    assert len(caught) == 1
    assert data["paper"].train_mask_40.tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("pa.txt", "0 1\n2\n", "reshape"),
        ("pa.txt", "0 a\n", "invalid literal"),
        ("pa.txt", "0 3\n", "a link leads outside the 4 and 3 nodes"),
        ("ps.txt", "-1 0\n", "a link leads outside"),
        ("labels.npy", np.zeros(3), r"its shape is \(3,\)"),
        ("labels.npy", np.array([0.5, 1, 1, 1]), "fractions"),
        ("labels.npy", np.array([None] * 4), "neither numbers nor bytes"),
        ("val_20.npy", np.array([4]), r"no list of nodes in 0\.\.3"),
        ("val_20.npy", np.array([-1]), "no list of nodes"),
        ("val_20.npy", b"", "no array of NumPy"),
        ("p_feat.npz", b"PK nothing", "file"),
        ("p_feat.npz", np.zeros((3, 2)), r"its shape is \(3, 2\)"),
    ],
)
def test_broken_files_are_named(folder, file, content, message):
    if isinstance(content, str):
        (folder / file).write_text(content)
    elif isinstance(content, bytes):
        (folder / file).write_bytes(content)
    else:
        with open(folder / file, "wb") as stream:
            np.save(stream, content, allow_pickle=True)
    with pytest.raises(ValueError, match=rf"{file} is not a file of this data set.*{message}"):
        read_hetero(folder, TINY)


def test_missing_file(folder):
    (folder / "ps.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"ps\.txt"):
        read_hetero(folder, TINY)


PUBLISHED = {
    # nodes, links each way, (nnz of features), classes, nnz of the meta-paths with the diagonal
    "acm": ([4019, 7167, 60], [13407, 4019], [1993, 965, 1061], [57853, 4338213]),
    "dblp": (
        [4057, 14328, 20, 7723],
        [19645, 14328, 85810],
        [1197, 745, 1109, 1006],
        [11113, 5000495, 7043571],
    ),
    "aminer": ([6564, 13329, 35890], [18007, 58831], [1333, 1114, 526, 3591], [21976, 129824]),
    "imdb": (
        [4275, 5432, 2083, 7313],
        [12831, 4181, 20428],
        [1112, 1594, 1569],
        [81360, 16498, 319435],
    ),
}


def published_graph(name, root):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "load: imdb/train_.0.npy lists")
        return load(name, root)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts(published, name):
    nodes, links, classes, nnz = PUBLISHED[name]
    data = published_graph(name, published(name))
    target = data[SCHEMAS[name].target]
    assert [data[kind].num_nodes for kind in data.node_types] == nodes
    assert [data[edges].num_edges for edges in data.edge_types] == np.repeat(links, 2).tolist()
    assert target.y.bincount().tolist() == classes
    for few in LABELLED:
        masks = [target[f"{part}_mask_{few}"] for part in PARTS]
        sizes = [int(mask.sum()) for mask in masks]
        repeated = {40: 1, 60: 5}.get(few, 0) if name == "imdb" else 0
        assert sizes == [few * len(classes) - repeated, 1000, 1000]
        assert int(torch.stack(masks).sum(0).max()) == 1
    data = AddMetaPaths(data.metapaths, contexts="none")(data)
    assert [data[edges].num_edges for edges in data.metapath_dict] == nnz
    isolated = {"imdb": [1, 99, 100]}.get(name, [0] * len(nnz))
    for edges, without in zip(data.metapath_dict, isolated, strict=True):
        source, row = data[edges].edge_index
        assert int((source == row).sum()) == len(target.y) - without


def test_published_repetitions_warn(published):
    with pytest.warns(UserWarning, match="lists") as caught:
        load("imdb", published("imdb"))
    assert [str(w.message).split(";")[0] for w in caught] == [
        "load: imdb/train_40.npy lists 120 nodes, 1 of them again",
        "load: imdb/train_60.npy lists 180 nodes, 5 of them again",
    ]


def test_published_features(published):
    shapes = {
        "acm": {"paper": (4019, 1902), "author": (7167, 1902)},
        "dblp": {"author": (4057, 334), "paper": (14328, 4231), "term": (7723, 50)},
        "aminer": {},
        "imdb": {"movie": (4275, 5927)},
    }
    for name, expected in shapes.items():
        data = published_graph(name, published(name))
        found = {kind: tuple(data[kind].x.shape) for kind in data.node_types if "x" in data[kind]}
        assert found == expected
        for kind in found:
            dense = (name, kind) == ("dblp", "term")
            assert data[kind].x.layout == (torch.strided if dense else torch.sparse_csr)


def test_dblp_apa_is_the_integer_product(published):
    data = published_graph("dblp", published("dblp"))
    author, paper = data["author", "to", "paper"].edge_index.numpy()
    incidence = sp.csr_matrix((np.ones(len(author), int), (author, paper)), shape=(4057, 14328))
    product = (incidence @ incidence.T).tocoo()
    data = AddMetaPaths([["author", "paper", "author"]])(data)
    store = data["author", "metapath_0", "author"]
    found = sp.csr_matrix((store.edge_weight.numpy(), store.edge_index.numpy()), shape=(4057, 4057))
    assert (found != product.tocsr()).nnz == 0
    assert product.max() == 168


def test_psp_keeps_every_diagonal_entry(published):
    data = published_graph("acm", published("acm"))
    metapath = [["paper", "subject", "paper"]]
    for form in ("transpose", "row", "union", "mutual"):
        store = AddMetaPaths(metapath, topk=700, topk_form=form)(data)[
            "paper", "metapath_0", "paper"
        ]
        own = store.edge_index[0] == store.edge_index[1]
        assert int(own.sum()) == 4019
        if form in ("transpose", "row"):  # every score is 1: the rows longer than 700 are cut there
            chosen = store.edge_index[store.selector].bincount(minlength=4019)
            assert int(chosen.max()) == 700
            assert int((chosen == 700).sum()) >= 2652


def test_csr_features_multiply(published):
    x = load("acm", published("acm"))["paper"].x
    rows = csr_product(
        x.crow_indices(), x.col_indices(), x.values(), x.shape[1], torch.ones(1902, 1)
    )
    assert torch.allclose(rows, torch.ones(4019, 1))  # published with rows that sum to one
