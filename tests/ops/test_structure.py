"""Edge lists as sparse matrices against SciPy and plain loops."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gcl
from gcl.ops.propagation import sparse_linear
from gcl.ops.sparse import csr_tensor
from gcl.ops.structure import (
    Structure,
    pointer,
    remember,
    stable_order,
    structure,
    tally,
    weighted_edges,
)
from tests.other_device import OTHER, other_device


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


def dense_gradient(x: torch.Tensor, grad: torch.Tensor) -> torch.Tensor:
    return x.to_dense().t() @ grad


@pytest.mark.parametrize("change", ["another crow", "crow in place", "col in place"])
def test_the_transpose_of_a_matrix_follows_both_of_its_index_arrays(change: str) -> None:
    crow, col = torch.tensor([0, 2, 3, 4]), torch.tensor([0, 1, 1, 2])
    values, grad = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.arange(6.0).view(3, 2)
    matrix = csr_tensor(crow, col, values, (3, 3))

    def gradient() -> torch.Tensor:
        weight = torch.zeros(3, 2, requires_grad=True)
        sparse_linear(matrix, weight).backward(grad)
        assert weight.grad is not None
        return weight.grad

    expected = dense_gradient(matrix, grad)
    assert torch.equal(gradient(), expected)
    if change == "another crow":
        matrix = csr_tensor(torch.tensor([0, 1, 3, 4]), col, values, (3, 3))
    elif change == "crow in place":
        matrix.crow_indices()[1] = 1
    else:
        matrix.col_indices()[3] = 0
    moved = dense_gradient(matrix, grad)
    assert not torch.equal(moved, expected)
    assert torch.equal(gradient(), moved)


def test_every_tensor_of_an_answer_counts() -> None:
    a, b, calls = torch.zeros(2), torch.zeros(2), []

    def build() -> float:
        calls.append(1)
        return float((a + b).sum())

    assert remember((a, b), ("sum",), build) == remember((a, b), ("sum",), build) == 0
    assert len(calls) == 1
    b.add_(1)
    assert remember((a, b), ("sum",), build) == 2
    a.add_(1)
    assert remember((a, b), ("sum",), build) == 4
    assert remember((b, a), ("sum",), build) == 4
    assert len(calls) == 4


def test_changes_under_inference_mode_are_seen() -> None:
    torch.manual_seed(0)  # some weights make zeros of everything
    encoder = gcl.nn.GCNEncoder(3, 2)
    with torch.inference_mode():
        x, edges = torch.eye(3), torch.tensor([[0, 1], [1, 0]])
        first = encoder(x, edges)
        edges[1, 1] = 2
        assert torch.equal(encoder(x, edges), encoder(x, edges.clone()))
        assert not torch.equal(encoder(x, edges), first)


@pytest.mark.parametrize("recipe", ["grace", "sugrl", "meow"])
def test_what_was_remembered_under_inference_mode_can_be_trained_through(recipe: str) -> None:
    if recipe == "meow":
        data = gcl.datasets.hetero_sbm(40, num_authors=40, num_subjects=5)
        data.metapaths = [["paper", "author", "paper"]]
        options = {"hidden": 4, "clusters": (3,)}
    else:
        data = gcl.datasets.load("karate")
        options = {"hidden": 4} if recipe == "grace" else {"hidden": (4,), "dim": 4}
    method = getattr(gcl.methods, recipe)(data, **options)
    prepared = method.prepare(data)
    with torch.inference_mode():
        method.eval().embed(prepared)
    method.train()(prepared).backward()


def test_threads_may_remember_at_once() -> None:
    def work(number: int) -> bool:
        right = True
        for i in range(300):
            edges = torch.tensor([[i % 7, number], [number, i % 7]])
            found = structure(edges, 9)
            right &= torch.equal(found.rowptr, Structure(edges, 9, 9).rowptr)
        return right

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_loops_are_found_once_and_the_last_copy_counts():
    edges = torch.tensor([[2, 0, 1, 1, 2, 1], [2, 1, 1, 0, 2, 1]])
    found = Structure(edges, 3, 3)
    mask, last = found.loops
    assert torch.equal(mask, found.row == found.col)
    # Slots back to places in the list: the later one of each pair of copies.
    assert sorted(found.perm[last].tolist()) == [4, 5]
    assert found.loops is found.loops
    assert Structure(edges[:, [1, 3]], 3, 3).loops is None


def test_loops_found_in_inference_can_be_trained_through():
    edges = torch.tensor([[0, 1, 1], [0, 0, 1]])
    pattern = structure(edges, 2)
    with torch.inference_mode():
        assert not pattern.loops[1].is_inference()


def test_tallies_are_those_of_bincount():
    for ids, size in ((torch.tensor([2, 0, 2, 1]), 5), (torch.empty(0, dtype=torch.long), 3)):
        expected = torch.bincount(ids, minlength=size)
        assert torch.equal(tally(ids, size), expected)
        with other_device() as watch:
            there = ids.to(OTHER)
            with watch.step():
                found = tally(there, size)
            assert watch.waited == 0
            assert torch.equal(found.cpu(), expected)


def test_edges_of_int32_are_those_of_int64():
    data = gcl.datasets.load("karate")
    small = data.clone()
    small.edge_index = data.edge_index.to(torch.int32)
    encoder = gcl.nn.GCNEncoder(34, 4).eval()
    found = encoder(small.x, small.edge_index)
    assert torch.equal(found, encoder(data.x, data.edge_index))
    spread = gcl.transforms.AddPropagated(2)
    assert torch.equal(spread(small).x, spread(data).x)


def test_positions_of_int32_do_not_overflow_where_edges_are_sorted():
    n = 100_000  # n * n is beyond int32
    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(n, (2, 1000), generator=generator)
    wide, narrow = structure(edges, n), structure(edges.to(torch.int32), n)
    assert torch.equal(wide.perm, narrow.perm)
    assert torch.equal(wide.col, narrow.col)
