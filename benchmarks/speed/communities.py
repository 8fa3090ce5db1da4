"""Finding communities, by engine, and all of AddCommunities against its public form in loops.

GCL_DATA=data python benchmarks/speed/communities.py engines --graphs cora pubmed computers sbm
GCL_DATA=data python benchmarks/speed/communities.py pipeline --graphs computers sbm

Engines and the rivals (networkit, scikit-network, igraph, leidenalg) are measured where they are
installed; networkx takes minutes on the largest graph and has to be asked for by --networkx.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import scipy.sparse
import torch
from measure import options, report
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import to_networkx

from gcl.datasets import load, sbm
from gcl.graphs.communities import ENGINES, _is_installed, community_strength, find_communities
from gcl.transforms import AddCommunities

LIMIT = 60  # seconds after which all runs of scikit-network's own Leiden count as hung


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("part", choices=("engines", "pipeline"))
    parser.add_argument("--graphs", nargs="+", default=["cora", "pubmed", "computers", "sbm"])
    parser.add_argument("--nodes", type=int, default=100_000, help="of the graph sbm")
    parser.add_argument("--degree", type=float, default=20.0, help="of the graph sbm")
    parser.add_argument("--seeds", type=int, default=3, help="seeds an engine is run with")
    parser.add_argument("--networkx", action="store_true", help="networkx on sbm too")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    measured = _engines if chosen.part == "engines" else _pipeline
    rows: list[dict[str, Any]] = []
    for name in chosen.graphs:
        if name == "sbm":
            graph = sbm(chosen.nodes, 100, degree=chosen.degree, homophily=0.7, num_features=2)
        else:
            graph = load(name)
        graph = Data(edge_index=graph.edge_index, num_nodes=graph.num_nodes)
        links = graph.num_edges // 2
        rows += [
            {"graph": name, "links": links, **row}
            for row in measured(graph, name != "sbm" or chosen.networkx, chosen.seeds)
        ]
    report(f"Communities ({chosen.part}), {chosen.threads} thread(s)", rows, chosen.json)


def _engines(data: Data, all_of_them: bool, seeds: int) -> list[dict[str, Any]]:
    """CPU seconds, modularity over seeds, and whether a seed gives the same twice."""
    names = [
        name
        for name in ENGINES
        if name not in ("auto", "leiden")
        and (name in ("networkx", "louvain") or _is_installed(name))
        and (all_of_them or name != "networkx")
    ]
    rows = []
    for name in names:
        find_communities(torch.tensor([[0, 1], [1, 0]]), 2, engine=name)  # imports
        found, seconds = [], []
        for seed in [*range(seeds), 0]:
            started = time.process_time()
            found.append(find_communities(data.edge_index, data.num_nodes, engine=name, seed=seed))
            seconds.append(time.process_time() - started)
        rows.append(_row(name, data, found, seconds))
    if _is_installed("scikit-network"):
        name = "scikit-network's own Leiden"
        answer = _limited(_own_leiden, data, [*range(seeds), 0])
        if answer is None:
            row = {"engine": name, "cpu_s": f"> {LIMIT}: hangs", "Q": "", "K": "", "same_twice": ""}
        else:
            row = _row(name, data, *answer)
        rows.append(row)
    return rows


def _row(name: str, data: Data, found: list[Tensor], seconds: list[float]) -> dict[str, Any]:
    reached = [
        float(community_strength(c, data.edge_index, data.num_nodes).sum()) for c in found[:-1]
    ]
    return {
        "engine": name,
        "cpu_s": f"{np.median(seconds):.3f}",
        "Q": f"{np.mean(reached):.4f} ± {np.std(reached):.4f}",
        "K": int(np.median([int(c.max()) + 1 for c in found])),
        "same_twice": "yes" if torch.equal(found[0], found[-1]) else "no",
    }


def _own_leiden(data: Data, seed: int) -> Tensor:
    from sknetwork.clustering import Leiden

    row, col = data.edge_index.numpy()
    graph = scipy.sparse.csr_matrix((np.ones(len(row)), (row, col)), shape=2 * (data.num_nodes,))
    return torch.from_numpy(
        Leiden(shuffle_nodes=True, random_state=seed).fit_predict(graph).astype(np.int64)
    )


def _limited(call: Callable[[Data, int], Tensor], data: Data, seeds: list[int]) -> Any:
    """What a call finds for every seed, and CPU seconds; None after LIMIT seconds.

    All in one process: in a fresh one C's random numbers start anew, as if a seed had worked.
    """
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)

    def work() -> None:
        found, seconds = [], []
        for seed in seeds:
            started = time.process_time()
            found.append(call(data, seed).numpy())
            seconds.append(time.process_time() - started)
        send.send((found, seconds))

    process = context.Process(target=work)
    process.start()
    answer = receive.recv() if receive.poll(LIMIT) else None
    process.kill()
    process.join()
    return None if answer is None else ([torch.from_numpy(c) for c in answer[0]], answer[1])


def _pipeline(data: Data, with_loops: bool, seeds: int) -> list[dict[str, Any]]:
    """Communities, strengths of nodes and of edges, in CPU seconds."""
    rows = []
    for name in ("networkit", "scikit-network"):
        if not _is_installed(name):
            continue
        transform = AddCommunities(name)
        transform(Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2))  # imports
        seconds = []
        for _ in range(seeds):
            started = time.process_time()
            transform(data)
            seconds.append(time.process_time() - started)
        rows.append({"pipeline": f"AddCommunities({name!r})", "cpu_s": float(np.median(seconds))})
    if with_loops:
        started = time.process_time()
        parts = _loops(data)
        total = time.process_time() - started
        how = ", ".join(f"{part} {seconds:.1f}" for part, seconds in parts.items())
        rows.append({"pipeline": f"loops ({how})", "cpu_s": total})
        for row in rows:
            row["loops_take_times"] = total / row["cpu_s"]
    else:
        for row in rows:
            row["loops_take_times"] = ""
    return rows


def _loops(data: Data) -> dict[str, float]:
    """The public algorithm: through networkx, one community, node and edge at a time."""
    times, last = {}, time.process_time()

    def lap(name: str) -> None:
        nonlocal last
        now = time.process_time()
        times[name], last = now - last, now

    graph = to_networkx(data, to_undirected=True)
    lap("to networkx")
    if _is_installed("leidenalg"):
        import igraph
        import leidenalg

        converted = igraph.Graph.from_networkx(graph)
        communities = list(
            leidenalg.find_partition(converted, leidenalg.ModularityVertexPartition, seed=0)
        )
        lap("leidenalg")
    else:
        communities = [list(c) for c in nx.community.louvain_communities(graph, seed=0)]
        lap("networkx Louvain")

    label = {node: c for c, nodes in enumerate(communities) for node in nodes}
    m, inside, degree = graph.size(), [0.0] * len(communities), [0.0] * len(communities)
    for node in graph:
        degree[label[node]] += graph.degree(node)
        for other in graph[node]:
            if label[other] == label[node]:
                inside[label[node]] += 1.0 if other == node else 0.5
    strength = [within / m - (d / (2 * m)) ** 2 for within, d in zip(inside, degree, strict=True)]
    torch.tensor([strength[label[node]] for node in range(data.num_nodes)])
    lap("strengths")

    weights = []
    for u, v in data.edge_index.t():
        first, second = label[u.item()], label[v.item()]
        if first == second:
            weights.append(strength[first])
        else:
            weights.append(-(strength[first] + strength[second]))
    torch.tensor(weights)
    lap("edges")
    return times


if __name__ == "__main__":
    main()
