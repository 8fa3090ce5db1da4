"""Batches of one graph: sampled neighbourhoods, and parts."""

from gcl.loader.batches import Batches
from gcl.loader.neighbor_batches import NeighborBatches
from gcl.loader.partition import partition
from gcl.loader.partition_batches import PartitionBatches
from gcl.loader.sampling import sample_neighbors

__all__ = [
    "Batches",
    "NeighborBatches",
    "PartitionBatches",
    "partition",
    "sample_neighbors",
]
