"""The script that measures the how-to for spatial data, on a small tissue."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("anndata")
SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "spatial.py"))


def test_prints_a_row_a_step(capsys):
    SCRIPT["main"](["--spots", "300", "--genes", "80", "--epochs", "2", "--threads", "1", "--json"])
    told = json.loads(capsys.readouterr().out)
    steps = [row["step"] for row in told["rows"]]
    assert steps[0] == "read the file"
    assert steps[2] == "train ggd, 2 epochs"
    assert steps[-1] == "all but ten nearest of every spot"
    assert told["rows"][-1]["cpu_s"] == pytest.approx(sum(r["cpu_s"] for r in told["rows"][:-2]))
    assert -1 <= told["ari"]["embeddings"] <= 1


def test_the_domains_are_those_of_the_nearest_centers():
    adata = SCRIPT["tissue"](500, 60)
    domain = adata.obs["domain"].to_numpy()
    means = np.stack([adata.obsm["spatial"][domain == d].mean(0) for d in np.unique(domain)])
    far = np.square(adata.obsm["spatial"][:, None] - means).sum(2).argmin(1)
    assert (np.unique(domain)[far] == domain).mean() > 0.7
    assert 0.02 < adata.X.nnz / (500 * 60) < 0.2
