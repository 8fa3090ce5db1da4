"""Graphs of AnnData, or of what looks like it, against SciPy and scikit-learn."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy.spatial import distance

import gcl
from gcl.data import from_anndata, to_obsm

RNG = np.random.default_rng(0)
COUNTS = sp.csr_matrix(
    RNG.poisson(0.3, (60, 12)) + np.eye(12)[np.arange(60) % 12], dtype=np.float32
)
PLACES = RNG.normal(size=(60, 2))
LINKS = sp.random_array((60, 60), density=0.05, rng=RNG, format="csr")
KINDS = np.array(["T cell", "B cell"], dtype=object)[np.arange(60) % 2]
NAMES = [f"spot-{i}" for i in range(60)]
GENES = [f"gene-{i}" for i in range(12)]


def stand_in():
    return SimpleNamespace(
        X=COUNTS,
        obs={"kind": KINDS},
        obs_names=NAMES,
        var_names=GENES,
        layers={"twice": COUNTS * 2},
        obsm={"spatial": PLACES, "X_pca": RNG.normal(size=(60, 5))},
        obsp={"connectivities": LINKS},
    )


def real():
    anndata, pd = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    obs = pd.DataFrame({"kind": pd.Categorical(KINDS)}, index=NAMES)
    made = anndata.AnnData(COUNTS, obs=obs, var=pd.DataFrame(index=GENES))
    made.layers["twice"] = COUNTS * 2
    made.obsm.update({"spatial": PLACES, "X_pca": RNG.normal(size=(60, 5))})
    made.obsp["connectivities"] = sp.csr_matrix(LINKS)
    return made


@pytest.fixture(params=[stand_in, real], ids=["stand-in", "anndata"])
def adata(request):
    return request.param()


def matrix(data):
    found = np.zeros((60, 60))
    found[tuple(data.edge_index.numpy())] = data.get("edge_weight", torch.ones(1)).numpy()
    return found


def nearest(distances, k):
    near = np.zeros((60, 60))
    np.fill_diagonal(distances, np.inf)
    np.put_along_axis(near, distances.argsort(1)[:, :k], 1, 1)
    return np.maximum(near, near.T)


def test_neighbours_in_space(adata):
    data = from_anndata(adata, k=4, label="kind")
    expected = nearest(distance.cdist(PLACES, PLACES), 4)
    np.testing.assert_array_equal(matrix(data), expected)
    assert "edge_weight" not in data
    assert data.x.layout == torch.sparse_csr
    np.testing.assert_array_equal(data.x.to_dense(), COUNTS.toarray())
    assert data.ids.tolist() == NAMES
    assert data.feature_names == GENES
    assert [data.classes[c] for c in data.y] == KINDS.tolist()


def test_a_graph_of_obsp_keeps_its_weights(adata):
    data = from_anndata(adata, graph="connectivities")
    links = LINKS.toarray()
    np.testing.assert_allclose(matrix(data), np.maximum(links, links.T), rtol=1e-6)


def test_other_neighbours(adata):
    x = COUNTS.toarray()
    data = from_anndata(adata, graph=None, k=3)
    far = distance.cdist(x, x, "cosine")
    found = matrix(data)
    # Rows of counts tie: every neighbour is as near as the third, and each has three.
    assert (found.sum(1) >= 3).all()
    np.fill_diagonal(far, np.inf)
    third = np.sort(far, 1)[:, 2]
    assert (far[found > 0] <= np.maximum(third[:, None], third[None])[found > 0] + 1e-6).all()
    pca = np.asarray(adata.obsm["X_pca"])
    by_pca = from_anndata(adata, graph="obsm:X_pca", features="obsm:X_pca", k=2)
    np.testing.assert_array_equal(matrix(by_pca), nearest(distance.cdist(pca, pca), 2))
    np.testing.assert_allclose(by_pca.x, pca, rtol=1e-6)


def test_layers_counts_and_components(adata):
    data = from_anndata(adata, features="twice", counts=True)
    x = COUNTS.toarray()
    expected = np.log1p(x / x.sum(1, keepdims=True) * 1e4)
    np.testing.assert_allclose(data.x.to_dense(), expected, rtol=1e-5)
    reduced = from_anndata(adata, counts=True, n_components=11).x.numpy()
    # All but one of twelve components: what is lost is the smallest singular value.
    assert reduced.shape == (60, 11)
    lost = np.square(expected).sum() - np.square(reduced).sum()
    smallest = np.linalg.svd(expected, compute_uv=False)[-1] ** 2
    assert lost == pytest.approx(smallest, rel=0.02)


def test_there_and_back(adata):
    data = from_anndata(adata, k=4)
    method = gcl.methods.grace(data, hidden=4)
    gcl.fit(method, data, epochs=1)
    z = gcl.embed(method, data)
    to_obsm(adata, z)
    np.testing.assert_array_equal(adata.obsm["X_gcl"], z)
    with pytest.raises(ValueError, match=r"expected embeddings \[60, width\]"):
        to_obsm(adata, z[1:])
    with pytest.raises(TypeError, match="expected an AnnData"):
        to_obsm({}, z)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"graph": "conectivities"}, "obsp has no 'conectivities'; did you mean 'connectivities'"),
        ({"graph": "obsm:X_umap"}, "obsm has no 'X_umap'"),
        ({"features": "counts"}, "layers has no 'counts'; there is 'twice'"),
        ({"label": "type"}, "obs has no 'type'; there is 'kind'"),
        ({"k": 60}, "k must be below the 60 rows"),
        ({"k": 0}, "k must be at least 1"),
        ({"n_components": 12}, "n_components must be below 12"),
        ({"graph": "X_pca"}, "obsp has no 'X_pca'; obsm has: graph='obsm:X_pca'"),
        ({"features": "X_pca"}, "layers has no 'X_pca'; obsm has: features='obsm:X_pca'"),
        ({"graph": "knn"}, r"sc\.pp\.neighbors\(adata\) makes 'connectivities'"),
    ],
)
def test_what_is_not_there(options, message):
    with pytest.raises(ValueError, match=message):
        from_anndata(stand_in(), **options)


def test_bad_numbers():
    broken = stand_in()
    broken.X = -COUNTS
    with pytest.raises(ValueError, match="counts must not be below 0"):
        from_anndata(broken, counts=True)
    broken = stand_in()
    broken.obsp["connectivities"] = -LINKS
    with pytest.raises(ValueError, match="must hold finite weights above 0"):
        from_anndata(broken, graph="connectivities")
    broken.obsm["spatial"] = PLACES * np.nan
    with pytest.raises(ValueError, match=r"obsm\['spatial'\] must be a matrix without NaN"):
        from_anndata(broken)
    with pytest.raises(TypeError, match=r"expected an AnnData, got 'a\.h5ad'; read a file"):
        from_anndata("a.h5ad")
    broken = stand_in()
    broken.X = None
    with pytest.raises(ValueError, match="X is empty"):
        from_anndata(broken)


def test_without_places_other_graphs_are_named():
    bare = stand_in()
    bare.obsm = {}
    with pytest.raises(ValueError, match=r"obsm has no 'spatial'; graph=None joins .* is nothing"):
        from_anndata(bare)
    assert from_anndata(bare, graph=None).num_nodes == 60


def test_names_that_come_twice_are_refused():
    pytest.importorskip("anndata")
    adata = real()
    adata.obs_names = ["cell"] * 60
    with pytest.raises(ValueError, match=r"such as 'cell'; .* adata\.obs_names_make_unique\(\)"):
        from_anndata(adata)
    adata.obs_names_make_unique()
    assert len(set(from_anndata(adata).ids)) == 60


def test_features_of_every_kind_are_the_same(adata):
    expected = from_anndata(adata).x.to_dense()
    for make in (np.asarray, sp.csc_matrix, sp.csr_matrix, sp.csr_array):
        for dtype in (np.float64, np.float32):
            adata.X = make(COUNTS.toarray()).astype(dtype)
            x = from_anndata(adata).x
            assert x.dtype == torch.float32
            assert (x.layout == torch.sparse_csr) == (make is not np.asarray)
            assert torch.equal(x.to_dense(), expected)
    sparse = sp.csr_matrix(np.asarray(adata.obsm["X_pca"]))
    dense = from_anndata(adata, graph="obsm:X_pca", features="obsm:X_pca")
    adata.obsm["X_sparse"] = sparse
    found = from_anndata(adata, graph="obsm:X_sparse", features="obsm:X_sparse")
    assert torch.equal(found.x.to_dense(), dense.x)
    assert torch.equal(found.edge_index, dense.edge_index)
    adata.X = adata.X.toarray() * np.nan
    for options in ({}, {"n_components": 3}, {"graph": None}, {"counts": True}):
        with pytest.raises(ValueError, match="from_anndata: features hold NaN or infinity"):
            from_anndata(adata, **options)


def test_views_and_frames_keep_their_order():
    pd = pytest.importorskip("pandas")
    adata = real()
    view = adata[[7, 3, 50, 9, 11]]
    data = from_anndata(view, k=2)
    assert data.ids.tolist() == [NAMES[i] for i in (7, 3, 50, 9, 11)]
    np.testing.assert_array_equal(data.x.to_dense(), COUNTS.toarray()[[7, 3, 50, 9, 11]])
    z = torch.arange(60.0).view(60, 1).repeat(1, 3)
    frame = pd.DataFrame(z.numpy(), index=from_anndata(adata).ids)
    for given in (z, z.bfloat16(), z.double(), frame, pd.DataFrame(z.numpy())):
        to_obsm(adata, given, "back")
        np.testing.assert_array_equal(np.asarray(adata.obsm["back"])[:, 0], np.arange(60))
    with pytest.raises(ValueError, match=r"in another order; give z\.loc\[adata\.obs_names\]"):
        to_obsm(adata, frame.iloc[::-1])
    with pytest.raises(TypeError, match="key must be a name"):
        to_obsm(adata, z, 3)


def test_labels_of_anndata_are_finite():
    adata = stand_in()
    adata.obs["size"] = np.full(60, np.inf)
    with pytest.raises(ValueError, match="from_anndata: obs: the label 'size' holds infinity"):
        from_anndata(adata, label="size")
