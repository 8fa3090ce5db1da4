"""Propagated features of nodes that came later, from their neighbours' rows alone."""

from __future__ import annotations

import torch
from torch import Tensor

from gcl.checks import check_count, check_width
from gcl.graphs.kinds import check_edge_weight, check_features


@torch.no_grad()
def propagate_new(
    x: Tensor,
    rows: Tensor,
    degree: Tensor,
    links: Tensor,
    edge_weight: Tensor | None = None,
    *,
    hops: int,
) -> Tensor:
    r"""Rows of `AddPropagated(hops, keep="concat")` for new nodes, without the graph.

    A row of "concat" holds every hop of its node, so what a new node v needs lies in the rows of
    its neighbours u, with `d_v` the sum of its weights:

        h_0(v) = x_v
        h_k(v) = sum_u w_uv h_{k-1}(u) / sqrt((d_u + 1)(d_v + 1)) + h_{k-1}(v) / (d_v + 1)

    The rows and degrees of old nodes stay what they were. In the grown graph a link to v raises
    `d_u` and brings v into the rows of u: what is given here is near that where a new node is one
    of many neighbours, and exact for `rows` and `degree` of the grown graph. New nodes do not see
    each other, and have no loops.

    A row of "mean" or "last" does not hold the hops: there `gcl.embed(method, grown, nodes=ids)`
    embeds new nodes of the grown graph.

    Args:
        x: features of the new nodes.
        rows: stored rows of the old nodes that they are linked to, each once or more often.
        degree: weighted in-degrees of these, loops excluded, before the new nodes came.
        links: of which row, to which new node.
        edge_weight: w of every link, at least 0; ones if None.
        hops: K of the rows.

    Shape:
        x `[m, f]`, rows `[q, (K + 1) f]`, degree `[q]`, links `[2, p]`, edge_weight `[p]` ->
        `[m, (K + 1) f]`.

    Raises:
        TypeError: no tensors, or of other numbers.
        ValueError: shapes that do not fit, links beyond rows or x, weights or degrees below 0.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> degree = torch.bincount(data.edge_index[1])
        >>> data = gcl.transforms.AddPropagated(2, keep="concat")(data)
        >>> near = torch.tensor([0, 33])
        >>> links = torch.tensor([[0, 1], [0, 0]])  # both to the one new node
        >>> x = torch.zeros(1, 34)
        >>> propagate_new(x, data.x[near], degree[near], links, hops=2).shape
        torch.Size([1, 102])
    """
    check_count("propagate_new", hops=hops)
    check_features(x, "propagate_new: x")
    m, f = x.shape
    check_width("propagate_new", rows, (hops + 1) * f, "rows")
    _check(rows, degree, links, m)
    weight = torch.ones(links.shape[1]) if edge_weight is None else edge_weight
    check_edge_weight("propagate_new", weight, links.shape[1])
    for name, value in (("edge_weight", weight), ("degree", degree)):
        if value.numel() and not bool(value.min() >= 0):
            raise ValueError(f"propagate_new: {name} must be at least 0, got {value.min():g}.")
    near, to = links
    weight = weight.view(-1).to(x)
    own = 1 + x.new_zeros(m).index_add_(0, to, weight)
    share = weight * ((degree.to(x) + 1).index_select(0, near) * own.index_select(0, to)).rsqrt()
    parts = [x]
    for k in range(hops):
        message = rows[:, k * f : (k + 1) * f].to(x.dtype).index_select(0, near)
        parts.append((parts[-1] / own[:, None]).index_add_(0, to, message * share[:, None]))
    return torch.cat(parts, dim=1)


def _check(rows: Tensor, degree: Tensor, links: Tensor, m: int) -> None:
    if not isinstance(degree, Tensor) or degree.shape != (len(rows),):
        came = str(list(degree.shape)) if isinstance(degree, Tensor) else type(degree).__name__
        raise ValueError(
            f"propagate_new: degree must be [{len(rows)}], one number for each of rows, got {came}."
        )
    whole = isinstance(links, Tensor) and links.dtype in (torch.int64, torch.int32)
    if not whole or links.dim() != 2 or links.shape[0] != 2:
        came = f"{links.dtype} {list(links.shape)}" if isinstance(links, Tensor) else links
        raise TypeError(f"propagate_new: links must be whole numbers [2, num_links], got {came}.")
    for ends, size, what in zip(links, (len(rows), m), ("rows", "new nodes"), strict=True):
        if ends.numel() and not 0 <= int(ends.min()) <= int(ends.max()) < size:
            raise ValueError(
                f"propagate_new: links must name {what} in [0, {size}), got values from "
                f"{int(ends.min())} to {int(ends.max())}."
            )
