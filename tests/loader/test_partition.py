"""Parts of a graph."""

import importlib.util

import pytest
import torch

import gcl
from gcl import checkpoint
from gcl.loader import partition
from gcl.loader import partition as _function
from gcl.loader.partition import packed

ENGINES = ["communities", pytest.param("metis", marks=pytest.mark.skipif(
    importlib.util.find_spec("pymetis") is None, reason="needs pymetis"))]  # fmt: skip


def blocks(nodes=400, parts=8):
    return gcl.datasets.sbm(nodes, parts, degree=16, homophily=0.9)


def cut(edge_index, parts):
    source, target = parts[edge_index]
    return float((source != target).float().mean())


@pytest.mark.parametrize("engine", ENGINES)
def test_parts_are_even_and_cut_few_edges(engine):
    data = blocks()
    parts = partition(data.edge_index, 400, 8, engine=engine)
    size = torch.bincount(parts, minlength=8)
    assert parts.shape == (400,)
    assert int(size.max()) <= 75
    assert int(size.min()) >= 25
    random = torch.randint(8, (400,), generator=torch.Generator().manual_seed(0))
    assert cut(data.edge_index, parts) < 0.4 * cut(data.edge_index, random)
    assert torch.equal(parts, partition(data.edge_index, 400, 8, engine=engine))


@pytest.mark.parametrize("engine", ENGINES)
def test_odd_graphs(engine):
    for edges in (torch.empty(2, 0).long(), torch.tensor([[0, 0, 1], [0, 1, 1]])):
        parts = partition(edges, 5, 2, engine=engine)
        assert parts.shape == (5,)
        assert 0 <= int(parts.min()) <= int(parts.max()) < 2
    assert partition(torch.tensor([[0], [1]]), 3, 1, engine=engine).tolist() == [0, 0, 0]


def test_packing():
    """No part is larger than the even share and what one group adds to it."""
    generator = torch.Generator().manual_seed(0)
    groups = torch.randint(60, (500,), generator=generator).square() // 40
    for parts in (1, 3, 7, 40):
        found = packed(groups, parts)
        size = torch.bincount(found, minlength=parts)
        assert int(size.sum()) == 500
        assert int(size.max()) <= 2 * -(-500 // parts)
        # a group that fits stays whole
        for group in groups.unique():
            if int((groups == group).sum()) <= 500 // parts:
                assert len(found[groups == group].unique()) == 1


def test_a_file_keeps_the_answer(tmp_path, monkeypatch):
    data, path = blocks(), tmp_path / "parts.safetensors"
    parts = partition(data.edge_index, 400, 4, engine="communities", cache=path)
    assert path.is_file()
    kept = checkpoint.load(path)
    checkpoint.save(kept | {"parts": torch.zeros(400, dtype=torch.long)}, path)
    again = partition(data.edge_index, 400, 4, engine="communities", cache=path)
    assert not again.any()  # it was read
    other = partition(data.edge_index.flip(0), 400, 4, engine="communities", cache=path)
    assert int(other.max()) == 3  # of another graph: made anew
    assert parts.shape == other.shape


def test_more_parts_than_nodes_and_no_pymetis(monkeypatch):
    with pytest.raises(ValueError, match="at most a part for each of the 3 nodes, got num_parts=4"):
        partition(torch.tensor([[0], [1]]), 3, 4)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install pymetis"):
        _function(torch.tensor([[0], [1]]), 3, 2, engine="metis")
