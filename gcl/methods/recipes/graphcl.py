"""GraphCL: contrast of whole graphs under augmentations."""

from __future__ import annotations

from typing import Any

from torch_geometric.transforms import Compose

from gcl.augment import (
    EdgeAdding,
    EdgeDropping,
    FeatureNoise,
    NodeDropping,
    RandomChoice,
    RandomWalkSubgraph,
)
from gcl.checks import check_real
from gcl.contracts import Encoder, Transform
from gcl.losses import DCL
from gcl.methods.made import recorded
from gcl.methods.recipes.graph_frame import gin, graph_head
from gcl.methods.two_view import TwoView
from gcl.nn.readouts import sum_readout
from gcl.training.settings import trained_with


@recorded()
@trained_with(epochs=20, lr=1e-2, weight_decay=0.0)
def graphcl(
    data: Any,
    *,
    hidden: int = 32,
    num_layers: int = 3,
    tau: float = 0.2,
    drop_node: float = 0.1,
    drop_edge: float = 0.1,
    add_edge: float = 0.0,
    mask_node: float = 0.1,
    walks: float = 0.1,
    walk_length: int = 5,
    encoder: Encoder | None = None,
) -> TwoView:
    """GraphCL: a graph and an augmentation of it agree, the other graphs of the batch do not.

    One of four augmentations is drawn for every graph of a batch: nodes dropped, the subgraph of
    random walks, edges perturbed, attributes masked by noise. The loss is DCL between the two
    views, one direction, as in the authors' code. They train batches of 128 graphs for 20 epochs
    with Adam, `lr=1e-2`. A rate of 0 takes its augmentation out.

    Args:
        data: gives the number of features: a graph, a batch, a data set or a list of graphs.
        hidden: width of a GIN layer; the embedding is `num_layers` times as wide.
        num_layers: layers of the encoder.
        tau: temperature of the contrast, > 0.
        drop_node: probability that a node is removed, in [0, 1].
        drop_edge: probability that an edge is dropped, in [0, 1].
        add_edge: new edges relative to the existing ones, in [0, 1]; with drop_edge one
            augmentation, edge perturbation.
        mask_node: probability that the features of a node become N(0.5, 0.25) noise, in [0, 1].
        walks: share of the nodes at which a random walk starts, in [0, 1].
        walk_length: steps of a walk, >= 0.
        encoder: replaces the GIN; needs `out_channels`.

    Raises:
        ValueError: graphs without features; no augmentation left; a number outside its range.

    Reference:
        You et al., "Graph Contrastive Learning with Augmentations", NeurIPS 2020. Their code adds
        no edges, and its subgraph never leaves the neighbours of one node.

    Example:
        >>> import gcl
        >>> method = graphcl(gcl.datasets.load("karate"), hidden=8)
        >>> method.embed(gcl.datasets.load("karate")).shape
        torch.Size([1, 24])
    """
    pool = _pool(drop_node, drop_edge, add_edge, mask_node, walks, walk_length)
    encoder = gin("graphcl", data, hidden, num_layers, encoder)
    return TwoView(
        encoder,
        (Compose([]), RandomChoice(pool, per_graph=True)),
        DCL(tau, intra=False, symmetric=False),
        projector=graph_head(encoder.out_channels),
        readout=sum_readout,
    )


def _pool(
    drop_node: float,
    drop_edge: float,
    add_edge: float,
    mask_node: float,
    walks: float,
    walk_length: int,
) -> list[Transform]:
    """The augmentations whose rates are not 0; their constructors check the others."""
    check_real("graphcl", walks=walks)
    pool: list[Transform] = []
    if drop_node:
        pool.append(NodeDropping(drop_node, remove=True))
    if walks:
        pool.append(RandomWalkSubgraph(float(walks), walk_length))
    edges = [drop for drop in (drop_edge and EdgeDropping(drop_edge),) if drop]
    edges += [add for add in (add_edge and EdgeAdding(add_edge),) if add]
    if edges:
        pool.append(Compose(edges))
    if mask_node:
        pool.append(FeatureNoise(0.5, mask_node, mean=0.5, replace=True))
    if not pool:
        raise ValueError(
            "graphcl: all rates are 0, so there is no augmentation to contrast with; set one of "
            "drop_node, drop_edge, add_edge, mask_node and walks."
        )
    return pool
