"""Meta-path graphs of one node type, and the nodes that the meta-paths pass on the way."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData
from torch_geometric.transforms import BaseTransform

from gcl.checks import check_choice, check_count
from gcl.describe import describe
from gcl.graphs.kinds import what_came
from gcl.graphs.meta_paths import (
    OURS,
    EdgeType,
    MetaPaths,
    check_metapaths,
    check_topk,
    metapath_contexts,
    metapaths_of,
    resolve,
)
from gcl.transforms.meta_path_counts import TIES, Incidence, path_counts, product_in_blocks

CONTEXTS = ("set", "walk", "none")
SIMILARITIES = ("pathsim", "count")
FORMS = ("transpose", "row", "union", "mutual")


class AddMetaPaths(BaseTransform):
    """Writes the graph of every meta-path between target nodes, and what lies along it.

    A meta-path is a chain of edge types `t = s_0 -> s_1 -> .. -> s_L = t` with incidence matrices
    `I_1 .. I_L` (parallel edges count; weights and features of edges do not):

        A = I_1 I_2 .. I_L                       paths from i to j, exact integers
        s_ij = (A_ij + A_ji) / (A_ii + A_jj)     PathSim; A_ij / sum_k A_ik if A_ii or A_jj is 0
        T = A with, in every row i, the k entries of largest s_ij

    Equal scores are decided by the larger count, then by lot; the node itself, where it has a path
    to itself, always is one of the k. With U the matrix that is written,

        "transpose"  U = T^T          a node listens to the nodes that chose it, as in MEOW's code
        "row"        U = T            a node listens to the nodes it chose
        "union"      U = max(T, T^T)
        "mutual"     U = min(T, T^T)

    The code of MEOW transposes by accident, it seems, but its results need it. Nodes that no path
    leaves have no edges here: self-loops are the business of the encoder.

    **What is written**, with t the target type and m = 0, 1, ... the number of the meta-path:

    - edge type `(t, "metapath_m", t)`: `edge_index` `[2, e]` int64, for every entry U_ij > 0 an
      edge from source j to target i, sorted by target, then source; `edge_weight` `[e]` in torch's
      default dtype, U_ij; `selector`, the row of `edge_index` that holds the node whose choice the
      edge is: 0 for "transpose", else 1. MEOW's propagation matrix `D^-1/2 U D^-1/2` takes for D
      the sums of the weights by that row, which are the row sums of T.
    - edge types `(b, "context_n", a)`: `edge_index` `[2, e]`, sorted by target, then source. The
      context of an interior position is a chain of such edge types, applied from the last to the
      first, each as the mean over the edges that arrive at a node (zero if none do):
      "set": a chain of one, from the distinct nodes of type s_l that node i reaches by the first l
      steps, `mean { h_v : (I_1 .. I_l)_iv > 0 }`. "walk": a chain of l, the steps themselves with
      their direction reversed, `N(I_1) N(I_2) .. N(I_l) H`, N = rows divided by their sums. It
      weighs a node by the random walks that reach it and stores no product. An edge type is
      written once, however many chains share it.
    - `metapath_dict` of the graph, as PyG's own transform: `{(t, "metapath_m", t): [edge types]}`.
    - `context_dict`: `{(t, "metapath_m", t): [chain of position 1, .., chain of position L - 1]}`;
      empty lists for meta-paths of length 1 and for `contexts="none"`. Read it by
      `metapath_contexts(data)`: PyG turns tuples inside attributes into lists when it moves data.

    A second run replaces what the first has written. Run it on the whole graph, with the reverse
    edges in it. Products are summed in blocks of rows: nothing is dense, and with `topk` A itself
    is never held, only two factors of it.

    Args:
        metapaths: chains of edge types, or of node types where each pair has one edge type only;
            all must start and end at the same type; None takes those of the graph
            (`data.metapaths`). Length 1, an edge type from the target to
            itself, has no interior.
        contexts: "set", "walk" or "none".
        topk: k, at least 1, for all meta-paths or a list of one each; None keeps every entry.
        similarity: what is largest in a row: "pathsim", or "count" for A_ij.
        ties: how equal scores and counts are decided: "random", with a generator of its own;
            "index", by the smaller number of the node, which tells labels where the files are
            sorted by them and the form is not "row"; "legacy", as NumPy's unstable sort has it,
            the node itself not always kept, as in the code of MEOW. On ACM, whose papers are sorted
            by class, "legacy" chooses 53 % of one class and 1 % of another in the largest subject,
            and is worth about two points of Macro-F1: for parity only.
        seed: of ties="random".
        topk_form: see above; applied without `topk`, too, where it matters only if A is not
            symmetric.
        budget: bytes that a single edge type may take. A context beyond it, and those of later
            positions of its meta-path, are written as "walk", with a warning.

    Shape:
        edge types with `edge_index` `[2, e]` -> see above.

    Raises:
        TypeError: no `HeteroData`; meta-paths that are no lists of types; topk of another type.
        ValueError: no meta-path; a step without edge type, or with several; a chain that does not
            connect or does not return; a number outside its range; a batch of several graphs; edge
            types of others with such names; positions outside the graph; a meta-path with more
            entries than the budget, or with more paths than int64 counts.

    Reference:
        Yu et al., "Heterogeneous Graph Contrastive Learning with Meta-path Contexts and Adaptively
        Weighted Negative Samples", SDM 2023 and TKDE 2024. Their code stores dense matrices,
        counts booleans in places, and its unstable sort may drop the node itself.
        Sun et al., "PathSim: Meta Path-Based Top-K Similarity Search in Heterogeneous Information
        Networks", VLDB 2011: palindromes, for which the score is 2 A_ij / (A_ii + A_jj).

    Example:
        >>> data = HeteroData()
        >>> data["paper"].num_nodes, data["author"].num_nodes = 3, 2
        >>> data["paper", "to", "author"].edge_index = torch.tensor([[0, 1, 1], [0, 0, 1]])
        >>> data["author", "to", "paper"].edge_index = torch.tensor([[0, 0, 1], [0, 1, 1]])
        >>> data = AddMetaPaths([["paper", "author", "paper"]])(data)
        >>> data["paper", "metapath_0", "paper"].edge_index
        tensor([[0, 1, 0, 1],
                [0, 0, 1, 1]])
        >>> data["paper", "metapath_0", "paper"].edge_weight
        tensor([1., 1., 1., 2.])
        >>> metapath_contexts(data)
        {('paper', 'metapath_0', 'paper'): [[('author', 'context_0', 'paper')]]}
    """

    def __init__(
        self,
        metapaths: MetaPaths | None = None,
        contexts: Literal["set", "walk", "none"] = "set",
        topk: int | list[int | None] | None = None,
        similarity: Literal["pathsim", "count"] = "pathsim",
        topk_form: Literal["transpose", "row", "union", "mutual"] = "transpose",
        ties: Literal["random", "index", "legacy"] = "random",
        seed: int = 0,
        budget: int = 1 << 29,
    ):
        self.metapaths = None if metapaths is None else check_metapaths(metapaths)
        check_choice("AddMetaPaths", "contexts", contexts, CONTEXTS)
        check_choice("AddMetaPaths", "similarity", similarity, SIMILARITIES)
        check_choice("AddMetaPaths", "topk_form", topk_form, FORMS)
        check_choice("AddMetaPaths", "ties", ties, TIES)
        check_count("AddMetaPaths", budget=budget)
        check_count("AddMetaPaths", least=0, seed=seed)
        self.contexts, self.similarity, self.topk_form = contexts, similarity, topk_form
        several = len(topk) if isinstance(topk, Sequence) else 1
        counts = check_topk(topk, several if self.metapaths is None else len(self.metapaths))
        self.topk = counts if isinstance(topk, Sequence) else counts[0]
        self.budget = budget
        self.ties, self.seed = ties, seed

    def forward(self, data: HeteroData) -> HeteroData:
        if not isinstance(data, HeteroData):
            raise TypeError(f"AddMetaPaths: expected a HeteroData, got {what_came(data)}.")
        if isinstance(data, Batch) and data.num_graphs > 1:
            raise ValueError(
                f"AddMetaPaths: expected one graph, got a batch of {data.num_graphs}; apply it to "
                "every graph before batching."
            )
        _remove_written(data)
        _check_free(data)
        metapaths = metapaths_of("AddMetaPaths", data, self.metapaths)
        topk = check_topk(self.topk, len(metapaths))
        chains = resolve(data, metapaths)
        target = chains[0][0][0]
        incidence = Incidence(data)
        contexts = _Contexts(data, incidence, self.contexts, self.budget)
        metapath_dict, context_dict = {}, {}
        for m, (chain, k) in enumerate(zip(chains, topk, strict=True)):
            name = (target, f"metapath_{m}", target)
            kept = path_counts(
                m, incidence, chain, k, self.similarity, self.budget, self.ties, self.seed
            )
            data[name].update(_edges(_in_form(kept, self.topk_form), incidence.device, weight=True))
            data[name].selector = 0 if self.topk_form == "transpose" else 1
            metapath_dict[name], context_dict[name] = list(chain), contexts.add(m, chain)
        data.metapath_dict, data.context_dict = metapath_dict, context_dict
        return data

    def __repr__(self) -> str:
        return describe(self)


def _remove_written(data: HeteroData) -> None:
    """Takes out what an earlier run has written."""
    if "context_dict" not in data:
        return
    for name, chains in metapath_contexts(data).items():
        for edge_type in {name, *(step for chain in chains for step in chain)}:
            if edge_type in data.edge_types:
                del data[edge_type]
    del data.metapath_dict, data.context_dict


def _check_free(data: HeteroData) -> None:
    taken = [name for name in data.edge_types if OURS.fullmatch(name[1])]
    if taken:
        raise ValueError(
            "AddMetaPaths: relations metapath_0, context_0, ... are for what it writes, but the "
            f"graph has {', '.join(map(str, taken))}; rename or remove them."
        )


class _Contexts:
    """Writes the edge types of contexts, each once however many meta-paths share it."""

    def __init__(self, data: HeteroData, incidence: Incidence, kind: str, budget: int):
        self.data, self.incidence, self.kind, self.budget = data, incidence, kind, budget
        self._reach: dict[tuple[EdgeType, ...], Any] = {}
        self._names: dict[Any, EdgeType] = {}

    def add(self, m: int, chain: tuple[EdgeType, ...]) -> list[list[EdgeType]]:
        """The chains of all interior positions of one meta-path."""
        if self.kind == "none":
            return []
        chains, kind = [], self.kind
        for position in range(1, len(chain)):
            prefix = chain[:position]
            if kind == "set" and self._reached(prefix) is None:
                warnings.warn(
                    f"AddMetaPaths: what meta-path {m} reaches at position {position} takes more "
                    f"than budget={self.budget} bytes; its contexts from there on are written as "
                    "'walk', averages over random walks. Raise budget to have sets.",
                    stacklevel=2,
                )
                kind = "walk"
            if kind == "set":
                chains.append([self._set(prefix)])
            else:
                chains.append([self._step(edge_type) for edge_type in prefix])
        return chains

    def _set(self, prefix: tuple[EdgeType, ...]) -> EdgeType:
        return self._write(prefix, prefix[-1][2], prefix[0][0], self._reached(prefix))

    def _step(self, edge_type: EdgeType) -> EdgeType:
        counts = self.incidence.of(edge_type)
        return self._write(edge_type, edge_type[2], edge_type[0], counts, repeat=True)

    def _write(
        self, key: Any, source: str, target: str, matrix: Any, repeat: bool = False
    ) -> EdgeType:
        if key not in self._names:
            name = (source, f"context_{len(self._names)}", target)
            edges = _edges(matrix, self.incidence.device, repeat=repeat)
            self.data[name].update(edges)
            self._names[key] = name
        return self._names[key]

    def _reached(self, prefix: tuple[EdgeType, ...]) -> Any:
        """Which nodes the first steps reach, a CSR pattern; None beyond the budget."""
        if prefix not in self._reach:
            step = self.incidence.of(prefix[-1]).astype(bool)
            if len(prefix) == 1:
                fits = 16 * step.nnz <= self.budget
                self._reach[prefix] = step if fits else None
            else:
                before = self._reached(prefix[:-1])
                self._reach[prefix] = product_in_blocks(before, step, 16, self.budget)
        return self._reach[prefix]


def _in_form(kept: Any, form: str) -> Any:
    if form == "row":
        return kept
    turned = kept.T.tocsr()
    if form == "transpose":
        return turned
    return kept.maximum(turned) if form == "union" else kept.minimum(turned)


def _edges(
    matrix: Any, device: torch.device, weight: bool = False, repeat: bool = False
) -> dict[str, Tensor]:
    """Row i of the matrix as edges that arrive at i; `repeat` writes an entry as so many edges."""
    matrix.sort_indices()
    col = torch.from_numpy(matrix.indices.astype(np.int64))
    row = torch.from_numpy(np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)))
    edges = torch.stack([col, row])
    if repeat and matrix.nnz and matrix.data.max() > 1:
        edges = edges.repeat_interleave(torch.from_numpy(matrix.data), dim=1)
    found = {"edge_index": edges.to(device)}
    if weight:
        values = torch.from_numpy(matrix.data).to(torch.get_default_dtype())
        found["edge_weight"] = values.to(device)
    return found
