"""What pairs weigh: rules for the `log_weight` option of the softmax losses."""

from gcl.losses.weights.beta_mixture import fit_beta_mixture, mixture_weights
from gcl.losses.weights.pair_network import PairNetwork
from gcl.losses.weights.rules import cluster_pairs, rank_one, without_pairs

__all__ = [
    "PairNetwork",
    "cluster_pairs",
    "fit_beta_mixture",
    "mixture_weights",
    "rank_one",
    "without_pairs",
]
