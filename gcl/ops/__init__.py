"""Functions of tensors: streamed sums over pairs, clusters, sketches, sparse products."""

from gcl.ops.clusters import meta_node_bound, meta_node_logsumexp
from gcl.ops.kmeans import spherical_kmeans
from gcl.ops.log_weight import LogWeight
from gcl.ops.multi_view import multi_view_logsumexp, two_view_logsumexp
from gcl.ops.similarity import unit_rows
from gcl.ops.sinkhorn import sinkhorn
from gcl.ops.sketches import gaussian_sketch, sign_sketch
from gcl.ops.streaming import (
    streaming_logsumexp,
    streaming_sigmoid,
    streaming_softmax_mean,
    streaming_softplus,
)
from gcl.ops.tiling import tiling

__all__ = [
    "LogWeight",
    "gaussian_sketch",
    "meta_node_bound",
    "meta_node_logsumexp",
    "multi_view_logsumexp",
    "sign_sketch",
    "sinkhorn",
    "spherical_kmeans",
    "streaming_logsumexp",
    "streaming_sigmoid",
    "streaming_softmax_mean",
    "streaming_softplus",
    "tiling",
    "two_view_logsumexp",
    "unit_rows",
]
