"""The Weisfeiler-Lehman subtree kernel, as histograms of colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from gcl.checks import check_count


def wl_histograms(graphs: Any, iterations: int = 3) -> sp.csr_array:
    r"""How often each colour of the Weisfeiler-Lehman refinement occurs in each graph.

        c^0_i = id of the row x_i,
        c^t_i = id of ( c^(t-1)_i, multiset of c^(t-1)_j over j in N(i) ),   t = 1 ... iterations

    The inner products of the rows are the Weisfeiler-Lehman subtree kernel of the graphs: the
    reference for what structure without learning gives,
    `graph_classification(wl_histograms(graphs), y, protocol="10-fold-kernel")`.

    All graphs are refined at once, an edge list at a time. Multisets are told apart by the sum of
    64-bit hashes of their members, so that unequal ones are taken for equal with a chance of about
    2^-64 a pair.

    Args:
        graphs: a `Batch`, a data set or a list of graphs of one width of x; nodes without x start
            with one colour.
        iterations: rounds of refinement, >= 0.

    Shape:
        `[num_graphs, colours of all rounds]`, whole numbers.

    Raises:
        TypeError, ValueError: iterations is no integer or below 0; no graph.

    Reference:
        Shervashidze et al., "Weisfeiler-Lehman Graph Kernels", JMLR 2011.

    Example:
        >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> rows = wl_histograms([path], iterations=1)  # three nodes; two ends and a middle
        >>> sorted(rows.toarray()[0].tolist())
        [1, 2, 3]
    """
    check_count("wl_histograms", least=0, iterations=iterations)
    batch = graphs if isinstance(graphs, Data) else _collate(graphs)
    member = batch.get("batch")
    num_graphs = 1 if member is None else batch.num_graphs
    member = torch.zeros(batch.num_nodes, dtype=torch.long) if member is None else member.cpu()
    source, target = batch.edge_index.cpu()
    code = _row_codes(batch)
    parts = []
    for step in range(iterations + 1):
        if step:
            code = _mix(code)
            around = torch.zeros_like(code).index_add_(0, target, code[source])
            code = 3 * code + _mix(around)
        names, colour = code.unique(return_inverse=True)
        ones = np.ones(len(colour), dtype=np.int64)
        shape = num_graphs, len(names)
        parts.append(sp.coo_array((ones, (member.numpy(), colour.numpy())), shape=shape).tocsr())
    return sp.csr_array(sp.hstack(parts, format="csr"))


def _collate(graphs: Any) -> Data:
    graphs = list(graphs)
    if not graphs:
        raise ValueError("wl_histograms: expected at least one graph, got none.")
    return Batch.from_data_list(graphs)


def _row_codes(batch: Data) -> Tensor:
    """A 64-bit number for every node; equal for equal rows of x."""
    code = torch.zeros(batch.num_nodes, dtype=torch.long)
    x = batch.get("x")
    if x is None:
        return code
    # Column by column: exact, whatever the order, and no 64-bit copy of x.
    for column in x.detach().cpu().to(torch.float64).add(0.0).unbind(1):
        code = _mix(code + column.contiguous().view(torch.long))
    return code


def _mix(code: Tensor) -> Tensor:
    """SplitMix64: an invertible function that scatters 64-bit numbers as if at random."""
    z = code.numpy().view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return torch.from_numpy((z ^ (z >> np.uint64(31))).view(np.int64))
