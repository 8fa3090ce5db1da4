"""Variants, `Method -> Method`: what belongs to no one recipe and goes around any that it fits."""

from gcl.methods.provable import pot
from gcl.methods.variants.distil import distil
from gcl.methods.variants.half_hop import half_hop
from gcl.methods.variants.joao import joao
from gcl.methods.variants.macl import macl
from gcl.methods.variants.meta_nodes import meta_nodes
from gcl.methods.variants.several_seeds import several_seeds
from gcl.methods.variants.several_views import several_views
from gcl.methods.variants.with_hops import with_hops
from gcl.methods.variants.with_negatives import with_negatives

__all__ = [
    "distil",
    "half_hop",
    "joao",
    "macl",
    "meta_nodes",
    "pot",
    "several_seeds",
    "several_views",
    "with_hops",
    "with_negatives",
]
