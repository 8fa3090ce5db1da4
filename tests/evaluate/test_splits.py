"""Splits: sizes, disjointness, seeds, the masks of data sets."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data

from gcl.evaluate import Splits, public_split, random_splits, random_splits_by_class


@settings(max_examples=25, deadline=None)
@given(
    num_nodes=st.integers(20, 300),
    train=st.sampled_from([0.1, 0.2, 0.5]),
    val=st.sampled_from([0.0, 0.1, 0.3]),
    seed=st.integers(0, 99),
)
def test_parts_are_disjoint_complete_and_sized(num_nodes, train, val, seed):
    splits = random_splits(num_nodes, train, val, num_splits=3, seed=seed)
    for parts in zip(splits.train, splits.val, splits.test, strict=True):
        sets = [set(part.nonzero().flatten().tolist()) for part in parts]
        assert len(sets[0]) == round(train * num_nodes)
        assert len(sets[1]) == round(val * num_nodes)
        assert sum(map(len, sets)) == len(set.union(*sets)) == num_nodes


def test_seeds_own_their_generator():
    before = torch.get_rng_state()
    one, same, other = (random_splits(50, seed=s) for s in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one.train, same.train)
    assert not torch.equal(one.train, other.train)
    assert len({tuple(row) for row in one.train.tolist()}) == 20
    assert torch.equal(random_splits(50, num_splits=3, seed=1).test, one.test[:3])


def test_the_first_splits():
    splits = random_splits(50, num_splits=5)
    assert torch.equal(splits.first(2).test, splits.test[:2])
    assert len(splits.first(9)) == 5
    assert splits.first(2).name == splits.name


def test_test_nodes_over_training_nodes():
    assert random_splits(50, num_splits=3).ratio == 8
    train = torch.tensor([[1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]]).bool()
    assert Splits("mine", train, ~train & False, ~train).ratio == (2 + 5) / 2


def test_names():
    assert random_splits(100).name == "random-10-10-80"
    assert random_splits(100, 0.1, 0.0).name == "random-10-90"


@pytest.mark.parametrize(
    "arguments",
    [
        {"train": 0.0},
        {"train": 0.6, "val": 0.4},
        {"val": -0.1},
        {"num_splits": 0},
        {"num_nodes": 3},
    ],
)
def test_random_split_mistakes(arguments):
    with pytest.raises(ValueError, match="random_splits"):
        random_splits(**{"num_nodes": 100, **arguments})


def test_shares_are_of_the_nodes_among():
    known = torch.arange(60) % 3 > 0
    splits = random_splits(60, num_splits=4, among=known)
    assert not (splits.train | splits.val | splits.test)[:, ~known].any()
    sizes = [part.sum(1).tolist() for part in (splits.train, splits.val, splits.test)]
    assert sizes == [[4] * 4, [4] * 4, [32] * 4]
    everyone = torch.ones(60, dtype=torch.bool)
    assert torch.equal(random_splits(60, among=everyone).train, random_splits(60).train)
    for wrong in (known[:50], known.int(), [True] * 60):
        with pytest.raises(ValueError, match=r"among as a bool mask \[60\]"):
            random_splits(60, among=wrong)


def counts(y, mask):
    return torch.bincount(y[mask], minlength=int(y.max()) + 1).tolist()


def test_so_many_of_every_class():
    y = torch.repeat_interleave(torch.arange(5), torch.tensor([200, 51, 50, 7, 3]))
    y = torch.cat([y, torch.full((40,), -1)])
    y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(0))]
    before = torch.get_rng_state()
    splits = random_splits_by_class(y, num_splits=6, seed=1)
    assert torch.equal(before, torch.get_rng_state())
    for train, val, test in zip(splits.train, splits.val, splits.test, strict=True):
        # The first two are large enough; of the others half, rounded up, is for the test.
        assert counts(y, train) == [20, 20, 10, 1, 1]
        assert counts(y, val) == [30, 30, 15, 2, 1]
        assert counts(y, test) == [150, 1, 25, 4, 1]
        assert not ((train & val) | (train & test) | (val & test)).any()
    assert len({tuple(row) for row in splits.train.tolist()}) == 6
    assert torch.equal(random_splits_by_class(y, num_splits=2, seed=1).test, splits.test[:2])
    assert not torch.equal(random_splits_by_class(y, num_splits=6, seed=2).test, splits.test)
    assert splits.name == "random-20-30-rest"
    # Every node of a class is as likely as the others.
    often = random_splits_by_class(torch.arange(240) % 2, num_splits=2000).train.double().mean(0)
    assert often.sub(1 / 6).abs().max() < 5 * (5 / 36 / 2000) ** 0.5


def test_splits_by_class_mistakes():
    y = torch.arange(60) % 2
    with pytest.raises(ValueError, match="class 7 has 2 nodes, and each of the three parts"):
        random_splits_by_class(torch.cat([y, torch.tensor([7, 7])]))
    with pytest.raises(ValueError, match="random_splits_by_class: val must be at least 1"):
        random_splits_by_class(y, val=0)
    with pytest.raises(TypeError, match=r"pass y, e\.g\. data\.y"):
        random_splits_by_class(None)


def masks(n=6):
    index = torch.arange(n)
    return {"train_mask": index < 2, "val_mask": index == 2, "test_mask": index > 2}


def test_public_split_reads_the_masks():
    splits = public_split(Data(num_nodes=6, **masks()))
    assert len(splits) == 1
    assert splits.num_nodes == 6
    assert splits.test[0].tolist() == [False, False, False, True, True, True]


def test_public_split_of_several_columns_with_one_test_mask():
    train = torch.zeros(6, 4, dtype=torch.bool)
    train[torch.tensor([0, 1, 0, 1]), torch.arange(4)] = True
    val = torch.zeros(6, 4, dtype=torch.bool)
    val[2] = True
    splits = public_split(Data(num_nodes=6, **{**masks(), "train_mask": train, "val_mask": val}))
    assert len(splits) == 4
    assert splits.train.int().argmax(1).tolist() == [0, 1, 0, 1]
    assert splits.test.sum(1).tolist() == [3] * 4


def test_public_split_mistakes():
    with pytest.raises(ValueError, match="no test_mask"):
        public_split(Data(num_nodes=6, **{k: v for k, v in masks().items() if k != "test_mask"}))
    wide = {"train_mask": torch.ones(6, 2), "val_mask": torch.ones(6, 3)}
    with pytest.raises(ValueError, match="same number"):
        public_split(Data(num_nodes=6, **{**masks(), **wide}))


def test_splits_refuse_overlap_and_empty_parts():
    one, none = torch.tensor([[True, False]]), torch.tensor([[False, False]])
    with pytest.raises(ValueError, match="two parts"):
        Splits("mine", one, none, one)
    with pytest.raises(ValueError, match="no test nodes"):
        Splits("mine", one, none, none)
    with pytest.raises(ValueError, match="bool mask"):
        Splits("mine", one, none, ~one.squeeze(0))
