"""`gcl plot`: figures of a finished run."""

from __future__ import annotations

import json
from pathlib import Path

from gcl.cli.options import Parser


def plot_command(arguments: list[str]) -> None:
    parser = Parser("gcl plot", description="Figures of a finished run.")
    parser.add_argument("folder", help="a folder written by gcl train --out")
    parser.add_argument("--seed", type=int, default=0, help="which seed's run (default 0)")
    parser.add_argument("--projection", choices=("tsne", "pca"), default="tsne")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args(arguments)
    try:
        from gcl.experiments import figures
    except ImportError as error:
        raise ValueError(f"{error}; install the extra: pip install 'pyg-gcl[plot]'.") from None
    files = figures.plot_run(Path(chosen.folder), seed=chosen.seed, projection=chosen.projection)
    if chosen.json:
        print(json.dumps({"files": [str(f) for f in files]}))
    else:
        print("\n".join(str(f) for f in files))
