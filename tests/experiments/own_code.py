"""A module of a user's own, which leaves a trace when it is imported."""

OWN = """
from pathlib import Path
import torch, gcl
from torch import nn
Path("ran.txt").touch()

class Wide(nn.Module):
    def __init__(self, width, out_channels=4):
        super().__init__()
        self.width, self.out_channels = width, out_channels
        self.linear = nn.Linear(width, out_channels)
    def forward(self, x, edge_index, edge_weight=None):
        return self.linear(x)

def make(width=34):
    views = (gcl.augment.FeatureMasking(0.2), gcl.augment.FeatureMasking(0.4))
    return gcl.methods.TwoView(Wide(width), views, gcl.losses.BarlowTwins())

def recipe(data, *, hidden: int = 4):
    return gcl.methods.grace(data, hidden=hidden)

class Bomb:
    def __init__(self, word=""):
        Path("ran.txt").touch()
"""
