"""What ranks do in the tests of `fit`."""

import time
import warnings

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import gcl
from gcl import callbacks as C
from gcl.distributed import RankFailedError, alone, total
from tests.distributed.recipes import graph, joined

SIZES = (14, 12, 17)


class Watch(C.Callback):
    """Notes what it is told, and stops, or fails, when it is to."""

    def __init__(self, stop=None, fail=None, every=False):
        self.seen, self.stop, self.fail, self.every_rank = [], stop, fail, every

    def on_epoch_end(self, state):
        self.seen.append(state.epoch)
        if state.epoch == self.stop:
            state.stop = "told to"
        if state.epoch == self.fail:
            raise OSError("the disk is full")


class Loader:
    """Two batches an epoch; knows its place."""

    def __init__(self, batches, fail=None, slow=0.0):
        self.batches, self.fail, self.epoch = batches, fail, 0

    def __iter__(self):
        for place, batch in enumerate(self.batches):
            if (self.epoch, place) == self.fail:
                raise RuntimeError("the file is gone")
            yield batch
        self.epoch += 1

    def state_dict(self):
        return {"epoch": self.epoch}

    def load_state_dict(self, state):
        self.epoch = state["epoch"]


def parts(several, **options):
    """The batches of this rank, or those of all, joined."""
    rank, size = dist.get_rank(), dist.get_world_size()
    batches = [
        [graph(SIZES[r] + 2 * b, 10 * r + b, torch.float64) for r in range(size)] for b in range(2)
    ]
    if several:
        return Loader([batch[rank] for batch in batches], **options)
    return Loader([joined(batch) for batch in batches])


def made(name="gbt", **options):
    torch.manual_seed(0)
    data = graph(20, 0, torch.float64)
    rates = {"drop_edge": 0.0, "mask_feature": 0.0}
    if name != "gbt":
        rates = dict.fromkeys(rates, (0.0, 0.0)) | {"tau": 0.5}
    return getattr(gcl.methods, name)(data, hidden=8, **rates, **options).double()


def one_and_several(name, wrapped):
    """The history and weights of three epochs, of all ranks together and of one process."""
    method = made(name)
    given = DistributedDataParallel(method, find_unused_parameters=True) if wrapped else method
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        state = gcl.fit(given, parts(True), epochs=3, clip=1.0)
    with alone():
        reference = made(name)
        expected = gcl.fit(reference, parts(False), epochs=3, clip=1.0)
    weights = max(
        float((a - b).detach().abs().max())
        for a, b in zip(method.state_dict().values(), reference.state_dict().values(), strict=True)
        if a.is_floating_point()
    )
    assert [*method.state_dict()] == [*reference.state_dict()]
    assert type(method.objective) is type(reference.objective)
    messages = [str(w.message) for w in told if "BatchNorm" in str(w.message)]
    return state.history, [row["loss"] for row in expected.history], weights, messages


def history_of(contrast):
    rank, size = dist.get_rank(), dist.get_world_size()
    method = made("grace")
    state = gcl.fit(method, parts(True), epochs=2, contrast=contrast)
    weights = torch.cat([p.detach().view(-1) for p in method.parameters()])
    there = [torch.empty_like(weights) for _ in range(size)]
    dist.all_gather(there, weights)
    return state.history, all(torch.equal(there[0], w) for w in there), torch.rand(1).item(), rank


def watched_meta_nodes():
    """The rows of the history that ranks and one process write of meta-nodes."""

    def rows(several):
        method = gcl.methods.meta_nodes(made("grace"), clusters=4)
        watch = C.MonitorMetaNodes(every=1, sample=9)
        return gcl.fit(method, parts(several), epochs=2, callbacks=[watch]).history

    found = rows(True)
    with alone():
        return found, rows(False)


def callbacks_of(stop):
    first, every = Watch(stop), Watch(every=True)
    state = gcl.fit(made(), parts(True), epochs=5, callbacks=[first, every])
    return first.seen, every.seen, state.epoch, state.stop, state.finished


def failing(how):
    """What every rank raises, and after how many seconds."""
    rank, started = dist.get_rank(), time.monotonic()
    last = rank == dist.get_world_size() - 1
    method, loader, watch = made(), parts(True), []
    if how == "loader" and last:
        loader = parts(True, fail=(1, 1))
    if how == "callback":
        watch = [Watch(fail=1)]
    if how == "fewer" and last:
        loader.batches = loader.batches[:1]
    if how == "forward" and last:
        inner = method.encoder.forward

        def forward(*arguments):
            if loader.epoch == 1:
                raise KeyError("a bug of mine")
            return inner(*arguments)

        method.encoder.forward = forward
    if how == "start" and last:
        loader.batches[0].x[0, 0] = float("nan")
    try:
        gcl.fit(method, loader, epochs=3, callbacks=watch)
    except Exception as error:
        dist.barrier()  # nobody may be gone yet
        kind = type(error).__name__
        return kind, str(error), time.monotonic() - started, isinstance(error, RankFailedError)
    return None


class Breaks(torch.autograd.Function):
    """Raises on the way back."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise KeyError("a bug of mine")


class Torn(torch.nn.Module):
    """A loss of which the parts add up, if no rank fails among two sums over ranks."""

    def __init__(self, fails):
        super().__init__()
        self.fails = fails  # after so many of them

    def forward(self, z1, z2):
        return (z1 - z2).square().sum()

    def across(self, together, z1, z2):
        part = self(z1, z2)
        for done in range(2):
            if self.fails == done:
                raise KeyError("a bug of mine")
            total(part, together)
        return part


class Broken(C.Callback):
    """Raises in one of the hooks."""

    every_rank = True

    def __init__(self, hook):
        def fail(*_):
            raise KeyError("a bug of mine")

        setattr(self, hook, fail)


def broken(how):
    """What every rank raises where the last fails at a place that the others wait behind."""
    rank, started = dist.get_rank(), time.monotonic()
    fails = rank == dist.get_world_size() - 1
    method, loader, options = made("grace"), parts(True), {}
    encode = method.encoder.forward
    if how in ("last layer", "first layer"):
        # Of the first the gradient is the last: all averages are under way by then.
        def forward(x, *arguments):
            if not fails or loader.epoch == 0:
                return encode(x, *arguments)
            if how == "last layer":
                return Breaks.apply(encode(x, *arguments))
            return encode(Breaks.apply(x.clone().requires_grad_()), *arguments)

        method.encoder.forward = forward
    if how.startswith("loss"):
        method.objective = Torn(int(how[-1]) if fails else None)
    if how == "wrapped":
        method.objective = Torn(1 if fails else None)
        method = DistributedDataParallel(method, find_unused_parameters=True)
    if fails and how == "optimizer":
        options["optimizer"] = Stuck
    if fails and how == "after_step":
        method.after_step = Broken("on_end").on_end
    if fails and how.startswith("on_"):
        options["callbacks"] = [Broken(how)]
    if fails and how == "arguments":
        options["clip"] = -1.0
    try:
        gcl.fit(method, loader, epochs=3, **options)
    except Exception as error:
        return type(error).__name__, str(error), time.monotonic() - started
    return None


class Stuck(torch.optim.SGD):
    def step(self, closure=None):
        raise KeyError("a bug of mine")


def refused():
    messages = []
    data = graph(20, 0, torch.float64)
    for attempt in (
        lambda: gcl.fit(made(), data, epochs=1),
        lambda: gcl.fit(made(), parts(True), epochs=1, contrast="both"),
        lambda: gcl.fit(gcl.methods.pot(made("grace")), parts(True), epochs=1),
    ):
        try:
            attempt()
        except ValueError as error:
            messages.append(str(error))
    with alone():
        state = gcl.fit(made(), data, epochs=1)
    return messages, state.epoch


def resumed(folder, stop):
    """Weights and history of four epochs in one go, and of four with a break."""
    path = f"{folder}/{{}}.safetensors"
    torch.manual_seed(5)
    loaders = [parts(True) for _ in range(3)]
    views = {"drop_edge": (0.3, 0.3)}

    def method():
        made_ = made("grace", norm="batch")
        made_.views = gcl.methods.grace(graph(20, 0, torch.float64), **views).views
        return made_

    whole = method()
    torch.manual_seed(5)
    save = C.Checkpoint(path.format("whole"), every=1)
    expected = gcl.fit(whole, loaders[0], epochs=4, callbacks=[save, Watch(9)])
    first = method()
    torch.manual_seed(5)
    save = C.Checkpoint(path.format("part"), every=9)
    gcl.fit(first, loaders[1], epochs=stop, callbacks=[save])
    again = method()
    torch.manual_seed(6)
    got = gcl.fit(again, loaders[2], epochs=4, resume=path.format("part"), callbacks=[Watch(9)])
    same = all(
        torch.equal(a, b)
        for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True)
    )
    losses = [[row["loss"] for row in state.history] for state in (expected, got)]
    return same, losses, loaders[2].epoch, torch.rand(1).item()


class Interrupts(C.Callback):
    every_rank = last = True

    def __init__(self, step):
        self.step = step

    def on_step_end(self, state, batches):
        if state.step == self.step:
            raise KeyboardInterrupt


def interrupted(folder):
    """The files of trainings that were interrupted once, at every step, and of one left alone."""

    def train(path, interrupt=None, resume=None):
        data = gcl.datasets.load("karate")
        torch.manual_seed(0 if resume is None else 9)
        method = gcl.methods.grace(data, hidden=8, norm="batch")
        loader = gcl.loader.NeighborBatches(data, [3, 3], batch_size=9)
        save = C.Checkpoint(path, every=5, every_steps=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gcl.fit(
                method, loader, epochs=2, callbacks=[save, Interrupts(interrupt)], resume=resume
            )
        return loader.epoch, loader.batch

    size = dist.get_world_size()
    steps = 2 * -(-34 // (9 * size))
    ends = [train(f"{folder}/whole")]
    for step in range(1, steps + 1):
        path = f"{folder}/{step}"
        try:
            train(path, interrupt=step)
        except KeyboardInterrupt:
            ends.append(train(path, resume=path))
    return steps, ends


def other_size(path):
    """Going on in one process from a file of several."""
    with warnings.catch_warnings(record=True) as told, alone():
        warnings.simplefilter("always")
        state = gcl.fit(made("grace", norm="batch"), parts(False), epochs=6, resume=path)
    return state.epoch, [str(w.message) for w in told]


def unlike(how):
    """What a rank hears where ranks are told different things."""
    rank = dist.get_rank()
    options = {"epochs": {"epochs": 1 + rank}, "callbacks": {"epochs": 1}}[how]
    if how == "callbacks" and rank == 0:
        options["callbacks"] = [C.Checkpoint("unlike.safetensors")]
    try:
        gcl.fit(made(), parts(True), **options)
    except (ValueError, RankFailedError) as error:
        return str(error)
    return ""
