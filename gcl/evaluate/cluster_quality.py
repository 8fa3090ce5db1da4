"""How well clusters follow the links of a graph: no labels are needed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gcl.checks import check_count, check_positive, check_seed
from gcl.evaluate.inputs import as_classes, as_matrix
from gcl.graphs.communities import link_weights
from gcl.graphs.kinds import check_graph, check_one_type
from gcl.ops.kmeans import spherical_kmeans
from gcl.ops.similarity import unit_rows


def modularity(assignment: Any, data: Any, *, resolution: float = 1.0) -> float:
    r"""Links inside the clusters, less what nodes of these degrees would have by chance.

        Q = sum_c [ l_c / m - resolution (d_c / 2m)^2 ]      in [-resolution, 1)

    m is the weight of all links, l_c that of the links inside cluster c, d_c the degrees of its
    nodes together. The graph is read as undirected, as by
    `gcl.graphs.communities.find_communities`: a link has half the weight of the listed edges of
    both directions. A self-loop counts twice in its degree. 0 for one cluster of everything.

    Args:
        assignment: Cluster of every node `[N]`, whole numbers.
        data: A graph; `edge_weight` counts where there is one.
        resolution: > 0; higher favours more clusters.

    Raises:
        TypeError, ValueError: the assignment is not one whole number a node; the graph has no
            links; resolution is not above 0.

    Reference:
        Newman, "Modularity and community structure in networks", PNAS 2006.

    Example:
        >>> from torch_geometric.data import Data
        >>> two_links = Data(edge_index=torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]]), num_nodes=4)
        >>> modularity([0, 0, 1, 1], two_links), modularity([0, 1, 0, 1], two_links)
        (0.5, -0.5)
    """
    check_positive("modularity", resolution=resolution)
    inside, degree, total = _links("modularity", assignment, data)
    return float(inside.sum() / total - resolution * (degree / (2 * total)).square().sum())


def conductance(assignment: Any, data: Any) -> float:
    r"""Share of its links by which a cluster hangs on the rest; the mean over clusters.

        phi_c = cut_c / min(d_c, 2m - d_c)                   in [0, 1], 0 = components

    cut_c is the weight of the links between cluster c and the rest, d_c and m as in `modularity`. A
    cluster that has no links, or all of them, separates nothing: it counts 1.

    Args:
        assignment: Cluster of every node `[N]`, whole numbers.
        data: A graph; `edge_weight` counts where there is one.

    Raises:
        TypeError, ValueError: the assignment is not one whole number a node; the graph has no
            links.

    Reference:
        Leskovec et al., "Statistical properties of community structure in large social and
        information networks", WWW 2008.

    Example:
        >>> from torch_geometric.data import Data
        >>> path = Data(edge_index=torch.tensor([[0, 1, 2], [1, 2, 3]]), num_nodes=4)
        >>> round(conductance([0, 0, 1, 1], path), 4)
        0.3333
    """
    inside, degree, total = _links("conductance", assignment, data)
    smaller = torch.minimum(degree, 2 * total - degree)
    cut = degree - 2 * inside
    return float(torch.where(smaller > 0, cut / smaller, 1.0).clamp(0, 1).mean())


def kmeans_clusters(z: Any, clusters: int, *, starts: int = 3, seed: int = 0) -> Tensor:
    """Clusters of embeddings by cosine: the best of several starts of k-means on the unit sphere.

    Args:
        z: Embeddings `[N, D]`, dense or sparse.
        clusters: How many, >= 1.
        starts: The one with the highest mean similarity to its centroids counts.
        seed: Of the first start; no global generator is touched.

    Shape:
        z `[N, D]` -> `[N]`, whole numbers in [0, clusters), on the CPU.

    Raises:
        TypeError, ValueError: z is no matrix, or a number is out of range.

    Example:
        >>> kmeans_clusters(torch.eye(2).repeat(2, 1), 2).unique().tolist()
        [0, 1]
    """
    check_count("kmeans_clusters", clusters=clusters, starts=starts)
    check_seed("kmeans_clusters", seed)
    x = as_matrix(z, "kmeans_clusters")
    u = unit_rows(x if isinstance(x, Tensor) else torch.from_numpy(x.toarray()))
    best, found = -torch.inf, torch.zeros(0)
    for start in range(starts):
        labels, centroids = spherical_kmeans(u, clusters, seed=seed + start)
        fit = float((u * centroids[labels]).sum())
        if fit > best:
            best, found = fit, labels
    return found.cpu()


def _links(where: str, assignment: Any, data: Any) -> tuple[Tensor, Tensor, Tensor]:
    """l_c and d_c of every cluster that has nodes, `[C]`, and m, in float64."""
    check_graph(where, data)
    check_one_type(where, data)
    num_nodes = int(data.num_nodes or 0)
    found, codes = as_classes(assignment, num_nodes, where).unique(return_inverse=True)
    weight = link_weights(where, data.edge_index, num_nodes, data.get("edge_weight")).cpu()
    if not bool(weight.any()):
        raise ValueError(f"{where}: the graph has no links, so clusters cannot follow them.")
    source, target = codes[data.edge_index.cpu()]
    inside = torch.zeros(len(found), dtype=torch.float64)
    degree = inside.index_add(0, source, weight).index_add(0, target, weight)
    within = source == target
    inside = inside.index_add(0, source[within], weight[within])
    return inside, degree, weight.sum()
