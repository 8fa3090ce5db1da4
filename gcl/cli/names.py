"""Names of recipes, variants and data sets, read from the source: no library is loaded for them."""

from __future__ import annotations

import ast
from pathlib import Path

from gcl.names import did_you_mean

PACKAGE = Path(__file__).parent.parent


def recipe_names() -> list[str]:
    """As `gcl.methods.recipes.__all__`, sorted."""
    return sorted(_literals("methods/recipes/__init__.py", "__all__"))


def variant_names() -> list[str]:
    """As `gcl.methods.variants.__all__`."""
    return _literals("methods/variants/__init__.py", "__all__")


def dataset_names() -> list[str]:
    """As `gcl.datasets.names()`."""
    return _literals("datasets/load.py", "DATASETS")


def check_names(recipe: str, dataset: str | None) -> None:
    """The names of a run, before anything is loaded.

    Raises:
        ValueError: an unknown one that is not of the form package.module:function.
    """
    first, *rest = recipe.split("+")
    asked = [("recipe", first, recipe_names())]
    asked += [("variant", name, variant_names()) for name in rest]
    if dataset is not None:
        asked.append(("data set", dataset.lower().replace("_", "-"), dataset_names()))
    for kind, name, known in asked:
        if ":" in name or name.endswith(".py") or name in known:
            continue
        if "/" in name or Path(name).suffix or Path(name).exists():
            raise ValueError(
                f"{kind} {name!r} is a file or a path; write a function that returns it in a "
                "Python file of yours, and give my_file.py:function."
            )
        raise ValueError(
            f"Unknown {kind} {name!r}; {did_you_mean(name, known)}known: "
            f"{', '.join(known)}, or your own as "
            "package.module:function or my_file.py:function."
        )


def _literals(path: str, variable: str) -> list[str]:
    """The strings of a list, or the keys of a dict, that a module assigns to a variable."""
    tree = ast.parse((PACKAGE / path).read_text())
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(t, ast.Name) and t.id == variable for t in targets):
            found = next(n for n in ast.walk(node) if isinstance(n, ast.List | ast.Dict))
            parts = found.keys if isinstance(found, ast.Dict) else found.elts
            return [str(part.value) for part in parts if isinstance(part, ast.Constant)]
    raise LookupError(f"{path} assigns no {variable}")
