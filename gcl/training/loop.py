"""The one training loop: `fit`."""

from __future__ import annotations

import math
import statistics
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from itertools import pairwise
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._dynamo.eval_frame import OptimizedModule
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch_geometric.data import Batch, Data, Dataset
from torch_geometric.data.data import BaseData

from gcl import checkpoint
from gcl.checks import (
    as_path,
    check_choice,
    check_count,
    check_device,
    check_real,
    shown,
)
from gcl.contracts import Method
from gcl.distributed import group_size, others
from gcl.graphs.kinds import check_constant, check_graph_or_loader, reads_codes
from gcl.graphs.validate import validate_graph
from gcl.ops.tiles import Precision
from gcl.ops.tiling import tiling
from gcl.training.batches import check_sliceable, prepare_batch
from gcl.training.embedding import embed as embed  # where it used to be
from gcl.training.embedding import embed_prepared as embed_prepared
from gcl.training.given import check_method, device_of, prepare, unwrapped
from gcl.training.grad_cache import accumulated_backward, check_accumulates
from gcl.training.optimizers import (
    check_optimizer,
    check_scheduler,
    made_optimizer,
    made_scheduler,
)
from gcl.training.progress import Figures, Progress, check_finite, largest_weight
from gcl.training.state import Callback, State, read_checkpoint, with_names_of_now
from gcl.training.team import Contrast, Team

# Steps of a loader whose losses wait on a GPU to be read together.
UNREAD = 1000


def fit(
    method: Method | DistributedDataParallel | OptimizedModule,
    data: BaseData | Iterable[Any],
    *,
    epochs: int,
    lr: float | None = None,
    weight_decay: float | None = None,
    optimizer: Optimizer | Callable[[Iterable[Tensor]], Optimizer] | None = None,
    scheduler: LRScheduler | Callable[[Optimizer], LRScheduler] | None = None,
    clip: float | None = None,
    precision: Precision = "fp32",
    device: str | torch.device | None = None,
    callbacks: Sequence[Callback] = (),
    resume: str | Path | None = None,
    contrast: Contrast = "global",
    accumulate: int = 1,
    compile: bool | str = False,
) -> State:
    """Train a method on a graph, or on the batches of a loader.

    A graph is checked, moved and prepared (`method.prepare`) once and is then the only batch of
    every epoch. A loader is iterated once an epoch, and every batch gets what of `method.prepare`
    is the same on rows as on the whole graph; what must see the whole graph is applied before the
    loader is made (`gcl.training.prepare_for_batches`), and named where it is missing.

    Under a process group of several ranks (torchrun) each of them calls `fit` with a loader of its
    own batches, equally many, and all train one method: the loss is that of the rows of all ranks
    (`gcl.distributed.GlobalBatch`), BatchNorm takes its statistics from them, gradients are
    averaged by DistributedDataParallel, and the history is the same everywhere. Callbacks run on
    the first rank unless they say `every_rank`. An error on one ends the training on all.

    Args:
        method: a `Method`, or one wrapped in DistributedDataParallel or by torch.compile.
        data: a `Data`, `Batch` or `HeteroData`, or an iterable of them. What it holds stays as it
            is: features to be trained are parameters of the encoder.
        epochs: passes over the data in all, counted from the start of the run, >= 0.
        lr: learning rate of the default optimizer, Adam; 1e-3 if None.
        weight_decay: its L2 penalty; 1e-5 if None.
        optimizer: an optimizer, or a function of the parameters that makes one, such as a class of
            `torch.optim`; it brings its own lr and weight_decay.
        scheduler: a learning-rate scheduler, or a function of the optimizer that makes one; it
            steps after every optimizer step. See `warmup_cosine`.
        clip: upper limit of the gradient norm, > 0.
        precision: "bf16" runs the forward pass in `torch.autocast` to bfloat16 and in
            `gcl.ops.tiling(precision="bf16")`: encoders and the streamed products of the losses.
            Weights, sums and what `embed` gives stay in float32. "fp32" leaves contexts around the
            call as they are.
        device: where to train; the method stays where it is if None. Data follow the method.
        callbacks: see `gcl.callbacks`; those with `last` set, such as `Checkpoint` run
            after all others.
        resume: a file written by `Checkpoint`; training goes on after its epoch, or after its step
            within one, on CPU bit for bit as if it had not stopped. Learning rate and other
            settings of the optimizer and scheduler are those of the file, and the graph must be the
            same; the loss and what a loader gives are yours to keep, `epochs` to keep or raise. A
            loader of `gcl.loader`, or one with a generator of its own, goes on with its draws.
        contrast: of several processes: "global" for the loss of the rows of all, "local" for each
            rank's own, whose gradients are averaged.
        accumulate: batches of a loader that make one step: the exact loss of the rows of all, in
            the memory of one, for a second forward pass (GradCache). Of two-view methods. BatchNorm
            still sees a batch at a time.
        compile: the training steps go through `torch.compile`, by Inductor, which needs a C++
            compiler, or by the backend of this name. Compiling takes tens of seconds, and steps
            whose time is in large products are no faster: for long trainings, measured first. Of
            one process, without `accumulate`.

    Raises:
        TypeError: arguments of another kind; lr or weight_decay beside an optimizer.
        ValueError: bad data (see `gcl.graphs.validate.validate_graph`) or arguments.
        NonFiniteLossError: the loss or its gradient is NaN or infinite. On a CPU, and for one
            graph, before the weights move; for the batches of a loader on a GPU, which is not asked
            after every step, at the end of the epoch (after 1,000 steps at the latest).
        FileNotFoundError, CheckpointError: nothing, or nothing that fits, to resume from.
        gcl.distributed.RankFailedError: another process has failed; the message is its. The
            processes may have lost their connections by then: begin a new group, or end.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> state = fit(gcl.methods.grace(data, hidden=8), data, epochs=3)
        >>> state.epoch, len(state.history)
        (3, 3)
    """
    inner = unwrapped(method)
    check_method("fit", inner)
    check_choice("fit", "contrast", contrast, ("global", "local"))
    if device is not None:
        check_device("fit", device)
        method = method.to(device)
    device = device_of(inner)
    team = Team(device, contrast) if others() else None
    with nullcontext() if team is None else team.guarding():
        check_graph_or_loader("fit", data)
        check_sliceable("fit", data)
        check_count("fit", accumulate=accumulate)
        if accumulate > 1:
            _check_accumulates(inner, data, team)
        if compile is not False:
            _check_compiles(compile, accumulate, team)
        if isinstance(data, BaseData):
            if team is not None:
                raise ValueError(
                    f"fit: {group_size()} processes were given a whole graph each; give each "
                    "batches of its own, such as torch_geometric.loader.NeighborLoader(data, [10, "
                    "10], input_nodes=part_of_this_rank), or train on it in one process or inside "
                    "gcl.distributed.alone()."
                )
            check_constant("fit", data)
        constant = optimizer is None  # who brings an optimizer may train what makes the batches
        if inner.graph_level and _are_single_graphs(data):
            raise TypeError(
                f"fit: a {type(data).__name__} of graphs would be trained on graph by graph; give "
                "torch_geometric.loader.DataLoader(graphs, batch_size=128, shuffle=True)."
            )
        if isinstance(epochs, bool) or not isinstance(epochs, Integral) or epochs < 0:
            raise ValueError(f"fit: epochs must be a whole number >= 0, got {epochs!r}.")
        if clip is not None:
            check_real("fit", clip=clip)
        if clip is not None and not clip > 0:
            raise ValueError(f"fit: clip must be above 0, got {clip}.")
        check_choice("fit", "precision", precision, ("fp32", "bf16"))
        check_optimizer(optimizer, lr, weight_decay)
        check_scheduler(scheduler)
        if not isinstance(callbacks, Sequence) or isinstance(callbacks, str):
            raise TypeError(f"fit: callbacks must be a list of callbacks, got {shown(callbacks)}.")
        if resume is not None:
            as_path("fit: resume", resume)
        for callback in callbacks:
            if not isinstance(callback, Callback):
                made = f"; make one: {callback.__name__}(...)" if isinstance(callback, type) else ""
                raise TypeError(
                    "fit: callbacks must be objects of gcl.callbacks.Callback, got "
                    f"{shown(callback)}{made}."
                )
        saved = None if resume is None else read_checkpoint(resume)
        if saved is not None:
            saved["method"] = with_names_of_now(saved["method"], inner)
            # Before prepare, which need not start again what was started. What does not fit is
            # reported below.
            with suppress(*checkpoint.MISFIT):
                inner.load_state_dict(saved["method"])
        inner.train()  # what a method prepares for training only, it prepares here
        if team is not None:
            method = team.enter(method, inner)
            callbacks = [c for c in callbacks if c.every_rank or team.leads]
        if compile is not False:
            method = torch.compile(method, backend="inductor" if compile is True else compile)
        state = State(
            method=inner,
            data=prepare(inner, data, device) if isinstance(data, BaseData) else data,
            optimizer=(optimizer := made_optimizer(inner, optimizer, lr, weight_decay)),
            scheduler=made_scheduler(optimizer, scheduler),
            epochs=epochs,
            # A checkpoint must hold what the other callbacks did in its epoch.
            callbacks=sorted(callbacks, key=lambda callback: callback.last),
            given=data if isinstance(data, BaseData) else None,
            team=team,
            progress=Progress(precision),
        )
        if saved is not None:
            with _naming(resume):
                state.load_state_dict(saved)
        if team is not None:
            _check_together(state, team, accumulate)
            if saved is None:
                team.seed()
        try:
            with _naming(resume):
                for callback in state.callbacks:
                    callback.on_start(state)
            # An epoch that was begun is ended, whoever wants to stop.
            while state.epoch < epochs and (state.stop is None or state.progress.steps):
                _epoch(method, state, clip, precision, device, constant, accumulate)
                for last in (False, True):  # those that come last must know on every rank
                    for callback in state.callbacks:
                        if callback.last is last:
                            callback.on_epoch_end(state)
                    _tell_all(state)
            state.finished = True
            _tell_of_collapse(state)
        finally:
            for callback in state.callbacks:
                callback.on_end(state)
        if team is not None:
            team.agree()  # that nobody has failed at the very end
        return state


def _tell_all(state: State) -> None:
    """The row of the epoch, and whether to stop, are those of the first rank on all."""
    if state.team is not None:
        state.history[-1], state.stop = state.team.share((state.history[-1], state.stop))


def _check_together(state: State, team: Team, accumulate: int) -> None:
    told = (
        state.epochs,
        accumulate,
        [type(c).__name__ for c in state.callbacks if c.every_rank and c.last],
    )
    for rank, other in enumerate(team.gathered(told)):
        for what, mine, theirs in zip(
            ("epochs", "accumulate", "callbacks"), told, other, strict=True
        ):
            if mine != theirs:
                raise ValueError(
                    f"fit: every rank must be given the same {what}, but rank {team.rank} has "
                    f"{mine} and rank {rank} {theirs}; a Checkpoint is given to all, and the first "
                    "rank writes."
                )
    if len(there := set(team.gathered((state.epoch, state.step)))) > 1:
        raise checkpoint.CheckpointError(
            f"The ranks do not go on from the same place, but from (epoch, step) {sorted(there)}; "
            "all must resume from the same file."
        )


def _tell_of_collapse(state: State) -> None:
    """A warning where the loss no longer moves: random views of rows that all became one."""
    losses = [row["loss"] for row in state.history[-11:]]
    still = sum(abs(a - b) <= 1e-6 * abs(b) for a, b in pairwise(losses))
    stands = len(losses) > 5 and still >= len(losses) / 2 and losses[-1] != 0
    # Rows that are all alike but for little come near what InfoNCE gives them.
    rows = getattr(state.data, "num_nodes", None) if isinstance(state.data, BaseData) else None
    alike = math.log(2 * rows - 1) if rows and not state.method.graph_level else math.nan
    near = sum(abs(loss - alike) <= 1e-4 * alike for loss in losses)
    if stands or (len(losses) > 10 and near >= 10):
        lr = state.optimizer.param_groups[0]["lr"]
        warnings.warn(
            f"fit: the loss stood still in the last {len(losses) - 1} epochs, at "
            f"{statistics.median(losses):.6g}: the method has collapsed (all rows alike give "
            f"InfoNCE log(2N - 1)) and learns no more; train again with an lr below {lr:g}.",
            stacklevel=3,
        )


@contextmanager
def _naming(path: str | Path | None) -> Iterator[None]:
    """Puts the file before what is wrong with it."""
    try:
        yield
    except checkpoint.CheckpointError as error:
        raise checkpoint.CheckpointError(f"{path}: {error}") from None


def _are_single_graphs(data: Any) -> bool:
    if isinstance(data, Dataset):
        return True
    listed = isinstance(data, Sequence) and len(data) > 1
    return listed and all(isinstance(g, Data) and not isinstance(g, Batch) for g in data)


def _epoch(
    method: torch.nn.Module,
    state: State,
    clip: float | None,
    precision: Precision,
    device: torch.device,
    constant: bool,
    accumulate: int,
) -> None:
    method.train()
    (progress := state.progress).begin()
    single, on_cpu = isinstance(state.data, BaseData), device.type == "cpu"
    batches = [state.data] if single else state.data
    there = batches if state.team is None else state.team.batches(batches)
    for group in _groups(there, accumulate):
        if not single:
            group = [_admitted(batch, state, device, constant) for batch in group]
        if accumulate > 1:
            state.optimizer.zero_grad(set_to_none=True)
            loss = accumulated_backward(
                method, state.method, group, lambda: computing_in(precision, device)
            )
        else:
            with computing_in(precision, device), _over_ranks(state):
                loss = method(group[0])
        _check_loss(loss)
        if on_cpu:
            value = float(loss.detach())
            check_finite("loss", value, state.method, precision, state.step, state.epoch)
        if accumulate == 1:
            if state.team is not None:
                state.team.agree()  # that all have a loss: the backward pass cannot be left
            state.optimizer.zero_grad(set_to_none=True)
            loss.backward()
        if clip is not None:
            norm = torch.nn.utils.clip_grad_norm_(method.parameters(), clip)
        else:
            norm = torch.nn.utils.get_total_norm(
                [p.grad for p in method.parameters() if p.grad is not None]
            )
        # On a GPU every reading waits for all that is under way, so batches share one.
        at_once = single or on_cpu
        largest = None if at_once else largest_weight(state.method)
        progress.add(Figures(state.step, loss.detach(), norm, largest))
        if at_once or progress.unread == UNREAD:
            progress.read(state.method, state.epoch)
        progress.lr = state.optimizer.param_groups[0]["lr"]
        state.optimizer.step()
        if state.scheduler is not None:
            state.scheduler.step()
        state.step += 1
        progress.steps += 1
        known = -(-len(batches) // accumulate) if hasattr(batches, "__len__") else None
        per_epoch = progress.steps if known is None else known
        state.method.after_step(state.step, state.epochs * per_epoch)
        for callback in state.callbacks:
            callback.on_step_end(state, 1 if single else known)
        del group, loss  # not held while the next batch is made
    progress.read(state.method, state.epoch)
    if not progress.steps:
        raise ValueError(
            "fit: the loader gave no batch; check its batch size and drop_last, and that it can be "
            "iterated more than once."
        )
    mean = progress.mean
    state.epoch += 1
    state.history.append(
        {
            "epoch": state.epoch,
            "step": state.step,
            "loss": mean if state.team is None else state.team.mean(mean),
            "lr": progress.lr,
            "seconds": progress.seconds,
        }
    )
    progress.clear()


def _groups(batches: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """The batches, so many at a time; the last of an epoch may be fewer."""
    group = []
    for batch in batches:
        group.append(batch)
        del batch
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _admitted(batch: Any, state: State, device: torch.device, constant: bool) -> Any:
    """A batch of a loader, checked in the first epoch, as the method takes it."""
    if state.epoch == 0:
        validate_graph(batch, codes=reads_codes(state.method))
        if constant:
            check_constant("fit", batch)
    return prepare_batch("fit", state.method, batch, state.data).to(device)


def _check_compiles(compile: Any, accumulate: int, team: Team | None) -> None:
    backends = torch.compiler.list_backends(exclude_tags=())
    if compile is not True and compile not in backends:
        raise ValueError(
            f"fit: compile must be True, False or a backend of torch.compile, such as "
            f"{', '.join(torch.compiler.list_backends())}; got {shown(compile)}."
        )
    if accumulate > 1 or team is not None:
        with_what = "accumulate" if accumulate > 1 else "several processes"
        raise ValueError(f"fit: compile does not go with {with_what}; leave one of them out.")


def _check_accumulates(method: Method, data: Any, team: Team | None) -> None:
    if isinstance(data, BaseData):
        raise ValueError(
            "fit: accumulate joins batches of a loader, and a graph is one batch; leave it out, or "
            "give a loader such as gcl.loader.NeighborBatches."
        )
    if team is not None:
        raise ValueError("fit: accumulate is for one process; several join their batches anyway.")
    check_accumulates(method)


def _over_ranks(state: State) -> AbstractContextManager[None]:
    return nullcontext() if state.team is None else state.team.computing(state.method)


@contextmanager
def computing_in(precision: Precision, device: torch.device) -> Iterator[None]:
    """Where a forward pass runs."""
    if precision == "fp32":
        yield
        return
    with tiling(precision=precision), torch.autocast(device.type, dtype=torch.bfloat16):
        yield


def _check_loss(loss: Any) -> None:
    if not isinstance(loss, Tensor) or loss.dim() != 0:
        got = list(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise TypeError(f"fit: method.loss must return a scalar tensor, got {got}.")
    if not loss.requires_grad:
        raise ValueError("fit: the loss does not depend on any parameter, so nothing can train.")
