"""Papers, authors and subjects, and the recipes on their meta-paths."""

from __future__ import annotations

import torch
from torch_geometric.data import HeteroData

import gcl
from gcl.datasets import hetero_sbm
from gcl.transforms import AddMetaPaths

PAP, PSP = ["paper", "author", "paper"], ["paper", "subject", "paper"]
RECIPES = {
    "meow": {"clusters": (3, 6), "hidden": 8},
    "adameow": {"hidden": 8, "proj": 4},
    "heco": {"hidden": 8, "samples": 2},
}


def graph(n=40, **options):
    options = {"num_authors": 50, "num_subjects": 6, "num_features": 10, **options}
    return hetero_sbm(n, **options)


def make(name, data, chains=(PAP, PSP), *, paths=None, **options):
    form = {"contexts": "none", "topk_form": "row"} if name == "heco" else {}
    transform = AddMetaPaths([list(p) for p in chains], **form, **(paths or {}))
    return getattr(gcl.methods, name)(data, paths=transform, **{**RECIPES[name], **options})


def directed(weights=None):
    """Papers that cite: nobody cites 0 and 1 but 0 is cited by 3, which nobody cites."""
    data = HeteroData()
    data["paper"].x = torch.rand(4, 3)
    data["paper", "cites", "paper"].edge_index = torch.tensor([[0, 1, 3], [2, 2, 0]])
    return data
