"""Half-Hop around a method, against PyG's transform and against views without it."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import Compose, HalfHop

import gcl
from gcl.augment import EdgeDropping
from gcl.methods import half_hop
from gcl.methods.variants.half_hop import HalfHopping
from gcl.transforms import ToSparseFeatures


@pytest.fixture
def data() -> Data:
    data: Data = gcl.datasets.karate()
    generator = torch.Generator().manual_seed(0)
    data.x = torch.rand(34, 5, generator=generator) * (torch.rand(34, 5, generator=generator) < 0.5)
    loops = torch.tensor([[3, 33], [3, 33]])
    data.edge_index = torch.cat([data.edge_index, loops], 1)
    return data


def adjacency(data: Data, weight: Tensor | None = None) -> Tensor:
    n = data.x.shape[0]
    dense = torch.zeros(n, n)
    weight = torch.ones(data.edge_index.shape[1]) if weight is None else weight
    return dense.index_put((data.edge_index[0], data.edge_index[1]), weight, accumulate=True)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
def test_the_view_is_that_of_pyg(data: Data, p: float, sparse: bool) -> None:
    torch.manual_seed(5)
    wanted = HalfHop(alpha=0.3, p=p)(copy.copy(data))
    given = ToSparseFeatures(1.0)(copy.copy(data)) if sparse else copy.copy(data)
    torch.manual_seed(5)
    got = HalfHopping(p, 0.3)(given)
    assert torch.equal(got.slow_node_mask, wanted.slow_node_mask)
    torch.testing.assert_close(got.x.written_out(), wanted.x)
    assert torch.equal(adjacency(got), adjacency(wanted))


def test_weights_and_attributes_follow_their_edges_and_dropped_edges_go(data: Data) -> None:
    e = data.edge_index.shape[1]
    data.edge_weight = torch.arange(1.0, e + 1)
    data.edge_weight[::3] = 0
    data.edge_name = torch.arange(e)
    view = HalfHopping(1.0, 0.5)(copy.copy(data))
    assert len(view.edge_weight) == view.edge_index.shape[1] == len(view.edge_name)
    assert torch.equal(view.edge_weight, data.edge_weight[view.edge_name])
    there = (data.edge_weight != 0).nonzero().view(-1).tolist()
    ends = data.edge_index.t().tolist()
    wanted = {
        tuple(ends[k]): (3 if ends[k][0] != ends[k][1] else 1) for k in there
    }  # a self-loop stays one edge
    found = view.edge_name.tolist()
    assert {tuple(ends[k]): found.count(k) for k in set(found)} == wanted


def test_grace_on_its_views_is_grace_with_pygs_transform(data: Data) -> None:
    """The loss by hand: PyG's transform, PyG's mask, the method's own parts."""
    method = gcl.methods.grace(data, hidden=4, proj=4, drop_edge=(0, 0), mask_feature=(0, 0))
    slowed = half_hop(method, p=0.5, alpha=0.3)
    prepared = method.prepare(data)
    torch.manual_seed(1)
    loss = slowed(prepared)
    torch.manual_seed(1)
    heads = []
    for _ in range(2):
        dense = copy.copy(prepared)
        dense.x = dense.x.to_dense()
        view = HalfHop(alpha=0.3, p=0.5)(dense)
        z = method.encoder(view.x, view.edge_index)
        heads.append(method.projector(z[~view.slow_node_mask]))
    torch.testing.assert_close(loss, method.objective(*heads))


def test_pygs_transform_is_a_view_as_it_is(data: Data) -> None:
    views = [Compose([HalfHop(0.5, 0.5), EdgeDropping(0.2, as_weight=True)])] * 2
    method = gcl.methods.TwoView(gcl.nn.GCNEncoder(5, 4), views, gcl.losses.InfoNCE(0.4))
    assert [h.shape for h in method.project_views(data)] == [(34, 4)] * 2
    assert method.embed(data).shape == (34, 4)
    method(data).backward()


def test_bgrl_predicts_nodes_only(data: Data) -> None:
    method = gcl.methods.bgrl(
        data, hidden=4, predictor=4, drop_edge=(0, 0), mask_feature=(0, 0), norm=None
    )
    slowed = half_hop(method, p=1.0)
    prepared = method.prepare(data)
    dense = copy.copy(prepared)
    dense.x = dense.x.to_dense()
    view = HalfHop(0.5, 1.0)(dense)
    q = slowed.predictor(slowed.encoder(view.x, view.edge_index)[:34])
    y = slowed.target(view.x, view.edge_index)[:34]
    wanted = 2 * (1 - cosine_similarity(q, y)).mean()
    torch.testing.assert_close(slowed(prepared), wanted)


def test_readouts_see_no_slow_node() -> None:
    graphs = [gcl.datasets.sbm(20, 2, num_features=5, seed=seed) for seed in range(3)]
    data = Batch.from_data_list(graphs)
    method = half_hop(gcl.methods.graphcl(data, hidden=4, drop_edge=0.0, drop_node=0.0), p=1.0)
    view = HalfHopping(1.0, 0.5)(copy.copy(data))
    seen = []
    method.readout = lambda z, batch, count: seen.append((z, batch, count)) or z[:count]
    method.embed(view)
    z, batch, count = seen[0]
    assert (len(z), count) == (60, 3)
    assert torch.equal(batch, data.batch)


def test_the_same_seed_gives_the_same_views_and_zero_chance_is_the_method(data: Data) -> None:
    method = gcl.methods.grace(data, hidden=4, proj=4, drop_edge=(0, 0), mask_feature=(0, 0))
    prepared = method.prepare(data)
    torch.testing.assert_close(half_hop(method, p=0.0)(prepared), method(prepared))
    losses = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        losses.append(half_hop(method)(prepared).item())
    assert losses[0] == losses[1] != losses[2]


def test_it_prints_and_goes_with_other_variants(data: Data) -> None:
    method = gcl.methods.several_views(half_hop(gcl.methods.grace(data, hidden=4), p=0.25))
    assert "HalfHopping(p=0.25, alpha=0.5)" in str(method)
    assert len(method.project_views(data)[0]) == 34


def test_refuses(data: Data) -> None:
    with pytest.raises(TypeError, match=r"half_hop: expected a method of augmented views.*Infomax"):
        half_hop(gcl.methods.dgi(data, hidden=4))
    with pytest.raises(TypeError, match="LocalGlobal"):  # its views are what it embeds
        half_hop(gcl.methods.infograph(data, hidden=4))
    with pytest.raises(ValueError, match=r"half_hop: p must lie in \[0, 1\], got 1.5"):
        half_hop(gcl.methods.grace(data, hidden=4), p=1.5)
    with pytest.raises(ValueError, match=r"half_hop: alpha must lie in \[0, 1\], got -1"):
        half_hop(gcl.methods.grace(data, hidden=4), alpha=-1)
