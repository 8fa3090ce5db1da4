from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from gcl.datasets import hetero_sbm
from gcl.graphs.validate import validate_graph


def _classes(x: torch.Tensor) -> np.ndarray:
    """Classes up to their names: without noise, rows of one class are equal."""
    return x.unique(dim=0, return_inverse=True)[1].numpy()


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("homophily", [0.0, 0.6, 0.9])
def test_links_of_every_block_within_four_sigma(homophily, seed):
    data = hetero_sbm(400, 3, num_authors=500, homophily=homophily, noise=0.0, seed=seed)
    papers = data["paper"].y.numpy()
    for kind, mean in (("author", 3.0), ("subject", 1.0)):
        others = _classes(data[kind].x)
        row, col = data["paper", "to", kind].edge_index.numpy()
        found = np.zeros((3, 3), dtype=int)
        np.add.at(found, (papers[row], others[col]), 1)
        pairs = np.outer(np.bincount(papers), np.bincount(others))
        # The other type's classes have no names here: the block that stands out is the own.
        own = np.zeros((3, 3), dtype=bool)
        extreme = found.argmin(1) if homophily == 0 else found.argmax(1)
        own[np.arange(3), extreme] = True
        assert own.sum(0).tolist() == [1, 1, 1]
        total = 400 * mean
        p = np.where(
            own, homophily * total / pairs[own].sum(), (1 - homophily) * total / pairs[~own].sum()
        )
        sigma = np.sqrt(pairs * p * (1 - p))
        assert (abs(found - pairs * p) <= 4 * sigma).all()


def test_meta_paths_join_papers_of_one_class():
    data = hetero_sbm(homophily=0.9)
    y = data["paper"].y.numpy()
    row, col = data["paper", "to", "author"].edge_index.numpy()
    links = sp.csr_matrix((np.ones(len(row)), (row, col)), shape=(1000, 1500))
    joined = (links @ links.T).tocoo()
    off = joined.row != joined.col
    # two steps that stay in class with 0.9 each: 0.81, plus leaving and coming back: 0.1^2 / 2
    assert abs((y[joined.row[off]] == y[joined.col[off]]).mean() - 0.815) < 0.03


def test_structure():
    data = hetero_sbm(50, 2, num_authors=70, num_subjects=8, num_features=5)
    validate_graph(data)
    assert data.node_types == ["paper", "author", "subject"]
    assert {kind: data[kind].x.shape for kind in data.node_types} == {
        "paper": (50, 5),
        "author": (70, 5),
        "subject": (8, 5),
    }
    assert sorted(data["paper"].y.tolist()) == [0] * 25 + [1] * 25
    assert "y" not in data["author"]
    assert "y" not in data["subject"]
    assert len(data.edge_types) == 4
    for kind in ("author", "subject"):
        there = list(map(tuple, data["paper", "to", kind].edge_index.t().tolist()))
        back = list(map(tuple, data[kind, "to", "paper"].edge_index.t().tolist()))
        assert there == sorted(set(there))
        assert back == sorted((b, a) for a, b in there)


def test_seed_decides_everything_and_global_state_is_kept(global_state_kept):
    one, again, other = hetero_sbm(seed=1), hetero_sbm(seed=1), hetero_sbm(seed=2)
    for kind in one.node_types:
        assert torch.equal(one[kind].x, again[kind].x)
        assert not torch.equal(one[kind].x, other[kind].x)
    for edge_type in one.edge_types:
        assert torch.equal(one[edge_type].edge_index, again[edge_type].edge_index)
        assert not torch.equal(
            one[edge_type].edge_index[:, :50], other[edge_type].edge_index[:, :50]
        )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_subjects": 2}, ValueError, "num_subjects must be at least 3, got 2"),
        ({"num_authors": "9"}, TypeError, "num_authors must be a whole number"),
        ({"authors": -2.0}, ValueError, "authors must be at least 0"),
        ({"subjects": 70.0}, ValueError, "number of subjects within a class asks for"),
        ({"homophily": -0.1}, ValueError, "homophily must lie in"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=f"hetero_sbm: .*{message}"):
        hetero_sbm(**arguments)
