"""The forms in which a graph is trained on, what each costs an epoch, and what it holds at most."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from torch_geometric.data import Data

import gcl
from gcl.callbacks import Callback
from gcl.contracts import Method
from gcl.training import prepare_for_batches
from gcl.training.state import State

STATUS = Path("/proc/self/status")

Feed = Callable[[Method, Data, int], Any]
"""`(method, graph, seed) -> what fit takes`."""


class Form(NamedTuple):
    """A form of training.

    Attributes:
        told: what it is.
        feed: what `fit` takes.
        options: of the recipe.
        variant: put around the method.
    """

    told: str
    feed: Feed
    options: Mapping[str, Any] = MappingProxyType({})
    variant: Callable[[Method], Method] | None = None


def whole(method: Method, data: Data, seed: int) -> Any:
    """The graph as it is."""
    return data


def neighbors(size: int) -> Feed:
    """Seeds with ten neighbours a node in two hops."""
    return lambda method, data, seed: gcl.loader.NeighborBatches(
        prepare_for_batches(method, data), [10, 10], batch_size=size, seed=seed
    )


def parts(
    size: int, joined: int, cut: Literal["metis", "random"], folder: Path | None = None
) -> Feed:
    """Batches of about so many nodes, of several parts each."""

    def feed(method: Method, data: Data, seed: int) -> Any:
        count = max(2, joined * round(data.num_nodes / size))
        cache = None if folder is None or cut == "random" else folder / f"parts-{count}.safetensors"
        return gcl.loader.PartitionBatches(
            prepare_for_batches(method, data),
            count,
            batch_parts=joined,
            parts=cut,
            seed=seed,
            cache=cache,
        )

    return feed


def rows(size: int) -> Feed:
    """Rows of features that were propagated before."""
    return lambda method, data, seed: gcl.loader.NeighborBatches(
        prepare_for_batches(method, data), [], batch_size=size, seed=seed
    )


def forms(size: int, folder: Path | None = None) -> dict[str, Form]:
    """All forms by name.

    Args:
        size: nodes a batch.
        folder: where the parts that METIS finds are kept.
    """
    return {
        "full": Form("the whole graph", whole),
        "meta-nodes": Form(
            "the whole graph, 100 meta-nodes as negatives",
            whole,
            variant=lambda method: gcl.methods.meta_nodes(method, clusters=100),
        ),
        "neighbors": Form(f"{size} seeds, [10, 10]", neighbors(size)),
        "parts": Form(f"4 parts of {size // 4}, METIS", parts(size, 4, "metis", folder)),
        "random-parts": Form(f"random parts of {size}", parts(size, 1, "random")),
        "propagated": Form(
            f"{size} rows, features propagated once", rows(size), {"encoder": "propagated"}
        ),
    }


def built(form: Form, recipe: str, data: Data, **options: Any) -> Method:
    """The method that is trained in a form."""
    method = getattr(gcl.methods, recipe)(data, **options, **form.options)
    return method if form.variant is None else form.variant(method)


class Used(Callback):
    """Writes CPU seconds of an epoch, and the most anonymous memory up to it, to the history."""

    every_rank = True

    def __init__(self) -> None:
        self.used, self._started, self._before = 0.0, 0.0, 0.0
        self.memory = Peak()

    def on_start(self, state: State) -> None:
        self.memory.start()
        self._started = time.process_time() - self._before

    def on_epoch_end(self, state: State) -> None:
        now = time.process_time()
        state.history[-1] |= {"cpu": now - self._started, "anonymous_mb": self.memory.mb()}
        self.used += now - self._started
        self._started = now

    def skip(self) -> None:
        """What was done since the end of the epoch, measurements for one, does not count."""
        self._started = time.process_time()

    def on_end(self, state: State) -> None:
        self.memory.stop()

    def state_dict(self) -> dict[str, Any]:
        within = time.process_time() - self._started  # the epoch, where it is interrupted
        return {"used": self.used, "within": within, "mb": self.memory.mb()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.used, self._before = state["used"], state["within"]
        self.memory.most = max(self.memory.most, state["mb"])


class Peak:
    """The most anonymous memory of this process while it is watched, in MB (1e6 bytes).

    Pages of files that are mapped into memory do not count: the system may take them back.
    """

    def __init__(self) -> None:
        self.most = 0.0
        self._done: threading.Event | None = None

    def start(self) -> None:
        self._done = done = threading.Event()

        def watch() -> None:
            while not done.wait(0.02):
                self.mb()

        threading.Thread(target=watch, daemon=True).start()

    def stop(self) -> None:
        if self._done is not None:
            self._done.set()

    def mb(self) -> float:
        """Up to now."""
        self.most = max(self.most, anonymous_mb())
        return self.most


def anonymous_mb() -> float:
    """Memory of this process that no file backs, in MB; NaN where the system does not tell."""
    if not STATUS.is_file():
        return float("nan")
    for line in STATUS.read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")
