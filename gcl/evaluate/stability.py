"""Whether trainings agree with each other: on nearest neighbours, and on clusters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import torch
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score
from torch import Tensor

from gcl.checks import check_count, check_seed, shown
from gcl.evaluate.cluster_quality import kmeans_clusters
from gcl.evaluate.inputs import Matrix, as_matrix, cosine_blocks
from gcl.evaluate.result import Result


def neighbour_agreement(
    z1: Any, z2: Any, *, k: int = 10, anchors: int = 2000, seed: int = 0
) -> float:
    r"""How many nearest neighbours two embeddings of the same nodes share, adjusted for chance.

        o = mean_i |N1(i) & N2(i)| / k,   e = k / (N - 1),   agreement = (o - e) / (1 - e)

    N(i) are the k nodes most similar to node i by cosine, itself left out. 1 = the same neighbours,
    0 = as many in common as two random choices. Equal similarities are put in random order, another
    one in each embedding, so that two collapsed embeddings agree by chance only.

    Args:
        z1: Embeddings `[N, D]`, dense or sparse.
        z2: Embeddings of the same nodes, `[N, E]`.
        k: Neighbours of a node, in [1, N - 2].
        anchors: A random sample of this many nodes i is compared with all nodes, in blocks.
        seed: Of the sample and of the order; no global generator is touched.

    Raises:
        TypeError, ValueError: no matrices of the same number of rows, or a number out of range.

    Example:
        >>> z = torch.randn(100, 8)
        >>> neighbour_agreement(z, 2 * z), abs(neighbour_agreement(z, torch.randn(100, 8))) < 0.1
        (1.0, True)
    """
    first, second = as_matrix(z1, "neighbour_agreement"), as_matrix(z2, "neighbour_agreement")
    n = first.shape[0]
    if second.shape[0] != n:
        raise ValueError(
            f"neighbour_agreement: expected two embeddings of the same nodes, got {n} and "
            f"{second.shape[0]} rows."
        )
    lists = Neighbours.draw("neighbour_agreement", n, k, anchors, seed)
    return lists.agreement(lists.of(z1), lists.of(z2))


def stability(
    zs: Sequence[Any], *, k: int = 10, clusters: int = 10, anchors: int = 2000, seed: int = 0
) -> Result:
    """Agreement of embeddings of the same nodes from several trainings, over all pairs of them.

    | number | what agrees | 0 | 1 |
    | --- | --- | --- | --- |
    | `neighbours` | the k nearest neighbours of a node, see `neighbour_agreement` | chance | all |
    | `cluster_ari` | k-means clusters, adjusted Rand index | chance | all |
    | `cluster_ami` | the same, adjusted mutual information | chance | all |

    Args:
        zs: Embeddings `[N, D]`, at least two, such as those of two training seeds.
        k: Neighbours of a node, in [1, N - 2].
        clusters: How many clusters, >= 1; see `kmeans_clusters`.
        anchors: Neighbours are those of a random sample of this many nodes.
        seed: Of the sample and of k-means; no global generator is touched.

    Returns:
        The means over pairs, and their `_std`; `per_run` has the single pairs.

    Raises:
        TypeError, ValueError: fewer than two embeddings, or not of the same nodes; a number out of
            range.

    Reference:
        Hubert and Arabie, "Comparing partitions", 1985; Vinh et al., "Information theoretic
        measures for clusterings comparison", JMLR 2010.

    Example:
        >>> z = torch.randn(60, 4)
        >>> stability([z, 3 * z], clusters=3)
        neighbours 1.0000 ± 0.0000, cluster_ari 1.0000 ± 0.0000, cluster_ami 1.0000 ± 0.0000
        (protocol stability: 2 trainings, 10 neighbours of 60 nodes, k-means with k 3)
    """
    if isinstance(zs, Tensor) or not isinstance(zs, Sequence) or len(zs) < 2:
        raise TypeError(
            "stability: expected a list of at least two embeddings of the same nodes, such as of "
            f"two training seeds, got {shown(zs)}."
        )
    matrices = [as_matrix(z, "stability") for z in zs]
    n = matrices[0].shape[0]
    if any(x.shape[0] != n for x in matrices):
        rows = [x.shape[0] for x in matrices]
        raise ValueError(f"stability: expected embeddings of the same nodes, got {rows} rows.")
    check_count("stability", clusters=clusters)
    lists = Neighbours.draw("stability", n, k, anchors, seed)
    nearest = [lists.of(z) for z in zs]
    groups = [kmeans_clusters(z, clusters, seed=seed).numpy() for z in zs]
    runs: dict[str, list[float]] = {"neighbours": [], "cluster_ari": [], "cluster_ami": []}
    for i, j in combinations(range(len(zs)), 2):
        runs["neighbours"].append(lists.agreement(nearest[i], nearest[j]))
        runs["cluster_ari"].append(float(adjusted_rand_score(groups[i], groups[j])))
        runs["cluster_ami"].append(float(adjusted_mutual_info_score(groups[i], groups[j])))
    line = f"stability: {len(zs)} trainings, {k} neighbours of {len(lists.nodes)} nodes, "
    return Result.from_runs(runs, f"{line}k-means with k {clusters}")


class Neighbours:
    """Nearest neighbours of a sample of nodes.

    Args:
        nodes: the sample, `[A]`.
        num_nodes: N.
        k: neighbours of a node.
        generator: of the orders in which equal similarities stand.
    """

    def __init__(self, nodes: Tensor, num_nodes: int, k: int, generator: torch.Generator):
        self.nodes, self.num_nodes, self.k, self.generator = nodes, num_nodes, k, generator

    @classmethod
    def draw(cls, where: str, num_nodes: int, k: int, anchors: int, seed: int) -> Neighbours:
        check_count(where, k=k, anchors=anchors)
        check_seed(where, seed)
        if k > num_nodes - 2:
            raise ValueError(
                f"{where}: k must lie between 1 and {num_nodes - 2}, the nodes less two, got {k}."
            )
        generator = torch.Generator().manual_seed(seed)
        return cls(
            torch.randperm(num_nodes, generator=generator)[:anchors], num_nodes, k, generator
        )

    def of(self, z: Any) -> Tensor:
        """The k most similar other nodes of each node of the sample, `[A, k]`."""
        x: Matrix = as_matrix(z, "neighbour_agreement", l2=True)
        order = torch.randperm(self.num_nodes, generator=self.generator)
        place = torch.empty_like(order)
        place[order] = torch.arange(self.num_nodes)
        found = []
        for rows, block in cosine_blocks(x, self.nodes, order):
            own = place[self.nodes[rows]].to(block.device)
            block[torch.arange(len(own), device=block.device), own] = -torch.inf
            found.append(order[block.topk(self.k, dim=1).indices.cpu()])
        return torch.cat(found)

    def agreement(self, first: Tensor, second: Tensor) -> float:
        """Of two such lists, adjusted for chance."""
        common = (first[:, :, None] == second[:, None, :]).sum()
        chance = self.k / (self.num_nodes - 1)
        share = float(common) / first.numel()
        return (share - chance) / (1 - chance)
