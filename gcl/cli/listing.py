"""`gcl list`: what there is."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from gcl import datasets, evaluate
from gcl.cli.options import Parser
from gcl.experiments.config import PROTOCOLS, protocol_line
from gcl.experiments.lookup import first_line
from gcl.experiments.shipped import configs_in, shipped_folder
from gcl.methods import recipes, variants


def list_command(arguments: list[str]) -> None:
    parser = Parser("gcl list")
    parser.add_argument("--json", action="store_true", help="print JSON")
    as_json = parser.parse_args(arguments).json
    content: dict[str, dict[str, str]] = {
        "recipes": {name: first_line(getattr(recipes, name)) for name in sorted(recipes.__all__)},
        "variants": {name: first_line(getattr(variants, name)) for name in variants.__all__},
        "data sets": {name: source.about for name, source in datasets.DATASETS.items()},
        "protocols": {name: protocol_line(name) for name in PROTOCOLS},
        "protocols for sets of graphs": {
            name: protocol_line(name) for name in evaluate.GRAPH_PROTOCOLS
        },
        "configurations, for --config RECIPE/NAME": _configurations(),
    }
    if as_json:
        print(json.dumps(content, indent=2))
        return
    for title, entries in content.items():
        table = Table(title=title, title_justify="left", show_header=False, box=None)
        for name, line in entries.items():
            table.add_row(f"[bold]{name}[/bold]", line)
        Console().print(table, "")


def _configurations() -> dict[str, str]:
    """The names of those that come with the package, by recipe."""
    found: dict[str, list[str]] = {}
    for name in configs_in(shipped_folder()):
        recipe, _, rest = name.partition("/")
        found.setdefault(recipe, []).append(rest)
    return {recipe: ", ".join(rest) for recipe, rest in found.items()}
