"""Parts: encoders, projection heads, moving averages. PyG's own models are encoders as they are."""

from gcl.nn.auto_encoder import AutoEncoder, pretrain
from gcl.nn.ema import EMA
from gcl.nn.gcn_encoder import GCNEncoder
from gcl.nn.mlp_encoder import MLPEncoder
from gcl.nn.projector import projector
from gcl.nn.propagation import Adjacency, gcn_adjacency
from gcl.nn.student_t_clustering import StudentTClustering

__all__ = [
    "EMA",
    "Adjacency",
    "AutoEncoder",
    "GCNEncoder",
    "MLPEncoder",
    "StudentTClustering",
    "gcn_adjacency",
    "pretrain",
    "projector",
]
