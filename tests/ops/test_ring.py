"""The half ring gives what one process makes of all rows, on any number of ranks."""

import pytest
import torch

from tests.distributed.processes import Processes
from tests.distributed.ring import FORMS, errors

# Four processes take ten seconds to begin.
FOUR = [pytest.param(n, marks=pytest.mark.slow) for n in ([5, 4, 7, 6], [3, 11, 0, 1])]


@pytest.mark.parametrize("lengths", [*FOUR, [0, 9]])
def test_half_ring(lengths):
    with Processes(len(lengths)) as run:
        for found in run(errors, lengths, torch.float64):
            for form, error in zip(FORMS, found, strict=True):
                assert max(error) < 1e-10, form
        for found in run(errors, lengths, torch.float32, "bf16"):
            assert max(value for value, *_ in found[::2]) < 3e-2
