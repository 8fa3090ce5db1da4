"""Drop probabilities against a float64 double loop, and frequencies of drawn views against them."""

from __future__ import annotations

import os
from math import log, sqrt

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data, HeteroData

import gcl
from gcl.augment import CommunalAttributeVoting
from gcl.augment.communal_attribute_voting import column_votes, log_votes
from gcl.augment.rates import adaptive_rates


def votes_by_loop(x: list[list[float]], s: list[float]) -> list[float]:
    columns = range(len(x[0]))
    return [sum(abs(row[f]) * s_i for row, s_i in zip(x, s, strict=True)) for f in columns]


def rates_by_loop(v: list[float], p: float, threshold: float, dense: bool = False) -> list[float]:
    if not dense:
        v = [max(v) if value == 0 else value for value in v]
    positive = [value for value in v if value > 0]
    if not positive:
        return [min(p, threshold)] * len(v)
    logs = [log(value if value > 0 else min(positive)) for value in v]
    top, low = max(logs), min(logs)
    if top == low:
        return [min(p, threshold)] * len(v)
    a = [(top - value) / (top - low) for value in logs]
    mean = sum(a) / len(a)
    return [min(max(value / mean * p, 0), threshold) for value in a]


def rates(x: Tensor, s: Tensor, p: float, threshold: float, dense: bool = False) -> list[float]:
    votes = column_votes(x, s.double(), torch.zeros(len(s), dtype=torch.long), 1)
    return adaptive_rates(log_votes(votes, dense=dense)[0], p, threshold, tolerance=1e-9).tolist()


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("low", [0.01, -0.05])  # negative strengths make some votes negative
@pytest.mark.parametrize(("p", "threshold"), [(0.1, 0.7), (0.5, 0.7), (0.5, 1.0), (1.0, 1.0)])
def test_probabilities_are_the_formula(
    p: float, threshold: float, low: float, dense: bool, csr: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(25, 12, generator=generator, dtype=torch.float64)
    x *= torch.rand(25, 12, generator=generator) < 0.3
    x[:, 3] = 0
    s = low + 0.1 * torch.rand(25, generator=generator, dtype=torch.float64)
    found = rates(x.to_sparse_csr() if csr else x, s, p, threshold, dense)
    expected = rates_by_loop(votes_by_loop(x.tolist(), s.tolist()), p, threshold, dense)
    assert found == pytest.approx(expected, abs=1e-12)
    assert len(set(expected)) > 3
    assert (expected[3] == 0) != dense  # nobody uses column 3


@pytest.mark.skipif("GCL_DATA" not in os.environ, reason="needs Cora")
def test_probabilities_are_the_formula_on_cora() -> None:
    data = gcl.datasets.load("cora")
    s = torch.linspace(-0.01, 0.2, 7, dtype=torch.float64)[data.y]
    found = rates(data.x.to_sparse_csr(), s, 0.3, 0.7)
    # The loop over the entries that are not zero.
    v = [0.0] * data.num_features
    for i, f in data.x.nonzero().tolist():
        v[f] += abs(float(data.x[i, f])) * float(s[i])
    assert found == pytest.approx(rates_by_loop(v, 0.3, 0.7), abs=1e-9)


@pytest.mark.parametrize("csr", [False, True])
def test_frequencies_match(csr: bool) -> None:
    x = torch.rand(8, 30, generator=torch.Generator().manual_seed(0)) + 0.01
    s = torch.tensor([0.3, -0.1, 0.02, 0.0, 0.1, 0.1, 0.05, 0.2])
    expected = rates_by_loop(votes_by_loop(x.tolist(), s.tolist()), 0.4, 0.7)
    data = Data(x=x.to_sparse_csr() if csr else x, community_strength=s)
    draws, gone = 2000, torch.zeros(30)
    torch.manual_seed(0)
    for _ in range(draws):
        view = CommunalAttributeVoting(0.4)(data).x
        zero = (view.to_dense() if csr else view) == 0
        assert torch.equal(zero.all(0), zero.any(0))
        gone += zero[0]
    for column, rate in enumerate(expected):
        deviation = sqrt(draws * rate * (1 - rate))
        assert abs(float(gone[column]) - draws * rate) <= 4 * deviation + 1e-9


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize(
    ("x", "s"),
    [
        (torch.ones(3, 4), torch.tensor([0.1, 0.2, 0.3])),  # equal votes
        (torch.ones(3, 4), torch.zeros(3)),  # nobody votes
        (torch.ones(3, 4), torch.full((3,), -0.2)),  # all against
        (torch.zeros(3, 4), torch.ones(3)),  # nothing to vote on
        (torch.stack([torch.arange(4.0).roll(k) for k in range(4)]), torch.full((4,), 0.1)),
    ],
)
def test_votes_that_do_not_tell_columns_apart_mask_uniformly(
    x: Tensor, s: Tensor, dense: bool
) -> None:
    assert rates(x, s, 0.3, 0.7, dense) == pytest.approx([0.3] * 4)
    assert rates(x.to_sparse_csr(), s, 0.3, 0.7, dense) == pytest.approx([0.3] * 4)
    assert (
        CommunalAttributeVoting(0.3, dense=dense)(Data(x=x, community_strength=s))
        .x.isfinite()
        .all()
    )


def test_votes_that_differ_by_rounding_are_equal() -> None:
    # The same numbers in another order: told apart, the top column would never go.
    values = torch.rand(50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    columns = [values[torch.randperm(50, generator=torch.manual_seed(k))] for k in range(40)]
    data = Data(x=torch.stack(columns, 1), community_strength=torch.full((50,), 0.1))
    votes = column_votes(data.x, data.community_strength.double(), torch.zeros(50).long(), 1)
    assert votes.unique().numel() > 1
    gone = sum((CommunalAttributeVoting(0.3)(data).x == 0).all(0) for _ in range(400))
    assert (abs(gone - 120) < 4.5 * sqrt(400 * 0.3 * 0.7)).all()


@pytest.mark.parametrize("csr", [False, True])
def test_each_graph_of_a_batch_votes_for_itself(csr: bool) -> None:
    # Alone, each graph loses exactly its weaker column.
    parts = [
        Data(x=torch.tensor(x), community_strength=torch.tensor(s))
        for x, s in [
            ([[1.0, 0.0], [1.0, 1.0]], [0.1, 0.1]),
            ([[1.0, 9.0]], [0.3]),
            ([[5.0, 0.0], [0.0, -5.0]], [0.1, 0.4]),
        ]
    ]
    data = Batch.from_data_list(parts)
    data.x = data.x.to_sparse_csr() if csr else data.x
    view = CommunalAttributeVoting(0.5, threshold=1.0)(data)
    x = view.x.to_dense() if csr else view.x
    assert x.tolist() == [[1, 0], [1, 0], [0, 9], [0, 0], [0, -5]]


def test_csr_keeps_its_indices_and_hetero_types_vote_apart() -> None:
    x = torch.eye(6).to_sparse_csr()
    data = Data(x=x, community_strength=torch.linspace(0.1, 0.6, 6))
    view = CommunalAttributeVoting(0.5)(data)
    assert view.x.col_indices().data_ptr() == x.col_indices().data_ptr()
    hetero = HeteroData()
    for kind, strength in (("a", [1.0, 2.0]), ("b", [2.0, 1.0])):
        hetero[kind].x, hetero[kind].community_strength = torch.eye(2), torch.tensor(strength)
    view = CommunalAttributeVoting(0.5, threshold=1.0)(hetero)
    assert [view[kind].x.sum(0).tolist() for kind in "ab"] == [[0, 1], [1, 0]]


def test_errors() -> None:
    data = Data(x=torch.ones(3, 2))
    with pytest.raises(ValueError, match=r"'community_strength'.*gcl\.transforms\.AddCommunities"):
        CommunalAttributeVoting(0.3)(data)
    data.community_strength = torch.ones(2)
    with pytest.raises(ValueError, match=r"one number per node \(3\), got 2"):
        CommunalAttributeVoting(0.3)(data)
    with pytest.raises(ValueError, match="threshold"):
        CommunalAttributeVoting(0.3, threshold=-1)
    with pytest.raises(ValueError, match=r"got \[3, 2, 2\]"):
        CommunalAttributeVoting(0.3)(Data(x=torch.ones(3, 2, 2), community_strength=torch.ones(3)))
    assert CommunalAttributeVoting(0.3)(Data(x=torch.ones(2, 0), community_strength=torch.ones(2)))


@pytest.mark.parametrize("copies", [1, 2], ids=["one graph", "a batch"])
def test_truth_values_vote_as_ones(copies):
    torch.manual_seed(0)
    x, edges = torch.rand(20, 6) > 0.5, torch.randint(20, (2, 60))
    found = []
    for form in (x.float(), x, x.to_sparse_csr()):
        data = Data(x=form, edge_index=edges, community_strength=torch.arange(20.0))
        torch.manual_seed(1)
        seen = CommunalAttributeVoting(0.5)(
            data if copies == 1 else Batch.from_data_list([data] * copies)
        ).x
        assert seen.dtype == form.dtype
        found.append(seen.to_dense().float())
    assert all(torch.equal(one, found[0]) for one in found)
