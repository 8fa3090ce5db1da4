"""The configurations that travel with the package: those of benchmarks/configs."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from gcl.names import did_you_mean


def shipped_folder() -> Path:
    """The folder of `<recipe>/<dataset>.toml`, of the wheel or of the checkout."""
    packed = Path(str(files("gcl.experiments"))) / "configs"
    # A checkout, and an editable install of one, has them where they are edited.
    return packed if packed.is_dir() else Path(__file__).parents[2] / "benchmarks" / "configs"


def configs_in(folder: Path) -> dict[str, Path]:
    """Configurations by name, `recipe/dataset`."""
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in sorted(folder.rglob("*.toml"))
    }


def config_file(name: str) -> Path:
    """A file by its path, or a configuration of the package by its name, `grace/cora`.

    Raises:
        ValueError: there is neither.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = configs_in(shipped_folder())
    if name in shipped:
        return shipped[name]
    raise ValueError(
        f"Cannot read {name}: there is no such file, and no configuration of that name in the "
        f"package; {did_you_mean(name, shipped)}gcl list shows them."
    )
