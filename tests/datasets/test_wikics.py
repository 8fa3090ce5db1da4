from __future__ import annotations

import json

import pytest
import torch
from torch_geometric.datasets import WikiCS

from gcl.datasets import load

RAW = {
    "features": [[0.5, -1.0], [0.0, 2.0], [1.0, 1.0]],
    "labels": [0, 1, 1],
    "links": [[1, 1], [], [0]],
    "train_masks": [[True, False, False], [False, True, False]],
    "val_masks": [[False, True, False], [True, False, False]],
    "stopping_masks": [[False, True, False], [True, False, False]],
    "test_mask": [False, False, True],
}


def test_equals_pyg(tmp_path):
    folder = tmp_path / "wikics" / "raw"
    folder.mkdir(parents=True)
    (folder / "data.json").write_text(json.dumps(RAW))
    ours = load("wikics", tmp_path)
    theirs = WikiCS(str(tmp_path / "wikics"), is_undirected=True)[0]
    assert sorted(ours.keys()) == sorted(theirs.keys())
    for key in theirs.keys():  # noqa: SIM118
        assert torch.equal(ours[key], theirs[key]), key
    assert ours.train_mask.tolist() == [[True, False], [False, True], [False, False]]


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({**RAW, "links": [["a"]]})])
def test_broken_file(tmp_path, text):
    folder = tmp_path / "wikics" / "raw"
    folder.mkdir(parents=True)
    (folder / "data.json").write_text(text)
    with pytest.raises(ValueError, match=r"is not the data\.json of Wiki-CS"):
        load("wikics", tmp_path)
