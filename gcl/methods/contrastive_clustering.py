"""Clusters that are learned by contrast with the neighbourhood and by self-training."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gcl.checks import check_count, check_encoder, check_positive, check_real
from gcl.contracts import Encoder, Graph, Method, Transform
from gcl.describe import describe_parts
from gcl.distributed import pairs as pairs_of_all
from gcl.distributed import ranks
from gcl.distributed import rows as rows_of_all
from gcl.graphs.encoding import encode
from gcl.graphs.kinds import check_input, check_one_type
from gcl.graphs.rows import counted_rows
from gcl.graphs.views import draw_view
from gcl.losses.self_training import SelfTraining
from gcl.methods.denominators import Denominator
from gcl.methods.pretraining import pretrain
from gcl.nn.mlp_encoder import MLPEncoder
from gcl.nn.student_t_clustering import StudentTClustering
from gcl.ops.host import number
from gcl.ops.pairs import known_pairs, pair_dots, segment_logsumexp
from gcl.ops.similarity import unit_rows
from gcl.ops.tracing import outside_graph


class ContrastiveClustering(Method):
    r"""Self-training of soft clusters beside a contrast whose positives are a node's surroundings.

    With z the embeddings, u = z / ||z||, q the memberships and Gamma the positives' weights,

        L = beta KL(p || q) + alpha ( mean_i N_i - mean_i log sum_j Gamma_ij exp(s_ij / tau) )

    where s_ij = <u_i, u_j> for i != j and s_ii = 0, and N_i is what `denominator` gives: a
    log-sum-exp over all nodes, exactly or by clusters. Nodes without a positive (as when own pairs
    are left out) do not count in the last mean.

    `prepare` adds the positives and, the first time, starts the method on the graph it is given:
    the encoder is pre-trained (`pretrain_epochs`), and the centres move to those of k-means on its
    embeddings. Both draw from generators of their own; the state dict tells that it has happened.

    Batches of a loader: call `prepare` on the whole graph once, then load batches of the graph as
    it was before. A batch without positives gets those of its own edges.

    Args:
        encoder: `(x, edge_index, edge_weight) -> [n, d]`.
        clustering: the memberships, `StudentTClustering`.
        influence: a transform that writes `pos_edge_index` and `pos_weight`, `AddInfluence`.
        denominator: `(z, q, tau) -> [n]`, e.g. `ClusterMetaNodes()` or `ExactNegatives()`; None for
            no negative term.
        tau: temperature of the contrast, > 0.
        alpha: weight of the contrast, >= 0.
        beta: weight of the self-training, >= 0.
        every: steps that share a target of the self-training, >= 1.
        whole_graph: a further transform of the whole graph, e.g. `ToSparseFeatures`.
        pretrain_epochs: of the auto-encoder, >= 0; above 0 the encoder must be an `MLPEncoder`.
        restarts: of k-means, >= 1.
        seed: of pre-training and k-means.

    Raises:
        TypeError, ValueError: arguments that do not fit.

    Reference:
        Kulatilleke, Portmann and Chandra, "SCGC: Self-Supervised Contrastive Graph Clustering",
        2022, and "Efficient Block Contrastive Learning via Parameter-Free Meta-Node Approximation"
        (PamC), 2022. Their target needs a second forward pass of the same weights; here it comes
        from the first, which is the same numbers.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> from gcl.methods.recipes.pamc import pamc
        >>> method = pamc(data, hidden=(16,), pretrain_epochs=5)
        >>> state = gcl.fit(method, data, epochs=3, weight_decay=0.0)
        >>> method.predict(data).shape, gcl.embed(method, data).shape
        (torch.Size([34]), torch.Size([34, 10]))
    """

    global_loss = True
    started: Tensor

    def __init__(
        self,
        encoder: Encoder,
        clustering: StudentTClustering,
        influence: Transform,
        denominator: Denominator | None,
        *,
        tau: float = 2.0,
        alpha: float = 1.0,
        beta: float = 1.0,
        every: int = 1,
        whole_graph: Transform | None = None,
        pretrain_epochs: int = 0,
        restarts: int = 20,
        seed: int = 0,
    ):
        super().__init__()
        check_encoder("ContrastiveClustering", encoder, width=False)
        check_positive("ContrastiveClustering", tau=tau)
        check_count("ContrastiveClustering", least=0, pretrain_epochs=pretrain_epochs, seed=seed)
        check_count("ContrastiveClustering", restarts=restarts)
        for key, value in (("alpha", alpha), ("beta", beta)):
            check_real("ContrastiveClustering", **{key: value})
            if not 0 <= value < float("inf"):
                raise ValueError(f"ContrastiveClustering: {key} must be >= 0, got {value}.")
        if alpha == beta == 0:
            raise ValueError("ContrastiveClustering: alpha or beta must be above 0.")
        if pretrain_epochs and not isinstance(encoder, MLPEncoder):
            raise ValueError(
                f"ContrastiveClustering: only an MLPEncoder is pre-trained, got "
                f"{type(encoder).__name__}; set pretrain_epochs=0."
            )
        self.encoder, self.clustering, self.influence = encoder, clustering, influence
        self.denominator, self.self_training = denominator, SelfTraining(every)
        self.tau, self.alpha, self.beta = tau, alpha, beta
        self.whole_graph, self.pretrain_epochs = whole_graph, pretrain_epochs
        self.restarts, self.seed = restarts, seed
        self.register_buffer("started", torch.tensor(False))

    def prepare(self, data: Graph) -> Graph:
        check_one_type("ContrastiveClustering", data)
        data = self.influence(copy.copy(data))
        if self.whole_graph is not None:
            data = self.whole_graph(data)
        if not bool(self.started):
            self.start(data)
        return data

    def start(self, data: Graph) -> None:
        """Pre-train the encoder, then put the centres where k-means finds clusters."""
        if self.pretrain_epochs:
            assert isinstance(self.encoder, MLPEncoder)  # seen to at the door
            pretrain(self.encoder, data.x, epochs=self.pretrain_epochs, seed=self.seed)
        z = self._frozen(lambda: self.embed(data))
        self.clustering.start(z, seed=self.seed, restarts=self.restarts)
        self.started.fill_(True)

    def loss(self, data: Any) -> Tensor:
        check_input("ContrastiveClustering", data, self.encoder)
        self._check_started()
        if "pos_edge_index" not in data:
            data = draw_view(self.influence, data)
        z = encode(self.encoder, data)
        pairs, weight = data.pos_edge_index, data.get("pos_weight")
        if (together := ranks(z)) is not None:
            # Clusters and negatives are those of all nodes: from here on every rank does the same.
            of_pairs = ranks(pairs.t())
            assert of_pairs is not None
            pairs = pairs_of_all(pairs, together, of_pairs)
            weight = None if weight is None else rows_of_all(weight, of_pairs)
            z = rows_of_all(z, together)
        total = z.new_zeros((), dtype=torch.promote_types(z.dtype, torch.float32))
        q = self.clustering(z)
        if self.beta:
            total = total + self.beta * self.self_training(q)
        if self.alpha:
            positive = influence_logsumexp(z, pairs, weight, self.tau)
            total = total - self.alpha * _mean(positive)
            if self.denominator is not None:
                total = total + self.alpha * _mean(self.denominator(z, q, self.tau))
        return total

    def embed(self, data: Any) -> Tensor:
        check_input("ContrastiveClustering", data, self.encoder)
        z = encode(self.encoder, data)
        return counted_rows(z, data)

    def assign(self, data: Any) -> Tensor:
        """Soft memberships of the nodes, in evaluation mode, without gradient, `[n, K]`.

        Raises:
            ValueError: before the clusters have a start.
        """
        self._check_started()
        data = copy.copy(data).to(self.clustering.centres.device)
        return self._frozen(lambda: self.clustering(self.embed(data)))

    def predict(self, data: Any) -> Tensor:
        """The cluster of every node, `argmax_k q_ik`, `[n]`."""
        return self.assign(data).argmax(1)

    @outside_graph
    def _check_started(self) -> None:
        if not number(self.started):
            raise ValueError(
                "ContrastiveClustering: the clusters have no start; call method.prepare(data) on "
                "the whole graph first, which fit does for a graph but not for a loader."
            )

    @torch.no_grad()
    def _frozen(self, compute: Callable[[], Tensor]) -> Tensor:
        was_training = self.training
        self.eval()
        try:
            return compute()
        finally:
            self.train(was_training)

    def extra_repr(self) -> str:
        return describe_parts(
            influence=self.influence,
            tau=self.tau,
            alpha=self.alpha,
            beta=self.beta,
            prepare=self.whole_graph,
            pretrain_epochs=self.pretrain_epochs,
            # modules are shown anyway
            denominator=None if isinstance(self.denominator, nn.Module) else self.denominator,
        )


@outside_graph
def influence_logsumexp(
    z: Tensor, pos_edge_index: Tensor, pos_weight: Tensor | None, tau: float
) -> Tensor:
    """The positive term of every node: log-sum-exp over its listed pairs.

        out_i = log sum_p w_p exp(s_ij / tau),   s_ij = cos(z_i, z_j) for i != j,   s_ii = 0

    Shape:
        z `[n, d]`, pos_edge_index `[2, P]` (anchor, positive), pos_weight `[P]` or None -> `[n]`;
        -inf for a node without positives.

    Raises:
        TypeError, ValueError: pairs or weights that do not fit, see `gcl.checks.check_pairs`.
    """
    n = len(z)
    try:
        known_pairs("ContrastiveClustering", pos_edge_index, pos_weight, n)
    except ValueError as error:
        raise ValueError(
            f"{error} A batch taken out of a prepared graph keeps the positions of the whole one: "
            "load batches from the graph before prepare."
        ) from None
    u = unit_rows(z)
    anchor, positive = pos_edge_index
    with torch.autocast(z.device.type, enabled=False):
        similarity = pair_dots(u, u, anchor, positive)
        similarity = similarity.masked_fill(anchor == positive, 0.0)
        weight = None if pos_weight is None else pos_weight.to(similarity)
        return segment_logsumexp(similarity / tau, anchor, n, weight)


def _mean(values: Tensor) -> Tensor:
    """The mean of what is finite; 0 if nothing is."""
    counts = values != -torch.inf
    return values.masked_fill(~counts, 0.0).sum() / counts.sum().clamp(min=1)
