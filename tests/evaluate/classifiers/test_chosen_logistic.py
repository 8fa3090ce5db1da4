"""Which strength is chosen: against scikit-learn's scores, strength by strength."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from gcl.evaluate.classifiers.chosen_logistic import fit_chosen, scores_of
from gcl.evaluate.inputs import as_matrix
from gcl.evaluate.splits import random_splits

CS = [0.05, 0.1, 0.2, 0.4, 5.0]


@pytest.mark.parametrize("by", ["accuracy", "likelihood"])
def test_the_best_strength_on_validation(by):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 200)
    x = rng.normal(size=(3, 8))[y] + 1.5 * rng.normal(size=(200, 8))
    splits = random_splits(200, 0.2, 0.3, num_splits=5)
    fit = fit_chosen(torch.from_numpy(x), torch.from_numpy(y), splits, CS, num_classes=3, by=by)
    for s, C in enumerate(fit.Cs):
        train, val = splits.train[s].numpy(), splits.val[s].numpy()
        models = [LogisticRegression(C=c, tol=1e-8).fit(x[train], y[train]) for c in CS]
        if by == "accuracy":
            scores = [m.score(x[val], y[val]) for m in models]
        else:
            scores = [-log_loss(y[val], m.predict_proba(x[val]), labels=[0, 1, 2]) for m in models]
        assert max(scores) == pytest.approx(
            scores[CS.index(C)], abs=0.02 if by == "accuracy" else 1e-3
        )
    assert len(set(fit.Cs)) > 1


def test_scores_of_dense_and_sparse_rows():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(9, 4, generator=generator) * (torch.rand(9, 4, generator=generator) > 0.5)
    weight, bias = torch.rand(3, 4, 2, generator=generator), torch.rand(3, 2, generator=generator)
    for form in (x, as_matrix(x.to_sparse(), "here")):
        found = torch.stack(list(scores_of(form, weight, bias)))
        assert torch.allclose(found, (x @ weight + bias.unsqueeze(1)).transpose(1, 2))
