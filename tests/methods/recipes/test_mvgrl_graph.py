"""MVGRL for whole graphs: the diffusion against its inverse."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.utils import to_dense_adj

import gcl
from tests.methods.small_graphs import batch, graphs


def test_mvgrl_diffusion_is_exact_and_prepared_once():
    data = batch(3)
    method = gcl.methods.mvgrl_graph(data, hidden=4)
    prepared = method.prepare(data)
    assert "diffusion_edge_index" not in data
    adjacency = to_dense_adj(data.edge_index, data.batch)[2].double()
    n = graphs()[2].num_nodes
    loops = adjacency[:n, :n] + torch.eye(n)
    scale = loops.sum(1).rsqrt()
    exact = 0.2 * torch.linalg.inv(torch.eye(n) - 0.8 * scale[:, None] * loops * scale)
    part = prepared.to_data_list()[2]
    found = torch.zeros(n, n).index_put_(
        tuple(part.diffusion_edge_index.flip(0)), part.diffusion_edge_weight
    )
    assert torch.allclose(found.double(), exact, atol=1e-5)
    again = Batch.from_data_list(prepared.to_data_list())
    for key in ("diffusion_edge_index", "diffusion_edge_weight", "edge_index"):
        assert torch.equal(again[key], prepared[key])
    method.eval()
    assert torch.allclose(method.embed(data), method.embed(prepared), atol=1e-5)


def test_mvgrl_graph_needs_layers_of_some_width():
    data = gcl.datasets.load("karate")
    for name in ("hidden", "num_layers"):
        with pytest.raises(ValueError, match=f"mvgrl_graph: {name}"):
            gcl.methods.mvgrl_graph(data, **{name: 0})


def test_the_embedding_is_the_sum_of_both_views_behind_their_head():
    torch.manual_seed(0)
    data = batch(3)
    method = gcl.methods.mvgrl_graph(data, hidden=4, num_layers=2).eval()
    prepared = method.prepare(data)
    plain, diffused = method.encoders
    nodes = (
        plain(data.x, data.edge_index),
        diffused(data.x, prepared.diffusion_edge_index, prepared.diffusion_edge_weight),
    )
    assert [z.shape[1] for z in nodes] == [8, 8]  # two layers, one beside the other
    sums = [torch.stack([z[data.batch == g].sum(0) for g in range(3)]) for z in nodes]
    expected = sum(method.global_head(s) for s in sums)
    assert torch.allclose(method.embed(prepared), expected, atol=1e-5)
    # The diffusion is normalised already; the graph is not.
    assert [conv.normalize for e in method.encoders for conv in e.convs] == [True] * 2 + [False] * 2


def test_topk_and_alpha_reach_the_diffusion():
    prepared = gcl.methods.mvgrl_graph(batch(), hidden=4, topk=2).prepare(batch())
    assert torch.bincount(prepared.diffusion_edge_index[1]).max() <= 2
    with pytest.raises(ValueError, match="alpha"):
        gcl.methods.mvgrl_graph(batch(), ppr_alpha=0)
