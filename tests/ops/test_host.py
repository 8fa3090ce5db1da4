"""What the host remembers of tensors on a device."""

import torch

from gcl.ops.host import all_finite, number, set_number
from tests.other_device import OTHER, other_device


def test_a_number_is_asked_once_and_again_after_a_change():
    with other_device() as watch:
        step = torch.tensor(3).to(OTHER)
        with watch.step():
            assert [number(step), number(step)] == [3, 3]
        assert watch.waited == 1
        step += 1
        with watch.step():
            assert [number(step), number(step)] == [4, 4]
        assert watch.waited == 1


def test_a_number_that_was_written_needs_no_question():
    with other_device() as watch:
        step, share = torch.tensor(0).to(OTHER), torch.tensor(0.0).to(OTHER)
        with watch.step():
            set_number(step, 7)
            set_number(share, 0.1)
            assert number(step) == 7
            # As a later run reads it from a checkpoint: rounded to the tensor's type.
            assert number(share) == torch.tensor(0.1).item() != 0.1
        assert watch.waited == 0
        assert step.item() == 7
        assert share.item() == number(share)


def test_a_buffer_that_was_loaded_or_moved_is_asked_anew():
    module = torch.nn.Module()
    module.register_buffer("t", torch.tensor(1))
    set_number(module.t, 5)
    module.load_state_dict({"t": torch.tensor(9)})
    assert number(module.t) == 9
    module.t = torch.tensor(2)
    assert number(module.t) == 2


def test_finite_is_asked_once_and_again_after_a_change():
    with other_device() as watch:
        values = torch.ones(3).to(OTHER)
        with watch.step():
            assert all_finite(values)
            assert all_finite(values)
        assert watch.waited == 1
        for bad in (torch.nan, torch.inf, -torch.inf):
            values[1] = bad
            assert not all_finite(values)
