"""HeCo: the published loss written plainly, and what its schema sees."""

from __future__ import annotations

import pytest
import torch

import gcl
from gcl.ops.similarity import unit_rows
from gcl.transforms import AddMetaPaths
from tests.methods.papers import directed, graph, make


def test_heco_sees_only_the_types_it_is_told_to():
    method = make("heco", graph(), samples={"author": 3})
    assert [name[0] for name in method.schema.edge_types] == ["author"]
    assert set(method.projection.weights) == {"paper", "author"}


def test_heco_loss_is_the_published_one():
    data = graph(12)
    method = make("heco", data, samples=60, lam=0.3).double().eval()
    prepared = method.prepare(data)
    torch.manual_seed(0)
    loss = method.loss(prepared)
    torch.manual_seed(0)
    h = method.projection(prepared)
    a = unit_rows(method.head(method.embed(prepared)))
    b = unit_rows(method.head(method.schema(prepared, h)))
    positive = torch.zeros(12, 12, dtype=torch.bool)
    positive[tuple(prepared["paper"].pos_edge_index)] = True
    total = 0.0
    for weight, s in ((0.3, a @ b.t()), (0.7, b @ a.t())):
        e = (s / 0.8).exp()
        total = total - weight * ((e * positive).sum(1) / e.sum(1)).log().mean()
    assert loss.item() == pytest.approx(total.item(), rel=1e-9)


def test_heco_reads_a_directed_graph_the_way_it_chooses_positives():
    data = directed()
    data["author"].num_nodes = 2
    data["author", "to", "paper"].edge_index = torch.tensor([[0, 1, 1], [0, 1, 2]])
    paths = AddMetaPaths([[("paper", "cites", "paper")]], "none", topk_form="row")
    method = gcl.methods.heco(data, paths=paths, hidden=4)
    edges = method.prepare(data)["paper", "metapath_0", "paper"].edge_index
    # Row 0 of A says that paper 0 cites paper 2: it listens to it.
    assert [2, 0] in edges.t().tolist()
