"""What loaders of one graph share: order, ranks, position and workers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from gcl.checks import check_count, check_seed, shown
from gcl.contracts import Graph
from gcl.loader.sampling import generator_of

ALONE = -1  # in place of an epoch, where every input is wanted once


class Batches(ABC):
    """An iterable of batches, each of which depends on `(seed, epoch, batch, rank)` alone.

    An epoch's order is drawn from a generator of (seed, epoch), a batch from one of all four: any
    batch can be made again alone, and workers and threads change nothing. Nothing is drawn from
    torch's global generator.

    Where torch.distributed is running, all ranks share one order. With w ranks, global batch b has
    the inputs `order[b B w : (b + 1) B w]`, of which a rank takes its contiguous piece; pieces
    differ by one at most, and every rank has `ceil(N / (B w))` batches, some of which may be empty
    where there are fewer inputs than ranks.

    Args:
        owner: the name of the class, for messages.
        num_inputs: N, what is dealt out: nodes or parts.
        batch_size: B, inputs of a batch of one rank.
        shuffle: another order every epoch.
        drop_last: leave out the last inputs of an epoch where they do not fill a batch.
        seed: of all draws.
        num_workers: processes that make batches ahead.
    """

    def __init__(
        self,
        owner: str,
        num_inputs: int,
        *,
        batch_size: int,
        shuffle: bool,
        drop_last: bool,
        seed: int,
        num_workers: int,
    ):
        check_count(owner, batch_size=batch_size)
        check_count(owner, least=0, num_workers=num_workers)
        check_seed(owner, seed, least=0)
        for name, value in (("shuffle", shuffle), ("drop_last", drop_last)):
            if not isinstance(value, bool):
                raise TypeError(f"{owner}: {name} must be True or False, got {shown(value)}.")
        if num_inputs < 1:
            raise ValueError(f"{owner}: there is nothing to load: no input nodes.")
        self.owner, self.num_inputs, self.batch_size = owner, num_inputs, batch_size
        self.shuffle, self.drop_last = shuffle, drop_last
        self.seed, self.num_workers = seed, num_workers
        self.epoch, self.batch, self._resumed = 0, 0, False

    @abstractmethod
    def make(self, inputs: Tensor, generator: torch.Generator) -> Graph:
        """The batch of some inputs, drawn from a generator."""

    @property
    def num_rows(self) -> int:
        """Rows that all batches of `complete` have together."""
        return self.num_inputs

    def __len__(self) -> int:
        per_batch = self.batch_size * _ranks()[1]
        if self.drop_last:
            return self.num_inputs // per_batch
        return -(-self.num_inputs // per_batch)

    def __iter__(self) -> Iterator[Graph]:
        rank, size = _ranks()
        # Only what was told by load_state_dict begins within an epoch: who looks at one batch does
        # not take it away from the epoch to come.
        first, self._resumed = self.batch if self._resumed else 0, False
        epoch = self.epoch
        for place, batch in self._made(epoch, range(first, len(self)), rank, size):
            self.batch = place + 1
            yield batch
            del batch  # not held while the next is made
        self.epoch, self.batch = epoch + 1, 0

    def one(self, epoch: int, batch: int) -> Graph:
        """A batch of this rank by its place, made again alone."""
        check_count(self.owner, least=0, epoch=epoch, batch=batch)
        if batch >= len(self):
            raise ValueError(f"{self.owner}: batch must be below {len(self)}, got {batch}.")
        ((_, made),) = self._made(epoch, range(batch, batch + 1), *_ranks(), workers=0)
        return made

    def complete(self) -> Iterator[Graph]:
        """Every input once, on every rank alike, wherever training stands: for embeddings."""
        batches = range(-(-self.num_inputs // self.batch_size))
        for _, batch in self._made(ALONE, batches, 0, 1):
            yield batch
            del batch

    def state_dict(self) -> dict[str, Any]:
        """The position: epoch, batches of it that every rank was given, and the seed of draws."""
        return self._position() | {"about": self.about()}

    def _position(self) -> dict[str, int]:
        return {"epoch": self.epoch, "batch": self.batch, "seed": self.seed,
                "num_inputs": self.num_inputs, "ranks": _ranks()[1]}  # fmt: skip

    def about(self) -> str:
        """What it gives batches of, and how: that of another position must be the same."""
        return f"{repr(self).rpartition(', batches=')[0]}) of graph {self.graph_digest()}"

    def graph_digest(self) -> str:
        """What the graph is known by, from some of its numbers; of one's own loader nothing."""
        return "unknown"

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned.

        Raises:
            ValueError: it is that of another graph or of other batches, or no position.
        """
        size = _ranks()[1]
        found: dict[str, Any] = {name: state.get(name) for name in self._position()}
        found["ranks"] = state.get("ranks", size)  # of earlier versions
        for name, value in found.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"{self.owner}: its {name} is {shown(value)}")
        if found["num_inputs"] != self.num_inputs:
            raise ValueError(
                f"{self.owner}: it was written by a loader of {found['num_inputs']} inputs, and "
                f"this one has {self.num_inputs}"
            )
        told = state.get("about", self.about())  # earlier versions have none
        # Ranks that have become more or fewer may share the same batch.
        if found["ranks"] == size and told != self.about():
            raise ValueError(f"{self.owner}: it was written by {told}, and this is {self.about()}")
        self.epoch, self.batch, self.seed = found["epoch"], found["batch"], found["seed"]
        # Of other ranks than now, who had other batches: none of the inputs is left out.
        self.batch = self.batch * found["ranks"] // size
        if self.batch >= len(self):  # the last batch of an epoch is the end of it
            self.epoch, self.batch = self.epoch + 1, 0
        self._resumed = True

    def _order(self, epoch: int) -> Tensor:
        if not self.shuffle or epoch == ALONE:
            return torch.arange(self.num_inputs, dtype=self._small)
        return self._permutation(epoch)

    def _permutation(self, epoch: int) -> Tensor:
        generator = generator_of(self.seed, epoch)
        return torch.randperm(self.num_inputs, generator=generator, dtype=self._small)

    @property
    def _small(self) -> torch.dtype:
        """Integers in which an order is held, which lives as long as its epoch."""
        return torch.int32 if self.num_inputs < 2**31 else torch.int64

    def _made(
        self, epoch: int, batches: range, rank: int, size: int, workers: int | None = None
    ) -> Iterator[tuple[int, Graph]]:
        order, per_batch = self._order(epoch), self.batch_size * size
        places = []
        for batch in batches:
            inputs = order[batch * per_batch : (batch + 1) * per_batch]
            piece = inputs[len(inputs) * rank // size : len(inputs) * (rank + 1) // size]
            places.append(((self.seed, epoch, batch, rank), piece))
        workers = self.num_workers if workers is None else workers
        if not workers or len(places) < 2:
            yield from map(self._make_at, places)
            return
        yield from DataLoader(
            places,  # type: ignore[arg-type]
            batch_size=None,
            collate_fn=self._make_at,  # type: ignore[arg-type]
            num_workers=min(workers, len(places)),
            generator=torch.Generator(),  # workers would take their seeds from the global one
        )

    def _make_at(self, place: tuple[tuple[int, int, int, int], Tensor]) -> tuple[int, Graph]:
        key, inputs = place
        return key[2], self.make(inputs.long(), generator_of(*key))

    def __repr__(self) -> str:
        return self._described()

    def _described(self, **further: Any) -> str:
        told = {"batch_size": self.batch_size, "shuffle": self.shuffle, **further}
        listed = ", ".join(f"{name}={value}" for name, value in told.items())
        return f"{type(self).__name__}({listed}, batches={len(self)})"


def _ranks() -> tuple[int, int]:
    """This process's rank and the number of ranks; (0, 1) where there is one process."""
    group = torch.distributed
    if not group.is_available() or not group.is_initialized():
        return 0, 1
    return group.get_rank(), group.get_world_size()
