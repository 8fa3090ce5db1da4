"""Meta-path graphs and contexts as matrices, against dense ones."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import HeteroData

from gcl.datasets import hetero_sbm
from gcl.graphs.meta_paths import metapath_contexts
from gcl.nn import context_mean, masked_adjacency, metapath_adjacency
from gcl.transforms import AddMetaPaths

PSP = [["paper", "subject", "paper"]]


def graph(**options):
    data = hetero_sbm(30, num_authors=20, num_subjects=4, subjects=0.8, seed=1)
    return AddMetaPaths(PSP, **options)(data)


def counts(data):
    """Paths over subjects, by the dense product."""
    ps = torch.zeros(30, 4, dtype=torch.float64)
    ps[tuple(data["paper", "to", "subject"].edge_index)] = 1
    return ps @ ps.t()


def dense(adjacency, n=30):
    return adjacency @ torch.eye(n, dtype=adjacency.values.dtype)


@pytest.mark.parametrize("form", ["transpose", "row", "union"])
@pytest.mark.parametrize("self_loops", [True, False])
def test_normalisation_is_that_of_the_choosers(form, self_loops):
    data = graph(topk=3, topk_form=form)
    (name,) = data.metapath_dict
    store = data[name]
    u = torch.zeros(30, 30, dtype=torch.float64)
    u[store.edge_index[1], store.edge_index[0]] = store.edge_weight.double()
    chosen_by = u.sum(0) if form == "transpose" else u.sum(1)
    scale = chosen_by.clamp(min=1e-30).rsqrt() * (chosen_by > 0)
    expected = scale[:, None] * u * scale
    alone = (u.sum(0) == 0) & (u.sum(1) == 0)
    assert 0 < int(alone.sum()) < 30
    if self_loops:
        expected += torch.diag(alone.double())
    found = dense(metapath_adjacency(data, name, torch.float64, self_loops=self_loops))
    torch.testing.assert_close(found, expected)


def test_without_topk_it_is_the_symmetric_normalisation_of_the_counts():
    data = graph()
    (name,) = data.metapath_dict
    a = counts(data)
    scale = a.sum(1).clamp(min=1).rsqrt()
    found = dense(metapath_adjacency(data, name, torch.float64, self_loops=False))
    torch.testing.assert_close(found, scale[:, None] * a * scale)
    a = (a > 0).double()
    scale = a.sum(1).clamp(min=1).rsqrt()
    found = dense(metapath_adjacency(data, name, torch.float64, binary=True, self_loops=False))
    torch.testing.assert_close(found, scale[:, None] * a * scale)


def test_masked_adjacency_without_masks_is_gcn_on_the_pattern():
    data = graph()
    (name,) = data.metapath_dict
    a = (counts(data) > 0).double()
    a.fill_diagonal_(1)
    scale = a.sum(1).rsqrt()
    found = dense(masked_adjacency(data, name, 0.0, torch.float64))
    torch.testing.assert_close(found, scale[:, None] * a * scale)


def test_masked_adjacency_drops_so_many_edges_and_keeps_every_node():
    data = graph()
    (name,) = data.metapath_dict
    edges = int((counts(data) > 0).sum() - (counts(data).diagonal() > 0).sum())
    torch.manual_seed(0)
    kept = torch.tensor(
        [float((masked_adjacency(data, name, 0.3).values > 0).sum()) for _ in range(400)]
    )
    deviation = (edges * 0.3 * 0.7) ** 0.5
    assert abs(kept.mean() - 0.7 * edges) < 4 * deviation / 20
    assert (masked_adjacency(data, name, 0.9).loop > 0).all()
    same = [
        masked_adjacency(data, name, 0.5, generator=torch.Generator().manual_seed(3)).values
        for _ in range(2)
    ]
    assert torch.equal(*same)


def random_hetero():
    torch.manual_seed(0)
    data = HeteroData()
    data["t"].num_nodes, data["a"].num_nodes, data["b"].num_nodes = 6, 5, 4
    for source, target in (("t", "a"), ("a", "b")):
        n, m = data[source].num_nodes, data[target].num_nodes
        links = (torch.rand(n, m) < 0.4).nonzero().t()
        data[source, "to", target].edge_index = links
        data[target, "to", source].edge_index = links.flip(0)
    return data


@pytest.mark.parametrize("contexts", ["set", "walk"])
def test_contexts_are_means_over_sets_or_walks(contexts):
    data = AddMetaPaths([["t", "a", "b", "a", "t"]], contexts)(random_hetero())
    h = {kind: torch.randn(data[kind].num_nodes, 3, dtype=torch.float64) for kind in "tab"}
    ta, ab = torch.zeros(6, 5, dtype=torch.float64), torch.zeros(5, 4, dtype=torch.float64)
    ta[tuple(data["t", "to", "a"].edge_index)] = 1
    ab[tuple(data["a", "to", "b"].edge_index)] = 1

    def mean(m):
        return m / m.sum(1, keepdim=True).clamp(min=1)

    if contexts == "set":
        reach = [ta, ta @ ab, ta @ ab @ ab.t()]
        expected = [mean((r > 0).double()) @ h[k] for r, k in zip(reach, "aba", strict=True)]
    else:
        steps = [mean(ta), mean(ab), mean(ab.t())]
        expected = [
            steps[0] @ h["a"],
            steps[0] @ (steps[1] @ h["b"]),
            steps[0] @ (steps[1] @ (steps[2] @ h["a"])),
        ]
    (chains,) = metapath_contexts(data).values()
    assert len(chains) == 3
    for chain, value in zip(chains, expected, strict=True):
        torch.testing.assert_close(context_mean(data, chain, h), value)
