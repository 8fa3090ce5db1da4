"""Methods in folders: weights in safetensors, the calls that made them as JSON, a page on both.

The folder is a model repository as hubs have them. Loading calls the recipe again and executes
nothing that the folder holds.
"""

from __future__ import annotations

import copy
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
import torch_geometric
from torch import Tensor, nn
from torch_geometric.data import Data

from gcl import __version__
from gcl.checkpoint import CheckpointError
from gcl.checks import as_path, shown
from gcl.contracts import Method
from gcl.experiments.method_files import CARD, read_method, write_method
from gcl.experiments.rebuilding import (
    CONFIG,
    DTYPES,
    FORMAT,
    WEIGHTS,
    WRONG,
    rebuilt,
    same_draws,
    words_of,
)
from gcl.experiments.unspelling import AdvisedError
from gcl.methods.made import Made, spell
from gcl.nn.code_embedding import CodeEmbedding
from gcl.training.embedding import embed
from gcl.training.given import check_method, unwrapped

_DAMAGED = "take another copy of the folder, or save the method again"
_OWN_FUNCTION = (
    "write a function in a module of yours that makes it, and name it: save(method, folder, "
    'made_by="my_module:make", options={...}).'
)


def save(
    method: Method,
    folder: str | os.PathLike[str],
    *,
    made_by: str | None = None,
    options: Mapping[str, Any] | None = None,
    data: Any = None,
) -> Path:
    """Write a method to a folder that `load` reads, in this program or another.

    The folder has `model.safetensors` (weights), `config.json` (the calls of recipe and variants,
    what they read of the graph, versions) and `README.md`; a hub's `upload_folder` takes it as it
    is. Nothing in it is a pickle, and nothing of the graph but the names of its types, its widths
    and numbers of nodes.

    Args:
        method: of a recipe, with or without variants around it, trained or not.
        folder: made if missing; a method saved there before is replaced in one step, so that a
            program that is killed leaves the one or the other.
        made_by: "package.module:function", for a method that no recipe made: what to call for one
            of the same parts.
        options: its keyword arguments.
        data: the graph that is its first argument, of which the shapes are kept; none if None.

    Returns:
        The folder.

    Raises:
        TypeError: no method.
        ValueError: a method whose parts nothing tells, or that was changed since; options that no
            file can hold; a folder with files of another kind.

    Example:
        >>> import gcl, tempfile
        >>> data = gcl.datasets.load("karate")
        >>> method = gcl.methods.grace(data, hidden=8)
        >>> folder = save(method, tempfile.mkdtemp())
        >>> bool((gcl.embed(load(folder), data) == gcl.embed(method, data)).all())
        True
    """
    return written(method, folder, made_by=made_by, options=options, data=data)[0]


def written(
    method: Method,
    folder: str | os.PathLike[str],
    *,
    made_by: str | None = None,
    options: Mapping[str, Any] | None = None,
    data: Any = None,
) -> tuple[Path, str]:
    """As `save`, with the checksum of the weights."""
    inner: Method = unwrapped(method)
    check_method("save", inner)
    path = Path(as_path("save", folder))
    _check_ours(path)
    _check_remembers_nothing(inner)
    config = {
        "format": FORMAT,
        "library_name": "gcl",
        **_calls(_made(inner, made_by, options, data)),
        "dtype": _dtype(inner),
        "versions": {
            "gcl": __version__,
            "torch": str(torch.__version__),
            "torch_geometric": str(torch_geometric.__version__),
        },
    }
    tensors: dict[str, Tensor] = {}
    config["frozen"] = [name for name, p in inner.named_parameters() if not p.requires_grad]
    config["extra"] = _split(inner.state_dict(), tensors)
    _check_comes_back(inner, config, tensors)
    weights = safetensors.torch.save(tensors, {"format": "pt"})
    return path, write_method(path, weights, config, _card(config))


def load(folder: str | os.PathLike[str], *, trust: str | Sequence[str] = ()) -> Method:
    """The method that `save` wrote, on the CPU, in evaluation mode.

    Its recipe is called again with the options kept, then the weights are put in, each in its
    place. Code outside gcl runs only where it is trusted by name.

    Args:
        folder: of `save`.
        trust: modules that may be imported, with those inside them: of recipes, encoders and other
            parts of one's own.

    Raises:
        FileNotFoundError: no such folder, or one without a saved method.
        CheckpointError: damaged, of another kind or version, or in need of code that is not
            trusted.

    Example:
        >>> import gcl, tempfile
        >>> data = gcl.datasets.load("karate")
        >>> folder = save(gcl.methods.macl(gcl.methods.grace(data, hidden=8)), tempfile.mkdtemp())
        >>> load(folder).made_by.name
        'macl'
    """
    return loaded(folder, trust=trust)[0]


def loaded(
    folder: str | os.PathLike[str], *, trust: str | Sequence[str] = ()
) -> tuple[Method, str]:
    """As `load`, with the checksum of the weights."""
    path = Path(as_path("load", folder))
    trusted = names_of("load", trust)
    try:
        config, tensors = read_method(path)
        method = rebuilt(config, tensors, trusted)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        name = WEIGHTS if str(error.filename).endswith(WEIGHTS) else CONFIG
        raise FileNotFoundError(
            f"load: {path} holds no saved method, {name} is missing; give a folder of "
            "gcl.save, or the folder model of a seed of gcl train --out."
        ) from None
    except AdvisedError as error:
        raise CheckpointError(f"load: {path} holds no method that can be read: {error}.") from None
    except (OSError, *WRONG) as error:
        raise CheckpointError(
            f"load: {path} holds no method that can be read: {words_of(error)}; {_DAMAGED}."
        ) from None
    return method.eval(), config["sha256"]


def names_of(owner: str, trust: Any) -> tuple[str, ...]:
    """The modules that are trusted: one name, or several.

    Raises:
        TypeError: anything else.
    """
    named = (trust,) if isinstance(trust, str) else trust
    if not isinstance(named, list | tuple | set | frozenset) or not all(
        isinstance(name, str) for name in named
    ):
        raise TypeError(
            f'{owner}: trust must be names of modules such as ["my_package"], got {shown(trust)}; '
            "leave it out where none is needed."
        )
    return tuple(named)


def _made(method: Method, made_by: str | None, options: Any, data: Any) -> Made:
    if made_by is not None:
        told = {key: spell(value) for key, value in (options or {}).items()}
        return Made(made_by, told, None if data is None else spell(data))
    if options is not None or data is not None:
        raise ValueError("save: options and data are those of made_by, which is not given.")
    if not isinstance(method.made_by, Made):
        raise ValueError(
            f"save: nothing tells how this {type(method).__name__} was made; {_OWN_FUNCTION}"
        )
    return method.made_by


def _calls(made: Made) -> dict[str, Any]:
    """The recipe's call, those of the variants with the innermost first, and the graph."""
    calls = []
    at: Any = made
    while isinstance(at, Made):
        for key, value in at.options.items():
            if unspelt := _unspelt(value):
                raise ValueError(
                    f"save: the option {key} of {at.name} is {unspelt}, which no file can tell; "
                    f"{_OWN_FUNCTION}"
                )
        if at.name.startswith("__main__:") or "__main__" in _homes(at.options):
            raise ValueError(
                f"save: {at.name} needs code of the script that runs; move it to a module of its "
                "own, which loading can import."
            )
        calls.append({"name": at.name, "options": dict(at.options)})
        at = at.first
    recipe, *variants = reversed(calls)
    return {"recipe": recipe, "variants": variants, "data": at}


def _unspelt(value: Any) -> str | None:
    if isinstance(value, Mapping):
        if "unspelt" in value:
            return str(value["unspelt"])
        value = list(value.values())
    if isinstance(value, list):
        return next(filter(None, map(_unspelt, value)), None)
    return None


def _dtype(method: nn.Module) -> str:
    found = {str(p.dtype).removeprefix("torch.") for p in method.parameters()}
    if len(found) > 1 or not found <= set(DTYPES):
        raise ValueError(
            f"save: parameters of {', '.join(sorted(found))}; make them of one kind: "
            "method.float()."
        )
    return next(iter(found), "float32")


def _split(state: Mapping[str, Any], tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Tensors apart from what else a state holds, in which their names stand."""
    extra = {}
    for key, value in state.items():
        if isinstance(value, Tensor):
            # A copy: of tensors that share memory safetensors would refuse all but one.
            tensors[key] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        else:
            extra[key] = _told(value, key, tensors)
    return extra


def _told(value: Any, key: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[key] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": key}
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {
            "dict": {name: _told(part, f"{key}/{name}", tensors) for name, part in value.items()}
        }
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(
        f"save: the state {key} holds a {type(value).__name__}, which no file can tell."
    )


def _check_remembers_nothing(method: Method) -> None:
    """Raises ValueError where a layer of PyG keeps a graph, of which its state does not tell."""
    for name, part in method.named_modules():
        if any(k.startswith("_cached") and v is not None for k, v in vars(part).items()):
            raise ValueError(
                f"save: {name}, a {type(part).__name__}, remembers the first graph or view that it "
                "saw, which no file can tell; make the encoder without cached=True and train it "
                "again."
            )


def _check_comes_back(method: Method, config: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Raises ValueError where the calls make another method than this."""
    calls = [config["recipe"], *config["variants"]]
    trust = [name.rpartition(":")[0] or name for name in (call["name"] for call in calls)]
    trust += [home for call in calls for home in _homes(call["options"])]
    what = "+".join(call["name"] for call in calls)
    try:
        # Through JSON, as it will come back.
        again = rebuilt(json.loads(json.dumps(config)), dict(tensors), trust)
    except WRONG as error:
        raise ValueError(
            f"save: {what} does not make this {type(method).__name__} again "
            f"({words_of(error)}), so it was changed since, or is of "
            f"parts that their attributes do not tell; {_OWN_FUNCTION}"
        ) from None
    part = _other_part(method, again)
    if part or _printed(again) != _printed(method) or not _embeds_alike(method, again, config):
        raise ValueError(
            f"save: {part or f'this {type(method).__name__}'} is not as {what} makes it: it was "
            f"changed since, or has parts that their attributes do not tell; {_OWN_FUNCTION}"
        )


def _other_part(method: Method, again: Method) -> str | None:
    """The first layer of torch or PyG that was made otherwise, by its name.

    Those keep what they were made with, and no count of anything, in public attributes.
    """
    made = dict(again.named_modules())
    for name, part in method.named_modules():
        home = type(part).__module__
        if home.startswith(("torch.nn.", "torch_geometric.nn.")) and not _alike(part, made[name]):
            return f"{name}, a {type(part).__name__},"
    return None


def _alike(one: nn.Module, other: nn.Module) -> bool:
    if type(one) is not type(other) or one._parameters.keys() != other._parameters.keys():
        return False
    for key, value in vars(one).items():
        if key.startswith("_") or key == "training":
            continue
        told = vars(other).get(key)
        if isinstance(value, float) and isinstance(told, float):
            if not math.isclose(value, told, rel_tol=1e-4):  # sums over a made up histogram
                return False
        elif isinstance(value, bool | int | str | None) and value != told:
            return False
    return True


def _homes(value: Any) -> Iterator[str]:
    """Modules that spelt values name."""
    if isinstance(value, list):
        for part in value:
            yield from _homes(part)
    elif isinstance(value, Mapping):
        if isinstance(value.get("class_path"), str):
            yield value["class_path"].rpartition(".")[0]
        if isinstance(value.get("function"), str):
            yield value["function"].rpartition(":")[0]
        for part in value.values():
            yield from _homes(part)


def _printed(method: Method) -> str:
    """How a method prints itself, without what changes by training, or from object to object."""
    text = re.sub(r"np\.\w+\(([^()]*)\)", r"\1", repr(method))  # 0.1 and np.float64(0.1) are one
    return re.sub(r"\(log_weight\): LogWeight\([^)]*\)|\s| at 0x[0-9a-f]+", "", text)


def _embeds_alike(method: Method, again: Method, config: dict[str, Any]) -> bool:
    """Whether a small graph gets the same rows, where a part of others does not tell all of it."""
    graph = (config["data"] or {}).get("graph", {})
    if not set(_homes(config["recipe"]["options"])) or set(graph) != {"x"} or not graph["x"]:
        return True
    n = 12
    generator = torch.Generator().manual_seed(0)
    ring = torch.arange(n)
    edges = torch.stack([torch.cat([ring, (ring + 1) % n]), torch.cat([(ring + 1) % n, ring])])
    x = torch.rand(n, graph["x"]["width"], generator=generator).to(DTYPES[config["dtype"]])
    if any(isinstance(part, CodeEmbedding) for part in method.modules()):
        x = torch.zeros_like(x, dtype=torch.long)  # the code of what is unknown
    probe = Data(x=x, edge_index=edges)
    width = next((w for part in method.modules() if (w := getattr(part, "edge_dim", None))), None)
    if isinstance(width, int):
        probe.edge_attr = torch.rand(2 * n, width, generator=generator).to(x.dtype)
    try:
        with same_draws():
            # A copy: some layers remember the first graph that they see.
            first = embed(copy.deepcopy(method), probe).cpu()
    except WRONG:  # it takes other graphs
        return True
    with same_draws():
        second = embed(copy.deepcopy(again), probe)
    return first.shape == second.shape and torch.allclose(first, second, 1e-3, 1e-4, equal_nan=True)


def _check_ours(path: Path) -> None:
    """Raises ValueError where a folder has files that would be lost."""
    if path.exists() and not path.is_dir():
        raise ValueError(f"save: {path} is a file; give a folder.")
    there = [name for name in (CONFIG, CARD, WEIGHTS) if (path / name).exists()]
    if not there:
        return
    try:
        ours = str(json.loads((path / CONFIG).read_text())["format"]).startswith("gcl-method-")
    except (OSError, *WRONG):
        ours = False
    if not ours:
        raise ValueError(
            f"save: {path} has a {there[0]} that is no saved method of gcl; give another folder."
        )


def _card(config: dict[str, Any]) -> str:
    calls = [config["recipe"], *config["variants"]]
    name = "+".join(call["name"] for call in calls)
    own = sorted({call["name"].rpartition(":")[0] for call in calls if ":" in call["name"]})
    trust = f", trust={own!r}" if own else ""
    options = "\n".join(
        f"| {call['name']} | {key} | `{json.dumps(value)}` |"
        for call in calls
        for key, value in call["options"].items()
    ).replace("__", r"\_\_")
    return f"""\
---
library_name: gcl
tags:
- graph-contrastive-learning
- pytorch-geometric
- node-embeddings
---

# {name}

Embeddings of graphs, learnt without labels by [gcl](https://pypi.org/project/pyg-gcl/)
{config["versions"]["gcl"]}.

```python
import gcl

method = gcl.load("this/folder"{trust})
z = gcl.embed(method, data)  # data: a torch_geometric graph of the same kinds of features
```

On the command line: `gcl embed this/folder DATA --out z.csv`.

`model.safetensors` holds the weights, `config.json` the calls that made the method. No file is a
pickle.

| call | option | value |
| --- | --- | --- |
{options}
"""
