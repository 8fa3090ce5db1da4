"""Pairs of nodes with similar attributes, as soft positives of a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import scipy.sparse
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch_geometric.transforms import BaseTransform

from gcl.checks import check_count, check_positive, shown
from gcl.graphs.kinds import check_graph

# Similarities that are held at a time: 64 MB in float32.
CHUNK = 1 << 24


class AddSoftPositives(BaseTransform):
    """Writes every node and the nodes most like it as weighted pairs, for `CWCL` or `InfoNCE`.

    Node i is paired with itself, `w_ii = 1`, and with the k other nodes whose attribute has the
    largest cosine with its own, with the weight

        w_ij = max(cos(x_i, x_j), 0)^power

    Pairs of weight 0 are left out, so a node without attributes has only itself. Pairs are not
    symmetric: j may be among the nearest of i and not the other way round.

    Node types of a `HeteroData` are treated on their own; types without the attribute stay as they
    are. Run it on the whole graph: batches of several `Data` shift the positions as they should,
    but what takes nodes out of a graph does not rename them, and neither do batches of
    `HeteroData`.

    Args:
        k: other nodes for each node, > 0; 5 to 20. Fewer nodes than that give fewer pairs.
        power: sharpness, > 0; 2 to 4 keeps weak resemblance from drowning the rest.
        attr: the attribute that is compared, `[n, f]`, dense or sparse CSR.

    Shape:
        attribute `[n, f]` -> `pos_edge_index` `[2, P]` (int64; P <= n (k + 1), sorted by the first
        row, the node itself first and then by falling weight) and `pos_weight` `[P]`, float32 or
        wider.

    Raises:
        TypeError: attr is no name.
        ValueError: k or power not above 0, no node type has the attribute, or it is no matrix.

    Reference:
        Srinivasa et al., "CWCL: Cross-Modal Transfer with Continuously Weighted Contrastive Loss",
        NeurIPS 2023, with weights made sparse and sharp.

    Example:
        >>> from torch_geometric.data import Data
        >>> data = Data(x=torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]]))
        >>> data = AddSoftPositives(k=1)(data)
        >>> data.pos_edge_index
        tensor([[0, 0, 1, 1, 2, 2],
                [0, 1, 1, 0, 2, 1]])
        >>> data.pos_weight
        tensor([1.0000, 0.5000, 1.0000, 0.5000, 1.0000, 0.5000])
    """

    writes = ("pos_edge_index",)  # tells on a batch that its graph has it

    def __init__(self, k: int = 10, power: float = 2.0, attr: str = "x"):
        check_count("AddSoftPositives", k=k)
        check_positive("AddSoftPositives", power=power)
        if not isinstance(attr, str):
            raise TypeError(
                "AddSoftPositives: attr must be the name of an attribute of nodes such as 'x', got "
                f"{shown(attr)}."
            )
        self.k, self.power, self.attr = k, power, attr

    def forward(self, data: Any) -> Any:
        check_graph("AddSoftPositives", data)
        stores = [store for store in data.node_stores if self.attr in store]
        if not stores:
            raise ValueError(
                f"AddSoftPositives: the graph has no attribute {self.attr!r} of nodes."
            )
        for store in stores:
            x = store[self.attr]
            if not isinstance(x, Tensor) or x.dim() != 2 or x.is_complex():
                got = type(x).__name__
                if isinstance(x, Tensor):
                    got = str(x.dtype if x.is_complex() else list(x.shape))
                raise ValueError(f"AddSoftPositives: {self.attr} must be [n, f], got {got}.")
            store["pos_edge_index"], store["pos_weight"] = self._pairs(x.detach())
        return data

    def _pairs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        n, k = len(x), max(0, min(self.k, len(x) - 1))
        cosines = _sparse_cosines(x) if x.layout != torch.strided else _dense_cosines(x)
        pairs, weights = [], []
        step = max(1, CHUNK // max(n, 1))
        for start in range(0, n, step):
            rows = torch.arange(start, min(start + step, n), device=x.device)
            cosine = cosines(start, start + len(rows)).to(x.device)
            cosine[rows - start, rows] = -torch.inf
            top, other = cosine.topk(k, dim=1)
            itself = top.new_ones(len(rows), 1)
            weight = torch.cat([itself, top.clamp(0, 1).pow(self.power)], dim=1)
            kept = weight > 0
            second = torch.cat([rows[:, None], other], dim=1)
            pairs.append(torch.stack([rows[:, None].expand_as(second)[kept], second[kept]]))
            weights.append(weight[kept])
        if not pairs:
            return torch.empty(2, 0, dtype=torch.long, device=x.device), x.new_empty(0)
        return torch.cat(pairs, dim=1), torch.cat(weights)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(k={self.k}, power={self.power}, attr={self.attr!r})"


def _dense_cosines(x: Tensor) -> Callable[[int, int], Tensor]:
    """A function that gives the cosines of a range of rows with all rows."""
    unit = normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=1)
    return lambda start, stop: unit[start:stop] @ unit.t()


def _sparse_cosines(x: Tensor) -> Callable[[int, int], Tensor]:
    # Products of two sparse matrices and slices of rows: SciPy has them, torch does not.
    x = x.to_sparse_csr().cpu()
    values = x.values().to(torch.promote_types(x.dtype, torch.float32))
    parts = (values.numpy(), x.col_indices().numpy(), x.crow_indices().numpy())
    matrix = scipy.sparse.csr_array(parts, shape=tuple(x.shape))
    norm = torch.from_numpy(matrix.multiply(matrix).sum(axis=1)).sqrt()
    unit = scipy.sparse.diags_array(torch.where(norm > 0, 1 / norm, 0.0).numpy()) @ matrix
    across = unit.T.tocsr()
    return lambda start, stop: torch.from_numpy((unit[start:stop] @ across).toarray())
