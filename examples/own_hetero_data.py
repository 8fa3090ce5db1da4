"""Your own HeteroData: types, links, meta-paths, embeddings."""

import torch
from torch_geometric.data import HeteroData
from torch_geometric.transforms import ToUndirected

import gcl

torch.manual_seed(0)
data = HeteroData()
data["user"].x = torch.rand(60, 8)
data["item"].num_nodes = 40  # no features: every item gets a vector of its own
data["shop"].num_nodes = 5
data["user", "buys", "item"].edge_index = torch.randint(40, (2, 200))
data["item", "sold_by", "shop"].edge_index = torch.stack(
    [torch.arange(40), torch.randint(5, (40,))]
)
data = ToUndirected()(data)  # meta-paths need the way back

chains = [["user", "item", "user"], ["user", "item", "shop", "item", "user"]]
paths = gcl.transforms.AddMetaPaths(chains)
method = gcl.methods.meow(data, paths=paths, hidden=16, clusters=None)
state = gcl.fit(method, data, epochs=10)
z = gcl.embed(method, data)
print(f"loss {state.loss:.4f}, embeddings {list(z.shape)}")
