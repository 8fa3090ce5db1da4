"""Edge lists as sparse matrices against SciPy and plain loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl.ops.structure import Structure


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
