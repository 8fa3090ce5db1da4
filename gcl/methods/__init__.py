"""Mechanisms (classes over objects) and recipes (functions over numbers, one paper each)."""

from gcl.contracts import Method
from gcl.methods.bootstrap import Bootstrap
from gcl.methods.contrastive_clustering import ContrastiveClustering
from gcl.methods.infomax import Infomax
from gcl.methods.joao import JOAO
from gcl.methods.local_global import LocalGlobal
from gcl.methods.metapath_contrast import MetaPathContrast
from gcl.methods.neighbor_triplets import NeighborTriplets
from gcl.methods.pretraining import pretrain
from gcl.methods.provable import POT, compactness, pot
from gcl.methods.recipes.adameow import adameow
from gcl.methods.recipes.afgrl import afgrl
from gcl.methods.recipes.bgrl import bgrl
from gcl.methods.recipes.cca_ssg import cca_ssg
from gcl.methods.recipes.costa import costa
from gcl.methods.recipes.csgcl import csgcl
from gcl.methods.recipes.dgi import dgi
from gcl.methods.recipes.gbt import gbt
from gcl.methods.recipes.gca import gca
from gcl.methods.recipes.ggd import ggd
from gcl.methods.recipes.grace import grace
from gcl.methods.recipes.graphcl import graphcl
from gcl.methods.recipes.heco import HeCo, heco
from gcl.methods.recipes.infograph import infograph
from gcl.methods.recipes.meow import meow
from gcl.methods.recipes.mvgrl import mvgrl
from gcl.methods.recipes.mvgrl_graph import mvgrl_graph
from gcl.methods.recipes.pamc import pamc
from gcl.methods.recipes.pot_gca import pot_gca
from gcl.methods.recipes.pot_grace import pot_grace
from gcl.methods.recipes.progcl import progcl
from gcl.methods.recipes.scgc import scgc
from gcl.methods.recipes.sgrl import sgrl
from gcl.methods.recipes.simgrace import SimGRACE, simgrace
from gcl.methods.recipes.sugrl import sugrl
from gcl.methods.two_view import TwoView

__all__ = [
    "Bootstrap",
    "ContrastiveClustering",
    "Infomax",
    "Method",
    "NeighborTriplets",
    "POT",
    "JOAO",
    "LocalGlobal",
    "SimGRACE",
    "TwoView",
    "afgrl",
    "bgrl",
    "cca_ssg",
    "compactness",
    "costa",
    "csgcl",
    "dgi",
    "gbt",
    "gca",
    "ggd",
    "grace",
    "mvgrl",
    "graphcl",
    "infograph",
    "mvgrl_graph",
    "pamc",
    "progcl",
    "pot",
    "pretrain",
    "pot_gca",
    "pot_grace",
    "scgc",
    "adameow",
    "HeCo",
    "heco",
    "meow",
    "MetaPathContrast",
    "sgrl",
    "sugrl",
    "simgrace",
]
