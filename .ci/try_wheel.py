"""Build sdist and wheel, and use the wheel as a stranger would: no checkout in sight.

The wheel is installed alone, into a fresh environment that borrows the libraries of the running
one: torch is not installed a second time, and the editable install beside them is not seen.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHECK = """
import sys
from importlib.metadata import files, metadata
from pathlib import Path
import gcl
home = Path(gcl.__file__).parent
assert home.is_relative_to(sys.prefix), home
assert (home / "py.typed").is_file()
about = metadata("pyg-gcl")
assert "](docs/" not in about.get_payload() + (about["Description"] or ""), "relative links"
from gcl.experiments.shipped import configs_in, shipped_folder
assert shipped_folder().is_relative_to(home), shipped_folder()
assert "grace/cora" in configs_in(shipped_folder())
tops = {f.parts[0] for f in files("pyg-gcl")}
assert tops == {"gcl", "..", f"pyg_gcl-{gcl.__version__}.dist-info"}, tops
"""
COMMANDS = (
    ("--version",),
    ("list", "--json"),
    ("train", "--config", "grace/digits", "--epochs", "2", "--no-cluster"),
    ("train", "dgi", "karate", "--epochs", "2", "--out", "run"),
    ("bench", "--only", "scgc/digits", "--seeds", "1", "--no-cluster", "--out", "board.csv"),
)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _say("building sdist, and the wheel from it")
        # With the hatchling of this environment: needs no network.
        _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
        (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
        with tarfile.open(sdist) as archive:
            names = {member.partition("/")[2] for member in archive.getnames()}
        for needed in ("CITATION.cff", "LICENSE", "README.md", "gcl/py.typed"):
            assert needed in names, f"{sdist.name} lacks {needed}"
        _say(f"{wheel.name}, {wheel.stat().st_size / 1e6:.1f} MB, in a fresh environment")
        home = folder / "venv"
        venv.create(home, with_pip=True)
        python = home / "bin" / "python"
        _run(python, "-m", "pip", "install", "--quiet", "--no-deps", wheel, cwd=folder)
        # A .pth adds a folder, and does not read the .pth files in it, where editable installs are.
        site = next((home / "lib").glob("python*/site-packages"))
        (site / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        _run(python, "-c", CHECK, cwd=folder)
        for command in COMMANDS:
            _say("gcl " + " ".join(command))
            _run(home / "bin" / "gcl", *command, cwd=folder)
        assert (folder / "board.csv").is_file()
    _say("the wheel works outside of the checkout")


def _run(*command: object, cwd: Path) -> None:
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}==> FAILED: {' '.join(map(str, command))[:200]}")


def _say(line: str) -> None:
    print(f"==> {line}", flush=True)


if __name__ == "__main__":
    main()
