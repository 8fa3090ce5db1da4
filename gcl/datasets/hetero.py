"""The four heterogeneous graphs of HeCo and MEOW, from their published files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.utils import coalesce

from gcl.datasets.inert_arrays import (
    check_cells,
    check_csr,
    check_shape,
    read_array,
    read_arrays,
    whole_numbers,
)
from gcl.ops.sparse import csr_tensor

PARTS = ("train", "val", "test")
LABELLED = (20, 40, 60)


@dataclass(frozen=True)
class Schema:
    """What the files of one graph hold. They call a node type by the first letter of its name.

    Args:
        target: the type with labels.
        sizes: number of nodes of every type; the files do not tell it for types without features.
        links: pairs of letters, "pa" for the file `pa.txt` with the links from p to a.
        features: letters of the types with features, in `p_feat.npz`.
        metapaths: the meta-paths that the papers use, in letters.
    """

    target: str
    sizes: Mapping[str, int]
    links: tuple[str, ...]
    features: str
    metapaths: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files."""
        return (
            *(f"{link}.txt" for link in self.links),
            *(f"{letter}_feat.npz" for letter in self.features),
            "labels.npy",
            *(f"{part}_{few}.npy" for few, part in product(LABELLED, PARTS)),
        )

    def spell(self, letters: str) -> list[str]:
        """Node types from their letters."""
        by_letter = {kind[0]: kind for kind in self.sizes}
        return [by_letter[letter] for letter in letters]


SCHEMAS: Mapping[str, Schema] = {
    "acm": Schema(
        target="paper",
        sizes={"paper": 4019, "author": 7167, "subject": 60},
        links=("pa", "ps"),
        features="pa",
        metapaths=("pap", "psp"),
    ),
    "dblp": Schema(
        target="author",
        sizes={"author": 4057, "paper": 14328, "conference": 20, "term": 7723},
        links=("pa", "pc", "pt"),
        features="apt",
        metapaths=("apa", "apcpa", "aptpa"),
    ),
    "aminer": Schema(
        target="paper",
        sizes={"paper": 6564, "author": 13329, "reference": 35890},
        links=("pa", "pr"),
        features="",
        metapaths=("pap", "prp"),
    ),
    "imdb": Schema(
        target="movie",
        sizes={"movie": 4275, "actor": 5432, "director": 2083, "keyword": 7313},
        links=("ma", "md", "mk"),
        features="m",
        metapaths=("mam", "mdm", "mkm"),
    ),
}
"""What `read_hetero` needs to know of each graph."""


def read_hetero(folder: Path, schema: Schema) -> HeteroData:
    """A heterogeneous graph with forward and reverse links, labels and three public splits.

    `metapaths` of the graph lists the papers' meta-paths as node types, for `AddMetaPaths`.
    Features are neither normalised nor made dense. Labels are renumbered from 0 in rising order.
    Nodes that a list of training nodes repeats are taken once, with a warning.

    Args:
        folder: the folder of the raw files, see `Schema.files`.
        schema: which types and files there are.

    Shape:
        For every type x `[n, f]` float32, sparse CSR where the file is sparse, or only `num_nodes`
        where there is none. For every link (p, to, a) and (a, to, p), each sorted and without
        repetitions. For the target y `[n]` int64 and, with r = 20, 40 and 60 labelled nodes a
        class, bool masks `train_mask_r`, `val_mask_r` and `test_mask_r` `[n]`.

    Raises:
        ValueError: if a file is broken, or does not fit the schema.

    Reference:
        Wang et al., "Self-supervised Heterogeneous Graph Neural Network with Co-contrastive
        Learning", KDD 2021. The authors' IMDB lists were drawn with replacement.
    """
    data = HeteroData()
    data.metapaths = [schema.spell(letters) for letters in schema.metapaths]
    for kind, size in schema.sizes.items():
        if kind[0] in schema.features:
            data[kind].x = _read_features(folder / f"{kind[0]}_feat.npz", size)
        else:
            data[kind].num_nodes = size
    for letters in schema.links:
        source, target = schema.spell(letters)
        sizes = schema.sizes[source], schema.sizes[target]
        links = _read_links(folder / f"{letters}.txt", sizes)
        data[source, "to", target].edge_index = coalesce(links, num_nodes=max(sizes))
        data[target, "to", source].edge_index = coalesce(links.flip(0), num_nodes=max(sizes))
    nodes, size = data[schema.target], schema.sizes[schema.target]
    nodes.y = _read_labels(folder / "labels.npy", size)
    for few, part in product(LABELLED, PARTS):
        nodes[f"{part}_mask_{few}"] = _read_mask(folder / f"{part}_{few}.npy", size)
    return data


def _read_features(path: Path, size: int) -> Tensor:
    x: sp.csr_array | np.ndarray
    try:
        # One of the files is a plain array under the name of an archive.
        with open(path, "rb") as file:
            is_archive = file.read(2) == b"PK"
        x = _matrix(read_arrays(path), size) if is_archive else read_array(path)
        if x.dtype.kind not in "biuf":
            raise ValueError(f"it holds no numbers but {x.dtype}")
    except (ValueError, KeyError) as error:
        raise _broken(path, error) from error
    with np.errstate(over="ignore"):  # `load` refuses what is infinite
        x = x.astype(np.float32)
    if x.ndim != 2 or x.shape[0] != size:
        raise _broken(path, f"its shape is {x.shape}, and there are {size} nodes")
    if isinstance(x, np.ndarray):
        return torch.from_numpy(x)
    crow, col = (torch.from_numpy(part.astype(np.int64)) for part in (x.indptr, x.indices))
    return csr_tensor(crow, col, torch.from_numpy(x.data), x.shape)


def _matrix(arrays: dict[str, np.ndarray], rows: int) -> sp.csr_array:
    """What `scipy.sparse.save_npz` has written, entries in order and each once."""
    layout, shape, data = arrays["format"].tobytes(), check_shape(arrays["shape"]), arrays["data"]
    if shape[0] != rows:
        raise ValueError(f"its shape is {shape}, and there are {rows} nodes")
    if layout == b"coo":
        row, col = (whole_numbers(arrays[name]) for name in ("row", "col"))
        lists = row.ndim == col.ndim == data.ndim == 1 and len(row) == len(col) == len(data)
        if not lists or data.dtype.kind not in "biuf":
            raise ValueError("a sparse matrix whose arrays are no lists of one length")
        for at, limit in ((row, shape[0]), (col, shape[1])):
            if len(at) and not 0 <= at.min() <= at.max() < limit:
                raise ValueError("a sparse matrix with an entry outside its rows and columns")
        check_cells(shape, len(data) + shape[0])
        x = sp.csr_array(sp.coo_array((data, (row, col)), shape))
    elif layout == b"csr":
        *parts, shape = check_csr(data, arrays["indices"], arrays["indptr"], shape)
        x = sp.csr_array(tuple(parts), shape)
    else:
        raise ValueError(f"a sparse matrix in the format {layout[:10]!r}, not csr or coo")
    x.sum_duplicates()
    return x


def _read_links(path: Path, sizes: tuple[int, int]) -> Tensor:
    try:
        links = np.array(path.read_text().split(), dtype=np.int64).reshape(-1, 2)
    except (ValueError, OverflowError) as error:
        raise _broken(path, error) from error
    if len(links) and not ((links >= 0) & (links < sizes)).all():
        raise _broken(path, f"a link leads outside the {sizes[0]} and {sizes[1]} nodes")
    return torch.from_numpy(links.T.copy())


def _read_labels(path: Path, size: int) -> Tensor:
    labels = _read_numbers(path)
    if labels.shape != (size,):
        raise _broken(path, f"its shape is {labels.shape}, and there are {size} nodes")
    return torch.from_numpy(labels).unique(return_inverse=True)[1]


def _read_mask(path: Path, size: int) -> Tensor:
    nodes = _read_numbers(path)
    if nodes.ndim != 1 or (len(nodes) and not 0 <= nodes.min() <= nodes.max() < size):
        raise _broken(path, f"it is no list of nodes in 0..{size - 1}")
    mask = torch.zeros(size, dtype=torch.bool)
    mask[torch.from_numpy(nodes)] = True
    repeated = len(nodes) - int(mask.sum())
    if repeated:
        warnings.warn(
            f"load: {path.parent.name}/{path.name} lists {len(nodes)} nodes, {repeated} of them "
            f"again; each is taken once, which leaves {len(nodes) - repeated}.",
            stacklevel=2,
        )
    return mask


def _read_numbers(path: Path) -> np.ndarray:
    """An array of whole numbers, int64; some of the files store them as float64."""
    try:
        return whole_numbers(read_array(path))
    except ValueError as error:
        raise _broken(path, error) from error


def _broken(path: Path, why: object) -> ValueError:
    return ValueError(
        f"load: {path} is not a file of this data set ({why}); replace it with the original."
    )
