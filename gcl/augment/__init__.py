"""Random augmentations: PyG transforms that turn a graph into a view of it.

They work on `Data`, `Batch` and `HeteroData`, never change their input, keep the order of the
nodes (only `RandomWalkSubgraph` removes some), are the identity at p = 0 and draw from torch's
global generator. Chain them with `torch_geometric.transforms.Compose`.
"""

from gcl.augment.communal_attribute_voting import CommunalAttributeVoting
from gcl.augment.communal_edge_dropping import CommunalEdgeDropping
from gcl.augment.edge_adding import EdgeAdding
from gcl.augment.edge_dropping import EdgeDropping
from gcl.augment.feature_dropout import FeatureDropout
from gcl.augment.feature_masking import FeatureMasking
from gcl.augment.feature_noise import FeatureNoise
from gcl.augment.feature_shuffling import FeatureShuffling
from gcl.augment.node_dropping import NodeDropping
from gcl.augment.random_choice import RandomChoice
from gcl.augment.random_walk_subgraph import RandomWalkSubgraph

__all__ = [
    "CommunalAttributeVoting",
    "CommunalEdgeDropping",
    "EdgeAdding",
    "EdgeDropping",
    "FeatureDropout",
    "FeatureMasking",
    "FeatureNoise",
    "FeatureShuffling",
    "NodeDropping",
    "RandomChoice",
    "RandomWalkSubgraph",
]
