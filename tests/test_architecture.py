"""Who may import whom, and what an import costs; lint-imports checks the floors."""

import os
import subprocess
import sys
import types
from pathlib import Path

import networkx  # noqa: F401  the third parties are loaded once, before the forks
import pytest
import scipy.sparse.csgraph  # noqa: F401
import sklearn.cluster
import sklearn.linear_model
import sklearn.svm  # noqa: F401
import torch_geometric  # noqa: F401

import gcl

ROOT = Path(gcl.__file__).parent
MODULES = sorted(
    ".".join(("gcl", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
    if path.name != "__main__.py"
)


def loaded_after(statement):
    """Top-level packages, and modules of this one, in a fresh process."""
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.split()


def imported_first(name):
    """What a fork with an empty `gcl/__init__` has loaded after the import, or why it failed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for known in [m for m in sys.modules if m == "gcl" or m.startswith("gcl.")]:
                del sys.modules[known]
            sys.modules["gcl"] = package = types.ModuleType("gcl")
            package.__path__, package.__version__ = [str(ROOT)], "0"
            __import__(name)
            os.write(writer, " ".join(m for m in sys.modules if m.startswith("gcl.")).encode())
        except BaseException as error:
            os.write(writer, f"! {name}: {error!r}".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        found = pipe.read()
    os.waitpid(child, 0)
    return found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a process a module")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forks beside torch's threads
def test_every_module_can_be_imported_first():
    """No circle hides behind the order of the usual imports.

    A module that its package's `__init__` loads is imported by importing the package.
    """
    seen, broken = {"gcl"}, []
    for name in MODULES:
        if name in seen:
            continue
        found = imported_first(name)
        if found.startswith("!"):
            broken.append(found)
        seen |= {name, *(m for m in found.split() if m.startswith(f"{name}."))}
    assert not broken
    assert seen >= set(MODULES)


def test_the_tests_mirror_the_tree():
    """A test file a module, in the folder of its room."""
    tests = Path(__file__).parent
    modules = [p.relative_to(ROOT) for p in ROOT.rglob("*.py") if not p.stem.startswith("__")]
    absent = [p for p in modules if not (tests / p.with_name(f"test_{p.name}")).is_file()]
    assert not absent, f"without a test file: {', '.join(sorted(map(str, absent)))}"


def test_checks_load_nothing_else():
    found = loaded_after("import gcl.checks")
    assert [m for m in found if m.startswith("gcl")] == ["gcl", "gcl.checks"]


def test_the_package_loads_its_rooms_when_they_are_asked_for():
    found = loaded_after("import gcl")
    assert [m for m in found if m.startswith("gcl")] == ["gcl"]
    assert not {"torch", "scipy", "sklearn", "networkx"} & set(found)


def test_rooms_and_their_modules_are_there_after_importing_the_package():
    names = ("plot", "experiments.run", "experiments.results", "graphs.validate", "training.loop")
    code = "import gcl\n" + "".join(f"gcl.{name}\n" for name in names)
    code += "print(hasattr(gcl, 'nothing'), hasattr(gcl.experiments, 'nothing'))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert found.stdout.split() == ["False", "False"]


def test_a_room_loads_no_library_that_it_does_not_need():
    rooms = "ops", "augment", "losses", "methods"
    code = "import sys, torch, torch_geometric, gcl\nprint(*sys.modules)\n" + "".join(
        f"gcl.{room}\nprint(*sys.modules)\n" for room in rooms
    )
    lines = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    ).stdout.splitlines()
    before, *after = (set(line.split()) for line in lines)
    large = {"scipy", "sklearn", "networkx", "matplotlib", "jsonargparse", "pandas"}
    needs = {"losses": {"scipy"}, "methods": {"scipy", "sklearn", "networkx"}}
    for room, found in zip(rooms, after, strict=True):
        assert not (large & (found - before)) - needs.get(room, set()), room


def test_rooms_and_names_are_there():
    assert set(gcl.__all__) <= set(dir(gcl))
    for name in gcl.__all__:
        assert getattr(gcl, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        gcl.nothing  # noqa: B018
