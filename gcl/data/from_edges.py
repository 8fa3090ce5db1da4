"""A graph from a table of edges and a table of nodes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import coalesce

from gcl.checks import check_choice, check_count, shown
from gcl.data.columns import Categories, Features, classes_of, features_again, features_of
from gcl.data.columns_made import Made, earlier, places
from gcl.data.csv_files import without_header
from gcl.data.matrices import as_feature_matrix
from gcl.data.naming import are_known, id_names, names_are_ids, numbers_as_names
from gcl.data.tables import (
    Table,
    as_ids,
    column_of,
    dates_in,
    missing,
    read_table,
    refuse_commas,
    refuse_values,
    together,
)
from gcl.transforms import AddDegreeFeatures

DEGREES = 31  # the highest that has a column of its own where there are no features


def from_edges(
    edges: Any,
    nodes: Any = None,
    *,
    source: str | None = None,
    target: str | None = None,
    weight: str | None = None,
    id: str | None = None,
    features: Any = None,
    edge_features: Sequence[str] | None = None,
    label: str | None = None,
    directed: bool = False,
    categories: Categories = "one_hot",
    max_categories: int = 50,
    like: Data | str | PathLike[str] | None = None,
) -> Data:
    """A graph from tables: ids become row numbers, columns become features.

    Tables are a pandas or Polars DataFrame, the path of a CSV file whose first line names the
    columns (read by pandas; commas, semicolons or tabs; UTF-8; packed by gzip, bz2 or xz, too), or
    a dict of columns. Nothing is scaled: give features of one scale, or
    `gcl.transforms.NormalizeRows`.

    Columns of numbers are taken as they are; missing ones become the mean of the column, and
    another column, `name=missing`, says where. Columns of words become one-hot columns
    `name=value`, missing a value of its own. An edge listed several times is one edge, whose weight
    is the sum of the weights and whose features are their means. Of `directed=False` the reverse of
    every edge is added before, so that a list of both directions, each with its weight, gives twice
    that weight everywhere: it is a list for `directed=True`.

    Args:
        edges: a row an edge.
        nodes: a row a node; or only their ids, as a list. Without it nodes are those that edges
            name, in the order of their ids.
        source: the column of edges with ids; else that called source, src or from, else the first.
        target: likewise; target, dst or to, else the second.
        weight: the column of weights, numbers above 0, for `edge_weight`: how strong an edge is.
            Else that called weight, in letters of any case, if there is one.
        id: the column of nodes with ids; else that called id, node or node_id, else the first.
        features: columns of nodes for x, all others but the label if None; or a matrix with a row
            for each row of nodes: a tensor, an array or a SciPy sparse matrix, which stays sparse;
            rows of a DataFrame whose index holds the ids go by them.
            Where there are no features x is the one-hot degree, up to 31.
        edge_features: columns of edges for `edge_attr`: what an edge is like. All others if None.
        label: the column of nodes with classes; missing ones become -1.
        directed: edges go from source to target only.
        categories: "codes" gives x a column of whole numbers in place of one-hot ones, from 1 in
            the order of `data.categories`, and 0 where missing, as `gcl.nn.CodeEmbedding` reads
            them; x is int64 where all its columns are such. Those of edges are one-hot.
        max_categories: at most so many values of a column, >= 2; the rarest share `name=other`.
        like: an earlier graph of this function, or the file of `gcl.data.save_columns`: columns of
            x and edge_attr are made as they were then, from columns of the same names, with its
            means and categories; others are left out. A word that was not there then is
            `name=other`, else `name=missing` (code 0), else zero in all columns. The column of
            weights is that of then; ids, label and directed are told again. For embeddings of a
            grown table by a method that was trained before.

    Returns:
        A `Data` with `x`, `edge_index` and `ids` `[num_nodes]` (text or numbers, an array of
        NumPy); `feature_names`; `edge_weight`, `edge_attr` and `edge_feature_names`, `y` and
        `classes`, `categories` (the values of each column of words) where there are such; and
        `columns_made`, which `like=` reads.

    Shape:
        x `[n, f]`, edge_index `[2, e]`, edge_weight `[e]`, edge_attr `[e, g]`, y `[n]`.

    Warns:
        UserWarning: an index that pandas wrote into the first column is left out; a column has more
            words than `max_categories`, or few words among numbers; the name of one column of ids
            is an id, too; `like` knows no column for words or gaps.

    Raises:
        TypeError: no table, or a column of dates, lists or complex numbers; like is no graph.
        ValueError: a column that is not there; ids that are missing, twice, unknown, or truths;
            weights that are not above 0; features that do not fit; a file that is no such table, or
            whose first line is a row; options that like tells already, or columns that it names
            and that are not there.
        FileNotFoundError: no such file.
        ImportError: a CSV file without pandas (the extra `data`).

    Example:
        >>> edges = {"from": ["ann", "bob"], "to": ["bob", "cay"], "weight": [2, 1]}
        >>> nodes = {"name": ["ann", "bob", "cay"], "age": [30, None, 50], "city": ["A", "B", "A"]}
        >>> data = from_edges(edges, nodes)
        >>> data.ids.tolist(), data.feature_names
        (['ann', 'bob', 'cay'], ['age', 'age=missing', 'city=A', 'city=B'])
        >>> data.x.tolist()[1], data.edge_weight.tolist()
        ([40.0, 1.0, 0.0, 1.0], [2.0, 2.0, 1.0, 1.0])
    """
    check_choice("from_edges", "categories", categories, ("one_hot", "codes"))
    check_count("from_edges", least=2, max_categories=max_categories)
    if not isinstance(directed, bool):
        raise TypeError(f"from_edges: directed must be True or False, got {shown(directed)}.")
    for name, told in (("source", source), ("target", target), ("weight", weight), ("id", id),
                       ("label", label)):  # fmt: skip
        if told is not None and not isinstance(told, str):
            raise TypeError(f"from_edges: {name} must be the name of a column, got {shown(told)}.")
    before, made = (None, []) if like is None else earlier("from_edges", like, "from_edges")
    if before is not None:
        _refuse_told_twice(before, directed, features, edge_features, categories, max_categories)
    listed = read_table("from_edges: edges", edges, (source, target))
    ends = _ends(listed, source, target)
    pair = [as_ids("from_edges", listed.pop(name), f"{name} of edges") for name in ends]
    rows = None if _are_names(features) else _rows(features)
    named = [weight, label, *_as_names(features), *_as_names(edge_features)]
    named += [one["name"] for one in made]
    _check_header("edges", edges, ends, listed, (source, target), named, *pair)
    table, ids = _nodes(nodes, id, pair[0], pair[1], rows, named)
    data = Data(edge_index=_numbers(ids, *pair))
    data.num_nodes = len(ids)
    if label is not None:
        column = column_of("from_edges: nodes", table, label, "label")
        data.y, data.classes = classes_of("from_edges: nodes", label, column)
        del table[label]
    graph = {"made_by": "from_edges", "directed": directed}
    if before is None:
        graph["weight"] = weight = _weight_name(listed, weight, edge_features)
        of_edges = _edge_features(listed, weight, edge_features, max_categories)
    else:
        graph["weight"] = weight = before["weight"] if weight is None else weight
        of_edges = _again("edges", listed, made, "edge_attr")
    _add_edges(data, listed, weight, of_edges, directed)
    of_nodes = None
    if not _are_names(features):
        graph["x"], graph["names"] = "matrix", _add_matrix(data, ids, features, before)
    elif before is None:
        of_nodes = _node_features(table, features, categories, max_categories)
    else:
        of_nodes = _again("nodes", table, made, "x")
    if _are_names(features):
        graph["x"] = "degree" if of_nodes is None else "columns"
        _add_features(data, of_nodes)
    del data.num_nodes
    data.ids = ids
    data.columns_made = [
        graph,
        *({**one, "of": "x"} for one in (of_nodes.made if of_nodes else ())),
        *({**one, "of": "edge_attr"} for one in (of_edges.made if of_edges else ())),
    ]
    return data


def _refuse_told_twice(
    before: dict[str, Any],
    directed: bool,
    features: Any,
    edge_features: Any,
    categories: str,
    max_categories: int,
) -> None:
    """What an earlier graph tells is not told otherwise."""
    told = {
        "features": features is not None and _are_names(features),
        "edge_features": edge_features is not None,
        "categories": categories != "one_hot",
        "max_categories": max_categories != 50,
    }
    twice = [name for name, one in told.items() if one]
    if twice:
        raise ValueError(
            f"from_edges: like= tells which columns there are and what becomes of them; leave out "
            f"{' and '.join(twice)}."
        )
    if directed != before["directed"]:
        raise ValueError(
            f"from_edges: the graph of like= was made with directed={before['directed']}; say so, "
            "too."
        )
    if _are_names(features) == (before["x"] == "matrix"):
        one, other = "a matrix", "made of columns of nodes, or of degrees"
        was, do = (one, "give one") if before["x"] == "matrix" else (other, "give none")
        raise ValueError(f"from_edges: the features of the graph of like= were {was}; {do}.")


def _again(where: str, table: Table, made: Made, of: str) -> Features | None:
    wanted = [one for one in made if one["of"] == of]
    return features_again(f"from_edges: {where}", table, wanted) if wanted else None


def _ends(table: Table, source: str | None, target: str | None) -> list[str]:
    for role, told in (("source", source), ("target", target)):
        if told is not None:
            column_of("from_edges: edges", table, told, role)
    names = id_names(list(table), (source, target), dates_in(table))
    if len(set(names)) < 2:
        raise ValueError(
            "from_edges: edges needs two columns, the ids of both ends, got "
            f"{', '.join(map(repr, table)) or 'none'}; name them by source= and target=. A file "
            "that is separated by other than commas, semicolons or tabs, or begins with comments: "
            "pandas.read_csv(path, sep=..., comment='#', header=None, names=[...])."
        )
    return names


def _check_header(
    where: str,
    given: Any,
    names: Sequence[str],
    others: Table,
    told: Sequence[str | None],
    meant: Sequence[str | None],
    *ids: np.ndarray,
) -> None:
    """That names of columns are names, and not the first row of a file without a header.

    Args:
        where: "edges" or "nodes".
        given: what was given as such.
        names: of the columns of ids.
        others: the other columns.
        told: columns of ids that the user named.
        meant: other columns that the user named.
        ids: of the table.
    """
    is_file = isinstance(given, str | PathLike)
    columns = getattr(given, "columns", ())
    if not is_file and not (len(columns) and all(isinstance(name, str) for name in columns)):
        return  # names that the user typed, or numbers that pandas gave
    header = [*names, *others]
    numbers = [] if are_known(header, told) else numbers_as_names(others, meant)
    alike = names_are_ids(names, header, told, *ids)
    if not any(alike) and not numbers:
        return
    row, roles = ("an edge", _ENDS) if len(names) == 2 else ("a node", _ID)
    which = [name for name, one in zip(names, alike, strict=True) if one]
    kind = "an id" if which else "a value"
    which = which or numbers
    said = " and ".join(repr(name) for name in which)
    further = [f"column{i}" for i in range(len(roles), len(header))]
    read = without_header(given if is_file else None, [*roles, *further])
    meant = ", ".join(f"{role}={name!r}" for role, name in zip(roles, names, strict=True))
    look = f"look like {kind.split()[1]}s" if len(which) > 1 else f"looks like {kind}"
    text = (
        f"from_edges: {where}: the first line was taken for names of columns, but {said} "
        f"{look}; if it is {row}, give "
        f"{read}; if it names the columns, say so: {meant}."
    )
    if all(alike) or numbers:
        raise ValueError(text)
    warnings.warn(text, stacklevel=3)


_ENDS, _ID = ("source", "target"), ("id",)


def _rows(matrix: Any) -> int:
    shape = getattr(matrix, "shape", None)
    if not shape and not hasattr(matrix, "__len__"):
        raise TypeError(
            "from_edges: features must be names of columns of nodes, or a matrix with a row for "
            f"each node, got {shown(matrix)}."
        )
    return int(shape[0]) if shape else len(matrix)


def _nodes(
    nodes: Any,
    id: str | None,
    source: np.ndarray,
    target: np.ndarray,
    rows: int | None,
    named: Sequence[str | None],
) -> tuple[Table, np.ndarray]:
    """The other columns of nodes, and their ids in its order."""
    if nodes is None:
        if rows is None and not len(source):
            raise ValueError(
                "from_edges: edges has no rows, so that nothing names a node; give nodes=[...]."
            )
        if rows is None:
            return {}, np.unique(np.concatenate(together(source, target)))
        if len(source) and {source.dtype.kind, target.dtype.kind} != {"i"}:
            raise ValueError(
                "from_edges: whose rows are those of features? Give nodes=[...], the ids in the "
                "order of the rows; without it ids must be the numbers of the rows, from 0."
            )
        return {}, np.arange(rows)
    if not isinstance(nodes, Mapping | str | PathLike) and not hasattr(nodes, "columns"):
        nodes = {"id": nodes}
    table = read_table("from_edges: nodes", nodes, (id,))
    if id is not None:
        column_of("from_edges: nodes", table, id, "id")
    names = id_names(list(table), (id,), dates_in(table))
    if not names:
        only = f"only {next(iter(table))!r}" if table else "no columns"
        raise ValueError(f"from_edges: nodes has {only}; one column must hold the ids: id=...")
    ids = as_ids("from_edges", table.pop(names[0]), f"{names[0]} of nodes")
    _check_header("nodes", nodes, names, table, (id,), named, ids, *together(source, target))
    if len(ids) and len(np.unique(ids)) < len(ids):
        values, counts = np.unique(ids, return_counts=True)
        twice = values[counts > 1]
        raise ValueError(
            f"from_edges: {len(twice)} ids stand in nodes more than once, such as "
            f"{_some(twice)}; name the column of ids by id=, or leave a row for each."
        )
    return table, ids


def _numbers(ids: np.ndarray, source: np.ndarray, target: np.ndarray) -> Tensor:
    """`[2, e]`: where the ids of the ends stand among those of the nodes."""
    given = np.concatenate(together(source, target))
    known, given = together(ids, given)
    order = np.argsort(known, kind="stable")
    place = np.searchsorted(known, given, sorter=order)
    found = np.zeros(len(given), bool)
    inside = place < len(known)
    found[inside] = known[order[place[inside]]] == given[inside]
    if not found.all():
        unknown = np.unique(given[~found])
        rows = int((~found).reshape(2, -1).any(0).sum())
        raise ValueError(
            f"from_edges: {rows} of {len(source)} edges name {len(unknown)} nodes that are not in "
            f"nodes, such as {_some(unknown)}{_of_kinds(ids, source, target)}; add them to nodes, "
            "or leave those edges out."
        )
    return torch.from_numpy(order[place].astype(np.int64).reshape(2, -1))


def _of_kinds(ids: np.ndarray, source: np.ndarray, target: np.ndarray) -> str:
    """That edges name nodes by numbers and nodes by text, such as 1 and "01", or the other way."""
    kinds = {"i": "whole numbers", "U": "text"}
    other = [ends for ends in (source, target) if ends.dtype.kind != ids.dtype.kind]
    if not len(ids) or not other:
        return ""
    return (
        f" (ids of nodes are {kinds[ids.dtype.kind]} such as {_some(ids[:1])}, those of edges "
        f"{kinds[other[0].dtype.kind]})"
    )


def _some(ids: np.ndarray) -> str:
    return ", ".join(repr(v) for v in ids[:3].tolist()) + (", ..." if len(ids) > 3 else "")


def _weight_name(table: Table, weight: str | None, chosen: Sequence[str] | None) -> str | None:
    if weight is not None:
        return weight
    free = [name for name in table if name.lower() == "weight" and name not in (chosen or ())]
    return "weight" if "weight" in free else free[0] if len(free) == 1 else None


def _edge_features(
    table: Table, weight: str | None, chosen: Sequence[str] | None, limit: int
) -> Features | None:
    others = {name: column for name, column in table.items() if name != weight}
    others = _chosen("edges", others, chosen)
    return features_of("from_edges: edges", others, "one_hot", limit) if others else None


def _add_edges(
    data: Data, table: Table, weight: str | None, features: Features | None, directed: bool
) -> None:
    """Weights and features of edges, reversed ones, and each once."""
    weights = attr = None
    if weight is not None:
        weights = _weights(weight, column_of("from_edges: edges", table, weight, "weight"))
    if features is not None:
        attr, data.edge_feature_names = features.x, features.names
    edge_index: Any = data.edge_index
    if not directed:
        other = (edge_index[0] != edge_index[1]).nonzero().view(-1)
        edge_index = torch.cat([edge_index, edge_index[:, other].flip(0)], 1)
        weights = None if weights is None else torch.cat([weights, weights[other]])
        attr = None if attr is None else torch.cat([attr, attr[other]])
    size = data.num_nodes
    if weights is not None:
        data.edge_weight = coalesce(edge_index, weights, size, reduce="sum")[1].float()
    if attr is not None:
        data.edge_attr = coalesce(edge_index, attr, size, reduce="mean")[1]
    data.edge_index = coalesce(edge_index, num_nodes=size)


def _weights(name: str, column: np.ndarray) -> Tensor:
    """In float64, so that sums do not depend on their order."""
    refuse_values("from_edges: edges", name, column)
    refuse_commas("from_edges: edges", name, column)
    numbers = np.array([_number(v) for v in column]) if column.dtype == object else column
    numbers = numbers.astype(np.float64)
    bad = ~(np.isfinite(numbers) & (numbers > 0))
    if bad.any():
        row = int(bad.argmax())
        got = "no value" if missing(column)[row] else f"{column.tolist()[row]!r}"
        raise ValueError(
            f"from_edges: weights of edges must be finite numbers above 0, but {name!r} has "
            f"{got} in row {row}{f' and {int(bad.sum()) - 1} more' if bad.sum() > 1 else ''}; "
            "leave such edges out, or take the column as a feature: edge_features=[...]."
        )
    return torch.from_numpy(numbers)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def _chosen(where: str, table: Table, names: Sequence[str] | None) -> Table:
    if names is None:
        return table
    if isinstance(names, str):
        names = [names]
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"from_edges: features of {where} name {twice[0]!r} more than once.")
    return {n: column_of(f"from_edges: {where}", table, n, "features") for n in names}


def _as_names(told: Any) -> list[str]:
    if told is None or not _are_names(told):
        return []
    return [told] if isinstance(told, str) else list(told)


def _are_names(features: Any) -> bool:
    listed = isinstance(features, list | tuple) and all(isinstance(f, str) for f in features)
    return features is None or isinstance(features, str) or listed


def _node_features(
    table: Table, chosen: Sequence[str] | None, categories: Categories, limit: int
) -> Features | None:
    table = _chosen("nodes", table, chosen)
    return features_of("from_edges: nodes", table, categories, limit) if table else None


def _add_features(data: Data, found: Features | None) -> None:
    if found is None:
        AddDegreeFeatures(DEGREES).forward(data)
        data.feature_names = [f"degree={d}" for d in range(DEGREES)] + [f"degree>={DEGREES}"]
        return
    data.x, data.feature_names = found.x, found.names
    if found.categories:
        data.categories = found.categories


def _add_matrix(
    data: Data, ids: np.ndarray, features: Any, before: dict[str, Any] | None
) -> list[str]:
    """A matrix as it is, or a DataFrame by its index, and by the columns of an earlier one."""
    features = _by_index(features, ids)
    if before is not None and hasattr(features, "iloc"):
        there = [str(name) for name in features.columns]
        features = features.iloc[:, places("from_edges", "features", before["names"], there)]
    x = as_feature_matrix("from_edges", features, data.num_nodes)
    if before is not None and x.shape[1] != len(before["names"]):
        raise ValueError(
            f"from_edges: features had {len(before['names'])} columns in the graph of like=, and "
            f"have {x.shape[1]} now; give the same columns in the same order."
        )
    names = [str(name) for name in getattr(features, "columns", range(x.shape[1]))]
    data.x, data.feature_names = x, names
    return names


def _by_index(features: Any, ids: np.ndarray) -> Any:
    """Rows of a DataFrame of pandas in the order of the nodes, where its index holds their ids."""
    index = getattr(features, "index", None)
    if not hasattr(features, "iloc") or index is None or len(features) != len(ids):
        return features
    called = list(index)
    if index.name is None and called == list(range(len(called))):
        return features  # what pandas counts where nobody told
    texts = all(isinstance(name, str) for name in called)
    place = {str(name): row for row, name in enumerate(called)}
    wanted = [str(name) for name in ids.tolist()]
    if len(place) == len(called) and all(name in place for name in wanted):
        return features.iloc[[place[name] for name in wanted]]
    if texts or index.name is not None or any(name in place for name in wanted):
        lost = next((name for name in wanted if name not in place), wanted[0])
        raise ValueError(
            f"from_edges: the rows of features are called otherwise than the nodes, of which "
            f"{lost!r} has none of its own; give features.loc[ids], or features.to_numpy() where "
            "they stand in the order of the nodes."
        )
    return features
