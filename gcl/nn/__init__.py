"""Parts: encoders, projection heads, moving averages. PyG's own models are encoders as they are."""

from gcl.nn.auto_encoder import AutoEncoder
from gcl.nn.code_embedding import CodeEmbedding
from gcl.nn.ema import EMA
from gcl.nn.gcn_encoder import GCNEncoder
from gcl.nn.gin_encoder import GINEncoder, side_by_side
from gcl.nn.global_batch_norm import GlobalBatchNorm
from gcl.nn.hops import add_hops, propagate
from gcl.nn.metapath_adjacency import context_mean, masked_adjacency, metapath_adjacency
from gcl.nn.metapath_contexts import MetaPathContexts
from gcl.nn.metapath_gcn import MetaPathGCN
from gcl.nn.mlp_encoder import MLPEncoder
from gcl.nn.prelu import PReLU
from gcl.nn.projector import projector
from gcl.nn.schema_attention import SchemaAttention
from gcl.nn.semantic_attention import SemanticAttention
from gcl.nn.shortcut_mlp import ShortcutMLP
from gcl.nn.student_t_clustering import StudentTClustering
from gcl.nn.type_projection import TypeProjection
from gcl.nn.unit_rows import UnitRows
from gcl.ops.propagation import Adjacency, gcn_adjacency

__all__ = [
    "EMA",
    "Adjacency",
    "AutoEncoder",
    "CodeEmbedding",
    "GCNEncoder",
    "GINEncoder",
    "GlobalBatchNorm",
    "MLPEncoder",
    "PReLU",
    "ShortcutMLP",
    "StudentTClustering",
    "UnitRows",
    "add_hops",
    "gcn_adjacency",
    "projector",
    "context_mean",
    "masked_adjacency",
    "metapath_adjacency",
    "MetaPathContexts",
    "MetaPathGCN",
    "SchemaAttention",
    "SemanticAttention",
    "TypeProjection",
    "propagate",
    "side_by_side",
]
