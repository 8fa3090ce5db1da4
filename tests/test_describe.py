"""How the parts of a method are printed."""

import torch
from torch import nn
from torch_geometric.transforms import Compose

from gcl.augment import EdgeDropping, FeatureMasking
from gcl.describe import changed_options, describe, describe_parts


def test_parts_take_a_line_each_and_nothing_none():
    drop, mask = EdgeDropping(0.2), FeatureMasking(0.3)
    shown = describe_parts(view=(Compose([drop, Compose([mask])]), Compose([])), prepare=None, lr=3)
    assert shown.splitlines() == [
        "(view 1): EdgeDropping(p=0.2), FeatureMasking(p=0.3)",
        "(view 2): as it is",
        "(lr): 3",
    ]


class Part:
    def __init__(self, size, rate=0.5, head=None, mask=None, hidden=3, *, name="a"):
        self.size, self.rate, self.head, self.mask, self.name = size, rate, head, mask, name


def test_required_options_and_those_that_differ_are_told():
    assert describe(Part(4)) == "Part(size=4)"
    assert describe(Part(4, 0.25, name="b")) == "Part(size=4, rate=0.25, name='b')"
    assert changed_options(Part(4, 0.25, name="b"), besides=("size", "name")) == ["rate=0.25"]


def test_modules_tensors_and_what_is_no_attribute_have_no_line():
    part = Part(4, head=nn.Linear(1, 1), mask=torch.ones(3), hidden=9)
    assert changed_options(part) == ["size=4"]
