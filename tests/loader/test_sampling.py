"""Draws of neighbours: what may come, and how often."""

import itertools

import pytest
import torch
from scipy.stats import chi2

from gcl.graphs.target_lists import target_lists
from gcl.loader import sample_neighbors
from gcl.loader.sampling import generator_of


def graph(seed=0, nodes=40, edges=400):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(nodes, (2, edges), generator=generator)


@pytest.mark.parametrize("fanout", [0, 1, 3, 10, 100, -1])
def test_only_edges_that_are_there_each_once_and_as_many_as_asked(fanout):
    edge_index = graph()
    lists = target_lists(edge_index, 40, 40)
    nodes = torch.tensor([3, 39, 0, 17])
    row, slot = sample_neighbors(lists.rowptr, nodes, fanout, generator_of(1))
    assert bool((row.diff() >= 0).all())
    assert len(slot.unique()) == len(slot)
    edges = lists.edges(slot)
    assert torch.equal(edge_index[1, edges], nodes[row])
    for place, node in enumerate(nodes.tolist()):
        degree = int((edge_index[1] == node).sum())
        assert int((row == place).sum()) == (degree if fanout < 0 else min(degree, fanout))


@pytest.mark.parametrize("degree", [2, 4, 7, 40])
def test_single_neighbours_are_uniform(degree):
    """Chi-square of how often each of d edges is among k, whose expectation is k / d."""
    k, rounds = max(1, degree // 2), 4000
    rowptr = torch.arange(rounds + 1) * degree
    _, slot = sample_neighbors(rowptr, torch.arange(rounds), k, generator_of(2, degree))
    seen = torch.bincount(slot % degree, minlength=degree).double()
    p = k / degree
    # Draws without repetition: the variance of a count is p (1 - p), and they add up to k.
    statistic = (
        float(((seen - rounds * p) ** 2).sum() / (rounds * p * (1 - p))) * (degree - 1) / degree
    )
    assert chi2.cdf(statistic, degree - 1) < 0.9999


def test_subsets_are_uniform():
    """All 3-subsets of 6 edges, and not only single edges, are equally likely."""
    rounds = 8000
    rowptr = torch.arange(rounds + 1) * 6
    _, slot = sample_neighbors(rowptr, torch.arange(rounds), 3, generator_of(5))
    sets = [tuple(sorted(row)) for row in (slot % 6).view(rounds, 3).tolist()]
    subsets = list(itertools.combinations(range(6), 3))
    assert set(sets) == set(subsets)
    expected = rounds / len(subsets)
    statistic = sum((sets.count(s) - expected) ** 2 / expected for s in subsets)
    assert chi2.cdf(statistic, len(subsets) - 1) < 0.9999


def test_the_same_generator_gives_the_same_draw_with_any_threads():
    edge_index = graph(3, 500, 20_000)
    rowptr = target_lists(edge_index, 500, 500).rowptr
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(sample_neighbors(rowptr, torch.arange(500), 5, generator_of(0, 7)))
    finally:
        torch.set_num_threads(before)
    assert all(map(torch.equal, *found))


def test_every_tuple_of_numbers_has_draws_of_its_own():
    drawn = [float(torch.rand((), generator=generator_of(*n)))
             for n in itertools.product(range(3), repeat=3)]  # fmt: skip
    assert len(set(drawn)) == 27
    assert generator_of(1, 23).initial_seed() != generator_of(12, 3).initial_seed()
