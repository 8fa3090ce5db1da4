"""Parts that compute on another device than the one their arguments come from and go back to.

So the contract suites, which make their graphs and rows on the CPU, check them there.
"""

import copy

from torch import nn


class Loss(nn.Module):
    """A loss, or negatives."""

    def __init__(self, loss, device):
        super().__init__()
        self.loss = copy.deepcopy(loss)
        self.device = device
        self.to(device)

    def forward(self, *inputs, **named):
        moved = [x.to(self.device) if hasattr(x, "to") else x for x in inputs]
        return self.loss(*moved, **named).cpu()


class View:
    """An augmentation."""

    def __init__(self, transform, device):
        self.transform, self.device = transform, device

    def __call__(self, data):
        return self.transform(copy.copy(data).to(self.device)).to("cpu")

    def __repr__(self):
        return f"View({self.transform!r}, {self.device})"
