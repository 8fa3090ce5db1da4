"""Pictures for the gallery: the matplotlib figures that a block of an example has made.

sphinx-gallery's own scraper sees only figures that pyplot manages; those of `gcl.plot` are not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image
from sphinx_gallery.scrapers import figure_rst

# Examples in the order of the gallery. Its cards are too small for a whole figure of several parts:
# the number of the figure, and of its axes those that a card shows; all of them if none is told.
CARDS: dict[str, tuple[int, tuple[int, ...]]] = {
    "plot_digits": (3, ()),
    "plot_views": (1, (1,)),
    "plot_losses": (1, (1,)),
    "plot_graph_augmentations": (1, (3, 4)),
    "plot_metapaths": (1, (0, 1)),
    "plot_communities": (1, (1,)),
    "plot_meta_nodes": (1, (1,)),
    "plot_compactness": (1, (0,)),
}


def place(filename: Any) -> tuple[int, str]:
    """Where an example stands in the gallery; one that has no card of its own comes last."""
    stem = Path(filename).stem
    return (list(CARDS).index(stem) if stem in CARDS else len(CARDS), stem)


def scrape(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save every figure among the example's variables that was not saved before.

    What the card shows goes beside them as picture 0: `sphinx_gallery_thumbnail_number = 0`.
    """
    numbered = block_vars["image_path_iterator"]
    shown, parts = CARDS.get(Path(block_vars["src_file"]).stem, (1, ()))
    paths, told = [], []
    for figure in block_vars["example_globals"].values():
        if isinstance(figure, Figure) and not hasattr(figure, "_in_gallery"):
            paths.append(next(numbered))
            figure.savefig(paths[-1], dpi=120)
            figure._in_gallery = True  # type: ignore[attr-defined]
            told.append(_said(figure))
            if len(numbered) == shown:
                _save_card(figure, parts, numbered.image_path.format(0))
    return figure_rst(paths, gallery_conf["src_dir"], "; ".join(told))


def _said(figure: Figure) -> str:
    """A figure in words, for those who do not see it: its titles, or what stands at its axes."""
    titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
    axes = figure.axes[0]
    return ", ".join(filter(None, titles)) or f"{axes.get_ylabel()} by {axes.get_xlabel()}"


def _save_card(figure: Figure, parts: tuple[int, ...], path: str) -> None:
    """Some axes of a figure with what is written at them, large, as they stand in the whole."""
    dpi, margin = 200, 10
    figure.savefig(path, dpi=dpi)
    if not parts:
        return
    boxes = [figure.axes[i].get_tightbbox() for i in parts]
    left, low, right, high = Bbox.union(boxes).extents * dpi / figure.dpi
    with Image.open(path) as whole:
        width, height = whole.size
        box = (left - margin, height - high - margin, right + margin, height - low + margin)
        limits = (width, height, width, height)
        part = whole.crop([min(max(0, round(x)), end) for x, end in zip(box, limits, strict=True)])
    part.save(path)
