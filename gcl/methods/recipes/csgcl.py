"""CSGCL: community-strength-enhanced graph contrastive learning."""

from __future__ import annotations

from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from gcl.augment import (
    CommunalAttributeVoting,
    CommunalEdgeDropping,
    EdgeDropping,
    FeatureMasking,
)
from gcl.contracts import Transform
from gcl.losses import InfoNCE, TeamUp
from gcl.methods.made import recorded
from gcl.methods.recipes.node_frame import node_contrast, view_of, view_rates
from gcl.methods.recipes.row_frame import EncoderChoice
from gcl.methods.two_view import TwoView
from gcl.training.settings import trained_with
from gcl.transforms import AddCommunities


@recorded()
@trained_with(lr=5e-4)
def csgcl(
    data: Data,
    *,
    hidden: int = 256,
    proj: int = 64,
    tau: float = 0.3,
    drop_edge: tuple[float, float] = (0.5, 0.7),
    mask_feature: tuple[float, float] = (0.1, 0.1),
    t0: int = 2000,
    gamma_max: float = 1.0,
    communities: str | None = "leiden",
    resolution: float = 1.0,
    community_seed: int = 0,
    communal_edges: bool = True,
    communal_features: bool = True,
    team_up: bool = True,
    edge_threshold: float = 1.0,
    feature_threshold: float = 0.7,
    dense_features: bool = False,
    act: str = "relu",
    num_layers: int = 2,
    undirected: bool = True,
    normalize: bool = True,
    encoder: EncoderChoice = None,
) -> TwoView:
    """CSGCL: GRACE whose views and objective follow the strength of communities.

    Edges between communities are dropped before edges inside strong ones (Communal Edge Dropping),
    features of weak communities are masked before those of strong ones (Communal Attribute
    Voting), and from step t0 on nodes of strong communities weigh more in the contrast (Team-up).
    With all three switched off this is GRACE at the same rates.

    The defaults are the authors' for Amazon-Photo; they train `epochs=3000, lr=0.1,
    weight_decay=1e-5` there and drop the two directions of an edge independently
    (`undirected=False`); here they go together by default. `t0` counts steps, which on a full graph
    are epochs: set it with the length of the training.

    Args:
        data: gives the number of features; nothing else of it is read.
        hidden: width of the embeddings; the first GCN layer is twice as wide.
        proj: width inside the projection head.
        tau: temperature of the contrast, > 0.
        drop_edge: mean probability that an edge is dropped, first and second view.
        mask_feature: mean probability that a feature column is zeroed, first and second view.
        t0: step from which Team-up grows, by 1 in 100 steps.
        gamma_max: largest weight of Team-up, >= 0.
        communities: method of `gcl.transforms.AddCommunities`; None takes the communities that the
            graph brings with it.
        resolution: > 0; higher finds more and smaller communities.
        community_seed: seed of the communities.
        communal_edges: False drops edges uniformly at the same rates.
        communal_features: False masks features uniformly at the same rates.
        team_up: False contrasts by plain InfoNCE.
        edge_threshold: largest probability that an edge is dropped, in [0, 1].
        feature_threshold: largest probability that a feature is masked, in [0, 1]; the authors'
            runs had 1.0.
        dense_features: no special care of features that no node uses, the authors' form for WikiCS.
        act: activation of the encoder, by PyG's name.
        num_layers: layers of the encoder.
        undirected: drop both directions of an undirected edge together.
        normalize: divide every row of features by its sum, as the authors do.
        encoder: replaces the GCN; needs `out_channels`. "propagated" is its layers on rows of
            features propagated once, see `gcl.transforms.AddPropagated`.

    Reference:
        Chen et al., "CSGCL: Community-Strength-Enhanced Graph Contrastive Learning", IJCAI 2023.

    Example:
        >>> import gcl
        >>> method = csgcl(gcl.datasets.load("karate"), hidden=8)
        >>> method.embed(gcl.datasets.load("karate")).shape
        torch.Size([34, 8])
    """
    views: list[Transform] = []
    for p_edge, p_feature in view_rates("csgcl", drop_edge, mask_feature):
        edges: BaseTransform = EdgeDropping(
            p_edge, undirected=undirected, as_weight=encoder is None
        )
        features: BaseTransform = FeatureMasking(p_feature)
        if communal_edges:
            edges = CommunalEdgeDropping(p_edge, edge_threshold, undirected, encoder is None)
        if communal_features:
            features = CommunalAttributeVoting(p_feature, feature_threshold, dense_features)
        views.append(view_of(edges, features, encoder))
    loss = TeamUp(tau, t0, gamma_max) if team_up else InfoNCE(tau)
    whole_graph: list[BaseTransform] = []
    if communities is not None and (communal_edges or communal_features or team_up):
        whole_graph.append(AddCommunities(communities, community_seed, resolution))
    return node_contrast(
        "csgcl",
        data,
        views,
        loss,
        hidden=hidden,
        proj=proj,
        act=act,
        num_layers=num_layers,
        normalize=normalize,
        encoder=encoder,
        whole_graph=whole_graph,
    )
