"""Trainings whose embeddings are scored without labels: what `gcl.select` compares."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.seed import seed_everything

from gcl import evaluate
from gcl.checkpoint import make_folder, sweep, write_atomically
from gcl.contracts import Method
from gcl.experiments.criteria import CRITERIA, VALIDATION, Seen, Unlabelled
from gcl.experiments.locks import locked
from gcl.experiments.run import Run, has_labels, open_data, options_digest, train
from gcl.graphs.digest import data_digest
from gcl.graphs.rows import with_counted_labels
from gcl.training.embedding import embed, embed_prepared
from gcl.training.state import Callback, State

FIRST_SEED = 100  # no board trains from these seeds: what is chosen has not been seen there


@dataclass(frozen=True)
class Trial:
    """One setting at one or several lengths of training, over some seeds.

    Args:
        run: the longest.
        lengths: epochs after which the embedding is a setting of its own, up to those of the run.
        seeds: how many trainings, from `FIRST_SEED` on.
        criteria: what is measured, names of `CRITERIA` or `val_accuracy`.
        digest: of the graph, see `data_digest`.
        given: the graph, where `run.dataset` does not name one.
        labels: whether accuracies stand beside the criteria, where there are labels.
    """

    run: Run
    lengths: tuple[int, ...]
    seeds: int
    criteria: tuple[str, ...]
    digest: str
    given: Data | None = None
    labels: bool = True

    @property
    def name(self) -> str:
        return f"{self.run.name} {self.folder(Path()).name}"

    def rows(self, work: Path | None = None) -> list[dict[str, Any]]:
        """A row for every length; trainings that have not ended are kept in a folder of `work`.

        Raises:
            ValueError: another program trains it there; the data set is another one by now.
        """
        if work is None:
            with TemporaryDirectory() as place:
                return self.rows(Path(place))
        data = open_data(self.run) if self.given is None else self.given
        if self.given is None and data_digest(data) != self.digest:
            raise ValueError(
                f"{self.run.dataset} gives another graph whenever it is read; let it give the same "
                "one, for example by a seed."
            )
        graph = Unlabelled(data)
        folder = self.folder(work)
        make_folder(folder)
        with locked(folder / ".lock", patience=0, otherwise="Another program trains it."):
            seconds = [self._trained(graph, *one) for one in self._places(folder)]
            return [self._row(data, graph, folder, length, seconds) for length in self.lengths]

    def folder(self, work: Path) -> Path:
        """Where its checkpoints and embeddings are, until its rows are in a file."""
        about = json.dumps([self.lengths, self._hides, self.digest])
        further = hashlib.sha256(about.encode()).hexdigest()[:6]
        return work / f"{options_digest(self.run)}-{further}"

    def forget(self, work: Path) -> None:
        """Take them away, and with the last one the folder of all."""
        shutil.rmtree(self.folder(work), ignore_errors=True)
        with suppress(OSError):  # there are others
            work.rmdir()

    @property
    def _hides(self) -> bool:
        return any(name in CRITERIA and CRITERIA[name].hides for name in self.criteria)

    def _places(self, folder: Path) -> list[tuple[int, Path]]:
        """Each seed and its folder; others that were once asked for may lie beside them."""
        seeds = range(FIRST_SEED, FIRST_SEED + self.seeds)
        return [(seed, folder / f"seed-{seed}") for seed in seeds]

    def _trained(self, graph: Unlabelled, seed: int, folder: Path) -> float:
        """Train one seed, which leaves its embeddings in the folder; the seconds that it took."""
        done = folder / "seconds.json"
        if done.is_file():
            return float(json.loads(done.read_text()))
        make_folder(folder)
        sweep(folder)
        seed_everything(seed)
        method = self.run.build(graph.data)
        hidden = graph.split.data if self._hides else None
        snapshots = Snapshots(folder, self.lengths, hidden)
        _, cost = train(
            self.run,
            method,
            graph.data,
            graph.data,
            seed,
            folder,
            resume=True,
            callbacks=[snapshots],
        )
        # After `fit`: early stopping has put its best weights back.
        snapshots.write(self.run.epochs, method, embed(method, graph.data))
        write_atomically(done, json.dumps(cost["seconds"]).encode())
        return cost["seconds"]

    def _row(
        self, data: Data, graph: Unlabelled, folder: Path, length: int, seconds: Sequence[float]
    ) -> dict[str, Any]:
        places = [place for _, place in self._places(folder)]
        zs = [_read(place / f"embedding-{length}.npy") for place in places]
        hidden = [_read(place / f"hidden-{length}.npy") for place in places if self._hides]
        seen = Seen(graph, zs, hidden)
        row = {name: CRITERIA[name].of(seen) for name in self.criteria if name in CRITERIA}
        if VALIDATION in self.criteria or (self.labels and has_labels(data)):
            row |= self.accuracies(zs, data)
        share = length / self.run.epochs if self.run.epochs else 1.0
        return {
            **key(self.at(length), self.seeds, self.digest),
            **row,
            "seconds": float(np.mean(seconds)) * share,
        }

    def at(self, length: int) -> Run:
        """The run of one of the lengths."""
        return replace(self.run, epochs=length)

    def accuracies(self, zs: Sequence[Tensor], data: Data) -> dict[str, Any]:
        """What a probe reads off the embeddings, the mean over seeds."""
        shown, protocol = with_counted_labels(data), self.run.protocol
        found = [evaluate.linear_probe(z, shown.y, protocol=protocol, data=shown) for z in zs]
        names = [name for name in ("accuracy", VALIDATION) if name in found[0]]
        return {name: float(np.mean([one[name] for one in found])) for name in names}


class Snapshots(Callback):
    """Writes the embedding after some epochs, and that of a graph with hidden links.

    Args:
        folder: of `embedding-<epochs>.npy` and `hidden-<epochs>.npy`.
        epochs: after which.
        hidden: the graph with hidden links, if asked for.
    """

    def __init__(self, folder: Path, epochs: Sequence[int], hidden: Data | None):
        self.folder, self.epochs, self.hidden = folder, epochs, hidden

    def on_start(self, state: State) -> None:
        if state.epoch == 0:
            self.on_epoch_end(state)

    def on_epoch_end(self, state: State) -> None:
        if state.epoch in self.epochs and state.epoch < state.epochs:
            self.write(state.epoch, state.method, embed_prepared(state.method, state.data))

    def write(self, epoch: int, method: Method, z: Tensor) -> None:
        _write(self.folder / f"embedding-{epoch}.npy", z)
        if self.hidden is not None:
            # `prepare` may draw, which the training must not notice.
            with torch.random.fork_rng():
                _write(self.folder / f"hidden-{epoch}.npy", embed(method, self.hidden))


def key(run: Run, seeds: int, digest: str) -> dict[str, Any]:
    """What a row of a setting is known by, before its numbers."""
    return {
        "dataset": run.dataset,
        "data": digest,
        "recipe": run.recipe,
        "epochs": run.epochs,
        "options": options_digest(run),
        "protocol": run.protocol,
        "seeds": seeds,
    }


def trials(
    runs: Sequence[Run],
    seeds: int,
    criteria: Sequence[str],
    data: Data,
    given: Data | None = None,
    kind: type[Trial] = Trial,
) -> list[Trial]:
    """The trainings that settings need: those that differ in their length alone share one.

    A shorter training is a part of a longer one where the learning rate is constant, the last
    weights count, and nothing in the method follows the length.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        single = run.warmup >= 0 or run.patience > 0
        about = f"{run.epochs if single else ''}/{options_digest(replace(run, epochs=0))}"
        groups.setdefault(about, []).append(run)
    shown, digest, found = Unlabelled(data).data, data_digest(data), []
    for group in groups.values():
        longest = max(group, key=lambda run: run.epochs)
        lengths = sorted({run.epochs for run in group})
        if len(lengths) > 1 and follows_length(longest.build(shown)):
            parts = [[length] for length in lengths]
        else:
            parts = [lengths]
        found += [
            kind(
                replace(longest, epochs=part[-1]),
                tuple(part),
                seeds,
                tuple(criteria),
                digest,
                given,
            )
            for part in parts
        ]
    return found


def follows_length(method: Method) -> bool:
    """Whether a step of a method is another one where the training is to be longer.

    Tried on copies: moving averages whose momentum has a schedule, weights that grow.
    """
    states = []
    for total in (4, 400):
        one = copy.deepcopy(method)
        with torch.no_grad():
            for parameter in one.parameters():
                if parameter.requires_grad:
                    parameter.add_(1.0)
        one.after_step(3, total)
        states.append(one.state_dict())
    return not all(
        torch.allclose(value.double(), states[1][name].double(), 0.0, 0.0, equal_nan=True)
        for name, value in states[0].items()
    )


def _write(path: Path, z: Tensor) -> None:
    buffer = io.BytesIO()
    np.save(buffer, z.detach().cpu().float().numpy(), allow_pickle=False)
    write_atomically(path, buffer.getvalue())


def _read(path: Path) -> Tensor:
    return torch.from_numpy(np.load(path, allow_pickle=False))
