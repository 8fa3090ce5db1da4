"""The contextual stochastic block model: communities with features, in any size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch_geometric.data import Data

from gcl.checks import check_count, check_fraction, check_number, check_seed


def sbm(
    num_nodes: int = 1000,
    num_classes: int = 4,
    *,
    degree: float = 10.0,
    homophily: float = 0.8,
    num_features: int = 64,
    noise: float = 4.0,
    seed: int = 0,
) -> Data:
    """A random graph of communities with features (CSBM, Deshpande et al., 2018).

    Every pair of nodes is linked on its own, with `p_in` within a class and `p_out` across:

        p_in  = homophily * E / pairs_in,    p_out = (1 - homophily) * E / pairs_out,
        E = num_nodes * degree / 2,    x_i = mu[y_i] + noise * g_i / sqrt(num_features)

    with random unit vectors `mu` and standard normal `g_i`. Time and memory grow with the number of
    edges: a million nodes with ten million links take seconds.

    Args:
        num_nodes: number of nodes, at least num_classes.
        num_classes: number of classes; their sizes differ by one at most.
        degree: expected number of links of a node.
        homophily: expected share of links within a class, in [0, 1]; 1 / num_classes is about
            chance, and a single class needs 1.
        num_features: width of the features.
        noise: length of the noise relative to the class mean; 0 gives the means themselves.
        seed: of a generator of its own; torch's and NumPy's global state stay untouched.

    Shape:
        x `[num_nodes, num_features]` float32, edge_index `[2, e]` undirected, sorted, without
        self-loops and repetitions, y `[num_nodes]`.

    Raises:
        TypeError: if a count is no integer.
        ValueError: if an argument is outside its range, or so many links do not fit.

    Reference:
        Deshpande, Montanari, Mossel, Sen: Contextual Stochastic Block Models, NeurIPS 2018. There
        two classes with opposite means; here any number with independent ones.

    Example:
        >>> data = sbm(num_nodes=100, num_classes=2, num_features=8)
        >>> data.x.shape, data.is_undirected(), data.has_self_loops()
        (torch.Size([100, 8]), True, False)
    """
    check_model("sbm", num_nodes, num_classes, degree, homophily, num_features, noise, seed)
    rng = np.random.default_rng(seed)
    y, members = draw_classes(rng, num_nodes, num_classes)
    p_in, p_out = rates("sbm", [len(nodes) for nodes in members], degree, homophily)

    blocks = []
    for a, first in enumerate(members):
        blocks.append(draw_within(rng, first, p_in))
        blocks.extend(draw_between(rng, first, second, p_out) for second in members[a + 1 :])
    return Data(
        x=draw_features(rng, y, num_classes, num_features, noise),
        edge_index=_undirected(np.concatenate(blocks, axis=1), num_nodes),
        y=torch.from_numpy(y),
    )


def check_model(
    owner: str,
    num_nodes: int,
    num_classes: int,
    degree: float,
    homophily: float,
    num_features: int,
    noise: float,
    seed: int,
) -> None:
    """That the arguments of `sbm` lie in their ranges.

    Raises:
        TypeError, ValueError: see `sbm`.
    """
    check_count(owner, num_classes=num_classes, num_features=num_features)
    check_count(owner, least=num_classes, num_nodes=num_nodes)
    check_number(owner, least=0, degree=degree, noise=noise)
    check_fraction(owner, homophily=homophily)
    check_seed(owner, seed, least=0)


def rates(
    owner: str, members: Sequence[int], degree: float, homophily: float
) -> tuple[float, float]:
    """The probabilities of a link within a class and across, for classes of so many members."""
    sizes = np.array(members, dtype=float)
    num_nodes = int(sizes.sum())
    pairs_in = float((sizes * (sizes - 1) / 2).sum())
    pairs_out = num_nodes * (num_nodes - 1) / 2 - pairs_in
    links = num_nodes * degree / 2
    p_in = rate(owner, "degree within a class", homophily * links, pairs_in)
    p_out = rate(owner, "degree across classes", (1 - homophily) * links, pairs_out)
    return p_in, p_out


def draw_classes(
    rng: np.random.Generator, num_nodes: int, num_classes: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Balanced classes in random node order: `(class [num_nodes], members of every class)`."""
    y = rng.permutation(np.arange(num_nodes) % num_classes)
    order = np.argsort(y, kind="stable")
    return y, np.split(order, np.cumsum(np.bincount(y, minlength=num_classes))[:-1])


def draw_features(
    rng: np.random.Generator, y: np.ndarray, num_classes: int, num_features: int, noise: float
) -> torch.Tensor:
    """Class means of length 1 plus Gaussian noise of expected length `noise`, in float32."""
    means = draw_means(rng, num_classes, num_features)
    return torch.from_numpy(draw_around(rng, means, y, noise))


def draw_means(rng: np.random.Generator, num_classes: int, num_features: int) -> np.ndarray:
    """Random directions of length 1, one a class."""
    means = rng.standard_normal((num_classes, num_features), dtype=np.float32)
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def draw_around(
    rng: np.random.Generator, means: np.ndarray, y: np.ndarray, noise: float
) -> np.ndarray:
    """The mean of each class in y plus noise."""
    x = rng.standard_normal((len(y), means.shape[1]), dtype=np.float32)
    x *= np.float32(noise / means.shape[1] ** 0.5)
    x += means[y]
    return x


def draw_within(rng: np.random.Generator, nodes: np.ndarray, p: float) -> np.ndarray:
    """Each unordered pair of distinct `nodes` with probability p: `[2, m]`."""
    return pairs_within(nodes, _draw_pairs(rng, len(nodes) * (len(nodes) - 1) // 2, p))


def draw_between(
    rng: np.random.Generator, first: np.ndarray, second: np.ndarray, p: float
) -> np.ndarray:
    """Each pair of a node in `first` with one in `second` with probability p: `[2, m]`."""
    return pairs_between(first, second, _draw_pairs(rng, len(first) * len(second), p))


def pairs_within(nodes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The unordered pairs of distinct `nodes` by their numbers: `[2, m]`."""
    num = len(nodes)
    # Pair number q joins i with the node q // num + 1 places further round the circle, which meets
    # every pair once without the rounding of a triangular root.
    step, i = np.divmod(numbers, num)
    return np.stack([nodes[i], nodes[(i + step + 1) % num]])


def pairs_between(first: np.ndarray, second: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The pairs of a node in `first` with one in `second` by their numbers: `[2, m]`."""
    i, j = np.divmod(numbers, max(len(second), 1))
    return np.stack([first[i], second[j]])


def _draw_pairs(rng: np.random.Generator, total: int, p: float) -> np.ndarray:
    """Each number below `total` with probability p, in memory proportional to the answer."""
    return draw_subset(rng, total, int(rng.binomial(total, p)) if total else 0)


def draw_subset(rng: np.random.Generator, total: int, count: int) -> np.ndarray:
    """So many different numbers below `total`, rising, every subset as likely as any other."""
    if count > total // 2:
        return np.setdiff1d(np.arange(total), _draw_distinct(rng, total, total - count), True)
    return _draw_distinct(rng, total, count)


def _draw_distinct(rng: np.random.Generator, total: int, count: int) -> np.ndarray:
    # A set filled up with fresh draws is uniform as long as it never overshoots.
    chosen = np.empty(0, dtype=np.int64)
    while len(chosen) < count:
        fresh = rng.integers(total, size=count - len(chosen))
        chosen = np.unique(np.concatenate([chosen, fresh]))
    return chosen


def _undirected(links: np.ndarray, num_nodes: int) -> torch.Tensor:
    keys = np.concatenate([links[0] * num_nodes + links[1], links[1] * num_nodes + links[0]])
    keys.sort()
    return torch.from_numpy(np.stack(np.divmod(keys, num_nodes)))


def rate(owner: str, what: str, links: float, pairs: float) -> float:
    """The probability that makes `links` of `pairs` expected links."""
    if links > pairs * (1 + 1e-9):
        raise ValueError(
            f"{owner}: the {what} asks for {links:.6g} links among {pairs:.6g} pairs; "
            "lower it, or take more nodes or another homophily."
        )
    return min(links / pairs, 1.0) if links > 0 else 0.0
