"""Order, ranks and position of loaders, on one whose batches are their inputs."""

import subprocess
import sys
import textwrap

import pytest
import torch
from torch_geometric.data import Data

from gcl.loader import batches
from gcl.loader.batches import Batches


class Numbers(Batches):
    """A batch says which inputs it is of, and one number drawn for it."""

    def __init__(self, count=10, **options):
        defaults = {"batch_size": 3, "shuffle": True, "drop_last": False, "seed": 0}
        super().__init__("Numbers", count, **defaults | {"num_workers": 0} | options)

    def make(self, inputs, generator):
        return Data(inputs=inputs, drawn=torch.rand(1, generator=generator))


def told(loader):
    return [(b.inputs.tolist(), float(b.drawn)) for b in loader]


def test_an_epoch_has_every_input_once_in_another_order():
    loader = Numbers()
    first, second = told(loader), told(loader)
    for epoch in (first, second):
        assert [len(i) for i, _ in epoch] == [3, 3, 3, 1]
        assert sorted(i for inputs, _ in epoch for i in inputs) == list(range(10))
    assert first != second
    assert told(Numbers()) == first
    assert told(Numbers(seed=1)) != first
    assert [i for i, _ in told(Numbers(shuffle=False))] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


def test_the_last_batch_may_be_left_out():
    loader = Numbers(drop_last=True)
    assert len(loader) == len(told(loader)) == 3
    assert len(Numbers(2, drop_last=True)) == 0


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [10, 4, 2])
@pytest.mark.parametrize("drop_last", [False, True])
def test_ranks_together_are_one_process_with_larger_batches(size, count, drop_last, monkeypatch):
    found = []
    for rank in range(size):
        monkeypatch.setattr(batches, "_ranks", lambda rank=rank: (rank, size))
        loader = Numbers(count, drop_last=drop_last)
        found.append(told(loader))
        assert len(found[-1]) == len(loader)
    monkeypatch.setattr(batches, "_ranks", lambda: (0, 1))
    alone = told(Numbers(count, batch_size=3 * size, drop_last=drop_last))
    assert all(len(of_rank) == len(alone) for of_rank in found)
    for b, (inputs, _) in enumerate(alone):
        pieces = [of_rank[b][0] for of_rank in found]
        assert [i for piece in pieces for i in piece] == inputs
        assert max(map(len, pieces)) - min(map(len, pieces)) <= 1
        # draws of their own
        assert len({of_rank[b][1] for of_rank in found}) == size


def test_who_looks_at_a_batch_takes_nothing_away():
    loader = Numbers()
    next(iter(loader))
    assert told(loader) == told(Numbers())


@pytest.mark.parametrize("at", [1, 3, 4, 6])
def test_goes_on_where_it_stood(at):
    loader, seen, states = Numbers(), [], [Numbers().state_dict()]
    for _ in range(2):
        for batch in loader:
            seen.append((batch.inputs.tolist(), float(batch.drawn)))
            states.append(loader.state_dict())
    again = Numbers(seed=7)
    again.load_state_dict(states[at])
    rest = told(again)
    while len(rest) < 8 - at:
        rest += told(again)
    assert rest == seen[at:]


@pytest.mark.parametrize(("ranks", "batch", "now"), [(1, 3, 3), (2, 1, 2), (3, 0, 0), (None, 2, 2)])
def test_the_place_of_other_ranks_leaves_no_input_out(ranks, batch, now):
    loader = Numbers()
    state = loader.state_dict() | {"batch": batch, "ranks": ranks}
    loader.load_state_dict({key: value for key, value in state.items() if value is not None})
    assert loader.batch == now


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "its epoch is None"),
        ({"epoch": 0, "batch": -1, "seed": 0, "num_inputs": 10}, "its batch is -1"),
        ({"epoch": 0, "batch": 0, "seed": 0, "num_inputs": 9}, "a loader of 9 inputs.*has 10"),
    ],
)
def test_a_position_of_something_else(state, message):
    with pytest.raises(ValueError, match=message):
        Numbers().load_state_dict(state)


def test_all_inputs_in_order_wherever_training_stands():
    loader = Numbers(drop_last=True)
    expected = told(Numbers(shuffle=False, drop_last=False))
    iterator = iter(loader)
    next(iterator)
    state = loader.state_dict()
    found = told(loader.complete())
    assert [i for i, _ in found] == [i for i, _ in expected]
    assert told(loader.complete()) == found
    assert loader.state_dict() == state
    assert told(loader) == told(Numbers(drop_last=True))


def test_one_batch_by_its_place():
    loader = Numbers()
    epochs = [told(loader) for _ in range(3)]
    for epoch, batch in ((0, 0), (2, 3)):
        assert told([Numbers().one(epoch, batch)]) == [epochs[epoch][batch]]
    with pytest.raises(ValueError, match="batch must be below 4, got 4"):
        loader.one(0, 4)


def test_workers_and_the_global_generator():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    loader = Numbers(num_workers=2)
    assert told(loader) + told(loader) == [*told(n := Numbers()), *told(n)]
    assert torch.equal(before, torch.get_rng_state())


def test_ranks_are_those_of_a_running_group(tmp_path):
    code = f"""
        import torch.distributed as dist
        from gcl.loader.batches import _ranks
        assert _ranks() == (0, 1)
        store = dist.FileStore({str(tmp_path / "store")!r}, 1)
        dist.init_process_group("gloo", store=store, rank=0, world_size=1)
        assert _ranks() == (0, 1)
        dist.destroy_process_group()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True,
                          text=True, timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
