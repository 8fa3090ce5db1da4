"""A block model with three node types, shaped like the bibliographic graphs of the field."""

from __future__ import annotations

import numpy as np
import torch
from torch_geometric.data import HeteroData

from gcl.checks import check_count, check_fraction, check_number, check_seed
from gcl.datasets.sbm import (
    draw_between,
    draw_classes,
    draw_features,
    rate,
)


def hetero_sbm(
    num_papers: int = 1000,
    num_classes: int = 3,
    *,
    num_authors: int = 1500,
    num_subjects: int = 60,
    authors: float = 3.0,
    subjects: float = 1.0,
    homophily: float = 0.8,
    num_features: int = 64,
    noise: float = 4.0,
    seed: int = 0,
) -> HeteroData:
    """Papers with labels, their authors and their subjects, as random communities.

    Every node of every type has a class, known only for papers. A paper is linked to each author
    on its own, with `p_in` within a class and `p_out` across, and likewise to each subject:

        p_in  = homophily * E / pairs_in,    p_out = (1 - homophily) * E / pairs_out,
        E = num_papers * authors,    x_i = mu[class_i] + noise * g_i / sqrt(num_features)

    with random unit vectors `mu`, drawn for each type, and standard normal `g_i`. So the meta-paths
    paper-author-paper and paper-subject-paper join papers of one class more often than chance.

    Args:
        num_papers: nodes of the target type "paper", at least num_classes.
        num_classes: number of classes; their sizes differ by one at most.
        num_authors: nodes of type "author", at least num_classes.
        num_subjects: nodes of type "subject", at least num_classes.
        authors: expected number of authors of a paper; some have none.
        subjects: expected number of subjects of a paper; some have none.
        homophily: expected share of links within a class, in [0, 1]; a single class needs 1.
        num_features: width of the features of each type.
        noise: length of the noise relative to the class mean; 0 gives the means themselves.
        seed: of a generator of its own; torch's and NumPy's global state stay untouched.

    Shape:
        x `[n, num_features]` float32 for each type, y `[num_papers]` for "paper"; edge types
        (paper, to, author), (author, to, paper), (paper, to, subject), (subject, to, paper), each
        sorted and without repetitions, the reverse holding the same links.

    Raises:
        TypeError: if a count is no integer.
        ValueError: if an argument is outside its range, or so many links do not fit.

    Reference:
        The block model of Deshpande, Montanari, Mossel, Sen: Contextual Stochastic Block Models,
        NeurIPS 2018, between types instead of within one.

    Example:
        >>> data = hetero_sbm(num_papers=50, num_authors=80, num_subjects=6)
        >>> data.node_types, data["paper"].y.shape
        (['paper', 'author', 'subject'], torch.Size([50]))
    """
    check_count("hetero_sbm", num_classes=num_classes, num_features=num_features)
    counts = {"paper": num_papers, "author": num_authors, "subject": num_subjects}
    for kind, count in counts.items():
        check_count("hetero_sbm", least=num_classes, **{f"num_{kind}s": count})
    links = {"author": authors, "subject": subjects}
    for kind, mean in links.items():
        check_number("hetero_sbm", least=0, **{f"{kind}s": mean})
    check_number("hetero_sbm", least=0, noise=noise)
    check_fraction("hetero_sbm", homophily=homophily)
    check_seed("hetero_sbm", seed, least=0)
    rng = np.random.default_rng(seed)
    data = HeteroData()
    members = {}
    for kind, count in counts.items():
        classes, members[kind] = draw_classes(rng, count, num_classes)
        data[kind].x = draw_features(rng, classes, num_classes, num_features, noise)
        if kind == "paper":
            data[kind].y = torch.from_numpy(classes)
    for kind, mean in links.items():
        edge_index = _draw_links(rng, members["paper"], members[kind], mean, homophily, kind)
        data["paper", "to", kind].edge_index = edge_index
        reverse = edge_index.flip(0)
        order = torch.argsort(reverse[0], stable=True)
        data[kind, "to", "paper"].edge_index = reverse[:, order]
    return data


def hetero_sbm_with_splits() -> HeteroData:
    """`hetero_sbm()` with what the published graphs of its kind bring.

    `metapaths` lists paper-author-paper and paper-subject-paper. For r = 20, 40 and 60 there are
    masks `train_mask_r` with r papers a class, and `val_mask_r` and `test_mask_r` with 300 each of
    the others, of a generator of its own.
    """
    data = hetero_sbm()
    data.metapaths = [["paper", "author", "paper"], ["paper", "subject", "paper"]]
    papers = data["paper"]
    rng = np.random.default_rng(0)
    for few in (20, 40, 60):
        order = torch.from_numpy(rng.permutation(len(papers.y)))
        train = torch.cat([order[papers.y[order] == c][:few] for c in papers.y.unique()])
        others = order[~torch.isin(order, train)]
        parts = {"train": train, "val": others[:300], "test": others[300:600]}
        for part, nodes in parts.items():
            mask = torch.zeros(len(papers.y), dtype=torch.bool)
            mask[nodes] = True
            papers[f"{part}_mask_{few}"] = mask
    return data


def _draw_links(
    rng: np.random.Generator,
    papers: list[np.ndarray],
    others: list[np.ndarray],
    mean: float,
    homophily: float,
    kind: str,
) -> torch.Tensor:
    num_papers, num_others = sum(map(len, papers)), sum(map(len, others))
    pairs_in = float(sum(len(a) * len(b) for a, b in zip(papers, others, strict=True)))
    pairs_out = float(num_papers * num_others) - pairs_in
    total = num_papers * mean
    p_in = rate("hetero_sbm", f"number of {kind}s within a class", homophily * total, pairs_in)
    p_out = rate("hetero_sbm", f"number of {kind}s across", (1 - homophily) * total, pairs_out)
    blocks = [
        draw_between(rng, some, other, p_in if a == b else p_out)
        for a, some in enumerate(papers)
        for b, other in enumerate(others)
    ]
    row, col = np.concatenate(blocks, axis=1)
    keys = np.sort(row * num_others + col)
    return torch.from_numpy(np.stack(np.divmod(keys, num_others)))
