"""MonitorMetaNodes: the gap and its bound in the history."""

import pytest

import gcl
from gcl.callbacks import MonitorMetaNodes
from gcl.methods.recipes.pamc import pamc
from tests.distributed.fits import watched_meta_nodes
from tests.methods.influence import SMALL, karate_with_a_lonely_node


@pytest.fixture
def data():
    return karate_with_a_lonely_node()


def test_rows_of_all_ranks_are_measured(run_two):
    for found, expected in run_two(watched_meta_nodes):
        for row, there in zip(found, expected, strict=True):
            names = [name for name in there if name.startswith("meta_")]
            assert len(names) == 4
            assert [row[name] for name in names] == pytest.approx([there[name] for name in names])


@pytest.mark.parametrize("proxy", ["node", "pair", "paper"])
def test_training_is_watched(data, proxy):
    state = gcl.fit(
        pamc(data, **SMALL, proxy=proxy), data, epochs=2, callbacks=[MonitorMetaNodes(every=2)]
    )
    last = state.history[-1]
    if proxy == "paper":
        assert "meta_bound" not in last
    if proxy == "node":
        assert 0 <= last["meta_gap"] <= last["meta_mean_bound"] + 1e-6
        assert last["meta_gap_max"] <= last["meta_bound"] + 1e-6
