"""A second device on a machine that has none: to see what a training step does on a GPU.

Inside `other_device()` tensors moved to `OTHER` stay where they are in memory, but say that they
are elsewhere, and everything computed from them says so too. What a real device refuses is refused:

    an operation on tensors of both (but for single numbers, as torch has it)   WrongDevice
    in `step()`, a random draw of more than one number on the CPU               WrongDevice
    a draw from a generator of the other device                                 WrongDevice
    a kernel that only CPUs have; NumPy's view of a tensor that is elsewhere    WrongDevice

and what makes the host wait for the device is counted, with the line of the package that asked:

    item(), bool(), int(), float(), tolist(), cpu(), equal(), nonzero(), unique(), bincount(),
    an index by a mask, repeat_interleave() without output_size, ...

One draw on the CPU is allowed: the choice among a few things that the host then does.
The autograd engine, custom functions, sparse matrices and PyG run as always. What is not seen:
memory that NumPy or TorchScript reach without torch, and what CUDA's kernels round otherwise.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.utils import clip_grad
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

import gcl

OTHER = torch.device("cuda", 0)
CPU = torch.device("cpu")
PACKAGE = str(Path(gcl.__file__).parent)
aten = torch.ops.aten

# Times that the host waits for the device, by operation.
WAITS: dict[Any, int] = {
    aten._local_scalar_dense: 1,
    aten.equal: 1,
    aten.nonzero: 1,
    aten.masked_select: 1,
    aten._unique2: 1,
    aten._unique: 1,
    aten.unique_dim: 1,
    aten.unique_consecutive: 1,
    aten.bincount: 2,  # the smallest and the largest number
    aten.multinomial: 1,  # whether the chances are finite
    aten._to_sparse: 1,
    aten._to_sparse_csr: 1,
    aten._coalesce: 1,
    aten._linalg_eigh: 1,
    aten._linalg_svd: 1,
    aten.linalg_eig: 1,
    aten.histc: 1,
}
ONLY_ON_CPUS = {aten._sparse_mm_reduce_impl}
# Tensors there may be indexed by lists of the host, which are copied.
INDEXED = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}
# Here one number of the host may stand beside tensors that are elsewhere.
TAKE_NUMBERS = {
    aten.index_put, aten.index_put_, aten._index_put_impl_, aten.masked_fill, aten.masked_fill_,
    aten.fill_, aten.where, aten.clamp, aten.lerp, aten.lerp_,
}  # fmt: skip
FACTORIES = (
    "arange", "asarray", "as_tensor", "empty", "empty_like", "eye", "full", "full_like", "linspace",
    "normal", "ones", "ones_like", "rand", "rand_like", "randint", "randint_like", "randn",
    "randn_like", "randperm", "scalar_tensor", "sparse_coo_tensor", "sparse_compressed_tensor",
    "sparse_csr_tensor", "tensor", "tril_indices", "triu_indices", "zeros", "zeros_like",
)  # fmt: skip
NEW = ("new_empty", "new_full", "new_ones", "new_tensor", "new_zeros")


class WrongDevice(AssertionError):
    """What a real device would refuse."""


class Generator(torch.Generator):
    """A generator that may say that it is elsewhere."""

    elsewhere: ClassVar[dict[int, Generator]] = {}  # kept: their places name them

    def __new__(cls, device: Any = CPU) -> Generator:
        made = super().__new__(cls)
        if _full(device) == OTHER:
            cls.elsewhere[made._cdata] = made
        return made

    def __init__(self, device: Any = CPU):
        super().__init__()

    @property
    def device(self) -> torch.device:
        return OTHER if self._cdata in self.elsewhere else CPU


class Watch(TorchDispatchMode):
    """Knows what is elsewhere, refuses mixtures, and counts."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # or torch loads its compiler, for seconds

    def __init__(self) -> None:
        super().__init__()
        self._elsewhere: dict[int, StorageWeakRef] = {}
        # Made by torch's own C++, which took the place from a tensor: it is where it is used.
        self._anywhere: dict[int, StorageWeakRef] = {}
        self._target: torch.device | None = None
        self._strict = False
        self.waits: Counter[str] = Counter()  # of the host for the device, by place
        self.copies: Counter[str] = Counter()  # from the host to the device, by place

    def holds(self, tensor: Tensor) -> bool:
        """Whether a tensor is on the other device."""
        return _storage(tensor)._cdata in self._elsewhere

    @contextmanager
    def step(self) -> Iterator[None]:
        """A step of training: counted from 0, and draws belong to the other device."""
        self.waits.clear()
        self.copies.clear()
        self._strict = True
        try:
            yield
        finally:
            self._strict = False

    @property
    def waited(self) -> int:
        return sum(self.waits.values())

    @contextmanager
    def making(self, device: torch.device) -> Iterator[None]:
        """What torch makes inside is on this device."""
        before, self._target = self._target, device
        try:
            yield
        finally:
            self._target = before

    def move(self, tensor: Tensor, device: torch.device, **how: Any) -> Tensor:
        """A copy on the device."""
        self.count(self.copies if device == OTHER else self.waits, "copy")
        return _Move.apply(tensor, device, self, how)

    def count(self, counter: Counter[str], what: str, times: int = 1) -> None:
        counter[f"{what} at {_place()}"] += times

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = func.overloadpacket
        given = _tensors(*args, *kwargs.values())
        there = [self.holds(t) for t in given]
        elsewhere = any(there) if self._target is None else self._target == OTHER
        if elsewhere and self._anywhere and not all(there):
            for number, tensor in enumerate(given):
                if not there[number] and _storage(tensor)._cdata in self._anywhere:
                    self._tag(tensor)
                    there[number] = True
        if self._target is None and elsewhere:
            if packet in ONLY_ON_CPUS:
                raise WrongDevice(f"{func} exists on CPUs only, at {_place()}")
            if packet is aten.copy_:
                elsewhere = there[0]
                if there[0] != there[1]:
                    self.count(self.copies if there[0] else self.waits, "copy_")
            elif not all(there):
                self._check(func, given, there)
            times = _waits(func, args, kwargs)
            if times:
                self.count(self.waits, str(packet).removeprefix("aten."), times)
        draws = torch.Tag.nondeterministic_seeded in func.tags
        if draws:
            self._check_draw(func, kwargs, elsewhere)
        if packet is aten.mm and func._overloadname == "dtype":
            out = _mm_into(*args)
        else:
            out = func(*args, **kwargs)
        results = _tensors(out)
        if self._strict and draws and not elsewhere:
            largest = max(t.numel() for t in results)
            if largest > 1:
                raise WrongDevice(f"{func} draws {largest} numbers on the CPU at {_place()}")
        if elsewhere:
            for tensor in results:
                self._tag(tensor)
        elif not given and self._target is None:
            self._note(results, self._anywhere)
        return out

    def _check(self, func: Any, given: list[Tensor], there: list[bool]) -> None:
        packet = func.overloadpacket
        numbers = torch.Tag.pointwise in func.tags or "_foreach" in str(packet)
        numbers = numbers or packet in TAKE_NUMBERS
        for number, (tensor, away) in enumerate(zip(given, there, strict=True)):
            if away or (numbers and tensor.dim() == 0):
                continue
            if packet in INDEXED and number > 0 and there[0] and not tensor.is_floating_point():
                self.count(self.copies, "index")
                continue
            shapes = [
                f"{list(t.shape)} {'there' if o else 'here'}"
                for t, o in zip(given, there, strict=True)
            ]
            raise WrongDevice(f"{func} of two devices at {_place()}: {', '.join(shapes)}")

    def _check_draw(self, func: Any, kwargs: dict[str, Any], elsewhere: bool) -> None:
        generator = kwargs.get("generator")
        if generator is not None and elsewhere != (generator._cdata in Generator.elsewhere):
            raise WrongDevice(f"{func} draws from a generator of another device at {_place()}")

    def _tag(self, tensor: Tensor) -> None:
        self._note(_parts(tensor), self._elsewhere)

    @staticmethod
    def _note(tensors: list[Tensor], places: dict[int, StorageWeakRef]) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage()
            if storage._cdata not in places:
                places[storage._cdata] = StorageWeakRef(storage)
        if len(places) > 1 << 12:
            for gone in [k for k, r in places.items() if r.expired()]:
                del places[gone]


class _Move(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, tensor: Tensor, device: torch.device, watch: Watch, how: dict[str, Any]
    ) -> Tensor:
        ctx.back = tensor.device, watch, {"dtype": tensor.dtype}
        with watch.making(device):
            return _TO(tensor, copy=True, **how)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        device, watch, how = ctx.back
        return watch.move(grad, device, **how), None, None, None


@contextmanager
def other_device() -> Iterator[Watch]:
    """Everything inside sees a second device, `OTHER`."""
    watch = Watch()
    with ExitStack() as stack:
        for owner, name, new in _replacements(watch):
            stack.enter_context(mock.patch.object(owner, name, new, create=True))
        stack.callback(Generator.elsewhere.clear)
        stack.enter_context(watch)
        yield watch


_TO = Tensor.to
_DEVICE = torch._C.TensorBase.device


def _replacements(watch: Watch) -> Iterator[tuple[Any, str, Any]]:
    """What Python asks of devices, answered in accordance with `watch`."""
    yield Tensor, "device", property(lambda t: OTHER if watch.holds(t) else _DEVICE.__get__(t))
    yield Tensor, "is_cuda", property(watch.holds)
    yield Tensor, "is_cpu", property(lambda t: not watch.holds(t))
    yield Tensor, "get_device", lambda t: 0 if watch.holds(t) else -1
    yield Tensor, "to", _to(watch)
    yield Tensor, "cpu", lambda t: t.to(CPU)
    yield Tensor, "cuda", lambda t, *_, **__: t.to(OTHER)
    yield Tensor, "tolist", _tolist(watch, Tensor.tolist)
    for name in ("numpy", "__array__"):
        yield Tensor, name, _only_here(watch, name, getattr(Tensor, name))
    for name in NEW:
        yield Tensor, name, _factory(watch, getattr(Tensor, name))
    for name in FACTORIES:
        yield torch, name, _factory(watch, getattr(torch, name))
    yield clip_grad, _GROUPED, _grouped
    yield torch, "Generator", Generator
    yield torch, "autocast", _autocast


def _to(watch: Watch) -> Callable[..., Tensor]:
    def to(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        args, device = list(args), kwargs.pop("device", None)
        if args and isinstance(args[0], Tensor):  # like another one
            like = args.pop(0)
            device, kwargs["dtype"] = like.device, like.dtype
        elif args and isinstance(args[0], str | torch.device | int):
            device = args.pop(0)
        elif args and args[0] is None:  # a device in the first place of two
            args.pop(0)
        device = tensor.device if device is None else _full(device)
        how = {**dict(zip(("dtype", "non_blocking", "copy"), args, strict=False)), **kwargs}
        if how.get("dtype", 0) is None:
            how["dtype"] = tensor.dtype
        if device == tensor.device:
            return _TO(tensor, **how) if how else tensor
        how.pop("copy", None)
        return watch.move(tensor, device, **how)

    return to


def _factory(watch: Watch, make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def made(*args: Any, **kwargs: Any) -> Tensor:
        device = kwargs.get("device")
        if device is None and make.__name__ == "new_tensor":
            device = args[0].device
        given = args[0] if args and isinstance(args[0], Tensor) else None
        if device is None and given is None:
            with watch.making(CPU):
                return make(*args, **kwargs)
        if device is None or _full(device).type not in (OTHER.type, CPU.type):
            return make(*args, **kwargs)
        device = _full(device)
        if device == OTHER and make.__name__ in ("tensor", "as_tensor", "asarray", "new_tensor"):
            if given is not None and make.__name__ != "new_tensor":
                return given.to(device, kwargs.get("dtype"))
            watch.count(watch.copies, make.__name__)
        elif given is not None and make.__name__ == "as_tensor":
            return given.to(device, kwargs.get("dtype"))
        with watch.making(device):
            return make(*args, **{**kwargs, "device": CPU})

    made.__name__ = make.__name__
    return made


def _tolist(watch: Watch, original: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
    def tolist(tensor: Tensor) -> Any:
        if watch.holds(tensor):
            watch.count(watch.waits, "tolist")
        with _disable_current_modes():
            return original(tensor)

    return tolist


def _only_here(watch: Watch, name: str, original: Callable[..., np.ndarray]) -> Any:
    def method(tensor: Tensor, *args: Any, **kwargs: Any) -> np.ndarray:
        if watch.holds(tensor):
            raise WrongDevice(f"{name}() of a tensor that is elsewhere at {_place()}")
        return original(tensor, *args, **kwargs)

    return method


_AUTOCAST, _GROUPED = torch.autocast, "_group_tensors_by_device_and_dtype"
_GROUP = getattr(clip_grad, _GROUPED)


def _grouped(lists: Any, *args: Any) -> dict[Any, Any]:
    """Torch's groups of gradients of one device, which it tells by what memory they are in."""
    groups = _GROUP(lists, *args)
    return {(found[0][0].device, dtype): (found, i) for (_, dtype), (found, i) in groups.items()}


def _autocast(device_type: str, *args: Any, **kwargs: Any) -> torch.autocast:
    return _AUTOCAST("cpu" if device_type == OTHER.type else device_type, *args, **kwargs)


def _full(device: Any) -> torch.device:
    device = torch.device(device) if isinstance(device, str) else device
    return OTHER if device == 0 or device.type == OTHER.type else device


def _waits(func: Any, args: Any, kwargs: dict[str, Any]) -> int:
    packet = func.overloadpacket
    if packet is aten.repeat_interleave:
        size = kwargs.get("output_size")
        return int(size is None)
    if packet in INDEXED:  # by a mask: how many places are True
        return sum(t is not None and t.dtype in (torch.bool, torch.uint8) for t in args[1])
    return WAITS.get(packet, 0)


def _mm_into(a: Tensor, b: Tensor, dtype: torch.dtype) -> Tensor:
    """`torch.mm(out_dtype=)`, which only CUDA has; this is what it takes."""
    low = a.dtype in (torch.bfloat16, torch.float16) and dtype == torch.float32
    if a.dtype != b.dtype or not (low or dtype == a.dtype):
        raise RuntimeError("out_dtype must be the same as input dtype or fp32 for fp16/bf16 inputs")
    return torch.mm(a.to(dtype), b.to(dtype))


def _tensors(*values: Any) -> list[Tensor]:
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += _tensors(*value)
    return found


def _parts(tensor: Tensor) -> list[Tensor]:
    if tensor.layout == torch.strided:
        return [tensor]
    with torch.no_grad(), _disable_current_modes():
        if tensor.layout == torch.sparse_coo:
            return [tensor._indices(), tensor._values()]
        return [tensor.crow_indices(), tensor.col_indices(), tensor.values()]


def _storage(tensor: Tensor) -> torch.UntypedStorage:
    return _parts(tensor)[0].untyped_storage()


def _place() -> str:
    """The innermost line of the package that is being executed."""
    frame = sys._getframe(1)
    outside = "outside gcl"
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(PACKAGE):
            return f"{Path(name).relative_to(PACKAGE)}:{frame.f_lineno}"
        frame = frame.f_back
    return outside
