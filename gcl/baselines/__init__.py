"""What needs no contrast: the rows that a method has to beat."""

from gcl.baselines.propagated import propagated_candidates, propagated_features, propagated_probe
from gcl.baselines.supervised_gcn import supervised_gcn
from gcl.baselines.there_and_back import there_and_back
from gcl.baselines.wl_histograms import wl_histograms

__all__ = [
    "propagated_candidates",
    "propagated_features",
    "propagated_probe",
    "supervised_gcn",
    "there_and_back",
    "wl_histograms",
]
