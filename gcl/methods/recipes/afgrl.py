"""AFGRL: augmentation-free graph representation learning."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.nn import MLP
from torch_geometric.transforms import Compose

from gcl.checks import check_count, check_fraction
from gcl.contracts import Encoder
from gcl.graphs.kinds import input_width
from gcl.losses.negatives.hardest_negatives import hardest
from gcl.methods.bootstrap import Bootstrap
from gcl.methods.made import recorded
from gcl.methods.recipes.node_frame import preparation
from gcl.nn import GCNEncoder, PReLU
from gcl.ops.kmeans import spherical_kmeans
from gcl.ops.similarity import unit_rows
from gcl.ops.structure import weighted_edges
from gcl.training.settings import trained_with


class LocalGlobalPositives:
    """Near nodes that are neighbours in the graph, or near in the clusters of the targets.

    The candidates of node i are i itself and the `topk - 1` other nodes j with the largest
    cosine of z_i and target_j. A candidate stays if the graph has an edge j -> i, or if i and j
    share a cluster in at least one of `runs` k-means clusterings of the targets (i itself always
    does). The search streams; no n x n array.

    Args:
        topk: candidates a node, itself among them, >= 1.
        clusters: of each clustering, >= 1.
        runs: clusterings with different starts, >= 1.
        iterations: of each k-means, >= 1.

    Shape:
        z, target `[n, d]`, data with edge_index -> pairs (i, j) `[2, P]`, n <= P <= n topk.

    Raises:
        TypeError, ValueError: numbers below 1.

    Reference:
        Lee, Lee and Park, "Augmentation-Free Self-Supervised Learning on Graphs" (AFGRL), AAAI
        2022, with k-means of the unit targets around centroids of any length; here centroids lie
        on the sphere, too, as the cosines of the search do.
    """

    def __init__(self, topk: int = 4, clusters: int = 100, runs: int = 5, iterations: int = 20):
        check_count(
            "LocalGlobalPositives", topk=topk, clusters=clusters, runs=runs, iterations=iterations
        )
        self.topk, self.clusters, self.runs, self.iterations = topk, clusters, runs, iterations

    @torch.no_grad()
    def __call__(self, z: Tensor, target: Tensor, data: Any) -> Tensor:
        n = len(z)
        itself = torch.arange(n, device=z.device)
        _, others = hardest(unit_rows(z), unit_rows(target), self.topk - 1)
        i, j = itself.repeat_interleave(others.shape[1]), others.flatten()
        # Of a sampled batch the first n nodes are compared: edges from others are no pairs here.
        edges = weighted_edges(data.edge_index, data.get("edge_weight"))
        source, into = edges[:, (edges < n).all(0)]
        stays = torch.isin(i * n + j, into * n + source)
        for run in range(self.runs):
            labels, _ = spherical_kmeans(
                target, self.clusters, iterations=self.iterations, seed=run
            )
            stays |= labels[i] == labels[j]
        pairs = torch.stack([i[stays], j[stays]])
        return torch.cat([itself.expand(2, -1), pairs], 1)

    def __repr__(self) -> str:
        return (
            f"LocalGlobalPositives(topk={self.topk}, clusters={self.clusters}, runs={self.runs}, "
            f"iterations={self.iterations})"
        )


@recorded()
@trained_with(epochs=20, optimizer="AdamW")
def afgrl(
    data: Data,
    *,
    hidden: int = 512,
    predictor: int = 1024,
    topk: int = 4,
    clusters: int = 100,
    runs: int = 5,
    iterations: int = 20,
    momentum: float = 0.9,
    act: str = "prelu",
    num_layers: int = 1,
    norm_momentum: float = 0.01,
    normalize: bool = False,
    encoder: Encoder | None = None,
) -> Bootstrap:
    """AFGRL: nodes predict their nearest neighbours and cluster mates in a slowly moving encoder.

    No augmentation and no negatives. The defaults are the authors' for Photo and Computers, where
    they train with AdamW, `lr=1e-3, weight_decay=1e-5`, and keep the best epoch on validation.

    Args:
        data: gives the number of features; nothing else of it is read.
        hidden: width of the embeddings.
        predictor: width inside the predictor.
        topk: candidates for positives of a node, itself among them.
        clusters: of each k-means clustering.
        runs: clusterings a step.
        iterations: of each k-means.
        momentum: share of the target that stays in a step; rises to 1 by a cosine.
        act: activation after the batch norm, by PyG's name.
        num_layers: layers of the encoder.
        norm_momentum: weight of the newest statistics in the batch norm of the encoder, PyTorch's
            sense.
        normalize: divide every row of features by its sum, which the authors do not.
        encoder: replaces the GCN; needs `out_channels`.

    Reference:
        Lee, Lee and Park, "Augmentation-Free Self-Supervised Learning on Graphs", AAAI 2022.

    Example:
        >>> import gcl
        >>> method = afgrl(gcl.datasets.load("karate"), hidden=8)
        >>> method.embed(gcl.datasets.load("karate")).shape
        torch.Size([34, 8])
    """
    check_fraction("afgrl", norm_momentum=norm_momentum)
    num_features = input_width("afgrl", data, encoder)
    check_count("afgrl", predictor=predictor)
    prepare = preparation(normalize, encoder)
    if encoder is None:
        encoder = GCNEncoder(
            num_features,
            hidden,
            num_layers=num_layers,
            act=act,
            norm="batch",
            norm_kwargs={"momentum": norm_momentum},
        )
    width = encoder.out_channels
    return Bootstrap(
        encoder,
        [Compose([])],
        MLP(
            [width, predictor, width],
            act=PReLU(),
            norm="batch_norm",
            norm_kwargs={"allow_single_element": True},
        ),
        momentum=momentum,
        positives=LocalGlobalPositives(topk, clusters, runs, iterations),
        prepare=prepare,
    )
