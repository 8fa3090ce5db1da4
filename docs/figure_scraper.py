"""Pictures for the gallery: the matplotlib figures that a block of an example has made.

sphinx-gallery's own scraper sees only figures that pyplot manages; those of `gcl.plot` are not.
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst


def scrape(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save every figure among the example's variables that was not saved before."""
    paths = []
    for figure in block_vars["example_globals"].values():
        if isinstance(figure, Figure) and not hasattr(figure, "_in_gallery"):
            paths.append(next(block_vars["image_path_iterator"]))
            figure.savefig(paths[-1], dpi=120)
            figure._in_gallery = True  # type: ignore[attr-defined]
    return figure_rst(paths, gallery_conf["src_dir"])
