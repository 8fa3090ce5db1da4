"""The supervised GCN: each split by itself, and no test node in training."""

import pytest
import torch

import gcl
from gcl.baselines.supervised_gcn import supervised_gcn
from gcl.evaluate import Splits


def test_supervised_gcn_learns_each_split_on_its_own():
    data = gcl.datasets.sbm(300, 3, num_features=8, noise=1.0)
    masks = torch.zeros(3, 2, 300, dtype=torch.bool)
    for part, (start, stop) in enumerate(((0, 100), (100, 150), (150, 300))):
        masks[part, 0, torch.arange(300)[start:stop]] = True
        masks[part, 1, 299 - torch.arange(300)[start:stop]] = True
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    splits = Splits("halves", *masks[:, :, order])
    state = torch.get_rng_state()
    found = supervised_gcn(data, splits=splits, epochs=50, normalize=False)
    assert torch.equal(torch.get_rng_state(), state)
    assert found["accuracy"] > 0.9
    assert len(found.per_run["accuracy"]) == 2
    again = supervised_gcn(data, splits=splits, epochs=50, normalize=False)
    assert again.per_run == found.per_run
    # Labels that say nothing are not learned: about a third is right.
    data.y = data.y[order]
    assert supervised_gcn(data, splits=splits, epochs=50, normalize=False)["accuracy"] < 0.5


def test_supervised_gcn_needs_validation_nodes():
    data = gcl.datasets.sbm(100, 2, num_features=4)
    with pytest.raises(ValueError, match="without validation nodes"):
        supervised_gcn(data, protocol="e1", epochs=2)
