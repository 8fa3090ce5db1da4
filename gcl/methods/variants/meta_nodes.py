"""Clusters in the place of all negatives."""

from __future__ import annotations

from gcl.checks import check_count
from gcl.contracts import Method
from gcl.losses import MetaNodeNegatives
from gcl.methods.made import recorded
from gcl.methods.variants.with_negatives import replace_negatives


@recorded()
def meta_nodes(method: Method, *, clusters: int = 100) -> Method:
    """The same method with clusters that stand in for the nodes as negatives: linear in the nodes.

        sum_j exp(<u_i, u_j> / tau)  ->  sum_b n_b exp(<u_i, m_b> / tau)

    with m_b the mean of cluster b and n_b its size; see `gcl.losses.MetaNodeNegatives`, and
    `gcl.callbacks.MonitorMetaNodes` for how far it is off.

    Args:
        method: one that contrasts by a softmax loss such as `InfoNCE`. It is copied.
        clusters: how many, >= 1; a few hundred serve tens of thousands of nodes.

    Raises:
        TypeError: the method has no softmax loss; clusters is no whole number.
        ValueError: below 1; the loss has negatives or weights of its own.

    Reference:
        Kulatilleke, Portmann and Chandra, "Efficient Block Contrastive Learning via Parameter-Free
        Meta-Node Approximation" (PamC), 2022.

    Example:
        >>> import gcl
        >>> method = gcl.methods.grace(gcl.datasets.load("karate"), hidden=8)
        >>> meta_nodes(method, clusters=4).embed(gcl.datasets.load("karate")).shape
        torch.Size([34, 8])
    """
    check_count("meta_nodes", clusters=clusters)
    return replace_negatives("meta_nodes", method, MetaNodeNegatives(clusters))
