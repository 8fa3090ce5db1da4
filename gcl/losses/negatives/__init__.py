"""Which rows are negatives: objects for the `negatives` option of the softmax losses."""

from gcl.losses.negatives.cluster_negatives import ClusterNegatives, refine_labels
from gcl.losses.negatives.filtered_negatives import FilteredNegatives
from gcl.losses.negatives.hardest_negatives import HardestNegatives
from gcl.losses.negatives.meta_node_negatives import MetaNodeNegatives
from gcl.losses.negatives.mixed_negatives import MixedNegatives
from gcl.losses.negatives.random_negatives import RandomNegatives

__all__ = [
    "ClusterNegatives",
    "FilteredNegatives",
    "HardestNegatives",
    "MetaNodeNegatives",
    "MixedNegatives",
    "RandomNegatives",
    "refine_labels",
]
