"""MEOW on ACM with the paper's settings: python examples/meow_acm.py [epochs]."""

import sys

from torch_geometric.seed import seed_everything

import gcl
from gcl.callbacks import EarlyStopping

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000  # stops after about 80
seed_everything(0)
data = gcl.datasets.load("acm")
method = gcl.methods.meow(
    data,
    paths=gcl.transforms.AddMetaPaths(
        [["paper", "author", "paper"], ["paper", "subject", "paper"]], topk=[110, 700]
    ),
    clusters=(100, 300),
    mask_edge=[0.3, 0.2],
)
state = gcl.fit(
    method, data, epochs=epochs, lr=7e-4, weight_decay=0, callbacks=[EarlyStopping(patience=30)]
)
z = gcl.embed(method, data)
print(f"{state.epoch} epochs, loss {state.loss:.4f}")
print(gcl.evaluate.hetero_probe(z, data, protocol="hetero-20", lr=0.03, probes=5))
