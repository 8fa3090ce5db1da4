"""Embeddings -> numbers, under named protocols."""

from gcl.evaluate.classifiers.logistic import LogisticFit, fit_logistic
from gcl.evaluate.cluster_quality import conductance, kmeans_clusters, modularity
from gcl.evaluate.clustering import cluster, cluster_scores, match_clusters
from gcl.evaluate.clusters import clusters
from gcl.evaluate.compare import compare
from gcl.evaluate.diagnostics import diagnostics
from gcl.evaluate.edge_splits import EdgeSplit, edge_split
from gcl.evaluate.geometry import geometry
from gcl.evaluate.graph_classification import graph_classification, semi_supervised
from gcl.evaluate.graph_regression import graph_regression
from gcl.evaluate.hetero_probe import hetero_probe
from gcl.evaluate.knn import knn
from gcl.evaluate.linear_probe import linear_probe
from gcl.evaluate.link_prediction import link_prediction, link_prediction_runs
from gcl.evaluate.nearest import Neighbors, nearest
from gcl.evaluate.paired_test import paired_test
from gcl.evaluate.protocols import (
    GRAPH_PROTOCOLS,
    HETERO_PROTOCOLS,
    PROTOCOLS,
    REGRESSION_PROTOCOLS,
    GraphProtocol,
    Protocol,
    RegressionProtocol,
    default_protocol,
)
from gcl.evaluate.result import Result
from gcl.evaluate.similarity_search import similarity_search
from gcl.evaluate.splits import Splits, public_split, random_splits, random_splits_by_class
from gcl.evaluate.stability import neighbour_agreement, stability

__all__ = [
    "GRAPH_PROTOCOLS",
    "HETERO_PROTOCOLS",
    "PROTOCOLS",
    "REGRESSION_PROTOCOLS",
    "EdgeSplit",
    "GraphProtocol",
    "LogisticFit",
    "Neighbors",
    "Protocol",
    "RegressionProtocol",
    "Result",
    "Splits",
    "cluster",
    "cluster_scores",
    "clusters",
    "compare",
    "default_protocol",
    "conductance",
    "diagnostics",
    "edge_split",
    "fit_logistic",
    "geometry",
    "graph_classification",
    "graph_regression",
    "hetero_probe",
    "kmeans_clusters",
    "knn",
    "linear_probe",
    "link_prediction",
    "link_prediction_runs",
    "match_clusters",
    "paired_test",
    "modularity",
    "nearest",
    "neighbour_agreement",
    "public_split",
    "random_splits",
    "random_splits_by_class",
    "semi_supervised",
    "similarity_search",
    "stability",
]
