"""Deterministic transforms, run once on the whole graph."""

from gcl.transforms.add_centrality import AddCentrality
from gcl.transforms.add_communities import AddCommunities
from gcl.transforms.add_soft_positives import AddSoftPositives
from gcl.transforms.to_sparse_features import ToSparseFeatures

__all__ = ["AddCentrality", "AddCommunities", "AddSoftPositives", "ToSparseFeatures"]
