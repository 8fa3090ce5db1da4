"""Pre-train on all graphs of MUTAG, fine-tune on 20 labelled ones: finetune_graphs.py [epochs]"""

import sys

import torch
from torch_geometric.loader import DataLoader
from torch_geometric.seed import seed_everything

import gcl

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
accuracies = {"largest class": [], "from scratch": [], "pre-trained": []}
for seed in range(3):
    for name in ("from scratch", "pre-trained"):
        seed_everything(seed)
        graphs = gcl.datasets.load("mutag").shuffle()
        few, rest = graphs[:20], graphs[20:]
        method = gcl.methods.graphcl(graphs)
        if name == "pre-trained":
            gcl.fit(method, DataLoader(graphs, 128, shuffle=True), epochs=20, lr=1e-2)
        head = torch.nn.Linear(method.encoder.out_channels, graphs.num_classes)
        optimizer = torch.optim.Adam([*method.encoder.parameters(), *head.parameters()], lr=1e-3)
        for _ in range(epochs):
            for batch in DataLoader(few, batch_size=10, shuffle=True):
                loss = torch.nn.functional.cross_entropy(head(method.embed(batch)), batch.y)
                optimizer.zero_grad(), loss.backward(), optimizer.step()
        right = head(gcl.embed(method, DataLoader(rest, 128))).argmax(1) == rest.y
        accuracies[name].append(right.float().mean().item())
    accuracies["largest class"].append(rest.y.bincount().max().item() / len(rest))
print({name: f"{sum(values) / len(values):.3f}" for name, values in accuracies.items()})
