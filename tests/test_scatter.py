"""Results are equal with and without torch_scatter (mark `scatter`: needs it installed)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import gcl

SCRIPT = """
import sys
if sys.argv[1] == "without":
    sys.modules["torch_scatter"] = None
import torch
from torch_geometric import typing
assert typing.WITH_TORCH_SCATTER == (sys.argv[1] == "with")
from torch_geometric.nn import GAT, GIN, global_add_pool, global_max_pool
from torch_geometric.data import Batch
import gcl

torch.manual_seed(0)
data = gcl.datasets.load("karate")
data.edge_importance = torch.arange(data.num_edges).float().log1p()
batch = Batch.from_data_list([data, data])
view = gcl.augment.EdgeDropping(0.4, weight="edge_importance")(batch)
answers = [view.edge_index, gcl.transforms.PPRDiffusion(topk=3)(data).edge_weight]
encoder = GIN(data.num_features, 8, num_layers=2)
for readout in (None, global_add_pool, global_max_pool):
    method = gcl.methods.TwoView(
        encoder, (gcl.augment.EdgeDropping(0.2), gcl.augment.NodeDropping(0.1)),
        gcl.losses.InfoNCE(0.5), readout=readout,
    )
    loss = method(batch)
    loss.backward()
    answers += [loss.detach(), encoder.convs[0].nn.lins[0].weight.grad.clone()]
answers.append(GAT(data.num_features, 8, num_layers=1)(data.x, data.edge_index).detach())
torch.save(answers, sys.argv[2])
"""


def answers(mode, folder):
    root = Path(gcl.__file__).parents[1]
    (folder / "run.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", folder / "run.py", mode, folder / mode],
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return torch.load(folder / mode, weights_only=True)


@pytest.mark.scatter
def test_with_and_without_are_equal(tmp_path):
    pytest.importorskip("torch_scatter")
    for a, b in zip(answers("with", tmp_path), answers("without", tmp_path), strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-6)


def test_everything_works_without(tmp_path):
    assert len(answers("without", tmp_path)) == 9
