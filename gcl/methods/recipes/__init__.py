"""Recipes: one paper a function, whose signature is its table of hyperparameters."""

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
from gcl.methods.recipes.graphmae import graphmae
from gcl.methods.recipes.heco import heco
from gcl.methods.recipes.infograph import infograph
from gcl.methods.recipes.meow import meow
from gcl.methods.recipes.mvgrl import mvgrl
from gcl.methods.recipes.mvgrl_graph import mvgrl_graph
from gcl.methods.recipes.ns4gc import ns4gc
from gcl.methods.recipes.pamc import pamc
from gcl.methods.recipes.progcl import progcl
from gcl.methods.recipes.scgc import scgc
from gcl.methods.recipes.sgrl import sgrl
from gcl.methods.recipes.simgrace import simgrace
from gcl.methods.recipes.sugrl import sugrl
from gcl.methods.recipes.vicreg import vicreg

__all__ = [
    "adameow",
    "afgrl",
    "bgrl",
    "cca_ssg",
    "costa",
    "csgcl",
    "dgi",
    "gbt",
    "gca",
    "ggd",
    "grace",
    "graphcl",
    "graphmae",
    "heco",
    "infograph",
    "meow",
    "mvgrl",
    "mvgrl_graph",
    "ns4gc",
    "pamc",
    "progcl",
    "scgc",
    "sgrl",
    "simgrace",
    "sugrl",
    "vicreg",
]
