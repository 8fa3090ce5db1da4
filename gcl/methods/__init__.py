"""Mechanisms (classes over objects) and recipes (functions over numbers, one paper each)."""

from gcl.methods.adameow import adameow
from gcl.methods.base import Method
from gcl.methods.contrastive_clustering import ContrastiveClustering
from gcl.methods.csgcl import csgcl
from gcl.methods.gbt import gbt
from gcl.methods.gca import gca
from gcl.methods.grace import grace
from gcl.methods.heco import HeCo, heco
from gcl.methods.meow import meow
from gcl.methods.metapath_contrast import MetaPathContrast
from gcl.methods.pamc import pamc
from gcl.methods.scgc import scgc
from gcl.methods.two_view import TwoView

__all__ = [
    "ContrastiveClustering",
    "Method",
    "TwoView",
    "csgcl",
    "gbt",
    "gca",
    "grace",
    "pamc",
    "scgc",
    "adameow",
    "HeCo",
    "heco",
    "meow",
    "MetaPathContrast",
]
