"""MonitorWeights: learnt weights, watched without touching training."""

import pytest
import torch

import gcl
from gcl.callbacks import MonitorWeights


def test_learnt_weights_are_watched_without_touching_training():
    data = gcl.datasets.hetero_sbm(40, num_authors=40, num_subjects=5)

    def losses(*callbacks):
        torch.manual_seed(0)
        method = gcl.methods.adameow(
            data,
            paths=gcl.transforms.AddMetaPaths([["paper", "author", "paper"]]),
            hidden=8,
            proj=8,
            weights="none",
        )
        return gcl.fit(method, data, epochs=4, lr=0.02, callbacks=callbacks).history

    watched = losses(MonitorWeights(every=3))
    assert [r["loss"] for r in watched] == [r["loss"] for r in losses()]
    assert ["weight_mean" in r for r in watched] == [False, False, True, True]
    assert watched[3]["weight_mean"] < watched[2]["weight_mean"] < 1
    karate = gcl.datasets.load("karate")
    grace = gcl.methods.grace(karate, hidden=8)
    with pytest.raises(ValueError, match="no learnt weights"):
        gcl.fit(grace, karate, epochs=1, callbacks=[MonitorWeights()])
    with pytest.raises(ValueError, match="every must be at least 1"):
        MonitorWeights(every=0)
