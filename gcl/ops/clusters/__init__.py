"""Sums over clusters in the place of sums over rows: meta-nodes, and how far they are off."""

from gcl.ops.clusters.bound import meta_node_bound
from gcl.ops.clusters.meta_nodes import meta_node_logsumexp

__all__ = ["meta_node_bound", "meta_node_logsumexp"]
