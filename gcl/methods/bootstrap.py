"""Predict what a slowly moving copy of the encoder says: the mechanism of BGRL, AFGRL, SGRL."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from gcl.checks import check_choice, check_count, check_encoder, check_fraction
from gcl.contracts import Encoder, Method, Transform
from gcl.describe import describe_parts
from gcl.distributed import Ranks, ranks
from gcl.distributed import pairs as pairs_of_all
from gcl.distributed import rows as rows_of_all
from gcl.graphs.encoding import encode
from gcl.graphs.kinds import check_input, check_one_type
from gcl.graphs.rows import counted_rows, matched_rows, number_rows, take_rows_of
from gcl.graphs.views import draw_view
from gcl.losses import BootstrapCosine
from gcl.nn.ema import EMA
from gcl.nn.fresh_weights import draw_again
from gcl.nn.hops import add_hops
from gcl.ops.pairs import pair_dots
from gcl.ops.similarity import unit_rows
from gcl.ops.structure import weighted_edges

Positives: TypeAlias = Callable[[Tensor, Tensor, Any], Tensor]
"""`(z [n, d], target [n, d], data) -> [2, P]`: pairs (node, other node it shall predict)."""


class Bootstrap(Method):
    r"""An online encoder whose predictions follow a target encoder; no negatives, O(n d).

    With q_v the predictions of view v, y_v the target's output there (no gradient),

        two views      L = mean_i [1 - cos(q_1i, y_2i)] + mean_i [1 - cos(q_2i, y_1i)]
        one view       L = mean_i [1 - cos(q_i, y_i)]
        `positives`    L = mean_p [1 - cos(q_i, y_j)] + mean_p [1 - cos(q_j, y_i)] over pairs (i, j)

    and after each step `target <- m target + (1 - m) encoder`; `cosine` lets m rise,

        m_t = 1 - (1 - m) (1 + cos(pi t / T)) / 2 .

    Args:
        encoder: `(x, edge_index, edge_weight) -> [n, d]`; copied for the target.
        views: one or two transforms; they see a shallow copy.
        predictor: head on the online embeddings only, `[n, d] -> [n, d]`.
        momentum: m, share of the target that stays in a step, in [0, 1].
        schedule: "cosine" from m to 1 over the training, or "constant".
        fresh_target: start the target from weights of its own (`reset_parameters` of the encoder)
            instead of the encoder's.
        positives: pairs to predict in place of (i, i), with one view; see `Positives`.
        target_loss: `(y) -> scalar`, trains the target besides; None leaves it to the average.
        hops: k >= 0: `z + A_hat^k z` takes the place of z in prediction and embedding.
        prepare: a transform of the whole graph, applied once before training and embedding.

    On a batch with seed nodes (PyG's NeighborLoader) only the seeds are predicted and embedded, no
    helper rows (PyG's `HalfHop`) ever, and of views that drop nodes those that both hold; see
    `TwoView`.

    Raises:
        ValueError: momentum outside [0, 1], not one or two views, positives with two, an encoder
            that cannot be reset; a view of other rows than its graph that does not tell which they
            are; positives where a view drops nodes.

    Reference:
        Thakoor et al., "Large-Scale Representation Learning on Graphs via Bootstrapping" (BGRL),
        ICLR 2022; Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020. T counts the steps of
        the training; some released codes count parameter tensors, so that m runs through the
        cosine many times.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> drop = gcl.augment.EdgeDropping(0.3)
        >>> method = Bootstrap(gcl.nn.GCNEncoder(34, 8), (drop, drop), nn.Linear(8, 8))
        >>> method(data).shape, method.embed(data).shape
        (torch.Size([]), torch.Size([34, 8]))
    """

    def __init__(
        self,
        encoder: Encoder,
        views: Sequence[Transform],
        predictor: nn.Module,
        *,
        momentum: float = 0.99,
        schedule: Literal["cosine", "constant"] = "cosine",
        fresh_target: bool = False,
        positives: Positives | None = None,
        target_loss: Callable[[Tensor], Tensor] | None = None,
        hops: int = 0,
        prepare: Transform | None = None,
    ):
        super().__init__()
        if not isinstance(views, tuple | list) or not 1 <= len(views) <= 2:
            raise ValueError(f"Bootstrap: views must be one or two transforms, got {views!r}.")
        if positives is not None and len(views) == 2:
            raise ValueError("Bootstrap: positives pair the nodes of one view; give one transform.")
        check_fraction("Bootstrap", momentum=momentum)
        check_choice("Bootstrap", "schedule", schedule, ("cosine", "constant"))
        check_count("Bootstrap", least=0, hops=hops)
        check_encoder("Bootstrap", encoder, width=False)
        if not isinstance(encoder, nn.Module):
            raise TypeError(
                f"Bootstrap: the encoder must be an nn.Module, whose weights can be averaged, got "
                f"{type(encoder).__name__}."
            )
        self.encoder: Any = encoder
        self.target = EMA(encoder)
        self.target.requires_grad_(target_loss is not None)
        self.fresh_target = fresh_target
        if fresh_target:
            _reset(self.target.module)
        self.predictor, self.objective = predictor, BootstrapCosine()
        self.views, self.positives, self.target_loss = tuple(views), positives, target_loss
        self.momentum, self.schedule, self.hops = momentum, schedule, hops
        self.whole_graph = prepare

    def reset_parameters(self) -> None:
        draw_again(self.encoder)
        draw_again(self.predictor)
        if self.fresh_target:
            _reset(self.target.module)
        else:
            self.target.update(self.encoder, momentum=0.0)

    def loss(self, data: Any) -> Tensor:
        check_one_type("Bootstrap", data)
        graph = number_rows(data)
        views = [draw_view(view, graph) for view in self.views]
        rows = matched_rows("Bootstrap", graph, views)
        seen = list(zip(views, rows.of_views, strict=True))
        online = [take_rows_of(self._online(view), r) for view, r in seen]
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.target_loss is not None):
            targets = [
                take_rows_of(_encode(self.target, view, self.encoder), r) for view, r in seen
            ]
        predictions = [self.predictor(z) for z in online]
        if self.positives is not None:
            if not rows.all_held:
                raise ValueError(
                    "Bootstrap: positives pair the nodes of the graph, but the view has dropped "
                    "some; take a view that keeps them."
                )
            z, q, y = online[0].detach(), predictions[0], targets[0].detach()
            if (together := ranks(q)) is not None:
                # Near nodes are looked for among all: from here on every rank does the same.
                data = _edges_of_all(data, together)
                z, q, y = (rows_of_all(each, together) for each in (z, q, y))
            total = _predict_pairs(q, y, self.positives(z, y, data))
        else:  # each view predicts the other; one view alone predicts itself
            both = zip(predictions, reversed(targets), strict=True)
            total = torch.stack([self.objective(q, y) for q, y in both]).sum()
        if self.target_loss is not None:
            total = total + torch.stack([self.target_loss(y) for y in targets]).sum()
        return total

    def embed(self, data: Any) -> Tensor:
        return counted_rows(self._online(data), data)

    def _online(self, data: Any) -> Tensor:
        return add_hops(_encode(self.encoder, data), data, self.hops)

    def after_step(self, step: int, total: int) -> None:
        self.target.update(self.encoder, self.momentum_at(step, total))

    def momentum_at(self, step: int, total: int) -> float:
        """The share of the target that stays after `step` of `total` steps."""
        if self.schedule == "constant":
            return self.momentum
        return 1 - (1 - self.momentum) * (1 + math.cos(math.pi * step / total)) / 2

    def extra_repr(self) -> str:
        return describe_parts(
            view=self.views,
            prepare=self.whole_graph,
            positives=None if isinstance(self.positives, nn.Module) else self.positives,
            momentum=f"{self.momentum:g}, {self.schedule}",
            hops=self.hops or None,
            target_loss=getattr(self.target_loss, "__name__", self.target_loss),
        )


def _edges_of_all(data: Any, together: Ranks) -> Data:
    """The edges between the rows that are compared, of all ranks."""
    edges = weighted_edges(data.edge_index, data.get("edge_weight"))
    inside = edges[:, (edges < together.lengths[together.rank]).all(0)]
    of_edges = ranks(inside.t())
    assert of_edges is not None  # there are several ranks
    return Data(edge_index=pairs_of_all(inside, together, of_edges), num_nodes=together.total)


def _predict_pairs(q: Tensor, y: Tensor, pairs: Tensor) -> Tensor:
    """`mean_p [1 - cos(q_i, y_j)] + mean_p [1 - cos(q_j, y_i)]` without `[P, d]` arrays."""
    u, v, (i, j) = unit_rows(q), unit_rows(y), pairs
    agreement = pair_dots(u, v, i, j).sum() + pair_dots(u, v, j, i).sum()
    return 2 - agreement / max(1, len(i))


def _encode(encoder: Any, data: Any, asked: Any = None) -> Tensor:
    check_input("Bootstrap", data, getattr(encoder, "module", encoder))
    return encode(encoder, data, asked=asked)


def _reset(encoder: nn.Module) -> None:
    reset = getattr(encoder, "reset_parameters", None)
    if not callable(reset):
        raise ValueError(
            f"Bootstrap: {type(encoder).__name__} has no reset_parameters; set fresh_target=False."
        )
    reset()
