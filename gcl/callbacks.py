"""What happens between epochs: stopping, saving, showing, measuring, logging."""

from __future__ import annotations

import copy
import csv
import io
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.data import BaseData

from gcl import checkpoint
from gcl.evaluate import diagnostics
from gcl.losses.adaptive_contrast import AdaptiveContrast

if TYPE_CHECKING:
    from gcl.training import State


class Callback:
    """Hooks into `fit`; override what you need.

    `state_dict` and `load_state_dict` carry what must survive a restart (tensors, numbers, lists,
    dicts). A callback must not draw from the global generators, or seeds mean different runs with
    and without it.
    """

    def on_start(self, state: State) -> None:
        """Before the first epoch (after resuming)."""

    def on_epoch_end(self, state: State) -> None:
        """After every epoch; `state.history[-1]` is its row, `state.stop = "why"` ends training."""

    def on_end(self, state: State) -> None:
        """Always, also after errors and interrupts; `state.finished` tells."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        return None


class EarlyStopping(Callback):
    """Stop when a value has not improved for some epochs.

    Args:
        monitor: a key of `state.history` rows: "loss", or what `Evaluate` writes. Epochs without
            it do not count.
        patience: observed epochs without improvement before stopping, >= 1.
        mode: "min" or "max".
        restore_best: put the weights of the best epoch back at the end.

    Monitor validation values only: stopping on test accuracy selects on the test set.
    """

    def __init__(
        self,
        monitor: str = "loss",
        *,
        patience: int = 20,
        mode: Literal["min", "max"] = "min",
        restore_best: bool = True,
    ):
        if patience < 1:
            raise ValueError(f"EarlyStopping: patience must be at least 1, got {patience}.")
        if mode not in ("min", "max"):
            raise ValueError(f"EarlyStopping: mode must be 'min' or 'max', got {mode!r}.")
        self.monitor, self.patience, self.mode = monitor, patience, mode
        self.restore_best = restore_best
        self.best, self.best_epoch, self.waited = math.nan, 0, 0
        self.best_weights: dict[str, Tensor] | None = None

    def on_epoch_end(self, state: State) -> None:
        value = state.history[-1].get(self.monitor)
        if value is None:
            return
        sign = 1 if self.mode == "min" else -1
        if math.isnan(self.best) or sign * value < sign * self.best:
            self.best, self.best_epoch, self.waited = value, state.epoch, 0
            if self.restore_best:
                self.best_weights = copy.deepcopy(state.method.state_dict())
            return
        self.waited += 1
        if self.waited >= self.patience:
            state.stop = (
                f"{self.monitor} has not improved on {self.best:.6g} (epoch {self.best_epoch}) "
                f"for {self.patience} epochs"
            )

    def on_end(self, state: State) -> None:
        if state.finished and state.history and math.isnan(self.best):
            warnings.warn(
                f"EarlyStopping: no epoch had a value {self.monitor!r}; there are "
                f"{', '.join(state.history[-1])}.",
                stacklevel=2,
            )
        if state.finished and self.best_weights is not None:
            state.method.load_state_dict(self.best_weights)

    def state_dict(self) -> dict[str, Any]:
        keys = ("best", "best_epoch", "waited", "best_weights")
        return {key: getattr(self, key) for key in keys}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class Checkpoint(Callback):
    """Write a file to resume from, every few epochs and at the end.

    Args:
        path: the file, e.g. "runs/cora/checkpoint.safetensors".
        every: epochs between two writes, >= 1.

    Raises:
        OSError: the folder cannot be written; found out before training starts.
    """

    def __init__(self, path: str | Path, *, every: int = 10):
        if every < 1:
            raise ValueError(f"Checkpoint: every must be at least 1, got {every}.")
        self.path, self.every = Path(path), every

    def on_start(self, state: State) -> None:
        self._save(state)

    def on_epoch_end(self, state: State) -> None:
        if state.epoch % self.every == 0 or state.epoch == state.epochs or state.stop is not None:
            self._save(state)

    def _save(self, state: State) -> None:
        checkpoint.save(state.state_dict(), self.path)


class ProgressBar(Callback):
    """A bar with the loss; on anything but a terminal it stays silent.

    Args:
        label: shown before the bar.
        console: where to draw; standard error if None.
    """

    def __init__(self, label: str = "training", *, console: Console | None = None):
        self.label = label
        self.console = Console(stderr=True) if console is None else console

    def on_start(self, state: State) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[shown]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task(
            self.label, total=state.epochs, completed=state.epoch, shown=""
        )
        self._bar.start()

    def on_epoch_end(self, state: State) -> None:
        shown = f"loss {state.loss:.4f}"
        self._bar.update(self._task, completed=state.epoch, shown=shown)

    def on_end(self, state: State) -> None:
        if hasattr(self, "_bar"):
            self._bar.stop()


class Evaluate(Callback):
    """Measure the embeddings during training; results join the epoch's row of `state.history`.

    Args:
        evaluator: `(z, data) -> dict of numbers`, e.g.
            `lambda z, data: gcl.evaluate.linear_probe(z, data.y)`.
        every: epochs between two measurements, >= 1.
        prefix: put before every key.

    A loader gives `data = loader`; the embeddings of its batches come one after another.
    """

    def __init__(
        self,
        evaluator: Callable[[Tensor, Any], dict[str, float]],
        *,
        every: int = 50,
        prefix: str = "",
    ):
        if every < 1:
            raise ValueError(f"Evaluate: every must be at least 1, got {every}.")
        self.evaluator, self.every, self.prefix = evaluator, every, prefix

    def on_epoch_end(self, state: State) -> None:
        if state.epoch % self.every and state.epoch != state.epochs:
            return
        from gcl.training import embed_prepared

        result = self.evaluator(embed_prepared(state.method, state.data), state.data)
        state.history[-1].update({self.prefix + key: value for key, value in result.items()})


class Diagnose(Callback):
    """`gcl.evaluate.diagnostics` during training; the numbers join the row of `state.history`.

    A method with `project_views(data) -> (h1, h2)`, such as `TwoView`, is measured on the
    projections of two views, in evaluation mode; of any other the embeddings give the numbers of
    one view. Views are drawn from a fixed seed, the same every time, and the global generators
    stay as they were: training is bit for bit that without this callback. (A loader with a
    generator of its own moves on, as under `Evaluate`.)

    For the embeddings of a two-view method use `Evaluate` with
    `lambda z, data: gcl.evaluate.diagnostics(z, edge_index=data.edge_index)`.

    Args:
        every: epochs between two measurements, >= 1.
        labels: measure what needs labels too, from `data.y`. Never select a model by them.
        prefix: put before every name.
        seed: of the views and the sample of anchors.
        **options: `tau`, `intra`, `anchors`, `ks` of `gcl.evaluate.diagnostics`; give the tau of
            the loss.

    Raises:
        ValueError: no labels where they were asked for.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> watch = Diagnose(every=2, tau=0.4)
        >>> state = gcl.fit(gcl.methods.grace(data, hidden=8), data, epochs=2, callbacks=[watch])
        >>> 0 < state.history[-1]["positive_probability"] < 1
        True
    """

    def __init__(
        self,
        *,
        every: int = 10,
        labels: bool = False,
        prefix: str = "",
        seed: int = 0,
        **options: Any,
    ):
        if every < 1:
            raise ValueError(f"Diagnose: every must be at least 1, got {every}.")
        unknown = set(options) - {"tau", "intra", "anchors", "ks"}
        if unknown:
            raise TypeError(
                f"Diagnose: unknown option {sorted(unknown)[0]!r}; it takes tau, intra, anchors "
                "and ks besides its own."
            )
        self.every, self.labels, self.prefix = every, labels, prefix
        self.seed, self.options = seed, options

    def on_epoch_end(self, state: State) -> None:
        if state.epoch % self.every and state.epoch != state.epochs:
            return
        before, was_training = checkpoint.random_state(), state.method.training
        state.method.eval()
        try:
            torch.manual_seed(self.seed)
            found = self._measure(state)
        finally:
            state.method.train(was_training)
            checkpoint.set_random_state(before)
        state.history[-1].update({self.prefix + key: value for key, value in found.items()})

    @torch.no_grad()
    def _measure(self, state: State) -> dict[str, float]:
        project: Any = getattr(state.method, "project_views", None)
        device = next(state.method.parameters()).device
        single = isinstance(state.data, BaseData)
        first, second, labels = [], [], []
        for batch in [state.data] if single else state.data:
            batch = batch.to(device)
            if project is None:
                first.append(state.method.embed(batch))
            else:
                h1, h2 = project(batch)
                first.append(h1)
                second.append(h2)
            if self.labels:
                if not isinstance(batch, Data) or batch.y is None:
                    raise ValueError("Diagnose: labels=True needs labels in data.y.")
                labels.append(batch.y[: len(first[-1])])  # seed nodes come first
        z = torch.cat(first)
        plain = single and isinstance(state.data, Data) and len(z) == state.data.num_nodes
        return diagnostics(
            z,
            torch.cat(second) if second else None,
            torch.cat(labels) if labels else None,
            edge_index=state.data.edge_index if plain else None,
            seed=self.seed,
            **self.options,
        )


@runtime_checkable
class MetaNodes(Protocol):
    """Sums over meta-nodes that can say how far they are from exact ones."""

    remember: bool | None
    proxy: str

    def gap(self, sample: int = ...) -> dict[str, float]: ...
    def bound(self) -> dict[str, float]: ...


class MonitorMetaNodes(Callback):
    """How far the negatives of `MetaNodeNegatives` are from the exact sums, during training.

    Writes into the row of `state.history`, in nats, for the last step of the epoch:

        meta_gap, meta_gap_max      exact minus cluster sums on a sample of anchors, mean and
                                    largest absolute value
        meta_bound                  what the gap of any anchor cannot exceed ("pair": of the mean
                                    over a cluster)
        meta_mean_bound             what the mean gap cannot exceed

    The released formula (`proxy="paper"`) has no bound. A gap well below 1, the order of the loss's
    own differences, says that the clusters do; otherwise take more of them or a higher tau. No
    random number of training is used up.

    Args:
        every: epochs between two measurements, >= 1.
        sample: anchors of the gap, >= 1; each costs one row of the exact sum.
        prefix: put before every name.

    Raises:
        ValueError: the method has none, or more than one, of `MetaNodeNegatives` and
            `ClusterMetaNodes` (PamC's).

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> method = gcl.methods.grace(data, hidden=8, meta_nodes=5)
        >>> state = gcl.fit(method, data, epochs=2, callbacks=[MonitorMetaNodes(every=2)])
        >>> last = state.history[-1]
        >>> 0 <= last["meta_gap"] <= last["meta_mean_bound"] <= last["meta_bound"]
        True
    """

    def __init__(self, *, every: int = 10, sample: int = 1024, prefix: str = ""):
        for key, value in (("every", every), ("sample", sample)):
            if value < 1:
                raise ValueError(f"MonitorMetaNodes: {key} must be at least 1, got {value}.")
        self.every, self.sample, self.prefix = every, sample, prefix

    def on_start(self, state: State) -> None:
        found = [m for m in state.method.modules() if isinstance(m, MetaNodes)]
        if len(found) != 1:
            raise ValueError(
                f"MonitorMetaNodes: expected one MetaNodeNegatives, or PamC's ClusterMetaNodes, in "
                f"the method, found {len(found)}."
            )
        self._negatives = found[0]
        self._before, found[0].remember = found[0].remember, True

    def on_epoch_end(self, state: State) -> None:
        if state.epoch % self.every and state.epoch != state.epochs:
            return
        measured = self._negatives.gap(self.sample)
        if self._negatives.proxy != "paper":
            measured |= self._negatives.bound()
        state.history[-1].update(
            {f"{self.prefix}meta_{key}": value for key, value in measured.items()}
        )

    def on_end(self, state: State) -> None:
        if hasattr(self, "_negatives"):
            self._negatives.remember = self._before


class MonitorWeights(Callback):
    """What the learnt weights of negatives have become, during the training of `adameow`.

    Writes into the row of `state.history`, in evaluation mode, without a random number:

        weight_mean, weight_std     over pairs of different nodes, on 256 anchors
        weight_similarity           correlation of a pair's weight with its cosine

    As published the mean sinks towards 0 and the deviation with it, so that all negatives weigh the
    same; normalised the mean is 1.

    Args:
        every: epochs between two measurements, >= 1.

    Raises:
        ValueError: the method does not contrast by `AdaptiveContrast`.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.hetero_sbm(60, num_authors=60, num_subjects=6)
        >>> method = gcl.methods.adameow(data, metapaths=[["paper", "author", "paper"]])
        >>> state = gcl.fit(method, data, epochs=2, callbacks=[MonitorWeights(every=1)])
        >>> round(state.history[-1]["weight_mean"], 3)
        1.0
    """

    def __init__(self, *, every: int = 10):
        if every < 1:
            raise ValueError(f"MonitorWeights: every must be at least 1, got {every}.")
        self.every = every

    def on_start(self, state: State) -> None:
        if not isinstance(getattr(state.method, "contrast", None), AdaptiveContrast):
            raise ValueError(
                "MonitorWeights: the method has no learnt weights; it is for gcl.methods.adameow."
            )

    def on_epoch_end(self, state: State) -> None:
        if state.epoch % self.every and state.epoch != state.epochs:
            return
        method: Any = state.method
        was_training = method.training
        method.eval()
        try:
            with torch.no_grad():
                state.history[-1].update(method.contrast.statistics(*method.views(state.data)))
        finally:
            method.train(was_training)


class CSVLog(Callback):
    """One line an epoch in a CSV file: epoch, step, loss, lr, seconds, and what `Evaluate` adds.

    The file always equals `state.history`: resuming drops lines of epochs that were lost.

    Args:
        path: the file.
        every: epochs between two writes, >= 1.

    Raises:
        OSError: the folder cannot be written; found out before training starts.
    """

    def __init__(self, path: str | Path, *, every: int = 10):
        if every < 1:
            raise ValueError(f"CSVLog: every must be at least 1, got {every}.")
        self.path, self.every = Path(path), every

    def on_start(self, state: State) -> None:
        self._write(state)

    def on_epoch_end(self, state: State) -> None:
        if state.epoch % self.every == 0:
            self._write(state)

    def on_end(self, state: State) -> None:
        if state.history:
            self._write(state)

    def _write(self, state: State) -> None:
        columns = list(dict.fromkeys(key for row in state.history for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(state.history)
        checkpoint.write_atomically(self.path, text.getvalue().encode())
