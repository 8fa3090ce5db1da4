"""An epoch of MEOW against the same epoch with dense N x N arrays and 5-restart k-means.

    python benchmarks/speed/meow.py --dataset acm
    python benchmarks/speed/meow.py --dataset acm --memory

The rival has the same parameters, masks of the same rates (drawn once, as the released code does),
dense adjacencies, dense similarities and weights, and k-means from scratch with 5 restarts of 20
iterations (scikit-learn's; the released code takes faiss). Needs the data set.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import measure
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from gcl.experiments.config import read_config
from gcl.experiments.memory import peak_extra_mb
from gcl.experiments.run import load_data
from gcl.losses import ProtoNCE
from gcl.methods.metapath_contrast import MetaPathContrast
from gcl.nn import masked_adjacency, metapath_adjacency

CONFIGS = Path(__file__).parents[1] / "configs" / "meow"


class DenseEpoch:
    """The steps of `MetaPathContrast` and `ClusterContrast` on dense matrices."""

    def __init__(self, method: MetaPathContrast, data: Any):
        self.method, self.data = method, data
        n = data[next(iter(data.metapath_dict))[0]].num_nodes
        eye = torch.eye(n)
        names = list(data.metapath_dict)
        self.plain = [metapath_adjacency(data, name) @ eye for name in names]
        self.masked = [
            masked_adjacency(data, name, p) @ eye
            for name, p in zip(names, method.mask_edge, strict=True)
        ]
        self.coarse = sum(self.plain) / len(self.plain)

    def loss(self) -> Tensor:
        method, data = self.method, self.data
        h = method.projection(data)
        target = next(iter(data.metapath_dict))[0]
        coarse = method._project(method.gcn(h[target], [self.coarse]))
        contexts = method.contexts(data, h)
        plain = method.contexts.fuse(h[target], contexts)
        masked = method.contexts.fuse(method._masked_target(data[target], target, None), contexts)
        found = []
        for graph, kept, f, f_masked in zip(self.plain, self.masked, plain, masked, strict=True):
            found.append(torch.nn.functional.normalize(method.gcn(f, [graph])))
            found.append(torch.nn.functional.normalize(method.gcn(f_masked, [kept])))
        fine = method._project(method.attention(found))
        objective: Any = method.objective
        labels, weight = [], torch.zeros(len(fine), len(fine))
        for g, k in enumerate(objective.clusters):
            # tol=0: all iterations, as faiss does; scikit-learn then says it has not converged.
            means = KMeans(k, init="random", n_init=5, max_iter=20, tol=0.0, random_state=g)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                c = torch.from_numpy(means.fit_predict(fine.detach().numpy())).long()
            labels.append(c)
            weight += (c[:, None] != c[None]).float()
        e = (coarse @ fine.t() / objective.tau).exp()
        info = -(e.diagonal() / (weight * e).sum(1)).log().mean()
        prototypes = ProtoNCE(objective.tau)(coarse, fine, torch.stack(labels))
        return info + objective.lam * prototypes


def main() -> None:
    parser = measure.options(__doc__.partition("\n")[0])
    parser.add_argument("--dataset", default="acm")
    parser.add_argument("--memory", action="store_true", help="memory in place of time")
    chosen = parser.parse_args()
    if chosen.memory:
        measure.return_freed_blocks()
    torch.set_num_threads(chosen.threads)
    run = read_config(CONFIGS / f"{chosen.dataset}.toml")[0]
    data = load_data(run)
    torch.manual_seed(0)
    method = run.build(data)
    prepared = method.prepare(data)
    dense = DenseEpoch(method, prepared)
    optimizer = torch.optim.Adam(method.parameters(), lr=run.lr)

    def step(loss: Any) -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    rivals = {
        "gcl": lambda: step(lambda: method.loss(prepared)),
        "dense, 5-restart k-means": lambda: step(dense.loss),
    }
    rows: list[dict[str, Any]] = []
    if chosen.memory:
        held = sum(4 * a.numel() for a in [*dense.plain, *dense.masked, dense.coarse]) / 1e6
        for name, call in rivals.items():
            call()  # the first call loads libraries and makes what is kept
            extra = peak_extra_mb(call, chosen.device)
            more = {"matrices held MB": 0.0 if name == "gcl" else held}
            rows.append({"epoch": name, "peak extra MB": extra, **more})
            total = extra + more["matrices held MB"]
            rows[-1]["share"] = (rows[0]["peak extra MB"]) / total
    else:
        times = measure.interleaved(rivals, chosen.repeats, chosen.device)
        for name, took in times.items():
            ratio = took["cpu_ms"] / times["gcl"]["cpu_ms"]
            rows.append({"epoch": name, **took, "x gcl": ratio})
    measure.report(f"one epoch of MEOW on {chosen.dataset}", rows, chosen.json)


if __name__ == "__main__":
    main()
