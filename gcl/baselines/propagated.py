"""What propagation alone reaches: features averaged over the graph, and nothing trained."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor
from torch_geometric.data import Batch, Data, Dataset, HeteroData

from gcl.baselines.there_and_back import there_and_back
from gcl.checks import as_tensor, check_count, check_seed
from gcl.evaluate.graph_classification import graph_classification
from gcl.evaluate.hetero_probe import hetero_probe
from gcl.evaluate.linear_probe import linear_probe, look_up
from gcl.evaluate.protocols import Protocol
from gcl.evaluate.result import Result
from gcl.evaluate.splits import Splits
from gcl.graphs.kinds import check_one_type
from gcl.graphs.rows import counted_rows, with_counted_labels
from gcl.nn.readouts import sum_readout
from gcl.ops.similarity import unit_rows
from gcl.ops.smoothing import Keep
from gcl.transforms.add_propagated import AddPropagated
from gcl.transforms.normalize_rows import NormalizeRows


class Smoothing(NamedTuple):
    """How far features are propagated, and what stays, see `gcl.transforms.AddPropagated`."""

    keep: Keep
    hops: int

    def __str__(self) -> str:
        return f"{'SGC' if self.keep == 'last' else 'SSGC'}-{self.hops}"


CANDIDATES = (
    Smoothing("last", 2),
    Smoothing("last", 4),
    Smoothing("last", 8),
    Smoothing("mean", 16),
)
"""What validation nodes choose from."""

UNCHOSEN = Smoothing("mean", 16)
"""What is taken where there is no validation part: clusters, links, graphs, cross-validation."""

GRAPHS = 512  # of a set of graphs that are propagated together


def propagated_features(
    data: Any,
    hops: int = UNCHOSEN.hops,
    keep: Keep = UNCHOSEN.keep,
    *,
    normalize: bool = True,
    columns: int | None = None,
) -> Tensor:
    r"""Features smoothed over the graph: a representation without a parameter.

    | data | rows |
    | --- | --- |
    | a graph, a batch of graphs | one a node, as `gcl.transforms.AddPropagated` writes them |
    | a list or a data set of graphs | one a graph, the sum over its nodes |
    | `HeteroData` | one a node of the type with labels |

    Helper rows are left out, see `gcl.graphs.rows`. Of several node types, those of the labelled
    one see each other through the others, by steps to a neighbour and back: see
    `gcl.baselines.there_and_back`.

    The default is for where no labels say how far: SSGC with 16 hops, whose mean sees near and far
    and whose residual keeps the node's own features. With validation nodes `propagated_probe`
    chooses.

    Args:
        data: a graph with x, a list or a data set of them, or a `HeteroData`.
        hops: K, >= 1.
        keep: "last" for SGC's `S^K x`, "mean" for SSGC's mean with a residual of 0.05, "concat" for
            all powers side by side.
        normalize: divide rows of features by their sums first.
        columns: principal components to take in place of all columns, which k-means needs: words
            are many, and those that all nodes share say nothing of clusters. All if None.

    Shape:
        `[nodes, f]` or `[graphs, f]`, `K + 1` times as wide by "concat", or `columns` wide.

    Raises:
        TypeError, ValueError: see `gcl.transforms.AddPropagated`; no graph; a `HeteroData` with no
            labels, or with no features or no edges at the labelled type.

    Reference:
        Wu et al., "Simplifying Graph Convolutional Networks" (SGC), ICML 2019; Zhu and Koniusz,
        "Simple Spectral Graph Convolution" (SSGC), ICLR 2021.

    Example:
        >>> import gcl
        >>> propagated_features(gcl.datasets.load("karate"), 2).shape
        torch.Size([34, 34])
    """
    propagate = AddPropagated(hops, keep)  # also sees to the numbers
    if columns is not None:
        check_count("propagated_features", columns=columns)
    if isinstance(data, HeteroData):
        rows = _of_labelled_type(data, propagate, normalize)
    elif not isinstance(data, Data) and isinstance(data, Dataset | list | tuple):
        rows = _of_graphs(data, propagate, normalize)
    else:
        check_one_type("propagated_features", data)
        rows = counted_rows(propagate(_prepared(data, normalize)).x, data)
    return rows if columns is None else _principal(rows, columns)


def propagated_candidates(
    data: Data,
    *,
    protocol: str | Protocol = "public",
    splits: Splits | None = None,
    normalize: bool = True,
    seed: int = 0,
) -> dict[str, Result]:
    """`gcl.evaluate.linear_probe` of SGC-2, SGC-4, SGC-8 and SSGC-16, rows scaled to length one.

    The best of them on the test part is no result: `propagated_probe` chooses without it.

    Args:
        data: a graph with x, edge_index and y.
        protocol: as for `linear_probe`.
        splits: as for `linear_probe`.
        normalize: divide rows of features by their sums first.
        seed: as for `linear_probe`.

    Raises:
        TypeError, ValueError: what `linear_probe` and `propagated_features` raise.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.sbm(200, 2, num_features=8)
        >>> list(propagated_candidates(data, protocol="random-10-10-80"))
        ['SGC-2', 'SGC-4', 'SGC-8', 'SSGC-16']
    """
    return {str(one): _probe(data, one, protocol, splits, normalize, seed) for one in CANDIDATES}


def propagated_probe(
    data: Any,
    *,
    protocol: str | Any = "public",
    splits: Splits | None = None,
    normalize: bool = True,
    seed: int = 0,
) -> Result:
    """Accuracy of propagated features under a protocol: what training has to beat.

    Features are propagated and, for `linear_probe`, their rows scaled to length one.
    Where the protocol selects on validation nodes, each split takes of SGC-2, SGC-4, SGC-8 and
    SSGC-16 the one with the best validation accuracy, the fewest hops among equals. Everywhere else
    (`e1`, `e3`, sets of graphs, several node types) it is SSGC-16. No choice reads a test label.

    Args:
        data: a graph with x, edge_index and y, a set of graphs, or a `HeteroData`.
        protocol: of `linear_probe`, `graph_classification` or `hetero_probe`.
        splits: for `linear_probe`, in place of the protocol's.
        normalize: divide rows of features by their sums first.
        seed: of the splits and of the classifier.

    Returns:
        What the protocol's evaluation returns; `per_run["hops"]` has the choice of each split.

    Raises:
        TypeError, ValueError: what the evaluation and `propagated_features` raise.

    Reference:
        "Propagation Alone is Enough for Graph Contrastive Learning", and "GCL versus Untrained
        Baselines" (arXiv 2509.01541).

    Example:
        >>> import gcl
        >>> data = gcl.datasets.sbm(200, 2, num_features=8)
        >>> result = propagated_probe(data, protocol="random-10-10-80")
        >>> result["accuracy"] > 0.9, len(result.per_run["hops"])
        (True, 20)
    """
    check_seed("propagated_probe", seed)
    if isinstance(data, HeteroData):
        rows = propagated_features(data, normalize=normalize)
        return _told(hetero_probe(rows, data, protocol=protocol, seed=seed), str(UNCHOSEN))
    if not isinstance(data, Data) and isinstance(data, Dataset | list | tuple):
        y = torch.cat([as_tensor("propagated_probe", "y", graph.y).view(-1) for graph in data])
        rows = propagated_features(data, normalize=normalize)
        found = graph_classification(rows, y, protocol=protocol, seed=seed)
        return _told(found, f"sums of {UNCHOSEN}")
    table = look_up(protocol)
    if table.classifier != "lbfgs" and not table.select:
        return _told(
            _probe(data, UNCHOSEN, protocol, splits, normalize, seed), f"unit rows of {UNCHOSEN}"
        )
    options = propagated_candidates(
        data, protocol=protocol, splits=splits, normalize=normalize, seed=seed
    )
    return _chosen(list(options.values()))


def _chosen(found: list[Result]) -> Result:
    """Of every split the candidate that is best on its validation nodes."""
    best = np.argmax([one.per_run["val_accuracy"] for one in found], axis=0)
    runs = {
        name: [found[at].per_run[name][split] for split, at in enumerate(best)]
        for name in found[0].per_run
    }
    chosen = {name: run for name, run in runs.items() if name in found[0]}
    names = ", ".join(map(str, CANDIDATES))
    result = Result.from_runs(chosen, f"{found[0].protocol}; unit rows of {names} on validation")
    result.per_run = runs | {"hops": [float(CANDIDATES[at].hops) for at in best]}
    return result


def _told(result: Result, how: str) -> Result:
    result.protocol = f"{result.protocol}; {how}"
    return result


def _probe(
    data: Data,
    how: Smoothing,
    protocol: str | Protocol,
    splits: Splits | None,
    normalize: bool,
    seed: int,
) -> Result:
    rows = propagated_features(data, how.hops, how.keep, normalize=normalize)
    if look_up(protocol).classifier == "adam":
        # It takes rows as they are, and rows of words divided by their sums are short.
        rows = unit_rows(rows)
    shown = with_counted_labels(data)
    return linear_probe(rows, shown.y, protocol=protocol, data=shown, splits=splits, seed=seed)


def _principal(rows: Tensor, columns: int) -> Tensor:
    columns = min(columns, *rows.shape)
    pca = PCA(columns, svd_solver="randomized", random_state=0)
    found: np.ndarray = pca.fit_transform(rows.cpu().numpy())
    return torch.from_numpy(found)


def _prepared(data: Data, normalize: bool) -> Data:
    data = copy.copy(data)
    return NormalizeRows()(data) if normalize else data


def _of_graphs(graphs: Any, propagate: AddPropagated, normalize: bool) -> Tensor:
    if not len(graphs):
        raise ValueError("propagated_features: expected at least one graph, got none.")
    rows = []
    for start in range(0, len(graphs), GRAPHS):
        some = [graphs[at] for at in range(start, min(start + GRAPHS, len(graphs)))]
        batch = propagate(_prepared(Batch.from_data_list(some), normalize))
        rows.append(sum_readout(batch.x, batch.batch, len(some)))
    return torch.cat(rows)


def _of_labelled_type(data: HeteroData, propagate: AddPropagated, normalize: bool) -> Tensor:
    target = next((kind for kind in data.node_types if data[kind].get("y") is not None), None)
    if target is None or data[target].get("x") is None:
        what = "no node type with labels" if target is None else f"no features at {target!r}"
        raise ValueError(f"propagated_features: the graph has {what}, so nothing to propagate.")
    data = NormalizeRows()(copy.copy(data)) if normalize else data
    found = there_and_back(data, target, propagate.hops)
    if propagate.keep == "concat":
        return torch.cat(found, 1)
    if propagate.keep == "last":
        return found[-1]
    r = propagate.residual
    return (1 - r) * torch.stack(found[1:]).mean(0) + r * found[0]
