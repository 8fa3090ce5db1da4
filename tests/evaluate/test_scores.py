"""Scores of several splits at once against scikit-learn, one split at a time."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score

from gcl.evaluate.scores import split_accuracy, split_macro_f1


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
