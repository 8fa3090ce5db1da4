"""Methods in folders: weights in safetensors, the calls that made them as JSON, a page on both.

The folder is a model repository as hubs have them. Loading calls the recipe again and executes
nothing that the folder holds.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
import torch_geometric
from torch import Tensor, nn
from torch_geometric.data import Data

from gcl import __version__
from gcl.checkpoint import (
    MISFIT,
    CheckpointError,
    random_state,
    set_random_state,
    write_atomically,
)
from gcl.checks import as_path
from gcl.contracts import Method
from gcl.experiments.unspelling import function_of, unspell
from gcl.methods.made import Made, spell
from gcl.nn.code_embedding import CodeEmbedding
from gcl.training.embedding import embed
from gcl.training.given import check_method, unwrapped

FORMAT = "gcl-method-1"
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
LONGEST = 2**20  # bytes of a configuration
USUAL = 65_536  # whole numbers up to here say little of the size of a method
_DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
_OWN_FUNCTION = (
    "Write a function in a module of yours that makes it, and name it: save(method, folder, "
    'made_by="my_module:make", options={...}).'
)
_WRONG = (*MISFIT, RecursionError, MemoryError, OverflowError)


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
        folder: made if missing; a method saved there before is replaced.
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
    inner: Method = unwrapped(method)
    check_method("save", inner)
    path = Path(as_path("save", folder))
    _check_ours(path)
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
    config["extra"] = _split(inner.state_dict(), tensors)
    _check_comes_back(inner, config, tensors)
    weights = safetensors.torch.save(tensors, {"format": "pt"})
    config["sha256"] = hashlib.sha256(weights).hexdigest()
    write_atomically(path / WEIGHTS, weights)
    write_atomically(path / CARD, _card(config).encode())
    write_atomically(path / CONFIG, (json.dumps(config, indent=2) + "\n").encode())
    return path


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
    path = Path(as_path("load", folder))
    trusted = (trust,) if isinstance(trust, str) else tuple(trust)
    for name in (CONFIG, WEIGHTS):
        if not (path / name).is_file():
            raise FileNotFoundError(
                f"load: {path} holds no saved method, {name} is missing; give a folder of "
                "gcl.save, or the folder model of a seed of gcl train --out."
            )
    try:
        config = _read_config(path / CONFIG)
        tensors = _read_weights(path / WEIGHTS, config["sha256"])
        method = _rebuilt(config, tensors, trusted)
    except _WRONG as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise CheckpointError(f"load: {path} holds no method that can be read: {reason}.") from None
    return method.eval()


def _made(method: Method, made_by: str | None, options: Any, data: Any) -> Made:
    if made_by is not None:
        told = {key: spell(value) for key, value in (options or {}).items()}
        return Made(made_by, told, None if data is None else spell(data))
    if options is not None or data is not None:
        raise ValueError("save: options and data are those of made_by, which is not given.")
    if not isinstance(method.made_by, Made):
        raise ValueError(
            f"save: nothing tells how this {type(method).__name__} was made. Write a function in a "
            "module of yours that makes one, and name it: save(method, folder, made_by="
            '"my_module:make", options={...}).'
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
                    f"save: the option {key} of {at.name} is {unspelt}, which no file can tell. "
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
    if len(found) > 1 or not found <= set(_DTYPES):
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


def _untold(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, dict):
        ((kind, content),) = value.items()
        if kind == "tensor":
            return tensors.pop(content)
        return {name: _untold(part, tensors) for name, part in content.items()}
    return value


def _check_comes_back(method: Method, config: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Raises ValueError where the calls make another method than this."""
    calls = [config["recipe"], *config["variants"]]
    trust = [name.rpartition(":")[0] or name for name in (call["name"] for call in calls)]
    trust += [home for call in calls for home in _homes(call["options"])]
    what = "+".join(call["name"] for call in calls)
    try:
        # Through JSON, as it will come back.
        again = _rebuilt(json.loads(json.dumps(config)), dict(tensors), trust)
    except _WRONG as error:
        raise ValueError(
            f"save: {what} does not make this {type(method).__name__} again "
            f"({' '.join(str(error).split()).rstrip('.')}), so it was changed since, or is of "
            f"parts that their attributes do not tell. {_OWN_FUNCTION}"
        ) from None
    if _printed(again) != _printed(method) or not _embeds_alike(method, again, config):
        raise ValueError(
            f"save: this {type(method).__name__} is not as {what} makes it: it was changed since, "
            f"or has parts that their attributes do not tell. {_OWN_FUNCTION}"
        )


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
    return re.sub(r"\(log_weight\): LogWeight\([^)]*\)|\s| at 0x[0-9a-f]+", "", repr(method))


def _embeds_alike(method: Method, again: Method, config: dict[str, Any]) -> bool:
    """Whether a small graph gets the same rows, where a part of others does not tell all of it."""
    graph = (config["data"] or {}).get("graph", {})
    if not set(_homes(config["recipe"]["options"])) or set(graph) != {"x"} or not graph["x"]:
        return True
    n = 12
    generator = torch.Generator().manual_seed(0)
    ring = torch.arange(n)
    edges = torch.stack([torch.cat([ring, (ring + 1) % n]), torch.cat([(ring + 1) % n, ring])])
    x = torch.rand(n, graph["x"]["width"], generator=generator).to(_DTYPES[config["dtype"]])
    if any(isinstance(part, CodeEmbedding) for part in method.modules()):
        x = torch.zeros_like(x, dtype=torch.long)  # the code of what is unknown
    probe = Data(x=x, edge_index=edges)
    with same_draws():
        first, second = embed(method, probe).cpu(), embed(again, probe)
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
    except (OSError, *_WRONG):
        ours = False
    if not ours:
        raise ValueError(
            f"save: {path} has a {there[0]} that is no saved method of gcl; give another folder."
        )


def _read_config(path: Path) -> dict[str, Any]:
    if path.stat().st_size > LONGEST:
        raise CheckpointError(f"{path.name} is longer than any that gcl writes")
    try:
        config = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path.name} is no JSON ({error})") from None
    if not isinstance(config, dict) or not str(config.get("format")).startswith("gcl-method-"):
        raise CheckpointError(f"{path.name} is of no method of gcl")
    if config["format"] != FORMAT:
        raise CheckpointError(
            f"it is of the format {config['format']!r:.40} and this version of gcl reads {FORMAT}; "
            "take a newer one"
        )
    if missing := {"recipe", "variants", "data", "dtype", "extra", "sha256"} - set(config):
        raise CheckpointError(f"{path.name} lacks {', '.join(sorted(missing))}")
    variants = config["variants"]
    for call in [config["recipe"], *(variants if isinstance(variants, list) else [None])]:
        if not isinstance(call, dict) or not isinstance(call.get("options"), dict):
            raise CheckpointError(f"{path.name} has a call without name and options")
    return config


def _read_weights(path: Path, digest: Any) -> dict[str, Tensor]:
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise CheckpointError(f"{path.name} is not the file that {CONFIG} was written with")
    try:
        return safetensors.torch.load(content)
    except Exception as error:  # a header can announce tensors that torch cannot make
        raise CheckpointError(f"{path.name} is no safetensors file ({error})") from None


def _rebuilt(config: dict[str, Any], tensors: dict[str, Tensor], trust: Sequence[str]) -> Method:
    """The method of a configuration, with these weights."""
    calls = [config["recipe"], *config["variants"]]
    shapes = {key: (tensor.shape, tensor.dtype) for key, tensor in tensors.items()}
    with same_draws(), _no_larger_than(tensors):
        method = _called(
            calls, config["data"], len(tensors), sum(map(_size, tensors.values())), trust
        )
    if config["dtype"] not in _DTYPES:
        raise CheckpointError(f"{config['dtype']!r:.40} is no kind of parameters")
    _cast(method, _DTYPES[config["dtype"]], tensors)
    state: dict[str, Any] = {key: _untold(value, tensors) for key, value in config["extra"].items()}
    method.load_state_dict({**tensors, **state})
    for key, value in method.state_dict().items():
        if isinstance(value, Tensor) and (value.shape, value.dtype) != shapes.get(key):
            raise CheckpointError(f"the weights {key} are not of the form that its recipe makes")
    return method


def _cast(method: nn.Module, dtype: torch.dtype, tensors: Mapping[str, Tensor]) -> None:
    """Parameters of one kind, and each buffer of the kind that was kept: some are always double."""
    if dtype != torch.get_default_dtype():
        method.to(dtype)
    for key, value in method.named_buffers():
        kept = tensors.get(key)
        if kept is not None and kept.is_floating_point() and value.is_floating_point():
            value.data = value.data.to(kept.dtype)


def _size(tensor: Tensor) -> int:
    return tensor.numel()


def _called(
    calls: Sequence[Any], graph: Any, count: int, size: int, trust: Sequence[str]
) -> Method:
    made: Any = None if graph is None else unspell(graph, trust)
    for at, call in enumerate(calls):
        function = function_of(call.get("name"), at == 0, trust)
        _check_numbers(call["options"], count, size)
        options = {key: unspell(value, trust) for key, value in call["options"].items()}
        if options.get("pretrained") is not None:
            raise CheckpointError("it names a file beside it (pretrained)")
        known = inspect.signature(function).parameters
        if unknown := sorted(set(options) - set(known)):
            raise CheckpointError(f"{call['name']} has no option {unknown[0]!r:.40}")
        made = function(**options) if made is None else function(made, **options)
        if not isinstance(made, Method):
            raise CheckpointError(f"{call['name']} makes no method")
        first = made.made_by.first if isinstance(made.made_by, Made) else None
        if ":" in call["name"] or made.made_by is None:
            spelt: Any = graph if at == 0 else first
            made.made_by = Made(call["name"], call["options"], spelt)
    return made


def _check_numbers(value: Any, count: int, size: int, name: str = "") -> None:
    """Raises CheckpointError for whole numbers that no method of this size is made with."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            inside = key in ("tuple", "dict", "init_args", "class_path")
            _check_numbers(part, count, size, name if inside else str(key))
    elif isinstance(value, list):
        for part in value:
            _check_numbers(part, count, size, name)
    elif isinstance(value, int) and not isinstance(value, bool):
        free = name.endswith("seed") or name == "budget"
        most = 2**63 if free else count if name == "seeds" else max(USUAL, size)
        if abs(value) > most:
            raise CheckpointError(f"{name} = {value:.3g} fits no method of {size} weights")


@contextmanager
def _no_larger_than(tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Stops what makes many more parameters than there are weights, before memory is touched."""
    most, made = 2 * sum(map(_size, tensors.values())) + 10_000, [0]

    def count(module: nn.Module, name: str, parameter: Any) -> None:
        if isinstance(parameter, Tensor) and type(parameter) is nn.Parameter:
            made[0] += parameter.numel()
        if made[0] > most:
            raise CheckpointError("its options make a method larger than its weights")

    register: Callable[..., Any] = nn.modules.module.register_module_parameter_registration_hook
    handle = register(count)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def same_draws() -> Iterator[None]:
    """The global generators are afterwards as they were."""
    before = random_state()
    try:
        yield
    finally:
        set_random_state(before)


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
