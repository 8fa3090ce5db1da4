"""Names of torch and PyG that our pages link, without a network: intersphinx's inventories."""

from __future__ import annotations

import zlib
from pathlib import Path

ADDRESSES = {
    "torch": "https://docs.pytorch.org/docs/stable/",
    "torch_geometric": "https://pytorch-geometric.readthedocs.io/en/latest/",
}
NAMES = {
    "torch": {
        "class": {
            "torch.Tensor": "tensors.html",
            "torch.Generator": "generated/$.html",
            "torch.device": "tensor_attributes.html",
            "torch.dtype": "tensor_attributes.html",
            "torch.nn.Module": "generated/$.html",
            "torch.nn.Parameter": "generated/torch.nn.parameter.Parameter.html",
            "torch.optim.Optimizer": "optim.html",
            "torch.optim.lr_scheduler.LRScheduler": "generated/$.html",
            "torch.autocast": "amp.html",
        },
    },
    "torch_geometric": {
        "class": {
            "torch_geometric.data.Data": "generated/$.html",
            "torch_geometric.data.Batch": "generated/$.html",
            "torch_geometric.data.HeteroData": "generated/$.html",
            "torch_geometric.transforms.BaseTransform": "generated/$.html",
            "torch_geometric.loader.NeighborLoader": "modules/loader.html",
            "torch_geometric.loader.ClusterLoader": "modules/loader.html",
            "torch_geometric.loader.DataLoader": "modules/loader.html",
        },
    },
}


def written(folder: Path, name: str) -> str:
    """The inventory of a library as a file below the documentation's folder; its path there."""
    lines = [
        f"{key} py:{kind} 1 {page.replace('$', key)}#$ -"
        for kind, pages in NAMES[name].items()
        for key, page in pages.items()
    ]
    head = f"# Sphinx inventory version 2\n# Project: {name}\n# Version: \n"
    head += "# The remainder of this file is compressed using zlib.\n"
    path = folder / "_build" / f"{name}.inv"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(head.encode() + zlib.compress("\n".join([*lines, ""]).encode()))
    return str(path.relative_to(folder))
