"""What ranks compute in the tests of recipes: a step of each, without chance."""

import copy
import re
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import Compose
from torch_geometric.utils import remove_self_loops, to_undirected

import gcl
from gcl import distributed
from gcl.methods import masked, neighbor_triplets
from gcl.ops.ranks import alone
from gcl.training.team import Team

F = 6
RECIPES = {
    "afgrl": {"hidden": 8, "predictor": 8, "clusters": 3, "runs": 2},
    "bgrl": {"hidden": 8, "predictor": 8},
    "cca_ssg": {"hidden": 8},
    "costa": {"hidden": 8, "proj": 8},
    "csgcl": {"hidden": 8, "proj": 8, "t0": 0},
    "dgi": {"hidden": 8},
    "gbt": {"hidden": 8},
    "gca": {"hidden": 32, "proj": 32},
    "ggd": {"hidden": 8},
    "grace": {"hidden": 8, "proj": 8, "norm": "batch"},
    "graphcl": {"hidden": 8},
    "graphmae": {"hidden": 8, "dropout": 0.0},
    "infograph": {"hidden": 8},
    "mvgrl": {"hidden": 8, "topk": 5},
    "mvgrl_graph": {"hidden": 8},
    "ns4gc": {"hidden": 16, "dim": 8},
    "pamc": {"hidden": (16,), "dim": 4, "pretrain_epochs": 2, "clusters": 3},
    "progcl": {"hidden": 8, "proj": 8, "t0": 0},
    "scgc": {"hidden": (16,), "dim": 4, "pretrain_epochs": 2, "clusters": 3},
    "sgrl": {"hidden": 8, "predictor": 8},
    "simgrace": {"hidden": 8, "eta": 0.0},
    "sugrl": {"hidden": (16,), "dim": 8, "input_dropout": 0.0, "dropout": 0.0},
    "vicreg": {"hidden": 8, "proj": 8},
}
OF_GRAPHS = {"graphcl", "infograph", "mvgrl_graph", "simgrace"}
SIZES = {2: [(20, 20), (24, 13)], 3: [(14, 14, 14), (12, 20, 9)]}


def turned(data):
    """A view that is another one, by no chance."""
    data.x = data.x.roll(1, 1) * 0.9
    return data


def graph(n, seed, dtype):
    """A circle with some chords."""
    generator = torch.Generator().manual_seed(seed)
    here = torch.arange(n)
    chords = torch.randint(n, (2, n), generator=generator)
    edges = to_undirected(torch.cat([torch.stack([here, (here + 1) % n]), chords], 1), num_nodes=n)
    # Rows that differ: the gradient of nearly parallel ones is lost in float32 by itself.
    x = torch.rand(n, F, generator=generator, dtype=torch.float64).pow(4).to(dtype)
    return Data(x=x, edge_index=remove_self_loops(edges)[0])


def joined(graphs):
    """Graphs side by side as one, by the names of their attributes."""
    starts = torch.tensor([0, *(g.num_nodes for g in graphs)]).cumsum(0)
    found = Data()
    for key in graphs[0].to_dict():
        parts = [g[key] for g in graphs]
        if re.search("edge_index$", key):
            found[key] = torch.cat([p + s for p, s in zip(parts, starts, strict=False)], 1)
        elif isinstance(parts[0], torch.Tensor) and parts[0].dim() and key != "feature_importance":
            found[key] = torch.cat(parts)
        else:
            found[key] = parts[0]
    return found


def without_chance(name, method):
    """Views that are functions of the graph."""
    if name == "mvgrl_graph":
        return
    if hasattr(method, "views"):
        method.views = (Compose([]), turned)[: len(method.views)]
    if hasattr(method, "corrupt"):
        method.corrupt, method.view = turned, None


def every_second(data, mask_rate, replace_rate):
    hidden = torch.arange(0, len(data.x), 2)
    return hidden, hidden[:0], hidden[:0]


def first_neighbours(edge_index, num_nodes, count):
    near = torch.arange(num_nodes)
    near[edge_index[1].flip(0)] = edge_index[0].flip(0)
    return near[:, None].repeat(1, count)


@contextmanager
def known_draws(seeds):
    """Notes the numbers that the ranks draw from in common."""
    common = distributed.common_draws

    def noting(together):
        seeds.append(together.seed)
        return common(together)

    draws = masked._draw, neighbor_triplets.draw_neighbors
    masked._draw, neighbor_triplets.draw_neighbors = every_second, first_neighbours
    distributed.common_draws = noting
    try:
        yield
    finally:
        distributed.common_draws = common
        masked._draw, neighbor_triplets.draw_neighbors = draws


class Seeded(torch.nn.Module):
    """A loss that draws as the ranks did."""

    def __init__(self, loss, seeds):
        super().__init__()
        self.loss, self.seeds = loss, seeds

    def forward(self, *rows, **further):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seeds.pop(0))
            return self.loss(*rows, **further)


def steps(names, sizes, dtype):
    """By recipe: the loss of one process, of all; errors of gradient, its length, buffers."""
    return {name: step(name, sizes, dtype) for name in names}


def step(name, sizes, dtype):
    rank, seeds = dist.get_rank(), []
    graphs = [graph(n, seed, dtype) for seed, n in enumerate(sizes)]
    torch.manual_seed(0)
    with alone():
        method = getattr(gcl.methods, name)(graphs[0], **RECIPES[name]).to(dtype)
        if name in OF_GRAPHS:
            several = [
                [graph(7 + i, 10 * r + i, dtype) for i in range(2 + r)] for r in range(len(sizes))
            ]
            mine = Batch.from_data_list(several[rank])
            whole = Batch.from_data_list([g for part in several for g in part])
        else:
            prepared = [method.prepare(g) for g in graphs]
            mine, whole = prepared[rank], joined(prepared)
    without_chance(name, method)
    if hasattr(method, "objective") and hasattr(method.objective, "after_step"):
        method.objective.after_step(50, 100)
    reference = copy.deepcopy(method)
    torch.manual_seed(7 + rank)
    with known_draws(seeds):
        team = Team(torch.device("cpu"), "global")
        ranked = team.enter(method, method)
        with alone(), team.computing(method):
            value = ranked(mine)
        value.backward()
        with alone():
            if hasattr(reference, "objective"):
                inner = reference.objective
                reference.objective = Seeded(inner, seeds)
            expected = reference(whole)
            expected.backward()
            if hasattr(reference, "objective"):
                reference.objective = inner
    theirs, ours = dict(reference.named_parameters()), dict(method.named_parameters())
    assert theirs.keys() == ours.keys()
    both = [
        torch.cat(
            [torch.zeros_like(p).view(-1) if p.grad is None else p.grad.view(-1) for p in each]
        )
        for each in (theirs.values(), [ours[key] for key in theirs])
    ]
    largest = both[0].abs().max()
    error = float((both[1] - both[0]).abs().max() / largest)
    ratio = float((both[0] @ both[1]) / (both[0] @ both[0]))
    buffers = dict(method.named_buffers())
    there = [
        float((buffers[key] - b).abs().nan_to_num().max())
        for key, b in reference.named_buffers()
        if b.is_floating_point() and b.numel() and buffers[key].shape == b.shape
    ]
    return float(expected.detach()), float(value.detach()), error, ratio, max(there, default=0.0)
