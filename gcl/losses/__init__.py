"""Contrastive objectives: two `[n, d]` matrices -> a scalar. One loss a file."""

from gcl.losses.barlow_twins import BarlowTwins
from gcl.losses.dcl import DCL, DCLW
from gcl.losses.infonce import InfoNCE
from gcl.losses.multi_view import multi_view_logsumexp, two_view_logsumexp
from gcl.losses.similarity import unit_rows
from gcl.losses.softmax import SoftmaxLoss
from gcl.losses.streaming import streaming_logsumexp, streaming_softmax_mean, streaming_softplus
from gcl.losses.temperature import AdaptiveTemperature
from gcl.losses.tiles import LogWeight

__all__ = [
    "DCL",
    "DCLW",
    "AdaptiveTemperature",
    "BarlowTwins",
    "InfoNCE",
    "LogWeight",
    "SoftmaxLoss",
    "multi_view_logsumexp",
    "streaming_logsumexp",
    "streaming_softmax_mean",
    "streaming_softplus",
    "two_view_logsumexp",
    "unit_rows",
]
