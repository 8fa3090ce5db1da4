"""Communities of a graph, and how strong they and the edges within and between them are."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

import networkx
import numpy as np
import scipy.sparse
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from gcl.checks import (
    SKLEARN_SEEDS,
    check_choice,
    check_count,
    check_node_pairs,
    check_positive,
    check_seed,
)

# Module and name on PyPI of the engines that are not always there.
_PACKAGES = {
    "networkit": ("networkit", "networkit"),
    "scikit-network": ("sknetwork", "scikit-network"),
    "igraph": ("igraph", "igraph"),
    "leidenalg": ("leidenalg", "leidenalg"),
}
ENGINES = ("auto", "leiden", "louvain", "networkx", *_PACKAGES)


def find_communities(
    edge_index: Tensor,
    num_nodes: int,
    edge_weight: Tensor | None = None,
    *,
    engine: str = "auto",
    resolution: float = 1.0,
    seed: int = 0,
) -> Tensor:
    """Communities that maximise modularity.

        Q = sum_c [ l_c / m - resolution * (d_c / 2m)^2 ]

    with m the total weight of the edges, l_c the weight of the edges inside community c and d_c the
    sum of the degrees of its nodes.

    The graph is read as undirected: the link between u and v has half the summed weight of the
    listed edges u -> v and v -> u. So a graph listed in both directions has its own weights, a
    one-way edge counts half of a two-way edge, and an edge listed twice weighs twice. Self-loops
    count. Nodes without edges are communities of their own.

    Args:
        edge_index: the edges.
        num_nodes: number of nodes.
        edge_weight: weights >= 0; None: all 1.
        engine: who searches.

            - "leiden" or "auto": "networkit" if it is installed, else "scikit-network", else
              "networkx" with a warning.
            - "louvain": the Louvain method of scikit-network if it is installed, else of networkx.
            - "networkit": ParallelLeiden, on one thread. Seeds networkit's generator.
            - "scikit-network": its Louvain, refined as in Leiden; see the reference.
            - "networkx": Louvain in pure Python; minutes for a million edges.
            - "igraph", "leidenalg": Leiden in C and C++, under the GPL.
        resolution: > 0; higher finds more and smaller communities.
        seed: same seed, engine and version = same communities. Name an engine where another machine
            has to find them again.

    Shape:
        edge_index `[2, e]`, edge_weight `[e]` -> `[num_nodes]` int64, numbered from 0 in the order
        of their first nodes.

    Raises:
        TypeError: edges are no int64 tensor, num_nodes or seed no whole number.
        ValueError: edges out of range, weights negative or not finite, unknown engine, resolution
            not above 0, seed negative.
        ImportError: the engine asked for is not installed.

    Reference:
        Traag, Waltman and van Eck, "From Louvain to Leiden: guaranteeing well-connected
        communities", Scientific Reports 2019. scikit-network has a Leiden as well, but that draws
        from C's `rand()`, which no seed reaches, and at times never ends (its issue 592). So its
        Louvain is used and refined here: nodes move anew within each community, and the parts that
        they form are the nodes of the next round, until modularity stops rising; communities that
        are not connected fall apart.

    Example:
        >>> edges = torch.tensor([[0, 1, 2, 3, 4, 5, 2], [1, 2, 0, 4, 5, 3, 3]])
        >>> find_communities(torch.cat([edges, edges.flip(0)], dim=1), num_nodes=7)
        tensor([0, 0, 0, 1, 1, 1, 2])
    """
    check_choice("find_communities", "engine", engine, ENGINES)
    check_positive("find_communities", resolution=resolution)
    check_seed("find_communities", seed, least=0, below=SKLEARN_SEEDS)
    weight = link_weights("find_communities", edge_index, num_nodes, edge_weight).cpu().numpy()
    ends = edge_index.cpu().numpy()
    links = _sparse(weight, ends.min(axis=0), ends.max(axis=0), num_nodes).tocsr()
    links.eliminate_zeros()
    if links.nnz == 0:  # engines divide by the total weight
        return torch.arange(num_nodes, device=edge_index.device)
    find = {
        "networkit": _networkit,
        "scikit-network": _refined_louvain,
        "louvain": _louvain,
        "networkx": _networkx,
        "igraph": _igraph,
        "leidenalg": _leidenalg,
    }[_installed(engine)]
    labels = np.asarray(find(links.tocoo(), resolution, seed), dtype=np.int64)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return torch.from_numpy(np.argsort(np.argsort(first))[inverse]).to(edge_index.device)


def community_strength(
    community: Tensor,
    edge_index: Tensor,
    num_nodes: int,
    edge_weight: Tensor | None = None,
) -> Tensor:
    """What every community contributes to the modularity of the graph.

        S_c = l_c / m - (d_c / 2m)^2

    with m the total weight of the edges, l_c the weight of the edges inside c, where a self-loop
    counts once, and d_c the sum of the degrees in c, where a self-loop counts twice. Their sum is
    the modularity. The graph is read as undirected, see `find_communities`. A graph without edges
    has strengths 0.

    Args:
        community: the community of every node, >= 0.
        edge_index: the edges.
        num_nodes: number of nodes.
        edge_weight: weights >= 0; None: all 1.

    Shape:
        community `[num_nodes]`, edge_index `[2, e]`, edge_weight `[e]` -> `[max(community) + 1]`
        float64; numbers that no node has get 0.

    Raises:
        TypeError: communities or edges are no int64 tensor.
        ValueError: not one community a node, edges out of range, weights negative or not finite.

    Reference:
        Chen et al., "CSGCL: Community-Strength-Enhanced Graph Contrastive Learning", IJCAI 2023;
        Newman, "Modularity and community structure in networks", PNAS 2006.

    Example:
        >>> edges = torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])
        >>> community_strength(torch.tensor([0, 0, 1, 1]), edges, num_nodes=4)
        tensor([0.0833, 0.0833], dtype=torch.float64)
    """
    weight = link_weights("community_strength", edge_index, num_nodes, edge_weight)
    _check_community("community_strength", community, num_nodes)
    if num_nodes == 0:
        return weight.new_zeros(0)
    count, total = int(community.max()) + 1, weight.sum()
    if total == 0:
        return weight.new_zeros(count)
    source, target = community[edge_index]
    inside = source == target
    # Every edge lends its weight to the degrees of both ends.
    degrees = torch.bincount(source, weight, count) + torch.bincount(target, weight, count)
    within = torch.bincount(source[inside], weight[inside], count)
    return within / total - (degrees / (2 * total)).square()


def edge_strength(community: Tensor, strength: Tensor, edge_index: Tensor) -> Tensor:
    """The strength of every edge: S_c inside community c, -(S_c + S_d) between c and d.

    Args:
        community: the community of every node.
        strength: S of every community.
        edge_index: the edges.

    Shape:
        community `[n]`, strength `[K]`, edge_index `[2, e]` -> `[e]` with the dtype of strength.

    Raises:
        TypeError: edges are no int64 tensor.
        ValueError: edges out of range.

    Reference:
        Chen et al., "CSGCL: Community-Strength-Enhanced Graph Contrastive Learning", IJCAI 2023.

    Example:
        >>> community, strength = torch.tensor([0, 0, 1]), torch.tensor([0.3, -0.1])
        >>> edge_strength(community, strength, torch.tensor([[0, 1], [1, 2]]))
        tensor([ 0.3000, -0.2000])
    """
    check_node_pairs("edge_strength", "edge_index", edge_index, len(community))
    source, target = community[edge_index]
    first = strength[source]
    return torch.where(source == target, first, -(first + strength[target]))


def link_weights(
    owner: str, edge_index: Tensor, num_nodes: int, edge_weight: Tensor | None
) -> Tensor:
    """What every listed edge adds to the weight of its undirected link, float64 `[e]`."""
    check_count(owner, num_nodes=num_nodes, least=0)
    check_node_pairs(owner, "edge_index", edge_index, num_nodes)
    weight = torch.ones(edge_index.shape[1], dtype=torch.float64, device=edge_index.device)
    if edge_weight is not None:
        if edge_weight.shape != weight.shape or not bool(
            (edge_weight >= 0).all() & edge_weight.isfinite().all()
        ):
            raise ValueError(
                f"{owner}: edge_weight must hold {len(weight)} finite numbers >= 0, one an edge."
            )
        weight = edge_weight.detach().double()
    return torch.where(edge_index[0] == edge_index[1], weight, weight / 2)


def _check_community(owner: str, community: Tensor, num_nodes: int) -> None:
    if not isinstance(community, Tensor) or community.dtype != torch.int64:
        got = community.dtype if isinstance(community, Tensor) else type(community).__name__
        raise TypeError(f"{owner}: community must be a tensor of int64, got {got}.")
    if community.shape != (num_nodes,) or (num_nodes and int(community.min()) < 0):
        raise ValueError(
            f"{owner}: community must hold {num_nodes} numbers >= 0, one a node, got "
            f"{list(community.shape)}."
        )


def _installed(engine: str) -> str:
    """The engine that does it; an error, or a warning, where what it needs is missing."""
    if engine == "louvain":
        return "louvain" if _is_installed("scikit-network") else "networkx"
    if engine in ("auto", "leiden"):
        for name in ("networkit", "scikit-network"):
            if _is_installed(name):
                return name
        warnings.warn(
            "find_communities: neither networkit nor scikit-network is installed, so the Louvain "
            "method of networkx is used, which takes minutes for a million edges; run "
            "`pip install networkit`.",
            stacklevel=3,
        )
        return "networkx"
    if engine != "networkx" and not _is_installed(engine):
        raise ImportError(
            f"find_communities: engine {engine!r} is not installed; run "
            f"`pip install {_PACKAGES[engine][1]}`, or take engine='auto'."
        )
    return engine


def _is_installed(engine: str) -> bool:
    return importlib.util.find_spec(_PACKAGES[engine][0]) is not None


# The engines. All get the upper triangle of the graph, self-loops included, every link once.


def _networkit(links: Any, resolution: float, seed: int) -> Any:
    import networkit

    if hasattr(networkit, "GraphFromCsr"):  # since 11.3, and ten times as fast
        graph = networkit.GraphFromCsr(links.tocsr(), directed=False, weighted=True)
    else:
        listed = (links.data, (links.row, links.col))
        graph = networkit.GraphFromCoo(listed, n=links.shape[0], weighted=True, directed=False)
    threads = networkit.getCurrentNumberOfThreads()
    networkit.setNumberOfThreads(1)  # with more, the order of the moves is up to the machine
    networkit.setSeed(seed, False)
    try:
        search = networkit.community.ParallelLeiden(graph, gamma=resolution)
        return search.run().getPartition().getVector()
    finally:
        networkit.setNumberOfThreads(threads)


def _refined_louvain(links: Any, resolution: float, seed: int) -> Any:
    graph = (links + links.T).tocsr()
    nodes = np.arange(graph.shape[0])  # the node of `graph` that a node of the whole graph is in
    best, highest = nodes, -np.inf
    while True:
        labels = _local_moving(graph, resolution, seed)
        quality = _modularity(graph, labels, resolution)
        if quality <= highest + 1e-4:
            return _connected(links, best)
        best, highest = labels[nodes], quality
        parts = _local_moving(_within(graph, labels), resolution, seed, passes=1)
        member = scipy.sparse.csr_array((np.ones(len(parts)), (parts, np.arange(len(parts)))))
        graph, nodes = (member @ graph @ member.T).tocsr(), parts[nodes]


def _louvain(links: Any, resolution: float, seed: int) -> Any:
    return _local_moving((links + links.T).tocsr(), resolution, seed)


def _local_moving(graph: Any, resolution: float, seed: int, passes: int = -1) -> np.ndarray:
    """Communities by Louvain: nodes move while that pays, and communities become nodes."""
    from sknetwork.clustering import Louvain

    search = Louvain(
        resolution,
        "newman",
        n_aggregations=passes,
        shuffle_nodes=True,  # else the seed has no effect
        return_probs=False,
        return_aggregate=False,
        random_state=np.random.RandomState(seed),
    )
    return search.fit_predict(scipy.sparse.csr_matrix(graph))


def _within(graph: Any, labels: np.ndarray) -> Any:
    """The graph without edges between communities, and the degrees it had with them."""
    edges, size = graph.tocoo(), graph.shape[0]
    inside = labels[edges.row] == labels[edges.col]
    kept = _sparse(edges.data[inside], edges.row[inside], edges.col[inside], size)
    # Self-loops take no part in moves but count for degrees.
    lost = np.bincount(edges.row[~inside], edges.data[~inside], size).astype(np.float64)
    return (kept + scipy.sparse.diags_array(lost)).tocsr()


def _connected(links: Any, labels: np.ndarray) -> np.ndarray:
    """Communities split into their connected parts, which never lowers modularity."""
    inside = labels[links.row] == labels[links.col]
    kept = _sparse(links.data[inside], links.row[inside], links.col[inside], len(labels))
    return connected_components(kept, directed=False)[1]


def _sparse(values: np.ndarray, row: np.ndarray, col: np.ndarray, size: int) -> Any:
    return scipy.sparse.coo_array((values, (row, col)), shape=(size, size))


def _modularity(graph: Any, labels: np.ndarray, resolution: float) -> float:
    edges = graph.tocoo()
    source, target, total = labels[edges.row], labels[edges.col], edges.data.sum()
    inside, degrees = source == target, np.bincount(source, edges.data)
    return edges.data[inside].sum() / total - resolution * np.square(degrees / total).sum()


def _networkx(links: Any, resolution: float, seed: int) -> Any:
    graph = networkx.Graph()
    graph.add_nodes_from(range(links.shape[0]))
    listed = (links.row.tolist(), links.col.tolist(), links.data.tolist())
    graph.add_weighted_edges_from(zip(*listed, strict=True))
    labels = np.empty(links.shape[0], dtype=np.int64)
    found = networkx.community.louvain_communities(graph, resolution=resolution, seed=seed)
    for label, members in enumerate(found):
        labels[list(members)] = label
    return labels


def _igraph(links: Any, resolution: float, seed: int) -> Any:
    import random

    import igraph

    weights = links.data.tolist()
    graph = igraph.Graph(n=links.shape[0], edges=np.stack([links.row, links.col], axis=1))
    igraph.set_random_number_generator(random.Random(seed))
    try:
        # Modularity, spelt out: igraph's own form of it errs where there are self-loops.
        return graph.community_leiden(
            "CPM",
            weights=weights,
            node_weights=graph.strength(weights=weights),
            resolution=resolution / (2 * links.data.sum()),
            n_iterations=-1,
        ).membership
    finally:
        igraph.set_random_number_generator(random)


def _leidenalg(links: Any, resolution: float, seed: int) -> Any:
    import igraph
    import leidenalg

    graph = igraph.Graph(n=links.shape[0], edges=np.stack([links.row, links.col], axis=1))
    return leidenalg.find_partition(
        graph,
        leidenalg.RBConfigurationVertexPartition,
        weights=links.data.tolist(),
        resolution_parameter=resolution,
        seed=seed,
    ).membership
