"""POT: provable training, a term for two-view methods that looks at the worst augmentation."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gcl.checks import check_choice, check_fraction
from gcl.contracts import Graph, Method, check_is_method
from gcl.methods.made import recorded
from gcl.methods.provable.layers import gcn_layers
from gcl.methods.provable.node_bounds import MODES, Mode
from gcl.methods.provable.view_bounds import two_view_compactness
from gcl.methods.provable.views import EncodedView, boundable, encoder_calls
from gcl.ops.host import number, set_number
from gcl.ops.tracing import outside_graph


class POT(Method):
    r"""Adds to a two-view method what keeps a lower bound of its node compactness above zero.

    The compactness of node i is the least that `<z1_i, w_i>` can become when the edges of its view
    drop otherwise, with `w_i = zhat2_i - mean_{j != i} zhat2_j` from the other view: positive where
    the node stays closer to its positive than to the average node. With a bound g_i of it,

        loss = (1 - kappa) * inner loss + kappa * mean_i softplus(-g_i)

    the mean over both directions. z are embeddings, not projections. How many edges a node may lose
    is read from the views: the expected number, and never all (`gcl.methods.provable.budget`). The
    wrapped method draws and encodes its views once; the bounds look on. Cost O(E d), a few sparse
    products a view.

    Args:
        method: a `TwoView` with a `gcl.nn.GCNEncoder` (ReLU, LeakyReLU or PReLU, no norm, no
            dropout) whose views drop edges by `EdgeDropping` or `CommunalEdgeDropping` and else
            change only features: `grace`, `gca`, `csgcl`, `progcl`, `costa`, of two views.
        kappa: weight of the term, in [0, 1]; 0.1 to 0.5 in the paper's runs.
        mode: the bound.

            - "pot": for the drawn edges, by lines around the activations whose intervals, above the
              first layer, leave the changes of the layers below out: the paper's. Nearly always,
              but not always, a bound.
            - "sound": with intervals that hold for every graph within the budget; far wider.
            - "certified": over all graphs within the budget at once; the loosest, meant for
              `gcl.methods.compactness` rather than training.
            - "legacy": the score of the released code, which is no bound. Two layers.
        warmup: share of the training, in [0, 1], over which kappa grows from 0; bounds of an
            untrained encoder say little.
        feature_bounds: the bounds also hold for other masks of the features, as many columns as the
            views mask on average; else the drawn features are taken as given.
        scale_free: divide g by the mean norm of z1 (a constant), which otherwise can lower the
            term by growing.
        detach_target: no gradient through w.
        detach_bounds: no gradient through the intervals; saves a third of what the term costs.

    Raises:
        TypeError: a method, encoder, activation or view that the bounds do not cover.
        ValueError: a number outside its range, an unknown mode, a readout, "legacy" without two
            layers.

    Reference:
        Yu et al., "Provable Training for Graph Contrastive Learning", NeurIPS 2023. Their code
        keeps dense N x N bounds, leaves out edges between blocks of nodes, and mixes the weights
        of neighbours into the bound (mode "legacy"); here each bound is that of its own node,
        which equal slopes of the two lines make as cheap.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> method = POT(gcl.methods.grace(data, hidden=8, mask_feature=(0, 0)), kappa=0.4)
        >>> gcl.fit(method, data, epochs=2).finished, gcl.embed(method, data).shape
        (True, torch.Size([34, 8]))
    """

    one_process = "the bounds of a node are made of a whole graph with all of its neighbours"
    share: Tensor

    def __init__(
        self,
        method: Method,
        *,
        kappa: float = 0.4,
        mode: Mode = "pot",
        warmup: float = 0.0,
        feature_bounds: bool = False,
        scale_free: bool = False,
        detach_target: bool = False,
        detach_bounds: bool = False,
    ):
        super().__init__()
        self.method = boundable("POT", method, masks=feature_bounds)
        check_choice("POT", "mode", mode, MODES)
        check_fraction("POT", kappa=kappa, warmup=warmup)
        if mode == "legacy" and len(gcn_layers(self.method.encoder)) != 2:
            raise ValueError("POT: mode 'legacy' is defined for two layers; take mode='pot'.")
        self.kappa, self.mode, self.warmup = kappa, mode, warmup
        self.feature_bounds, self.scale_free = feature_bounds, scale_free
        self.detach_target, self.detach_bounds = detach_target, detach_bounds
        self.register_buffer("share", torch.tensor(0.0 if warmup else 1.0))

    def prepare(self, data: Graph) -> Graph:
        return self.method.prepare(data)

    @outside_graph
    def loss(self, data: Graph) -> Tensor:
        kappa = self.kappa * number(self.share)
        if kappa == 0:
            return self.method.loss(data)
        if "degree" in data:
            raise ValueError(
                "POT: bounds are those of a graph that is normalised by its own edges, but this "
                "batch is by those of the whole graph (degree); take "
                "gcl.loader.PartitionBatches(data, num_parts), or leave degree out."
            )
        with encoder_calls(self.method) as views:
            inner = self.method.loss(data)
        with torch.autocast(inner.device.type, enabled=False):
            return (1 - kappa) * inner + kappa * self._term(data, views)

    def _term(self, data: Graph, views: Sequence[EncodedView]) -> Tensor:
        found = two_view_compactness(
            self.method,
            data,
            views,
            mode=self.mode,
            feature_bounds=self.feature_bounds,
            detach_target=self.detach_target,
            detach_bounds=self.detach_bounds,
        )
        if len(found[0]) < 2:  # one node has no negatives
            return 0.0 * (found[0].sum() + found[1].sum())
        if self.scale_free:
            norms = [view.z.detach().norm(dim=1).mean().clamp(min=1e-12) for view in views]
            found = [g / norm for g, norm in zip(found, norms, strict=True)]
        return (softplus(-found[0]).mean() + softplus(-found[1]).mean()) / 2

    def embed(self, data: Graph) -> Tensor:
        return self.method.embed(data)

    def project_views(self, data: Graph) -> tuple[Tensor, Tensor]:
        """See `TwoView`."""
        return self.method.project_views(data)

    def after_step(self, step: int, total: int) -> None:
        self.method.after_step(step, total)
        if self.warmup:
            set_number(self.share, min(1.0, step / (self.warmup * total)))

    def extra_repr(self) -> str:
        chosen = [f"kappa={self.kappa:g}", f"mode={self.mode!r}"]
        chosen += [f"warmup={self.warmup:g}"] if self.warmup else []
        switches = ("feature_bounds", "scale_free", "detach_target", "detach_bounds")
        return ", ".join(chosen + [f"{name}=True" for name in switches if getattr(self, name)])


@recorded()
def pot(
    method: Method,
    *,
    kappa: float = 0.4,
    mode: Mode = "pot",
    warmup: float = 0.0,
    feature_bounds: bool = False,
    scale_free: bool = False,
    detach_target: bool = False,
    detach_bounds: bool = False,
) -> POT:
    """Provable training of a two-view method: a term against nodes that fall behind.

    loss = (1 - kappa) * inner loss + kappa * mean_i softplus(-g_i), g_i the bound of a node.

    Args:
        method: what is trained, see `POT`. It is copied, weights and all.
        kappa: weight of the term, in [0, 1].
        mode: the bound: "pot", "sound", "certified" or "legacy", see `POT`.
        warmup: share of the training, in [0, 1], over which kappa grows from 0.
        feature_bounds: bounds over masks of the features too.
        scale_free: divide the bounds by the mean norm of the embeddings.
        detach_target: no gradient through the other view.
        detach_bounds: no gradient through the intervals.

    Reference:
        Yu et al., "Provable Training for Graph Contrastive Learning", NeurIPS 2023.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> pot(gcl.methods.grace(data, hidden=8), kappa=0.3).embed(data).shape
        torch.Size([34, 8])
    """
    check_is_method("pot", method)
    return POT(
        copy.deepcopy(method),
        kappa=kappa,
        mode=mode,
        warmup=warmup,
        feature_bounds=feature_bounds,
        scale_free=scale_free,
        detach_target=detach_target,
        detach_bounds=detach_bounds,
    )
