"""Mechanisms (classes over objects), recipes (functions over numbers, one paper each) and variants.

A recipe makes a method for a graph, a variant a method of a method:
`pot(macl(grace(data, tau=0.3), alpha=0.2), kappa=0.1)`.
"""

from gcl.contracts import Method
from gcl.methods import recipes, variants
from gcl.methods.bootstrap import Bootstrap
from gcl.methods.contrastive_clustering import ContrastiveClustering
from gcl.methods.infomax import Infomax
from gcl.methods.joao import JOAO
from gcl.methods.local_global import LocalGlobal
from gcl.methods.masked import Masked
from gcl.methods.metapath_contrast import MetaPathContrast
from gcl.methods.neighbor_triplets import NeighborTriplets
from gcl.methods.pretraining import pretrain
from gcl.methods.provable import POT, compactness
from gcl.methods.recipes import *  # noqa: F403
from gcl.methods.recipes.heco import HeCo
from gcl.methods.recipes.simgrace import SimGRACE
from gcl.methods.two_view import TwoView
from gcl.methods.variants import *  # noqa: F403
from gcl.methods.variants.distil import Distil
from gcl.methods.variants.several_seeds import SeveralSeeds

__all__ = [
    "Bootstrap",
    "ContrastiveClustering",
    "Distil",
    "HeCo",
    "Infomax",
    "JOAO",
    "LocalGlobal",
    "Masked",
    "MetaPathContrast",
    "Method",
    "NeighborTriplets",
    "POT",
    "SeveralSeeds",
    "SimGRACE",
    "TwoView",
    "compactness",
    "pretrain",
    *recipes.__all__,
    *variants.__all__,
]
