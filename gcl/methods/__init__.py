"""Mechanisms (classes over objects) and recipes (functions over numbers, one paper each)."""

from gcl.contracts import Method
from gcl.methods.adameow import adameow
from gcl.methods.afgrl import afgrl
from gcl.methods.bgrl import bgrl
from gcl.methods.bootstrap import Bootstrap
from gcl.methods.cca_ssg import cca_ssg
from gcl.methods.contrastive_clustering import ContrastiveClustering
from gcl.methods.costa import costa
from gcl.methods.csgcl import csgcl
from gcl.methods.dgi import dgi
from gcl.methods.gbt import gbt
from gcl.methods.gca import gca
from gcl.methods.ggd import ggd
from gcl.methods.grace import grace
from gcl.methods.graphcl import graphcl
from gcl.methods.heco import HeCo, heco
from gcl.methods.infograph import infograph
from gcl.methods.infomax import Infomax
from gcl.methods.joao import JOAO
from gcl.methods.local_global import LocalGlobal
from gcl.methods.meow import meow
from gcl.methods.metapath_contrast import MetaPathContrast
from gcl.methods.mvgrl import mvgrl
from gcl.methods.mvgrl_graph import mvgrl_graph
from gcl.methods.neighbor_triplets import NeighborTriplets
from gcl.methods.pamc import pamc
from gcl.methods.pot_gca import pot_gca
from gcl.methods.pot_grace import pot_grace
from gcl.methods.pretraining import pretrain
from gcl.methods.progcl import progcl
from gcl.methods.provable import POT, compactness, pot
from gcl.methods.scgc import scgc
from gcl.methods.sgrl import sgrl
from gcl.methods.simgrace import SimGRACE, simgrace
from gcl.methods.sugrl import sugrl
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
