"""Deterministic transforms, run once on the whole graph."""

from gcl.graphs.meta_paths import metapath_contexts
from gcl.transforms.add_centrality import AddCentrality
from gcl.transforms.add_communities import AddCommunities
from gcl.transforms.add_degree_features import AddDegreeFeatures
from gcl.transforms.add_diffusion import AddDiffusion
from gcl.transforms.add_heco_positives import AddHeCoPositives
from gcl.transforms.add_influence import AddInfluence
from gcl.transforms.add_meta_paths import AddMetaPaths
from gcl.transforms.add_neighbor_positives import AddNeighborPositives
from gcl.transforms.add_propagated import AddPropagated
from gcl.transforms.add_soft_positives import AddSoftPositives
from gcl.transforms.normalize_rows import NormalizeRows
from gcl.transforms.ppr_diffusion import PPRDiffusion
from gcl.transforms.propagate_new import propagate_new
from gcl.transforms.to_sparse_features import ToSparseFeatures

__all__ = [
    "AddCentrality",
    "AddCommunities",
    "AddDiffusion",
    "AddDegreeFeatures",
    "AddHeCoPositives",
    "AddInfluence",
    "AddMetaPaths",
    "AddNeighborPositives",
    "AddPropagated",
    "AddSoftPositives",
    "ToSparseFeatures",
    "metapath_contexts",
    "NormalizeRows",
    "PPRDiffusion",
    "propagate_new",
]
