"""The GCN that sees labels: which epoch counts, what it may read, and what its seed decides."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Data

import gcl
from gcl.baselines.supervised_gcn import supervised_gcn
from gcl.evaluate.splits import Splits

N = 60


@pytest.fixture
def data() -> Data:
    found = gcl.datasets.sbm(N, 3, num_features=6, noise=1.5)
    assert isinstance(found, Data)
    return found


def one_split(copies: int = 1) -> Splits:
    order = torch.randperm(N, generator=torch.Generator().manual_seed(0))
    masks = torch.zeros(3, N, dtype=torch.bool)
    for mask, part in zip(masks, order.split([15, 15, 30]), strict=True):
        mask[part] = True
    return Splits("mine", *(mask.repeat(copies, 1) for mask in masks))


def run(data: Data, copies: int = 1, **options: object) -> gcl.evaluate.Result:
    options = {"splits": one_split(copies), "epochs": 8, "normalize": False, **options}
    return supervised_gcn(data, **options)  # type: ignore[arg-type]


def test_the_epoch_that_is_best_on_validation_counts(data: Data) -> None:
    # Training is the same up to each number of epochs, so the best of them can only grow.
    # Steps this large go back and forth.
    best = [run(data, epochs=epochs, lr=0.5, hidden=4)["val_accuracy"] for epochs in range(1, 9)]
    assert best == sorted(best)
    assert best[-1] > best[0]


def test_labels_of_test_nodes_do_not_reach_training(data: Data) -> None:
    honest = run(data)
    hidden = one_split().test[0]
    data.y = torch.where(hidden, (data.y + 1) % 3, data.y)
    cheated = run(data)
    assert cheated["val_accuracy"] == honest["val_accuracy"]
    # With all test labels shifted a node is right at most once.
    assert cheated["accuracy"] + honest["accuracy"] <= 1 + 1e-12
    assert cheated["accuracy"] < 0.5 < honest["accuracy"]


def test_split_i_starts_from_the_seed_plus_i(data: Data) -> None:
    many = run(data, copies=3, seed=4)
    alone = [run(data, seed=seed).per_run["accuracy"] for seed in (4, 5, 6)]
    assert [list(x) for x in alone] == [[x] for x in many.per_run["accuracy"]]
    assert len(set(many.per_run["val_accuracy"])) > 1


def test_the_graph_and_the_random_numbers_stay_as_they_were(data: Data) -> None:
    data.x = data.x.relu()
    before, state = data.clone(), torch.get_rng_state()
    run(data, normalize=True)
    assert all(torch.equal(before[name], data[name]) for name in before.to_dict())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": 0}, "supervised_gcn: hidden must be at least 1, got 0"),
        ({"epochs": 0}, "supervised_gcn: epochs must be at least 1, got 0"),
        ({"patience": 0}, "supervised_gcn: patience must be at least 1, got 0"),
        ({"max_splits": 0}, "supervised_gcn: max_splits must be at least 1, got 0"),
    ],
)
def test_numbers_that_do_not_fit(data: Data, options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(data, **options)


def test_each_split_is_learnt_on_its_own() -> None:
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


def test_validation_nodes_are_needed() -> None:
    data = gcl.datasets.sbm(100, 2, num_features=4)
    with pytest.raises(ValueError, match="without validation nodes"):
        supervised_gcn(data, protocol="e1", epochs=2)


def test_training_ends_where_validation_stops_rising(data: Data, monkeypatch) -> None:
    steps = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self: steps.append(1) or step(self))
    whole = run(data, epochs=400, patience=400)
    assert len(steps) == 400
    steps.clear()
    short = run(data, epochs=400, patience=5)
    (chosen,) = short.per_run["epoch"]
    # Five steps without a higher accuracy or a lower loss are the end.
    assert chosen + 5 <= len(steps) < 200
    assert run(data, epochs=len(steps), patience=400).per_run == short.per_run
    assert whole["val_accuracy"] >= short["val_accuracy"]
    # Patience that nothing needs changes nothing.
    assert run(data, epochs=8, patience=8).per_run == run(data, epochs=8).per_run


def test_of_many_splits_the_first_are_taken(data: Data) -> None:
    found = supervised_gcn(data, protocol="random-20-30-rest", epochs=2, max_splits=3)
    splits = gcl.evaluate.random_splits_by_class(data.y, num_splits=3)
    assert found.per_run == supervised_gcn(data, splits=splits, epochs=2).per_run
    assert found.protocol.startswith("random-20-30-rest: 3 splits, supervised GCN")
    assert len(supervised_gcn(data, protocol="random-20-30-rest", epochs=1).per_run["epoch"]) == 20


def test_nodes_without_a_label_are_trained_on_by_nobody(data: Data) -> None:
    known = torch.arange(N) % 4 > 0
    splits = gcl.evaluate.random_splits(N, 0.2, 0.2, num_splits=2, among=known)
    seen = run(data, splits=splits)
    data.y = torch.where(known, data.y, -1)
    assert run(data, splits=splits).per_run == seen.per_run
