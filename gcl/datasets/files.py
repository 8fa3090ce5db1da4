"""Graphs that lie in files and are read as they are used: for those that memory does not hold."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from gcl.checks import as_path, shown
from gcl.graphs.attributes import check_lengths
from gcl.graphs.kinds import check_edge_weight, check_edges, check_features, check_one_type
from gcl.graphs.mapped import map_file, new_folder
from gcl.graphs.selection import edge_attributes, fix_num_nodes
from gcl.ops.blocks import is_rising
from gcl.ops.structure import stable_order


def from_files(folder: str | os.PathLike[str]) -> Data:
    """A graph from a folder of `.npy` files: `x.npy` becomes `data.x`, and so on.

    Arrays are mapped, not read: what a batch needs is read when it is made, and memory that the
    system lends for it goes back when others need it. What is written to the tensors stays in
    memory; files never change. Loaders hold nothing an edge where the edges are sorted by target
    (`edge_index[1]` rises), and 4 bytes otherwise.

    Any program can write such files, also a block at a time by `numpy.lib.format.open_memmap`. A
    single number (`num_nodes.npy`) becomes a number.

    Args:
        folder: holds `edge_index.npy` `[2, e]` of int64 or int32, `x.npy` `[n, f]` of
            floating-point numbers or `num_nodes.npy`, and what else belongs to the graph, such as
            `y.npy`. Other files are not looked at.

    Raises:
        FileNotFoundError: no such folder, or no `edge_index.npy` in it.
        ValueError: a damaged file, arrays of objects, numbers of another kind, shapes that do not
            fit, such as masks of other lengths than the nodes; a file called as what a graph of PyG
            has already, such as `keys.npy`. Values are not read: that edges name nodes which exist
            is seen by whoever reads them.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> np.save(f"{folder}/x.npy", np.ones((3, 2), dtype=np.float32))
        >>> np.save(f"{folder}/edge_index.npy", np.array([[1, 0, 2], [0, 1, 1]]))
        >>> from_files(folder)
        Data(x=[3, 2], edge_index=[2, 3])
    """
    path = as_path("from_files", folder)
    if not path.is_dir():
        raise FileNotFoundError(f"from_files: there is no folder {path}.")
    names = {file.stem: file for file in sorted(path.glob("[!.]*.npy"))}
    if "edge_index" not in names:
        raise FileNotFoundError(
            f"from_files: there is no edge_index.npy in {path}; write the edges [2, num_edges] "
            "there, as int64."
        )
    _check_names("from_files", names, f".npy in {path}")
    found = {name: map_file("from_files", file) for name, file in names.items()
             if name not in _OF_TABLES}  # fmt: skip
    told = {name: _text(names[name]) for name in _OF_TABLES if name in names}
    try:
        _check("from_files", path, found, told)
    except TypeError as error:  # the argument was right, and what it names is not
        raise ValueError(str(error)) from None
    order = ("x", "edge_index", *found)  # as PyG shows them
    return Data.from_dict(
        {name: found[name] if found[name].dim() else found[name].item()
         for name in dict.fromkeys(order) if name in found} | told
    )  # fmt: skip


def _check_names(owner: str, names: Iterable[str], where: str) -> None:
    """That attributes can be called so: nothing that a graph of PyG has already."""
    for name in names:
        if not name.isidentifier() or name.startswith("_"):
            raise ValueError(
                f"{owner}: {name}{where} would be an attribute of this name; call it by "
                "letters, digits and underscores, a letter first."
            )
        own = getattr(Data, name, None)
        if own is not None and getattr(own, "fset", None) is None:
            raise ValueError(
                f"{owner}: {name}{where} would be an attribute of this name, but data.{name} is "
                f"something else in PyG; call it my_{name}."
            )


def _text(path: Path) -> Any:
    """Names of rows as an array, those of columns as a list."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"from_files: {path} is no array of NumPy: {error}.") from None
    if array.ndim != 1 or array.dtype.kind not in "Uiu":
        raise ValueError(
            f"from_files: {path} must hold names, text or whole numbers, [n], got {array.dtype} "
            f"{list(array.shape)}."
        )
    return array if path.stem == "ids" else array.tolist()


# What `gcl.data` tells of rows and columns beside the numbers: text is kept, the rest is left out.
_OF_TABLES = (
    *("ids", "classes", "feature_names", "edge_feature_names"),
    *("categories", "columns_made"),
)


def to_files(data: Data, folder: str | os.PathLike[str]) -> Data:
    """Writes a graph into a new folder, and gives it as `from_files` does.

    Edges are sorted by target if they are not, copies in their order, and attributes of edges
    follow: loaders then hold nothing an edge.

    Args:
        data: a graph whose attributes are dense tensors, arrays and numbers.
        folder: where to; it appears once all is written.

    Raises:
        FileExistsError: there is something of this name.
        TypeError: `HeteroData`, no graph, or an attribute that a `.npy` file does not hold.
        ValueError: a batch of several graphs; edges, features or weights of wrong shapes.

    Example:
        >>> import gcl, tempfile
        >>> data = gcl.datasets.load("karate")
        >>> to_files(data, tempfile.mkdtemp() + "/karate")
        Data(x=[34, 34], edge_index=[2, 156], y=[34])
    """
    path = as_path("to_files", folder)
    check_one_type("to_files", data)
    if isinstance(data, Batch):
        raise ValueError(
            f"to_files: expected one graph, got a batch of {data.num_graphs}; write each by itself."
        )
    check_edges("to_files", data.get("edge_index"))
    _check_names("to_files", data.keys(), "")
    data = copy.copy(data)
    fix_num_nodes(data)
    arrays = {
        name: _as_array(name, data[name])
        for name in data.keys()  # noqa: SIM118
        if name not in _OF_TABLES or _is_text(data[name])
    }
    if "x" not in arrays and "num_nodes" not in arrays:
        arrays["num_nodes"] = np.asarray(data.num_nodes)
    numbers = {k: torch.from_numpy(a) for k, a in arrays.items() if a.dtype.kind != "U"}
    _check("to_files", None, numbers, {k: data[k] for k in arrays if k in _OF_TABLES})
    target = torch.from_numpy(arrays["edge_index"])[1]
    if not is_rising(target):
        order = stable_order(target, int(target.max()) + 1).numpy()
        for name in edge_attributes(data, data._store):
            arrays[name] = arrays[name][..., order] if name == "edge_index" else arrays[name][order]
    with new_folder(path) as place:
        for name, array in arrays.items():
            np.save(place / f"{name}.npy", array)
    return from_files(path)


def _is_text(value: Any) -> bool:
    listed = isinstance(value, np.ndarray | list | tuple)
    return listed and np.asarray(value).dtype.kind in "Uiu" and np.asarray(value).ndim == 1


def _as_array(name: str, value: Any) -> np.ndarray:
    if name in _OF_TABLES:
        return np.asarray(value)
    if isinstance(value, Tensor):
        if value.layout != torch.strided:
            raise TypeError(f"to_files: {name} is sparse; give {name}.to_dense().")
        if value.dtype == torch.bfloat16:
            raise TypeError(f"to_files: {name} is bfloat16, which NumPy has not; give floats.")
        value = value.detach().cpu().numpy()
    elif isinstance(value, bool | int | float):
        value = np.asarray(value)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biufc":
        raise TypeError(
            f"to_files: {name} must be a tensor, an array of numbers or a number, got "
            f"{shown(value)}; take it out of the graph."
        )
    return value


def _check(owner: str, path: Path | None, found: dict[str, Tensor], told: dict[str, Any]) -> None:
    """That shapes and kinds of numbers fit; no value is read but that of num_nodes."""
    where = "data" if path is None else str(path)
    check_edges(owner, found["edge_index"], where)
    x, stated = found.get("x"), found.get("num_nodes")
    if x is not None:
        check_features(x, f"{owner}: {where}.x")
    elif stated is None:
        raise ValueError(
            f"{owner}: there is neither x.npy nor num_nodes.npy in {path}; write one of them, that "
            "the number of nodes is known."
        )
    if stated is not None:
        whole = stated.dim() == 0 and not stated.is_floating_point() and int(stated) >= 0
        if not whole or (x is not None and int(stated) != len(x)):
            rows = "" if x is None else f", and as many as the {len(x)} rows of x"
            raise ValueError(
                f"{owner}: {where}.num_nodes must be one whole number{rows}, got {shown(stated)}."
            )
    if "edge_weight" in found:
        check_edge_weight(f"{owner}: {where}", found["edge_weight"], found["edge_index"].shape[1])
    num_nodes = int(stated) if x is None and stated is not None else len(found["x"])
    check_lengths(f"{owner}: {where}", {**found, **told}, num_nodes, found["edge_index"].shape[1])
    for name, of in (("feature_names", "x"), ("edge_feature_names", "edge_attr")):
        width = found[of].shape[-1] if of in found and found[of].dim() == 2 else None
        if name in told and width not in (None, len(told[name])):
            raise ValueError(
                f"{owner}: {where}: {name} names {len(told[name])} columns, and {of} has {width}."
            )
