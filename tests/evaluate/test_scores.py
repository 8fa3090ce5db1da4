"""Scores of several splits at once against scikit-learn, one split at a time."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, roc_auc_score

from gcl.evaluate.scores import ranking, split_accuracy, split_largest_class, split_macro_f1


@pytest.mark.parametrize("classes", [2, 5])
def test_equal_to_scikit_learn_in_every_split(classes):
    generator = torch.Generator().manual_seed(classes)
    y = torch.randint(classes, (60,), generator=generator)
    predicted = torch.randint(classes, (4, 60), generator=generator)
    masks = torch.rand(4, 60, generator=generator) < torch.tensor([[0.1], [0.4], [0.7], [1.0]])
    accuracy, f1 = split_accuracy(predicted, y, masks), split_macro_f1(predicted, y, masks)
    for s in range(4):
        true, told = y[masks[s]].numpy(), predicted[s, masks[s]].numpy()
        assert accuracy[s] == pytest.approx(accuracy_score(true, told))
        assert f1[s] == pytest.approx(f1_score(true, told, average="macro"))


def test_classes_that_a_part_lacks_do_not_count():
    y, masks = torch.tensor([0, 0, 1, 2]), torch.tensor([[True, True, True, False]])
    # Class 0: 2 * 1 / (2 + 1); class 1: 2 * 1 / (1 + 2); class 2 does not occur.
    assert split_macro_f1(torch.tensor([[0, 1, 1, 0]]), y, masks) == pytest.approx([2 / 3])
    # Predicted, it does, and has no hit: the mean is over three.
    told = torch.tensor([[0, 2, 1, 2]])
    assert split_macro_f1(told, y, masks) == pytest.approx([(2 / 3 + 1 + 0) / 3])


def test_what_lies_outside_a_part_changes_nothing():
    y, masks = torch.arange(12) % 3, torch.zeros(2, 12, dtype=torch.bool)
    masks[0, :5], masks[1, 5:] = True, True
    predicted = torch.stack([y, y])
    assert split_accuracy(predicted, y, masks) == split_macro_f1(predicted, y, masks) == [1, 1]
    predicted[0, 5:] = (y[5:] + 1) % 3  # wrong where the first part does not look
    assert split_accuracy(predicted, y, masks)[0] == split_macro_f1(predicted, y, masks)[0] == 1
    predicted[0, 0] = 1 - y[0]
    assert split_accuracy(predicted, y, masks) == pytest.approx([0.8, 1])
    assert np.all(np.array(split_macro_f1(predicted, y, masks)) < [1, 1.1])


def test_largest_class_of_a_part():
    y, masks = (
        torch.tensor([0, 0, 0, 1, 1, -1]),
        torch.tensor([[1, 1, 1, 1, 1, 0], [0, 0, 1, 1, 1, 0]]),
    )
    assert split_largest_class(y, masks.bool()) == pytest.approx([3 / 5, 2 / 3])


@pytest.mark.parametrize("step", [0.0, 0.2])  # 0.2: many equal scores
def test_rankings_are_those_of_scikit_learn(step):
    rng = np.random.default_rng(0)
    for classes in (2, 3, 6):
        y = np.concatenate([np.arange(classes), rng.integers(0, classes, 80)])
        p = rng.dirichlet(np.ones(classes), len(y)) + 0.3 * np.eye(classes)[y]
        p = np.round(p / step) * step if step else p / p.sum(1, keepdims=True)
        found = ranking(p.T, y)
        hot = np.eye(classes)[y][:, 1:] if classes == 2 else np.eye(classes)[y]
        told = p[:, 1:] if classes == 2 else p
        theirs = roc_auc_score(hot, told), average_precision_score(hot, told)
        assert found == pytest.approx(theirs, abs=1e-12)


def test_rankings_leave_out_classes_that_are_absent():
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 40), rng.random((3, 40))
    areas = [roc_auc_score(y == c, p[c]) for c in (0, 1)]
    assert ranking(p, y)[0] == pytest.approx(np.mean(areas))
    assert np.isnan(ranking(p, np.zeros(40, int))).all()
