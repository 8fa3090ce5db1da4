"""Alignment, uniformity, rank and more, every few epochs."""

from __future__ import annotations

from typing import Any

import torch
from torch_geometric.data import Data
from torch_geometric.data.data import BaseData

from gcl import checkpoint
from gcl.checks import check_count, check_seed
from gcl.evaluate import diagnostics
from gcl.training.batches import prepared_batches
from gcl.training.state import Callback, State, is_due


class Diagnose(Callback):
    """`gcl.evaluate.diagnostics` during training; the numbers join the row of `state.history`.

    A method with `project_views(data) -> (h1, h2)`, such as `TwoView`, is measured on the
    projections of two views, in evaluation mode; of any other the embeddings give the numbers of
    one view. Views are drawn from a fixed seed, the same every time, and the generators, also that
    of a loader, stay as they were: training is bit for bit that without this callback.

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
        check_count("Diagnose", every=every)
        check_seed("Diagnose", seed)
        unknown = set(options) - {"tau", "intra", "anchors", "ks"}
        if unknown:
            raise TypeError(
                f"Diagnose: unknown option {sorted(unknown)[0]!r}; it takes tau, intra, anchors "
                "and ks besides its own."
            )
        self.every, self.labels, self.prefix = every, labels, prefix
        self.seed, self.options = seed, options

    def on_epoch_end(self, state: State) -> None:
        if not is_due(state, self.every):
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
        for batch in prepared_batches("Diagnose", state.method, state.data, device):
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
