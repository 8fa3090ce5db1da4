"""A plain PyG training script: only the views and the loss come from gcl."""

import torch
from torch_geometric.datasets import KarateClub
from torch_geometric.nn import GCN, MLP
from torch_geometric.transforms import Compose

from gcl.augment import EdgeDropping, FeatureMasking
from gcl.losses import InfoNCE

torch.manual_seed(0)
data = KarateClub()[0]
view = Compose([EdgeDropping(0.3), FeatureMasking(0.3)])
encoder = GCN(data.num_features, 32, num_layers=2)
head = MLP([32, 32, 32], norm=None)
loss_of = InfoNCE(tau=0.5)
optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=0.01)

for epoch in range(1, 51):
    optimizer.zero_grad()
    first, second = view(data), view(data)
    h1 = head(encoder(first.x, first.edge_index))
    h2 = head(encoder(second.x, second.edge_index))
    loss = loss_of(h1, h2)
    loss.backward()
    optimizer.step()
    if epoch % 10 == 0:
        print(f"epoch {epoch}: loss {loss.item():.4f}")
