"""How the parts of a method are printed."""

from torch_geometric.transforms import Compose

from gcl.augment import EdgeDropping, FeatureMasking
from gcl.describe import describe_parts


def test_parts_take_a_line_each_and_nothing_none():
    drop, mask = EdgeDropping(0.2), FeatureMasking(0.3)
    shown = describe_parts(view=(Compose([drop, Compose([mask])]), Compose([])), prepare=None, lr=3)
    assert shown.splitlines() == [
        "(view 1): EdgeDropping(p=0.2), FeatureMasking(p=0.3)",
        "(view 2): as it is",
        "(lr): 3",
    ]
