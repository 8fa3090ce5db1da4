"""A graph from AnnData, and embeddings back into it."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from torch import Tensor
from torch_geometric.data import Data

from gcl.checks import SKLEARN_SEEDS, check_count, check_seed, shown
from gcl.data.columns import classes_of
from gcl.data.columns_made import earlier, places
from gcl.data.matrices import as_feature_matrix
from gcl.data.tables import read_table
from gcl.names import did_you_mean

PER_CELL = 1e4  # what the counts of a cell are scaled to sum to


def from_anndata(
    adata: Any,
    *,
    graph: str | None = "spatial",
    k: int = 6,
    features: str = "X",
    counts: bool = False,
    n_components: int | None = None,
    label: str | None = None,
    seed: int = 0,
    like: Data | str | PathLike[str] | None = None,
) -> Data:
    """Cells or spots as nodes, with edges from `obsp` or between nearest neighbours.

    Args:
        adata: an `anndata.AnnData`, or an object with its `X`, `obs`, `obs_names`, `obsm`, `obsp`.
        graph: "spatial" joins every spot to the k nearest in `obsm["spatial"]`; "obsm:X_pca" those
            nearest in another of its matrices; "connectivities" takes the weighted graph
            `obsp["connectivities"]` of scanpy, another name that of `obsp`; None joins those
            nearest by the cosine of the features.
        k: how many neighbours, >= 1; a pair counts as one edge whichever of the two is near.
        features: "X", "obsm:X_pca", or the name of a layer. What is sparse stays sparse.
        counts: rows are counts: scale them to sum to 10,000, then take log(1 + x).
        n_components: reduce features to so many by a truncated SVD: recommended above some hundred
            columns, as recipes then take dense rows.
        label: the column of `obs` with classes; missing ones become -1.
        seed: of the SVD.
        like: an earlier graph of this function, or the file of `gcl.data.save_columns`: features
            are those of then, with its components; genes are matched by name, and others are left
            out before anything is computed. Tells features, counts and n_components; graph, k and
            label are told again.

    Returns:
        A `Data` with `x`, `edge_index` of both directions, `edge_weight` where the graph of `obsp`
        has other weights than one, `ids` (`obs_names`), `feature_names`, `y` and `classes`;
        `columns_made`, which `like=` reads.

    Shape:
        x `[n, f]`, edge_index `[2, e]`, edge_weight `[e]`, y `[n]`.

    Raises:
        TypeError: no such object.
        ValueError: a name that is not there; names of cells that come twice; k or n_components out
            of range; NaN or infinity; counts below zero; weights that are not above 0; genes of
            like that are not there, or options that it tells already.

    Example:
        >>> from types import SimpleNamespace
        >>> spots = SimpleNamespace(X=np.eye(4), obs={}, obs_names=list("abcd"), layers={}, obsp={},
        ...                         obsm={"spatial": np.array([[0, 0], [0, 1], [5, 5], [5, 6]])})
        >>> data = from_anndata(spots, k=1)
        >>> data.edge_index.tolist(), data.ids.tolist()
        ([[0, 1, 2, 3], [1, 0, 3, 2]], ['a', 'b', 'c', 'd'])
    """
    for name in ("X", "obs", "obs_names", "obsm", "obsp"):
        if not hasattr(adata, name):
            raise TypeError(
                f"from_anndata: expected an AnnData, got {shown(adata)}; read a file by "
                "anndata.read_h5ad(path)."
            )
    check_count("from_anndata", k=k)
    check_seed("from_anndata", seed, least=0, below=SKLEARN_SEEDS)
    ids = np.array([str(name) for name in adata.obs_names])
    values, times = np.unique(ids, return_counts=True)
    if len(values) < len(ids):
        raise ValueError(
            f"from_anndata: {int((times > 1).sum())} names of obs_names come more than once, such "
            f"as {str(values[times > 1][0])!r}; make each the name of one row: "
            "adata.obs_names_make_unique()."
        )
    before = None if like is None else earlier("from_anndata", like, "from_anndata")[0]
    if before is not None:
        features, counts = _of_before(before, features, counts, n_components)
    x, names = _features(adata, features)
    if before is not None:
        if features.startswith("obsm:") and len(names) != len(before["columns"]):
            raise ValueError(
                f"from_anndata: {features} had {len(before['columns'])} columns in the graph of "
                f"like=, and has {len(names)} now."
            )
        x = x[:, places("from_anndata", "genes", before["columns"], names)]
        names = before["columns"]
    genes, matrix = names, None
    if not np.isfinite(x.data if sp.issparse(x) else x).all():
        raise ValueError("from_anndata: features hold NaN or infinity; fill them in first.")
    if counts:
        x = _log_normalized(x)
    if before is not None:
        matrix = before.get("components")
    elif n_components is not None:
        check_count("from_anndata", n_components=n_components)
        if n_components >= min(x.shape):
            raise ValueError(
                f"from_anndata: n_components must be below {min(x.shape)}, as the features are "
                f"{list(x.shape)}, got {n_components}."
            )
        svd = TruncatedSVD(n_components, random_state=seed).fit(x)
        matrix = torch.from_numpy(np.ascontiguousarray(svd.components_.T))
    if matrix is not None:
        x = x @ matrix.cpu().numpy()
        names = [f"component {i}" for i in range(matrix.shape[1])]
    data = Data(x=as_feature_matrix("from_anndata", x, len(ids)))
    data.edge_index, weight = _edges(adata, graph, k, x)
    if weight is not None:
        data.edge_weight = weight
    if label is not None:
        columns = list(adata.obs)
        if label not in columns:
            _refuse(label, "obs", columns)
        column = {label: adata.obs[label]}
        found = read_table("from_anndata: obs", column)[label]
        data.y, data.classes = classes_of("from_anndata: obs", label, found)
    data.ids = ids
    data.feature_names = list(names)
    made = {
        "made_by": "from_anndata",
        "features": features,
        "counts": counts,
        "columns": list(genes),
    }
    data.columns_made = [made if matrix is None else {**made, "components": matrix}]
    return data


def _of_before(
    before: dict[str, Any], features: str, counts: bool, n_components: int | None
) -> tuple[str, bool]:
    """What an earlier graph tells of the features, and is not told otherwise."""
    matrix = before.get("components")
    width = None if matrix is None else matrix.shape[1]
    for name, told, usual, was in (
        ("features", features, "X", before["features"]),
        ("counts", counts, False, before["counts"]),
        ("n_components", n_components, None, width),
    ):
        if told not in (usual, was):
            raise ValueError(
                f"from_anndata: the graph of like= was made with {name}={was!r}, got "
                f"{shown(told)}; leave {name} out."
            )
    return before["features"], before["counts"]


def to_obsm(adata: Any, z: Any, key: str = "X_gcl") -> None:
    """Writes embeddings into `adata.obsm[key]`, where scanpy looks for them (`use_rep=key`).

    Args:
        adata: what the graph was made from.
        z: a row a cell, in its order: what `gcl.embed` gives; of a DataFrame of pandas the index
            must be that order.
        key: where to.

    Shape:
        z `[n, d]`.

    Raises:
        TypeError: no AnnData, or a key that is no name.
        ValueError: another number of rows, or rows of other names.

    Example:
        >>> from types import SimpleNamespace
        >>> cells = SimpleNamespace(obs_names=["a", "b"], obsm={})
        >>> to_obsm(cells, torch.ones(2, 3))
        >>> cells.obsm["X_gcl"].shape
        (2, 3)
    """
    if not hasattr(adata, "obsm") or not hasattr(adata, "obs_names"):
        raise TypeError(f"to_obsm: expected an AnnData, got {shown(adata)}.")
    if not isinstance(key, str):
        raise TypeError(f"to_obsm: key must be a name such as 'X_gcl', got {shown(key)}.")
    if isinstance(z, Tensor):
        z = z.detach().cpu()
        rows = (z.float() if z.dtype == torch.bfloat16 else z).numpy()
    else:
        rows = np.asarray(z)
    if rows.ndim != 2 or len(rows) != len(adata.obs_names):
        raise ValueError(
            f"to_obsm: expected embeddings [{len(adata.obs_names)}, width], a row a cell, got "
            f"{list(rows.shape)}."
        )
    index = getattr(z, "index", None) if hasattr(z, "columns") else None
    called = [] if index is None else list(index)
    if called and isinstance(called[0], str) and called != list(adata.obs_names):
        raise ValueError(
            "to_obsm: the rows of the DataFrame are called otherwise than those of obs_names, or "
            "stand in another order; give z.loc[adata.obs_names]."
        )
    adata.obsm[key] = rows


def _features(adata: Any, features: str) -> tuple[Any, list[str]]:
    if not isinstance(features, str):
        raise TypeError(
            f"from_anndata: features must be 'X', 'obsm:NAME' or a layer, got {shown(features)}."
        )
    if features == "X":
        if adata.X is None:
            raise ValueError("from_anndata: X is empty; take features='obsm:NAME' or a layer.")
        x = adata.X
    elif features.startswith("obsm:"):
        x = _of_obsm(adata, features)
    elif features in adata.layers:
        x = adata.layers[features]
    else:
        _refuse(features, "layers", adata.layers, "features", adata.obsm)
    if hasattr(x, "to_memory"):  # of a file that was opened and not read
        x = x.to_memory()
    x = sp.csr_array(x, dtype=np.float32) if sp.issparse(x) else np.asarray(x, dtype=np.float32)
    named = getattr(adata, "var_names", None)
    of_genes = not features.startswith("obsm:") and named is not None
    return x, [str(n) for n in (named if of_genes and named is not None else range(x.shape[1]))]


def _of_obsm(adata: Any, told: str) -> Any:
    key = told.removeprefix("obsm:")
    if key not in adata.obsm:
        _refuse(key, "obsm", adata.obsm)
    given = adata.obsm[key]
    sparse = sp.issparse(given)
    found = (sp.csr_array if sparse else np.asarray)(given, dtype=np.float32)
    if found.ndim != 2 or not np.isfinite(found.data if sparse else found).all():
        raise ValueError(f"from_anndata: obsm[{key!r}] must be a matrix without NaN and infinity.")
    return found


def _refuse(key: str, where: str, there: Any, option: str = "", obsm: Any = ()) -> Any:
    advice = did_you_mean(key, list(there))
    if key in obsm:
        advice = f"obsm has: {option}='obsm:{key}'; "
    elif key == "spatial":
        advice += "graph=None joins what is near by the features, graph='connectivities' takes "
        advice += "that of scanpy; "
    elif where == "obsp" and not advice:
        advice = "sc.pp.neighbors(adata) makes 'connectivities'; "
    raise ValueError(
        f"from_anndata: {where} has no {key!r}; {advice}there is "
        f"{', '.join(map(repr, there)) or 'nothing'}."
    )


def _log_normalized(x: Any) -> Any:
    values = x.data if sp.issparse(x) else x
    if (values < 0).any():
        raise ValueError(
            "from_anndata: counts must not be below 0; leave counts=False for features that are "
            "normalised already."
        )
    scaled = normalize(x, norm="l1")
    if sp.issparse(scaled):
        scaled.data = np.log1p(scaled.data * np.float32(PER_CELL))
        return scaled
    return np.log1p(scaled * np.float32(PER_CELL))


def _edges(adata: Any, graph: str | None, k: int, x: Any) -> tuple[Tensor, Tensor | None]:
    if graph is not None and not isinstance(graph, str):
        raise TypeError(f"from_anndata: graph must be a name or None, got {shown(graph)}.")
    if graph is None:
        return _near(x, k, "cosine")
    if graph == "spatial" or graph.startswith("obsm:"):
        return _near(_of_obsm(adata, graph), k, "euclidean")
    if graph not in adata.obsp:
        _refuse(graph, "obsp", adata.obsp, "graph", adata.obsm)
    found = sp.csr_array(adata.obsp[graph])
    found.eliminate_zeros()
    if not (np.isfinite(found.data).all() and (found.data > 0).all()):
        raise ValueError(
            f"from_anndata: obsp[{graph!r}] must hold finite weights above 0; distances are none: "
            "take connectivities."
        )
    return _listed(sp.coo_array(found.maximum(found.T)))


def _near(x: Any, k: int, metric: str) -> tuple[Tensor, Tensor | None]:
    if k >= x.shape[0]:
        raise ValueError(f"from_anndata: k must be below the {x.shape[0]} rows, got {k}.")
    near = NearestNeighbors(n_neighbors=k, metric=metric).fit(x).kneighbors_graph()
    return _listed(sp.coo_array(near.maximum(near.T)))


def _listed(found: Any) -> tuple[Tensor, Tensor | None]:
    order = np.lexsort((found.coords[1], found.coords[0]))
    ends = np.stack(found.coords)[:, order].astype(np.int64)
    weight = None if (found.data == 1).all() else found.data[order].astype(np.float32)
    return torch.from_numpy(ends), None if weight is None else torch.from_numpy(weight)
