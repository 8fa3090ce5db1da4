"""Contrastive objectives: two `[n, d]` matrices -> a scalar. One loss a file."""

from gcl.losses.barlow_twins import BarlowTwins
from gcl.losses.infonce import InfoNCE
from gcl.losses.similarity import unit_rows
from gcl.losses.streaming import two_view_logsumexp

__all__ = ["BarlowTwins", "InfoNCE", "two_view_logsumexp", "unit_rows"]
