"""Budgets: the expected number of what a view drops, from its own coins and by hand."""

import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import Compose

import gcl
from gcl.augment import (
    CommunalAttributeVoting,
    CommunalEdgeDropping,
    EdgeAdding,
    EdgeDropping,
    FeatureDropout,
    FeatureMasking,
    NodeDropping,
    RandomChoice,
)
from gcl.methods.provable.budget import check_view, edge_budget, mask_budget, view_budget
from gcl.transforms import AddCentrality, AddCommunities


@pytest.fixture
def data():
    return AddCommunities(seed=0)(AddCentrality()(gcl.datasets.load("karate")))


@pytest.fixture
def star():
    edges = torch.tensor([[0, 0, 0, 0, 0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 0, 0, 0, 0, 0]])
    return Data(edge_index=edges, x=torch.ones(7, 4))


@pytest.mark.parametrize(
    ("p", "centre"), [(0.0, 0), (0.1, 0), (0.29, 1), (0.3, 2), (0.5, 2), (0.7, 4), (1.0, 4)]
)
def test_uniform_rates_by_hand(star, p, centre):
    """Rounded half to even as the released code does; the last edge stays, node 6 has none."""
    budget, symmetric = edge_budget(EdgeDropping(p), star)
    assert budget.tolist() == [centre, 0, 0, 0, 0, 0, 0]
    assert symmetric
    assert not edge_budget(EdgeDropping(0.5, undirected=False), star)[1]


VIEWS = {
    "uniform": EdgeDropping(0.4),
    "adaptive": EdgeDropping(0.4, weight="edge_importance"),
    "each direction": EdgeDropping(0.4, weight="edge_importance", undirected=False),
    "communal": CommunalEdgeDropping(0.4, threshold=0.7),
    "as weight": CommunalEdgeDropping(0.4, as_weight=True),
    "two": Compose([EdgeDropping(0.3), Compose([FeatureDropout(0.5), EdgeDropping(0.2)])]),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=list(VIEWS))
def test_budgets_are_what_the_view_drops_on_average(view, data):
    torch.manual_seed(0)
    kept, draws = torch.zeros(data.num_nodes), 400
    for _ in range(draws):
        drawn = view(data.clone())
        weight = drawn.get("edge_weight")
        weight = torch.ones(drawn.num_edges) if weight is None else weight
        kept.index_add_(0, drawn.edge_index[1], weight)
    degree = torch.bincount(data.edge_index[1], minlength=data.num_nodes)
    dropped = degree - kept / draws
    budget, symmetric = edge_budget(view, data)
    assert symmetric == (view is not VIEWS["each direction"])
    assert (budget <= (degree - 1).clamp(min=0)).all()
    limited = torch.minimum(dropped, degree - 1.0)
    assert ((budget - limited).abs() < 0.5 + 0.25).all()  # a half by rounding, noise
    assert budget.sum() > 20


def test_loops_and_edges_of_weight_zero_do_not_count(star):
    star.edge_index = torch.cat([star.edge_index, torch.tensor([[0, 6], [0, 6]])], dim=1)
    star.edge_weight = torch.ones(12)
    star.edge_weight[5:7] = 0  # 1 -> 0 and 2 -> 0
    assert edge_budget(EdgeDropping(1.0), star)[0].tolist() == [2, 0, 0, 0, 0, 0, 0]


def test_graphs_without_edges_have_no_budget():
    empty = Data(x=torch.ones(3, 2), edge_index=torch.zeros(2, 0, dtype=torch.long))
    assert edge_budget(EdgeDropping(0.5), empty)[0].tolist() == [0, 0, 0]


def test_columns(data):
    assert mask_budget(FeatureMasking(0.3), data) == round(0.3 * 34)
    assert mask_budget(EdgeDropping(0.3), data) == 0
    both = Compose([FeatureMasking(0.5), EdgeDropping(0.1), FeatureMasking(0.5)])
    assert mask_budget(both, data) == round(0.75 * 34)


@pytest.mark.parametrize(
    "view", [FeatureMasking(0.4, weight="feature_importance"), CommunalAttributeVoting(0.4)]
)
def test_columns_by_importance_are_what_the_view_masks_on_average(view, data):
    data.x = torch.rand(34, 20, generator=torch.Generator().manual_seed(0))
    data.feature_importance = torch.linspace(0, 1, 20)
    torch.manual_seed(0)
    masked = [(view(data.clone()).x == 0).all(0).sum() for _ in range(400)]
    assert abs(mask_budget(view, data) - torch.stack(masked).double().mean()) < 0.5 + 0.4


def test_the_budget_of_a_view_counts_columns_where_masks_are_bounded(data):
    view = Compose([FeatureMasking(0.3), EdgeDropping(0.4, undirected=False)])
    edges, symmetric = edge_budget(view, data)
    for masks, columns in ((False, 0), (True, mask_budget(view, data))):
        found = view_budget(view, data, masks=masks)
        assert torch.equal(found.edges, edges)
        assert (found.symmetric, found.columns) == (symmetric, columns)
    assert view_budget(FeatureDropout(0.2), data).columns == 0
    with pytest.raises(TypeError, match="FeatureDropout"):
        view_budget(FeatureDropout(0.2), data, masks=True)


def test_graphs_of_a_batch_count_by_themselves(data):
    graphs = []
    for low in (0.0, 0.9):
        graph = Data(x=torch.ones(2, 10), edge_index=torch.zeros(2, 0, dtype=torch.long))
        graph.feature_importance = torch.linspace(low, 1, 10)
        graphs.append(graph)
    view = FeatureMasking(0.4, weight="feature_importance", p_max=0.5)
    found = [mask_budget(view, graph) for graph in graphs]
    assert mask_budget(view, Batch.from_data_list(graphs)) == max(found)


@pytest.mark.parametrize(
    "view",
    [
        NodeDropping(0.2),
        EdgeAdding(0.2),
        RandomChoice([EdgeDropping(0.2)]),
        Compose([EdgeDropping(0.2), NodeDropping(0.2)]),
        lambda data: data,
    ],
    ids=["nodes", "adding", "choice", "inside", "function"],
)
def test_other_views_have_no_budget(view, data):
    with pytest.raises(TypeError, match="a budget can be read from EdgeDropping"):
        edge_budget(view, data)


def test_only_whole_columns_have_a_budget(data):
    check_view(FeatureDropout(0.2))
    with pytest.raises(TypeError, match=r"FeatureMasking.*FeatureDropout"):
        mask_budget(FeatureDropout(0.2), data)


def test_missing_attributes_are_named(star):
    for view in (EdgeDropping(0.2, weight="edge_importance"), CommunalEdgeDropping(0.2)):
        with pytest.raises(ValueError, match=r"no attribute 'edge_"):
            edge_budget(view, star)
    with pytest.raises(ValueError, match="no attribute 'feature_importance'"):
        mask_budget(FeatureMasking(0.2, weight="feature_importance"), star)
