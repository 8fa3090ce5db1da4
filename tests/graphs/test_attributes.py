"""What belongs to what in a whole graph."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Data, HeteroData

from gcl.graphs.attributes import check_lengths, classify

EDGES = torch.tensor([[0, 1, 2, 3, 0], [1, 2, 3, 0, 2]])
RING = EDGES[:, :4]


def told(data):
    return classify("here", data, data._store)


def test_by_length_and_name():
    data = Data(
        x=torch.ones(4, 2),
        edge_index=EDGES,
        edge_weight=torch.ones(5),
        importance=torch.ones(5),
        texts=list("abcd"),
        pos_edge_index=EDGES[:, :4],  # as many pairs as nodes
        pos_weight=torch.ones(4),
        feature_importance=torch.ones(4),
        name="a graph",
        number=3,
    )
    found = told(data)
    assert found.nodes == ["x", "texts"]
    assert found.edges == ["edge_weight", "importance"]
    assert found.pairs == {"pos_edge_index": ["pos_weight"]}


def test_as_many_nodes_as_edges():
    data = Data(x=torch.ones(4, 2), edge_index=RING, y=torch.zeros(4), train_mask=torch.ones(4) > 0,
                edge_attr=torch.ones(4, 1), edge_strength=torch.ones(4))  # fmt: skip
    assert told(data).nodes == ["x", "y", "train_mask"]
    assert told(data).edges == ["edge_attr", "edge_strength"]
    data.thing = torch.ones(4)
    with pytest.raises(ValueError, match=r"'thing' has 4 rows.*node_thing or edge_thing"):
        told(data)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("n_id", torch.arange(4), "has n_id, as a batch has"),
        ("face", torch.zeros(3, 1).long(), "'face' looks like node numbers"),
        ("anchor_index", torch.arange(4), "'anchor_index' looks like node numbers"),
    ],
)
def test_what_would_mean_other_nodes_afterwards(name, value, message):
    data = Data(x=torch.ones(4, 2), edge_index=EDGES, **{name: value})
    with pytest.raises(ValueError, match=f"^here: .*{message}"):
        told(data)


@pytest.mark.parametrize(
    ("name", "value", "count"),
    [
        ("train_mask", torch.ones(3) > 0, "4 nodes"),
        ("train_mask", torch.ones(5, 2) > 0, "4 nodes"),
        ("y", torch.ones(6), "4 nodes"),
        ("ids", np.array(["a", "b"]), "4 nodes"),
        ("ids", ["a", "b"], "4 nodes"),
        ("node_age", torch.ones(7), "4 nodes"),
        ("pos", torch.ones(3, 2), "4 nodes"),
        ("edge_attr", torch.ones(4, 2), "5 edges"),
        ("edge_time", torch.ones(6), "5 edges"),
    ],
)
def test_what_has_another_length_than_its_name_tells(name, value, count):
    data = Data(x=torch.ones(4, 2), edge_index=EDGES, **{name: value})
    with pytest.raises(ValueError, match=rf"^here: {name} has \d rows, and there are {count};"):
        told(data)


def test_lengths_that_are_right():
    pairs = torch.zeros(2, 3, dtype=torch.long)
    told(Data(x=torch.ones(4, 2), edge_index=EDGES, y=torch.ones(1), scale=torch.tensor(2.0),
              ids=list("abcd"), edge_label_index=pairs, edge_label=torch.ones(3),
              feature_names=["a", "b"], edge_feature_names=["c"], classes=["x"],
              pos_edge_index=pairs, pos_edge_attr=torch.ones(3), thing=torch.ones(9)))  # fmt: skip
    # Labels and masks of all but the helper rows.
    told(Data(x=torch.ones(4, 2), edge_index=EDGES, y=torch.ones(3), train_mask=torch.ones(3) > 0,
              helper_mask=torch.arange(4) == 3))  # fmt: skip
    check_lengths("here", {"train_mask": torch.ones(3), "edge_attr": torch.ones(3)}, None, None)


def test_of_types():
    data = HeteroData()
    data["a"].x, data["b"].x = torch.ones(2, 1), torch.ones(2, 1)
    data["a", "to", "b"].edge_index = RING[:, :2] % 2
    data["a", "to", "b"].thing = torch.ones(2)
    a, edges = (classify("here", data, data[k]) for k in ("a", ("a", "to", "b")))
    assert (a.nodes, a.edges, edges.nodes, edges.edges) == (["x"], [], [], ["thing"])
