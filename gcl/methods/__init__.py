"""Mechanisms (classes over objects) and recipes (functions over numbers, one paper each)."""

from gcl.methods.base import Method
from gcl.methods.csgcl import csgcl
from gcl.methods.gbt import gbt
from gcl.methods.gca import gca
from gcl.methods.grace import grace
from gcl.methods.two_view import TwoView

__all__ = ["Method", "TwoView", "csgcl", "gbt", "gca", "grace"]
