"""Tiles: how they are cut, multiplied, and what they leave out."""

import pytest
import torch

from gcl.ops import tiles
from gcl.ops.log_weight import LogWeight
from gcl.ops.streaming import streaming_logsumexp
from tests.ops.by_loops import rows, within


def test_the_scoped_precision_is_put_back(monkeypatch):
    monkeypatch.setattr(tiles, "_has_amx", lambda: True)
    setting = torch.backends.mkldnn.matmul
    before = setting.fp32_precision
    seen = []

    def rule(i, j):
        seen.append(setting.fp32_precision)
        if len(seen) > 2:
            raise KeyboardInterrupt
        return torch.zeros(1, 1)

    q = rows(8, 4, torch.float32)
    with pytest.raises(KeyboardInterrupt):
        within(
            {"implementation": "tiled", "tile": 4, "precision": "bf16"},
            streaming_logsumexp, q, q, tau=1.0, log_weight=LogWeight(rule),
        )  # fmt: skip
    assert seen == [before, "bf16", "bf16"]  # the first call looks at one corner
    assert setting.fp32_precision == before
