"""Any measurement of the embeddings, every few epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from gcl.checks import check_count, shown
from gcl.training.embedding import embed_prepared
from gcl.training.state import Callback, State, is_due


class Evaluate(Callback):
    """Measure the embeddings during training; results join the epoch's row of `state.history`.

    Args:
        evaluator: `(z, data) -> dict of numbers`, e.g.
            `lambda z, data: gcl.evaluate.linear_probe(z, data.y)`.
        every: epochs between two measurements, >= 1.
        prefix: put before every key.

    A loader gives `data = loader`; rows come in the order of the nodes, see `gcl.embed`, and the
    training goes on as without this callback.

    Raises:
        ValueError: a loader that shuffles, and whose batches do not tell which rows they are.
    """

    def __init__(
        self,
        evaluator: Callable[[Tensor, Any], dict[str, float]],
        *,
        every: int = 50,
        prefix: str = "",
    ):
        check_count("Evaluate", every=every)
        if not callable(evaluator):
            raise TypeError(
                "Evaluate: evaluator must be a function (z, data) -> dict of numbers, got "
                f"{shown(evaluator)}."
            )
        self.evaluator, self.every, self.prefix = evaluator, every, prefix

    def on_epoch_end(self, state: State) -> None:
        if not is_due(state, self.every):
            return
        result = self.evaluator(embed_prepared(state.method, state.data), state.data)
        if not isinstance(result, Mapping):
            raise TypeError(
                "Evaluate: the evaluator must return a dict from names to numbers, got "
                f"{shown(result)}."
            )
        state.history[-1].update({self.prefix + key: value for key, value in result.items()})
