"""A method from a folder of `gcl.save`: its files are read, its calls made, its weights put in.

Whatever the files hold, nothing runs but gcl's own code and what is trusted, nothing is made that
is much larger than the weights, and a failure is one sentence.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gcl.checkpoint import MISFIT, CheckpointError, random_state, set_random_state
from gcl.contracts import Method
from gcl.experiments.unspelling import AdvisedError, function_of, unspell
from gcl.methods.made import Made

FORMAT = "gcl-method-1"
WEIGHTS, CONFIG = "model.safetensors", "config.json"
LONGEST = 2**20  # bytes of a configuration
MOST_VARIANTS = 32  # around a recipe
USUAL = 65_536  # whole numbers up to here say little of the size of a method
WRONG = (*MISFIT, AssertionError, RecursionError, MemoryError, OverflowError)
DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
_FIELDS: dict[str, tuple[tuple[type, ...], str]] = {
    "recipe": ((dict,), "a call with a name and options"),
    "variants": ((list,), "a list of calls"),
    "data": ((dict, type(None)), "a graph or null"),
    "dtype": ((str,), "a name"),
    "extra": ((dict,), "an object"),
    "sha256": ((str,), "a text"),
}


def read_config(path: Path) -> dict[str, Any]:
    """The calls that made a method, of the form that `gcl.save` writes.

    Raises:
        CheckpointError: of another form.
    """
    if path.stat().st_size > LONGEST:
        raise CheckpointError(f"{path.name} is longer than any that gcl writes")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path.name} is no JSON ({error})") from None
    if not isinstance(config, dict) or not str(config.get("format")).startswith("gcl-method-"):
        raise CheckpointError(f"{path.name} is of no method of gcl")
    if config["format"] != FORMAT:
        raise AdvisedError(
            f"it is of the format {config['format']!r:.40} and this version of gcl reads {FORMAT}; "
            "take a newer one"
        )
    for key, (kinds, words) in _FIELDS.items():
        if key not in config:
            raise CheckpointError(f"{path.name} lacks {key}")
        if not isinstance(config[key], kinds):
            raise CheckpointError(f"{key} in {path.name} is {_shown(config[key])}, not {words}")
    for call in [config["recipe"], *config["variants"]]:
        told = isinstance(call, dict) and isinstance(call.get("options"), dict)
        if not told or not isinstance(call.get("name"), str):
            raise CheckpointError(f"{path.name} has a call without name and options")
    return config


def _shown(value: Any) -> str:
    return f"{json.dumps(value):.40}"


def read_weights(path: Path, digest: str) -> dict[str, Tensor]:
    """The tensors of a file, if it has this checksum.

    Raises:
        CheckpointError: another file, or none of safetensors.
    """
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise CheckpointError(f"{path.name} is not the file that {CONFIG} was written with")
    try:
        return safetensors.torch.load(content)
    except Exception as error:  # a header can announce tensors that torch cannot make
        raise CheckpointError(f"{path.name} is no safetensors file ({error})") from None


def rebuilt(config: dict[str, Any], tensors: dict[str, Tensor], trust: Sequence[str]) -> Method:
    """The method of a configuration, with these weights.

    Args:
        config: as `read_config` gives it.
        tensors: as `read_weights` gives them; some are taken out.
        trust: modules that may be imported.

    Raises:
        CheckpointError: they do not make a method, or one of other weights.
    """
    if config["dtype"] not in DTYPES:
        raise CheckpointError(f"{config['dtype']!r:.40} is no kind of parameters")
    calls = [config["recipe"], *config["variants"]]
    shapes = {key: (tensor.shape, tensor.dtype) for key, tensor in tensors.items()}
    size = sum(tensor.numel() for tensor in tensors.values())
    with same_draws(), _no_larger_than(size, len(tensors)):
        method = _called(calls, config["data"], len(tensors), size, trust)
    _cast(method, DTYPES[config["dtype"]], tensors)
    with _told("the states beside the weights are of another form than gcl writes"):
        state: dict[str, Any] = {k: _untold(v, tensors) for k, v in config["extra"].items()}
    try:
        method.load_state_dict({**tensors, **state})
    except WRONG as error:
        reason = _other_weights(method, {**tensors, **state}) or words_of(error)
        raise CheckpointError(reason) from None
    for key, value in method.state_dict().items():
        if isinstance(value, Tensor) and (value.shape, value.dtype) != shapes.get(key):
            raise CheckpointError(f"the weights {key} are not of the form that its recipe makes")
    if "frozen" in config:
        _freeze(method, config["frozen"])
    return method


def _freeze(method: nn.Module, names: Any) -> None:
    """Parameters of these names are not trained, and all others are."""
    known = dict(method.named_parameters())
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CheckpointError(f"frozen in {CONFIG} is {_shown(names)}, not a list of names")
    if odd := sorted(set(names) - set(known)):
        raise CheckpointError(f"it has no weights {odd[0]!r:.80} that could be frozen")
    for name, parameter in known.items():
        parameter.requires_grad_(name not in names)


def words_of(error: BaseException) -> str:
    """What an error says, on one line and without a full stop, for the middle of a sentence."""
    text = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, LookupError) or not text:
        text = f"{type(error).__name__}{': ' if text else ''}{text}"
    return text if len(text) <= 400 else f"{text[:400]}..."


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Says of an error from further down where it came from."""
    try:
        yield
    except CheckpointError:
        raise
    except WRONG as error:
        raise CheckpointError(f"{what} ({words_of(error)})") from None


def _other_weights(method: Method, state: Mapping[str, Any]) -> str | None:
    """The first weights that a method and a state do not have alike."""
    own = method.state_dict()
    for key in (*own, *state):
        if key not in state:
            return f"the weights {key}, which its recipe makes, are missing"
        if key not in own:
            return f"its recipe makes no weights {key}"
        if isinstance(own[key], Tensor) and isinstance(state[key], Tensor):
            shapes = [list(tensor.shape) for tensor in (state[key], own[key])]
            if shapes[0] != shapes[1]:
                return f"the weights {key} are {shapes[0]}, and its recipe makes {shapes[1]}"
    return None


def _untold(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, dict):
        ((kind, content),) = value.items()
        if kind == "tensor":
            return tensors.pop(content)
        return {name: _untold(part, tensors) for name, part in content.items()}
    return value


def _cast(method: nn.Module, dtype: torch.dtype, tensors: Mapping[str, Tensor]) -> None:
    """Parameters of one kind, and each buffer of the kind that was kept: some are always double."""
    if dtype != torch.get_default_dtype():
        method.to(dtype)
    for key, value in method.named_buffers():
        kept = tensors.get(key)
        if kept is not None and kept.is_floating_point() and value.is_floating_point():
            value.data = value.data.to(kept.dtype)


def _called(
    calls: Sequence[Any], graph: Any, count: int, size: int, trust: Sequence[str]
) -> Method:
    made: Any = None
    if len(calls) - 1 > MOST_VARIANTS:
        raise CheckpointError(f"it has {len(calls) - 1} variants, more than {MOST_VARIANTS}")
    if graph is not None:
        _check_numbers(graph, count, size)
        with _told("its graph is of another form than gcl writes"):
            made = unspell(graph, trust)
    # All names before anything is made: nothing of a folder that is refused has run.
    functions = [function_of(call["name"], at == 0, trust) for at, call in enumerate(calls)]
    for function, call in zip(functions, calls, strict=True):
        _check_names(function, call)
    for at, (function, call) in enumerate(zip(functions, calls, strict=True)):
        _check_numbers(call["options"], count, size)
        with _told(f"{call['name']} cannot be called with the options in {CONFIG}"):
            made = _made_by(function, call, made, trust)
        first = made.made_by.first if isinstance(made.made_by, Made) else None
        if ":" in call["name"] or made.made_by is None:
            spelt: Any = graph if at == 0 else first
            made.made_by = Made(call["name"], call["options"], spelt)
    return made


def _check_names(function: Callable[..., Any], call: Mapping[str, Any]) -> None:
    """Raises CheckpointError for options that a function has not, or a folder may not set."""
    options = call["options"]
    if options.get("pretrained") is not None:
        raise CheckpointError("it names a file beside it (pretrained)")
    known = inspect.signature(function).parameters
    if unknown := sorted(set(options) - set(known)):
        raise CheckpointError(f"{call['name']} has no option {unknown[0]!r:.40}")


def _made_by(
    function: Callable[..., Any], call: Mapping[str, Any], first: Any, trust: Sequence[str]
) -> Method:
    options = {key: unspell(value, trust) for key, value in call["options"].items()}
    made = function(**options) if first is None else function(first, **options)
    if not isinstance(made, Method):
        raise CheckpointError(f"{call['name']} makes no method")
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
        # Of a graph only widths become weights; how many nodes it has is checked where it is made.
        free = name.endswith("seed") or name in ("budget", "num_nodes")
        most = 2**63 if free else count if name == "seeds" else max(USUAL, size)
        if abs(value) > most:
            raise CheckpointError(f"{name} = {value:.3g} fits no method of {size} weights")


@contextmanager
def _no_larger_than(size: int, count: int) -> Iterator[None]:
    """Stops what makes many more numbers, or tensors, than there are weights, while it does."""
    most, registered = 2 * size + 10_000, _Sum(2 * size + 10_000, 4 * count + 200)

    def add(module: nn.Module, name: str, parameter: Any) -> None:
        if isinstance(parameter, Tensor) and type(parameter) is nn.Parameter:
            registered.add(parameter)

    register: Callable[..., Any] = nn.modules.module.register_module_parameter_registration_hook
    handle = register(add)
    try:
        # A variant may copy what it goes around, and the next one copy the copies.
        with _NoLargeTensors(most, copies=_Sum(2 * most, 4 * count + 200)):
            yield
    finally:
        handle.remove()


_LARGER = "its options make a method larger than its weights"


class _Sum:
    """Tensors so far, against how many numbers, and how many of them, there may be."""

    def __init__(self, numbers: int, tensors: int):
        self.numbers, self.tensors = numbers, tensors

    def add(self, tensor: Tensor) -> None:
        self.numbers -= tensor.numel()
        self.tensors -= 1
        if min(self.numbers, self.tensors) < 0:
            raise CheckpointError(_LARGER)


class _NoLargeTensors(TorchDispatchMode):
    """Refuses to make a tensor of more numbers, from nothing, before it takes memory.

    Args:
        most: how many numbers a tensor may have.
        copies: of tensors, which are counted together.
    """

    def __init__(self, most: int, copies: _Sum):
        super().__init__()
        self.most, self.copies = most, copies

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if args and not isinstance(args[0], Tensor) and "sparse" not in str(func):
            size = args[0] if isinstance(args[0], list | tuple) else ()
            counted = str(func).startswith(("aten.arange", "aten.eye"))
            numbers = [abs(n) for n in (args if counted else ()) if isinstance(n, int)]
            if max([math.prod(n for n in size if isinstance(n, int)), *numbers]) > self.most:
                raise CheckpointError(_LARGER)
        if func is torch.ops.aten.clone.default:
            self.copies.add(args[0])
        return func(*args, **(kwargs or {}))


@contextmanager
def same_draws() -> Iterator[None]:
    """The global generators are afterwards as they were."""
    before = random_state()
    try:
        yield
    finally:
        set_random_state(before)
