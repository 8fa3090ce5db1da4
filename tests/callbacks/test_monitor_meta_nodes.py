"""MonitorMetaNodes: the gap and its bound in the history."""

import pytest

import gcl
from gcl.callbacks import MonitorMetaNodes
from gcl.methods.recipes.pamc import pamc
from tests.methods.influence import SMALL, karate_with_a_lonely_node


@pytest.fixture
def data():
    return karate_with_a_lonely_node()


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
