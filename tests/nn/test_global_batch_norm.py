"""Batch norm over the rows of all ranks is batch norm of all rows."""

import pytest
import torch
from torch import nn

from gcl.nn import GlobalBatchNorm
from tests.distributed.losses import LENGTHS
from tests.distributed.sums import norms, one_row_in_all


@pytest.mark.parametrize("momentum", [0.1, None])
def test_it_is_that_of_one_process(run, momentum):
    for lengths in LENGTHS[run.size]:
        for errors in run(norms, lengths, torch.float64, momentum):
            assert max(errors) < 1e-10
    for errors in run(norms, LENGTHS[run.size][0], torch.float32, momentum):
        assert max(errors) < 1e-4


def test_one_row_has_no_variance(run_two):
    for message in run_two(one_row_in_all):
        assert message.startswith("Expected more than 1 value per channel when training, got 1")


def test_alone_it_is_batch_norm():
    torch.manual_seed(0)
    x, plain = torch.randn(7, 4), nn.BatchNorm1d(4)
    mine = GlobalBatchNorm.of(plain)
    assert torch.equal(mine(x), plain(x))
    assert mine.running_mean is plain.running_mean
