"""AddHeCoPositives against the formula, pair by pair."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch_geometric.data import Data, HeteroData

from gcl.datasets import hetero_sbm
from gcl.transforms import add_heco_positives as module
from gcl.transforms.add_heco_positives import AddHeCoPositives
from gcl.transforms.add_meta_paths import AddMetaPaths

PATHS = [["paper", "author", "paper"], ["paper", "subject", "paper"]]


def graph(seed=0):
    return hetero_sbm(30, num_authors=20, num_subjects=5, num_features=2, seed=seed)


def oracle(data, threshold):
    """The formula in double loops over the chosen edges."""
    n = data["paper"].num_nodes
    neighbours = []
    for name in data.metapath_dict:
        store = data[name]
        ends = store.edge_index[store.selector], store.edge_index[1 - store.selector]
        pairs = list(zip(*(e.tolist() for e in ends), strict=True))
        neighbours.append([{j for (r, j) in pairs if r == i} for i in range(n)])
    found = []
    for i in range(n):
        closeness = {}
        for of in neighbours:
            for j in of[i]:
                closeness[j] = closeness.get(j, 0) + 1 / len(of[i])
        closeness.pop(i, None)
        # rounding must not decide between equal ones
        others = sorted(closeness, key=lambda j: (-round(closeness[j], 9), j))
        found += [(i, j) for j in sorted([i, *others[: threshold - 1]])]
    return found


@pytest.mark.parametrize("chunk", [1 << 22, 40])
@pytest.mark.parametrize("threshold", [1, 2, 5, 30])
@pytest.mark.parametrize("paths", [PATHS, PATHS[:1]])
def test_equals_the_formula(paths, threshold, chunk, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", chunk)
    data = AddMetaPaths(paths)(graph())
    out = AddHeCoPositives(threshold, ties="index")(data)
    pairs = list(map(tuple, out["paper"].pos_edge_index.t().tolist()))
    assert pairs == oracle(data, threshold)
    assert out["paper"].pos_edge_index.dtype == torch.int64
    assert "pos_edge_index" not in data["paper"]


@pytest.mark.parametrize("form", ["transpose", "row"])
def test_reads_the_choices_in_either_direction(form):
    data = AddMetaPaths(PATHS, topk=4, topk_form=form)(graph(1))
    transform = AddHeCoPositives(3, ties="index")
    found = transform(data)["paper"].pos_edge_index
    other = AddMetaPaths(PATHS, topk=4, topk_form="row")(graph(1))
    assert torch.equal(found, transform(other)["paper"].pos_edge_index)
    assert list(map(tuple, found.t().tolist())) == oracle(data, 3)


def dense_shares(data):
    for name in data.metapath_dict:
        store = data[name]
        dense = torch.zeros(30, 30, dtype=torch.float64)
        dense[store.edge_index[store.selector], store.edge_index[1 - store.selector]] = 1
        yield dense / dense.sum(1, keepdim=True).clamp(min=1)


@pytest.mark.parametrize("ties", ["random", "legacy"])
def test_ties_change_only_which_of_equal_nodes_are_taken(ties):
    data = AddMetaPaths(PATHS)(graph())
    shares = {}
    for rule in ("index", ties):
        pairs = AddHeCoPositives(4, ties=rule)(data)["paper"].pos_edge_index.t().tolist()
        closeness = sum(dense_shares(data))
        shares[rule] = [
            sorted(round(float(closeness[i, j]), 9) for a, j in pairs if a == i and j != i)
            for i in range(30)
        ]
    if ties == "random":
        assert shares[ties] == shares["index"]
        return
    # The released code ranks the node among the others.
    ranked = closeness.sort(dim=1, descending=True).values
    pairs = AddHeCoPositives(4, ties=ties)(data)["paper"].pos_edge_index
    for i in range(30):
        found = closeness[i, pairs[1][pairs[0] == i]].sort(descending=True).values
        top = ranked[i][ranked[i] > 0][:4]
        assert torch.allclose(found, top)


def test_lots_favour_no_index():
    # One subject for all: every node is equally close to every other.
    data = HeteroData()
    data["paper"].num_nodes, data["subject"].num_nodes = 200, 1
    ends = torch.stack([torch.arange(200), torch.zeros(200, dtype=torch.long)])
    data["paper", "to", "subject"].edge_index = ends
    data["subject", "to", "paper"].edge_index = ends.flip(0)
    data = AddMetaPaths([["paper", "subject", "paper"]])(data)
    chosen = AddHeCoPositives(5)(data)["paper"].pos_edge_index[1]
    assert abs(float((chosen < 100).float().mean()) - 0.5) < 0.06  # four deviations
    again = AddHeCoPositives(5, seed=1)(data)["paper"].pos_edge_index[1]
    assert not torch.equal(chosen, again)


def test_every_node_has_itself_even_without_edges():
    data = graph()
    links = data["paper", "to", "author"].edge_index
    data["paper", "to", "author"].edge_index = links[:, links[0] != 7]
    data["author", "to", "paper"].edge_index = links[:, links[0] != 7].flip(0)
    out = AddHeCoPositives(1)(AddMetaPaths(PATHS[:1])(data))
    assert torch.equal(out["paper"].pos_edge_index, torch.arange(30).expand(2, -1))
    out = AddHeCoPositives(9)(AddMetaPaths(PATHS[:1])(data))
    first, second = out["paper"].pos_edge_index
    assert second[first == 7].tolist() == [7]
    assert int(first.bincount().max()) <= 9


def test_moved_graphs_and_pickling():
    data = AddMetaPaths(PATHS)(graph()).to("cpu")
    transform = AddHeCoPositives(4)
    copy = pickle.loads(pickle.dumps(transform))
    assert repr(copy) == repr(transform) == "AddHeCoPositives(threshold=4, ties='random')"
    assert torch.equal(transform(data)["paper"].pos_edge_index, copy(data)["paper"].pos_edge_index)


def test_no_nodes():
    data = HeteroData()
    data["paper"].num_nodes = 0
    data["paper", "to", "paper"].edge_index = torch.empty(2, 0, dtype=torch.long)
    out = AddHeCoPositives(4)(AddMetaPaths([["paper", "paper"]])(data))
    assert out["paper"].pos_edge_index.shape == (2, 0)


def test_mistakes():
    for data in (graph(), Data(num_nodes=3)):
        with pytest.raises(ValueError, match="apply AddMetaPaths first"):
            AddHeCoPositives(4)(data)
    with pytest.raises(ValueError, match="threshold must be at least 1, got 0"):
        AddHeCoPositives(0)
    with pytest.raises(TypeError, match="threshold must be a whole number"):
        AddHeCoPositives(2.0)
