"""MetaPathContrast: the flow written out densely, its masks, its memory."""

from __future__ import annotations

import pytest
import torch

import gcl
from gcl.datasets import hetero_sbm
from gcl.nn.metapath_adjacency import metapath_adjacency
from gcl.ops.similarity import unit_rows
from gcl.transforms import AddMetaPaths
from tests.methods.papers import PAP, PSP, directed, graph, make


def test_embedding_is_the_flow_written_out():
    """One meta-path without masks: every matrix dense, in evaluation mode."""
    data = graph()
    method = make("meow", data, [PAP], norm=None).double().eval()
    h = method.projection(data)
    pa = torch.zeros(40, 50, dtype=torch.float64)
    pa[tuple(data["paper", "to", "author"].edge_index)] = 1
    mean = pa / pa.sum(1, keepdim=True).clamp(min=1)
    f = torch.nn.functional.elu(h["paper"] + mean @ h["author"] @ method.contexts.weights[0])
    counts = pa @ pa.t()
    loops = torch.diag((counts.sum(1) == 0).double())
    scale = counts.sum(1).clamp(min=1).rsqrt()
    plain = scale[:, None] * counts * scale + loops
    pattern = ((counts > 0) | torch.eye(40).bool()).double()
    scale = pattern.sum(1).rsqrt()
    views = []
    for a in (plain, scale[:, None] * pattern * scale):
        u = a @ (f @ method.gcn.first)
        v = a @ (torch.where(u > 0, u, method.gcn.act.weight * u) @ method.gcn.second)
        views.append(unit_rows(v))
    w = torch.stack(
        [method.attention.linear(v).tanh().mean(0) @ method.attention.query[0] for v in views]
    ).softmax(0)
    expected = w[0] * views[0] + w[1] * views[1]
    torch.testing.assert_close(gcl.embed(method, data), expected)


def test_masks_are_drawn_anew_or_once():
    data = graph()
    for resample, same in (("once", True), ("epoch", False)):
        method = make("meow", data, resample=resample, dropout=0.0)
        prepared = method.prepare(data)
        first, second = (method.train().views(prepared)[1] for _ in range(2))
        assert torch.equal(first, second) == same


def test_memory_at_20000_nodes_stays_far_below_an_array_of_pairs():
    data = hetero_sbm(20_000, num_authors=20_000, num_subjects=400, num_features=8)
    method = gcl.methods.meow(
        data, paths=AddMetaPaths([PAP, PSP], topk=[10, 20]), hidden=8, clusters=(20, 50)
    )
    prepared = method.prepare(data)
    sizes = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for x in out if isinstance(out, tuple | list) else (out,):
                if isinstance(x, torch.Tensor) and x.layout == torch.strided:
                    sizes.append(x.untyped_storage().nbytes())
            return out

    with Watch():
        method(prepared).backward()
    assert max(sizes) < 20_000 * 20_000 * 4 / 20


@pytest.mark.parametrize("form", ["transpose", "row"])
def test_nobody_is_left_without_an_edge_in_a_directed_graph(form):
    data = AddMetaPaths([[("paper", "cites", "paper")]], topk_form=form)(directed())
    name = ("paper", "metapath_0", "paper")
    matrix = metapath_adjacency(data, name) @ torch.eye(4)
    edges = {tuple(pair) for pair in data[name].edge_index.t().tolist()}
    for source in range(4):
        for target in range(4):
            own = source == target and not any(t == target for _, t in edges)
            assert bool(matrix[target, source] > 0) == ((source, target) in edges or own)


def test_changed_weights_of_a_meta_path_count():
    data = graph()
    method = make("meow", data)
    prepared = method.prepare(data)
    before = gcl.embed(method, prepared.clone())
    store = prepared["paper", "metapath_0", "paper"]
    method.eval()
    with torch.no_grad():
        assert torch.allclose(method.embed(prepared), before)
        store.edge_weight = torch.rand_like(store.edge_weight) + 0.1
        assert not torch.allclose(method.embed(prepared), before)
