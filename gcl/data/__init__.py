"""Graphs of your own: from tables, networkx and AnnData, with the ids kept."""

from gcl.data.columns_made import save_columns
from gcl.data.from_anndata import from_anndata, to_obsm
from gcl.data.from_edges import from_edges
from gcl.data.from_networkx import from_networkx

__all__ = ["from_anndata", "from_edges", "from_networkx", "save_columns", "to_obsm"]
