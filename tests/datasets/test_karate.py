from __future__ import annotations

import networkx as nx
import torch
from torch_geometric.datasets import KarateClub

from gcl.datasets import karate


def test_is_the_graph_of_networkx():
    data = karate()
    links = {tuple(sorted(pair)) for pair in data.edge_index.t().tolist()}
    assert links == {tuple(sorted(pair)) for pair in nx.karate_club_graph().edges}
    assert data.edge_index.size(1) == 2 * len(links) == 156
    assert torch.equal(data.x, torch.eye(34))
    assert torch.equal(data.y, KarateClub()[0].y)
    assert data.y.unique().tolist() == [0, 1, 2, 3]


def test_calls_share_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    karate().x.zero_()
    assert torch.equal(karate().x, torch.eye(34))
    assert not list(tmp_path.iterdir())
