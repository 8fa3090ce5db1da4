"""The shapes in public signatures, checked at run time (in a process of their own)."""

import subprocess
import sys
from pathlib import Path

import gcl

SCRIPT = """
from jaxtyping import TypeCheckError, install_import_hook
with install_import_hook(["gcl.losses", "gcl.nn.gcn_encoder"], "beartype.beartype"):
    import gcl.losses.infonce, gcl.losses.barlow_twins, gcl.nn.gcn_encoder
import torch

def refused(call):
    try:
        call()
    except TypeCheckError:
        return True
    return False

z, edges = torch.randn(5, 3), torch.tensor([[0, 1], [1, 0]])
encoder = gcl.nn.gcn_encoder.GCNEncoder(3, 4)
assert encoder(z, edges, torch.ones(2)).shape == (5, 4)
for loss in (gcl.losses.infonce.InfoNCE(), gcl.losses.barlow_twins.BarlowTwins()):
    loss(z, z + 1).item()
    assert refused(lambda: loss(z, z[:, :2])), "unequal shapes"
    assert refused(lambda: loss(z[0], z[0])), "vectors"
gcl.losses.infonce.InfoNCE()(z, z, edges, torch.ones(2))
assert refused(lambda: gcl.losses.infonce.InfoNCE()(z, z, edges, torch.ones(3)))
assert refused(lambda: encoder(z, edges.float())), "float edges"
assert refused(lambda: encoder(z, edges, torch.ones(3))), "one weight too many"
"""


def test_shapes_are_what_the_signatures_say():
    root = Path(gcl.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
