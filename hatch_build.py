"""What a wheel has that the checkout keeps elsewhere: its readme and the configurations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

_INTO_REPOSITORY = re.compile(r"\[([^\]]+)\]\((?!https?://)([^)\s]+)\)")


class Readme(MetadataHookInterface):
    """README.md for an index page, where `[text](docs/page.md)` leads nowhere: text and path."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": _INTO_REPOSITORY.sub(r"\1 (`\2`)", text),
        }


class Configurations(BuildHookInterface):
    """benchmarks/configs, where `gcl.experiments.shipped` looks for them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":  # an editable install is the checkout, and has them
            build_data["force_include"]["benchmarks/configs"] = "gcl/experiments/configs"
