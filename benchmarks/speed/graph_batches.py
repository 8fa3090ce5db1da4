"""Augmentation of a batch of graphs: one kernel here, against a loop with PyG's utilities.

python benchmarks/speed/graph_batches.py --dataset proteins

The loop goes over the graphs of the batch; its cost is shown with and without making a batch of
them again, which an encoder needs. Ten calls in a row are timed, as one can take less than 1 ms.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from measure import interleaved, options, report
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import Compose
from torch_geometric.utils import add_random_edge, dropout_edge, mask_feature, subgraph

import gcl
from gcl.augment import (
    EdgeAdding,
    EdgeDropping,
    FeatureNoise,
    NodeDropping,
    RandomChoice,
    RandomWalkSubgraph,
)

P, STARTS, LENGTH = 0.1, 0.1, 5
CALLS = 10


def drop_nodes(graph: Data) -> Data:
    keep = torch.rand(graph.num_nodes) >= P
    if not keep.any():
        keep[torch.randint(graph.num_nodes, (1,))] = True
    return _induced(graph, keep)


def walk(graph: Data) -> Data:
    node = torch.randperm(graph.num_nodes)[: -(-graph.num_nodes // int(1 / STARTS))]
    keep = torch.zeros(graph.num_nodes, dtype=torch.bool)
    keep[node] = True
    # PyG's own random walk needs an extension; neighbours in compressed form, as it has them
    source, target = graph.edge_index[:, graph.edge_index[0].argsort()]
    degree = torch.bincount(source, minlength=graph.num_nodes)
    start = degree.cumsum(0) - degree
    for _ in range(LENGTH):
        pick = start[node] + (torch.rand(len(node)) * degree[node]).long()
        step = target[pick.clamp(max=max(len(target) - 1, 0))] if len(target) else node
        node = torch.where(degree[node] > 0, step, node)
        keep[node] = True
    return _induced(graph, keep)


def perturb_edges(graph: Data) -> Data:
    edge_index, _ = dropout_edge(graph.edge_index, P, force_undirected=True)
    n, edges = graph.num_nodes, edge_index.size(1)
    # PyG's sampler fails where it has nothing to draw.
    if min(round(P * edges), n * (n - 1) - edges) >= 2:
        edge_index, _ = add_random_edge(edge_index, P, force_undirected=True, num_nodes=n)
    return Data(x=graph.x, edge_index=edge_index, y=graph.y)


def mask_rows(graph: Data) -> Data:
    x, masked = mask_feature(graph.x, P, mode="row", fill_value=0.0)
    noise = 0.5 * torch.randn_like(x) + 0.5
    return Data(x=torch.where(masked, noise, x), edge_index=graph.edge_index, y=graph.y)


def _induced(graph: Data, keep: Tensor) -> Data:
    edge_index, _ = subgraph(keep, graph.edge_index, relabel_nodes=True, num_nodes=len(keep))
    return Data(x=graph.x[keep], edge_index=edge_index, y=graph.y)


def any_of_them(graph: Data) -> Data:
    return LOOPS[int(torch.randint(len(LOOPS), (1,)))](graph)


LOOPS = [drop_nodes, walk, perturb_edges, mask_rows]
KERNELS = [
    NodeDropping(P, remove=True),
    RandomWalkSubgraph(STARTS, LENGTH),
    Compose([EdgeDropping(P), EdgeAdding(P)]),
    FeatureNoise(0.5, P, mean=0.5, replace=True),
]
NAMES = ["node dropping", "random-walk subgraph", "edge perturbation", "attribute masking"]
AUGMENTATIONS: dict[str, tuple[Any, Callable[[Data], Data]]] = {
    **{name: (kernel, one) for name, kernel, one in zip(NAMES, KERNELS, LOOPS, strict=True)},
    "one of them a graph": (RandomChoice(KERNELS, per_graph=True), any_of_them),
}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--dataset", default="proteins", help="a set of graphs (default proteins)")
    parser.add_argument("--graphs", type=int, default=128, help="graphs of the batch (default 128)")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    whole = gcl.datasets.load(chosen.dataset).shuffle()[: chosen.graphs]
    graphs = [Data(x=g.x, edge_index=g.edge_index, y=g.y) for g in whole]
    batch = Batch.from_data_list(graphs).to(chosen.device)
    rows = []
    for name, (kernel, one) in AUGMENTATIONS.items():

        def fresh(kernel: Any = kernel) -> Any:
            # An edge list not seen before, as every batch of a loader has one.
            data = copy.copy(batch)
            data.edge_index = batch.edge_index.clone()
            return kernel(data)

        def loop(one: Callable[[Data], Data] = one) -> list[Data]:
            return [one(graph) for graph in graphs]

        def collated(one: Callable[[Data], Data] = one) -> Batch:
            return Batch.from_data_list([one(graph) for graph in graphs])

        times = interleaved(
            {"batch": fresh, "loop": loop, "collated": collated},
            chosen.repeats,
            chosen.device,
            calls=CALLS,
        )
        ms = {rival: cost["cpu_ms"] for rival, cost in times.items()}
        rows.append(
            {
                "augmentation": name,
                "batch_ms": ms["batch"],
                "loop_ms": ms["loop"],
                "times_faster": ms["loop"] / ms["batch"],
                "loop_to_batch_ms": ms["collated"],
                "times_faster_to_batch": ms["collated"] / ms["batch"],
            }
        )
    title = (
        f"{chosen.graphs} graphs of {chosen.dataset}: {batch.num_nodes} nodes, "
        f"{batch.num_edges} directed edges, {chosen.threads} thread(s), CPU time"
    )
    report(title, rows, chosen.json)


if __name__ == "__main__":
    main()
