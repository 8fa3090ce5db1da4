"""An augmentation of your own: any PyG transform, or a plain function on a graph."""

import torch
from torch_geometric.transforms import BaseTransform, Compose

import gcl
from gcl.testing import check_augmentation


class FeatureScaling(BaseTransform):
    """Multiply every row of x by a random number in [1 - p, 1 + p]."""

    def __init__(self, p: float):
        self.p = p

    def forward(self, data):
        for store in data.node_stores:
            noise = 2 * torch.rand(len(store.x), 1, dtype=store.x.dtype) - 1
            store.x = store.x * (1 + self.p * noise)
        return data


check_augmentation(FeatureScaling(0.2))
data = gcl.datasets.load("karate")
view = Compose([gcl.augment.EdgeDropping(0.3), FeatureScaling(0.2)])
encoder = gcl.nn.GCNEncoder(data.num_features, 16)
method = gcl.methods.TwoView(encoder, (view, view), gcl.losses.InfoNCE(0.5))
print(f"loss {gcl.fit(method, data, epochs=20).loss:.4f}")
