"""What criteria see, and what they say of embeddings of which it is known."""

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score
from torch_geometric.data import Data
from torch_geometric.transforms import HalfHop
from torch_geometric.utils import to_dense_adj, to_networkx

import gcl
from gcl.evaluate import kmeans_clusters, neighbour_agreement
from gcl.experiments.criteria import (
    CRITERIA,
    DEFAULT,
    DEFAULT_OF_SEARCH,
    SEVERAL,
    VALIDATION,
    Seen,
    Unlabelled,
    merits,
    parts,
)
from tests.boards import masked


@pytest.fixture(scope="module")
def graph():
    return Unlabelled(gcl.datasets.sbm(150, 3, num_features=8))


@pytest.fixture(scope="module")
def zs():
    generator = torch.Generator().manual_seed(3)
    z = torch.randn(150, 6, generator=generator)
    return [z, z + 0.3 * torch.randn(150, 6, generator=generator)]


def test_no_label_and_no_part_is_shown():
    data = masked()
    shown = Unlabelled(data).data
    assert set(data.keys()) - set(shown.keys()) == {"y", "train_mask", "val_mask", "test_mask"}
    assert data.y is not None
    assert shown.x is data.x
    assert "y" not in Unlabelled(data).split.data


def test_every_criterion_is_a_finite_number(graph, zs):
    seen = Seen(graph, zs, zs)
    for name, criterion in CRITERIA.items():
        assert np.isfinite(criterion.of(seen)), name
        assert criterion.about
    assert {*parts(DEFAULT), DEFAULT_OF_SEARCH} <= set(CRITERIA)


def test_modularity_is_the_mean_over_seeds_and_numbers_of_clusters(graph, zs):
    network = to_networkx(graph.data, to_undirected=True)

    def score(z, k):
        labels = kmeans_clusters(z, k).tolist()
        parts = [{i for i, c in enumerate(labels) if c == label} for label in set(labels)]
        return nx.community.modularity(network, parts)

    seen = Seen(graph, zs)
    assert CRITERIA["modularity"].of(seen) == pytest.approx(np.mean([score(z, 10) for z in zs]))
    assert CRITERIA["modularity_several"].of(seen) == pytest.approx(
        np.mean([score(z, k) for z in zs for k in SEVERAL])
    )


def test_geometry_has_its_signs(graph):
    apart = torch.eye(150)
    alike = torch.ones(150, 4) + 1e-3 * torch.randn(150, 4)
    for name in ("uniformity", "effective_rank", "alignment_uniformity"):
        of = CRITERIA[name].of
        assert of(Seen(graph, [apart])) > of(Seen(graph, [alike])), name
    of = CRITERIA["alignment"].of
    assert of(Seen(graph, [apart])) == pytest.approx(-2.0)  # ||e_i - e_j||^2 = 2
    assert of(Seen(graph, [alike])) > -0.01


def test_edges_are_told_from_pairs_without_one(graph, zs):
    split, unit = graph.split, torch.nn.functional.normalize(zs[0], dim=1)
    pairs = torch.cat([split.test, split.test_neg], 1)
    labels = [1] * split.test.shape[1] + [0] * split.test_neg.shape[1]
    expected = roc_auc_score(labels, (unit[pairs[0]] * unit[pairs[1]]).sum(1))
    assert CRITERIA["edge_auc"].of(Seen(graph, zs[:1])) == pytest.approx(expected)
    seen = Seen(graph, zs[1:], zs[:1])
    assert CRITERIA["hidden_edge_auc"].of(seen) == pytest.approx(expected)


def test_propagated_features_agree_with_themselves(graph, zs):
    dense = to_dense_adj(graph.data.edge_index, max_num_nodes=150)[0].double() + torch.eye(150)
    scale = dense.sum(1).rsqrt()
    s = scale[:, None] * dense * scale
    x = graph.data.x.double()
    x = s @ s @ (x / x.abs().sum(1, keepdim=True))
    of = CRITERIA["as_propagated"].of
    assert of(Seen(graph, [x])) == pytest.approx(1.0, abs=0.01)
    assert of(Seen(graph, zs[:1])) == pytest.approx(neighbour_agreement(zs[0], x), abs=0.01)


def test_merits():
    values = {"modularity": [0.3, 0.1, np.nan, 0.3], "conductance": [1.0, 3.0, 2.0, 0.0]}
    assert merits("modularity", values).tolist() == [0.3, 0.1, -np.inf, 0.3]
    both = merits("modularity+conductance", values)
    ranks = [rankdata([-v if v == v else np.inf for v in column]) for column in values.values()]
    assert both.tolist() == (-np.mean(ranks, axis=0)).tolist()


def test_names_of_criteria():
    assert parts(f"modularity+{VALIDATION}") == ["modularity", VALIDATION]
    with pytest.raises(ValueError, match="unknown criterion 'modularty'; did you mean 'modular"):
        parts("modularty")
    with pytest.raises(ValueError, match="has a name twice"):
        parts("modularity+modularity")


def test_helper_rows_stay_and_are_not_measured(zs):
    """On the links between nodes that are left, and on rows of nodes alone."""
    torch.manual_seed(0)
    data = gcl.datasets.sbm(150, 3, num_features=8)
    data = HalfHop(p=0.5)(data)
    data.helper_mask = torch.zeros(len(data.x), dtype=torch.bool)
    graph = Unlabelled(data)
    assert {"slow_node_mask", "helper_mask"} <= set(graph.data.keys())
    inside = (data.edge_index < 150).all(0)
    assert torch.equal(graph.embedded.edge_index, data.edge_index[:, inside])
    assert graph.embedded.num_nodes == 150
    alone = Unlabelled(Data(x=data.x[:150], edge_index=data.edge_index[:, inside]))
    for name, criterion in CRITERIA.items():
        if name == "as_propagated":  # sees the helper rows, as an encoder does
            assert np.isfinite(criterion.of(Seen(graph, zs)))
        elif not criterion.hides:
            assert criterion.of(Seen(graph, zs)) == criterion.of(Seen(alone, zs)), name
