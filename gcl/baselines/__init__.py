"""What needs no contrast: the rows that a method has to beat."""

from gcl.baselines.supervised_gcn import supervised_gcn
from gcl.baselines.wl_histograms import wl_histograms

__all__ = ["supervised_gcn", "wl_histograms"]
