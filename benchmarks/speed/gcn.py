"""One GCN layer forward + backward on a graph of ogbn-arxiv's size, against PyG's GCNConv.

python benchmarks/speed/gcn.py --threads 2
"""

from __future__ import annotations

import torch
from measure import interleaved, options, report
from torch_geometric.nn import GCNConv
from torch_geometric.utils import coalesce, to_undirected

from gcl.experiments.memory import peak_extra_mb
from gcl.nn import GCNEncoder


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--nodes", type=int, default=169_343)
    parser.add_argument("--edges", type=int, default=2_330_000, help="directed edges, about")
    parser.add_argument("--dims", type=int, default=128)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    # Heavy-tailed degrees, as citation graphs have them.
    popular = (chosen.nodes * torch.rand(chosen.edges // 2) ** 3).long()
    anyone = torch.randint(chosen.nodes, (chosen.edges // 2,))
    edges = coalesce(to_undirected(torch.stack([popular, anyone]))).to(chosen.device)
    x = torch.randn(chosen.nodes, chosen.dims, device=chosen.device, requires_grad=True)
    up = torch.randn(chosen.nodes, chosen.dims, device=chosen.device)
    ours = GCNEncoder(chosen.dims, chosen.dims, num_layers=1, act=None).to(chosen.device)
    theirs = GCNConv(chosen.dims, chosen.dims).to(chosen.device)
    cached = GCNConv(chosen.dims, chosen.dims, cached=True).to(chosen.device)

    def fresh(x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        return ours(x, edges.clone())  # a list not seen before: sorted and normalised anew

    rivals = {
        name: lambda layer=layer: _step(layer, x, edges, up)
        for name, layer in {
            "gcl GCNEncoder": ours,
            "gcl GCNEncoder, new edge list": fresh,
            "PyG GCNConv(edge_index)": theirs,
            "PyG GCNConv(edge_index), cached": cached,
        }.items()
    }
    _step(ours, x, edges, up)  # the pattern of the graph is made once a training
    memory = {name: peak_extra_mb(call, chosen.device) for name, call in rivals.items()}
    times = interleaved(rivals, chosen.repeats, chosen.device)
    base = times["gcl GCNEncoder"]
    rows = [
        {
            "layer": name,
            **t,
            "extra_mb": memory[name],
            "times_ours": t["cpu_ms"] / base["cpu_ms"],
            "memory_ours": memory[name] / memory["gcl GCNEncoder"],
        }
        for name, t in times.items()
    ]
    title = (
        f"GCN layer forward + backward, {chosen.nodes} nodes, {edges.shape[1]} edges, "
        f"D = {chosen.dims}, {chosen.threads} thread(s)"
    )
    report(title, rows, chosen.json)


def _step(layer, x, edges, up) -> None:
    x.grad = None
    layer(x, edges).backward(up)


if __name__ == "__main__":
    main()
