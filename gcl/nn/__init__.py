"""Parts: encoders, projection heads, moving averages. PyG's own models are encoders as they are."""

from gcl.nn.ema import EMA
from gcl.nn.gcn_encoder import GCNEncoder
from gcl.nn.projector import projector
from gcl.nn.propagation import Adjacency, gcn_adjacency

__all__ = ["EMA", "Adjacency", "GCNEncoder", "gcn_adjacency", "projector"]
