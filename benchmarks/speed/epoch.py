"""A whole GRACE epoch: ours against PyG's GCNConv, dense features and a dense loss.

GCL_DATA=... python benchmarks/speed/epoch.py
GCL_DATA=... python benchmarks/speed/epoch.py --dataset pubmed --hidden 256 --loss grace --repeats 1

`--loss grace` takes the dense loss as GRACE's authors write it, which needs less memory.
"""

from __future__ import annotations

import torch
from losses import grace, plain
from measure import interleaved, options, report
from torch import nn
from torch_geometric.nn import MLP, GCNConv
from torch_geometric.utils import dropout_edge

import gcl
from gcl.experiments.memory import peak_extra_mb


class Plain(nn.Module):
    """GRACE as its authors wrote it: dropped edge lists, dense masked features, dense loss."""

    def __init__(self, features: int, hidden: int, proj: int):
        super().__init__()
        self.first = GCNConv(features, 2 * hidden)
        self.second = GCNConv(2 * hidden, hidden)
        self.head = MLP([hidden, proj, hidden], act="elu", norm=None)

    def view(self, x, edges, p_edge: float, p_feature: float):
        kept, _ = dropout_edge(edges, p_edge)
        mask = torch.rand(x.shape[1], device=x.device) >= p_feature
        z = self.first(x * mask, kept).relu()
        return self.head(self.second(z, kept).relu())

    def forward(self, data, loss):
        h1 = self.view(data.x, data.edge_index, 0.2, 0.3)
        h2 = self.view(data.x, data.edge_index, 0.4, 0.4)
        return loss(h1, h2)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--dataset", default="cora")
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--loss", default="plain", choices=("plain", "grace"), help="the rival's")
    parser.add_argument("--max-dense", type=int, default=20000, help="above, only ours is run")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    loss = {"plain": plain, "grace": grace}[chosen.loss]
    data = gcl.datasets.load(chosen.dataset).to(chosen.device)
    method = gcl.methods.grace(data, hidden=chosen.hidden, proj=chosen.hidden).to(chosen.device)
    prepared = method.prepare(data)
    ours = torch.optim.Adam(method.parameters(), lr=5e-4)
    rivals = {"gcl": lambda: _step(lambda: method(prepared), ours)}
    if data.num_nodes <= chosen.max_dense:
        simple = Plain(data.num_features, chosen.hidden, chosen.hidden).to(chosen.device)
        theirs = torch.optim.Adam(simple.parameters(), lr=5e-4)
        rivals["GCNConv + dense"] = lambda: _step(lambda: simple(data, loss), theirs)
    memory = {name: peak_extra_mb(call, chosen.device) for name, call in rivals.items()}
    times = interleaved(rivals, chosen.repeats, chosen.device)
    rows = [
        {
            "epoch": name,
            **t,
            "extra_mb": memory[name],
            "times_ours": t["cpu_ms"] / times["gcl"]["cpu_ms"],
            "memory_ours": memory[name] / memory["gcl"],
        }
        for name, t in times.items()
    ]
    report(f"GRACE epoch on {chosen.dataset}, {chosen.threads} thread(s)", rows, chosen.json)


def _step(loss, optimizer) -> None:
    optimizer.zero_grad()
    loss().backward()
    optimizer.step()


if __name__ == "__main__":
    main()
