"""Edge lists as sparse matrices against SciPy and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl.ops.structure import (
    Structure,
    pointer,
    remember,
    stable_order,
    structure,
    weighted_edges,
)


@pytest.mark.parametrize("seed", range(4))
def test_mirrored_lists_need_one_sort_and_give_the_same_partners(seed: int) -> None:
    # Sorted by source, as PyG sorts; repeats and self-loops included.
    generator = torch.Generator().manual_seed(seed)
    pairs = torch.randint(5, (2, 9), generator=generator)
    both = torch.cat([pairs, pairs[:, pairs[0] != pairs[1]].flip(0)], 1)
    edges = both[:, (both[0] * 5 + both[1]).argsort(stable=True)]
    partner = Structure(edges, 5, 5).partner
    assert partner is not None
    assert torch.equal(edges[:, partner], edges.flip(0))
    assert torch.equal(partner[partner], torch.arange(edges.size(1)))
    shuffle = torch.randperm(edges.size(1), generator=generator)
    other = Structure(edges[:, shuffle], 5, 5)
    assert not other._mirrored
    assert torch.equal(edges[:, shuffle][:, other.partner], edges[:, shuffle].flip(0))
    assert Structure(edges[:, edges[0] <= edges[1]], 5, 5).partner is None


@settings(max_examples=60, deadline=None, database=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=14))
def test_some_edges_have_a_reverse(edges: list[tuple[int, int]]) -> None:
    found = Structure(torch.tensor(edges, dtype=torch.long).view(-1, 2).t(), 4, 4).some_partners
    for i, (u, v) in enumerate(edges):
        copies, reverses = (
            [k for k, edge in enumerate(edges) if edge == pair] for pair in ((u, v), (v, u))
        )
        k = copies.index(i)
        assert found[i] == (reverses[k] if k < len(reverses) else -1)


def edge_list(num_src=6, num_dst=4, seed=0):
    """Edges that no order sorts, without repeats, and a value each."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation(num_src * num_dst)[: num_src * num_dst // 2]
    edges = np.stack([codes % num_src, codes // num_src])
    matrix = sp.coo_array((rng.random(len(codes)), edges[::-1]), shape=(num_dst, num_src))
    return torch.from_numpy(edges), matrix.tocsr(), torch.from_numpy(matrix.data)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sizes", [(6, 4), (4, 6), (5, 5)])
def test_rows_are_those_of_scipy(sizes, seed):
    edges, matrix, values = edge_list(*sizes, seed)
    matrix.sort_indices()
    found = Structure(edges, *sizes)
    assert found.num_edges == matrix.nnz
    assert (found.rowptr.numpy() == matrix.indptr).all()
    assert (found.col.numpy() == matrix.indices).all()
    assert (found.to_slots(values).numpy() == matrix.data).all()
    assert (found.row.numpy() == np.repeat(np.arange(sizes[1]), np.diff(matrix.indptr))).all()
    turned = matrix.T.tocsr()
    turned.sort_indices()
    rowptr, col, slots = found.transpose
    assert (rowptr.numpy() == turned.indptr).all()
    assert (col.numpy() == turned.indices).all()
    assert (found.to_slots(values)[slots].numpy() == turned.data).all()


def test_a_sorted_list_stays_as_it_is_and_repeats_in_their_order():
    ordered = torch.tensor([[0, 2, 1, 1, 3], [0, 0, 1, 1, 2]])
    found = Structure(ordered, 4, 3)
    assert found.perm is None
    assert found.col.data_ptr() != ordered.data_ptr()
    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(4, (2, 60), generator=generator)
    perm = Structure(edges, 4, 4).perm
    assert (perm.numpy() == np.lexsort(edges.numpy())).all()


@pytest.mark.parametrize("size", [1, 1 << 16, (1 << 16) + 1, 1 << 33])
def test_order_of_large_numbers_is_that_of_a_stable_sort(size):
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, size, 300)
    numbers[:4] = size - 1  # the largest, several times
    numbers[100:] = numbers[:200]
    found = stable_order(torch.from_numpy(numbers), size)
    assert (found.numpy() == np.argsort(numbers, kind="stable")).all()


def test_where_the_rows_of_each_number_begin():
    ids = torch.tensor([3, 0, 3, 5, 0, 0])
    borders = np.searchsorted(np.sort(ids.numpy()), np.arange(8))
    assert (pointer(ids, 7).numpy() == borders).all()
    assert pointer(ids[:0], 2).tolist() == [0, 0, 0]


def test_memory_knows_a_tensor_until_it_changes():
    edges = torch.tensor([[0, 1, 2], [1, 2, 0]])
    first = structure(edges, 3)
    assert structure(edges, 3) is first
    assert structure(edges.view(2, 3), 3) is first  # the same storage, read in the same way
    assert structure(edges.clone(), 3) is not first
    assert structure(edges, 3, 4) is not first
    assert structure(edges[:, :2], 3).num_edges == 2
    edges[0, 0] = 2
    changed = structure(edges, 3)
    assert changed is not first
    assert changed.col.tolist() == [2, 2, 1]
    assert first.col.tolist() == [2, 0, 1]


def test_memory_goes_with_its_tensors_and_is_bounded(monkeypatch):
    monkeypatch.setattr("gcl.ops.structure._memory", memory := {})
    monkeypatch.setattr("gcl.ops.structure._MAX_ENTRIES", 3)
    kept, gone = torch.arange(3), torch.arange(4)
    made = []
    for tensor in (kept, gone, kept, gone):
        remember(tensor, ("key",), lambda: made.append(1) or len(made))
    assert len(made) == len(memory) == 2
    del gone, tensor
    remember(kept, ("other key",), lambda: 0)
    assert len(memory) == 2
    for i in range(9):
        assert remember(kept, (i,), lambda i=i: i) == i
    assert len(memory) == 3
    assert remember(kept, (8,), lambda: "anew") == 8
    assert remember(kept, (0,), lambda: "anew") == "anew"


def test_edges_of_weight_zero_are_left_out():
    edges = torch.tensor([[0, 1, 2], [1, 2, 0]])
    assert weighted_edges(edges, None) is edges
    assert weighted_edges(edges, torch.tensor([0.5, -1.0, 2.0])) is edges
    assert weighted_edges(edges, torch.tensor([0.0, 1.0, 0.0])).tolist() == [[1], [2]]


def test_edges_between_two_types_have_no_reverse():
    found = Structure(torch.tensor([[0, 1], [1, 0]]), 2, 3)
    assert found.partner is None
    with pytest.raises(ValueError, match="between two types of nodes have no reverse"):
        found.some_partners  # noqa: B018
