"""CSGCL on Amazon Photo with the paper's settings: python examples/csgcl_photo.py [epochs]."""

import sys

from torch_geometric.seed import seed_everything

import gcl

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 3000  # the paper's; hours on a CPU
seed_everything(0)
data = gcl.datasets.load("photo")
method = gcl.methods.csgcl(
    data,
    hidden=256,
    proj=64,
    tau=0.3,
    drop_edge=(0.5, 0.7),
    mask_feature=(0.1, 0.1),
    act="relu",
    t0=2000,
    gamma_max=1.0,
)
state = gcl.fit(method, data, epochs=epochs, lr=0.1, weight_decay=1e-5)
z = gcl.embed(method, data)
print(f"loss {state.loss:.4f}")
print(gcl.evaluate.linear_probe(z, data.y))
