"""Five methods in one frame: of our parts, as written plainly with PyG's GCNConv, of graphssl.

The frame is graphssl's: GCN of two layers, 256 wide, batch norm and PReLU; half of the edges and a
fifth of the feature columns dropped; heads of its widths. DGI has no norm. graphssl is no
dependency: it is left out where it is not installed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from importlib.util import find_spec

import torch
from losses import plain as infonce
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, mse_loss
from torch_geometric.data import Data
from torch_geometric.nn import MLP, DeepGraphInfomax, GCNConv
from torch_geometric.utils import dropout_edge

import gcl
from gcl.losses import BarlowTwins, InfoNCE, VICReg
from gcl.methods import Bootstrap, TwoView
from gcl.methods.recipes.node_frame import preparation, uniform_view
from gcl.nn import GCNEncoder
from gcl.transforms import NormalizeRows

NAMES = ("DGI", "BGRL", "Barlow", "GraphCL", "VICReg")
WIDTH, EDGES, COLUMNS, TAU = 256, 0.5, 0.2, 0.4
# GraphCL's arrays of N x N beyond this many nodes fit no common machine; graphssl goes in blocks.
MAX_DENSE = 8000


def ours(name: str, data: Data) -> nn.Module:
    if name == "DGI":
        return gcl.methods.dgi(data, hidden=WIDTH, num_layers=2)
    encoder = GCNEncoder(data.num_features, WIDTH, act="prelu", norm="batch")
    views = [uniform_view(EDGES, COLUMNS, undirected=False, encoder=None) for _ in range(2)]
    prepare = preparation(normalize=True, encoder=None)
    if name == "BGRL":
        return Bootstrap(encoder, views, _head(name), fresh_target=True, prepare=prepare)
    loss = {"Barlow": BarlowTwins(), "GraphCL": InfoNCE(TAU), "VICReg": VICReg()}[name]
    return TwoView(encoder, views, loss, projector=_head(name), prepare=prepare)


def plainly(name: str, data: Data) -> nn.Module | None:
    if name == "GraphCL" and data.num_nodes > MAX_DENSE:
        return None
    if name == "DGI":
        return _DGI(data.num_features)
    return _BGRL(data.num_features) if name == "BGRL" else _Pair(name, data.num_features)


def graphssl(name: str, data: Data) -> nn.Module | None:
    """None where graphssl is not installed."""
    if find_spec("graphssl") is None:
        return None
    from graphssl import models

    norm = "none" if name == "DGI" else "batch"
    encoder = {
        "name": "gcn",
        "hidden_dim": WIDTH,
        "num_layers": 2,
        "pool": False,
        "norm_type": norm,
    }
    dropped = [{"name": "edge_drop", "p": EDGES}, {"name": "feat_mask", "p": COLUMNS}]
    heads = {"GraphCL": {"tau": TAU, "proj_dim": 128}, "BGRL": {"pred_hidden": 512}}
    config = {"encoder": encoder, "augment": dropped, **heads.get(name, {})}
    kind = {"Barlow": "BarlowTwins"}.get(name, name)
    return getattr(models, kind)(config, data.num_features)


def step_of(model: nn.Module, data: Data, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """A training step of any of them."""
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=5e-4)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()
        if hasattr(model, "after_step"):  # ours
            model.after_step(1, 100)
        if hasattr(model, "post_step"):
            model.post_step()

    return step


def rivals(name: str, data: Data) -> dict[str, Callable[[], None]]:
    """A step of each that there is, ours first."""
    method = ours(name, data)
    prepared = method.prepare(data)
    normalized = NormalizeRows()(copy.copy(data))
    steps = {"gcl": step_of(method, prepared, lambda: method(prepared))}
    simple, other = plainly(name, data), graphssl(name, data)
    if simple is not None:
        steps["pyg"] = step_of(simple, normalized, lambda: simple(normalized))
    if other is not None:
        steps["graphssl"] = step_of(other, normalized, lambda: other.compute_loss(normalized))
    return steps


def _head(name: str) -> nn.Module:
    if name == "GraphCL":
        return MLP([WIDTH, WIDTH, 128])
    return MLP([WIDTH, 512, WIDTH]) if name == "BGRL" else MLP([WIDTH, 512, 512, WIDTH])


class _GCN(nn.Module):
    def __init__(self, features: int, norm: bool = True):
        super().__init__()
        self.convs = nn.ModuleList([GCNConv(features, WIDTH), GCNConv(WIDTH, WIDTH)])
        self.norms = nn.ModuleList(nn.BatchNorm1d(WIDTH) if norm else nn.Identity() for _ in "12")
        self.acts = nn.ModuleList(nn.PReLU() for _ in "12")

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        for conv, norm, act in zip(self.convs, self.norms, self.acts, strict=True):
            x = act(norm(conv(x, edges)))
        return x


def _view(data: Data) -> tuple[Tensor, Tensor]:
    edges, _ = dropout_edge(data.edge_index, EDGES)
    return data.x * (torch.rand(data.num_features) >= COLUMNS), edges


class _DGI(nn.Module):
    """PyG's own, as its example uses it."""

    def __init__(self, features: int):
        super().__init__()
        self.model = DeepGraphInfomax(
            WIDTH,
            _GCN(features, norm=False),
            summary=lambda z, *_: z.mean(dim=0).sigmoid(),
            corruption=lambda x, edges: (x[torch.randperm(len(x))], edges),
        )

    def forward(self, data: Data) -> Tensor:
        return self.model.loss(*self.model(data.x, data.edge_index))


class _BGRL(nn.Module):
    def __init__(self, features: int):
        super().__init__()
        self.online, self.target = _GCN(features), _GCN(features).requires_grad_(False)
        self.head = _head("BGRL")

    def forward(self, data: Data) -> Tensor:
        views = [_view(data) for _ in range(2)]
        p, q = (self.head(self.online(*view)) for view in views)
        with torch.no_grad():
            s, t = (self.target(*view) for view in views)
        return 2 - cosine_similarity(p, t).mean() - cosine_similarity(q, s).mean()

    @torch.no_grad()
    def post_step(self) -> None:
        pairs = zip(self.online.parameters(), self.target.parameters(), strict=True)
        for own, slow in pairs:
            slow.mul_(0.99).add_(own, alpha=0.01)


class _Pair(nn.Module):
    """Two views under one encoder and head, and a loss written out."""

    def __init__(self, name: str, features: int):
        super().__init__()
        self.encoder, self.head = _GCN(features), _head(name)
        self.loss = {"Barlow": _barlow, "GraphCL": infonce, "VICReg": _vicreg}[name]

    def forward(self, data: Data) -> Tensor:
        return self.loss(*(self.head(self.encoder(*_view(data))) for _ in range(2)))


def _barlow(z1: Tensor, z2: Tensor) -> Tensor:
    a, b = ((z - z.mean(0)) / z.std(0) for z in (z1, z2))
    c = a.t() @ b / len(a)
    on = (c.diagonal() - 1).square().sum()
    return on + (c.square().sum() - c.diagonal().square().sum()) / len(c)


def _vicreg(z1: Tensor, z2: Tensor) -> Tensor:
    total = 25 * mse_loss(z1, z2)
    for z in (z1, z2):
        z = z - z.mean(0)
        cov = z.t() @ z / (len(z) - 1)
        total = total + 12.5 * (1 - (z.var(0) + 1e-4).sqrt()).relu().mean()
        total = total + (cov.square().sum() - cov.diagonal().square().sum()) / z.shape[1]
    return total
