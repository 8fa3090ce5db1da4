"""Graph contrastive learning on PyTorch Geometric.

data = gcl.datasets.load("cora")
method = gcl.methods.grace(data, hidden=128, tau=0.4)
gcl.fit(method, data, epochs=200)
z = gcl.embed(method, data)
gcl.evaluate.linear_probe(z, data.y)
"""

from gcl import augment, callbacks, datasets, evaluate, losses, methods, nn, testing, transforms
from gcl.contracts import Method
from gcl.training import embed, fit

__version__ = "0.1.0"

__all__ = [
    "Method",
    "augment",
    "callbacks",
    "datasets",
    "embed",
    "evaluate",
    "fit",
    "losses",
    "methods",
    "nn",
    "testing",
    "transforms",
]
