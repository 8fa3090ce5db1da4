"""The two views of a finished run, embedded by its trained method."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch

from gcl import methods
from gcl.experiments.run import Run
from gcl.training.state import read_checkpoint


@torch.no_grad()
def two_views(run: Run, data: Any, home: Path) -> tuple[Tensor, Tensor] | None:
    """Embeddings of the two views by the trained method; None where it is no two-view method.

    Views are drawn from a fixed seed, and the global generators stay as they were.

    Args:
        run: what was trained.
        data: its data.
        home: the folder of the seed, which holds the checkpoint.

    Raises:
        ValueError: the checkpoint is damaged or of another method.
    """
    with torch.random.fork_rng():
        method = run.build(data)
        inner = method.method if isinstance(method, methods.POT) else method
        if not isinstance(inner, methods.TwoView):
            return None
        method.load_state_dict(read_checkpoint(home / "checkpoint.safetensors")["method"])
        method.eval()
        torch.manual_seed(0)
        whole = Batch.from_data_list(list(data)) if method.graph_level else data
        prepared = method.prepare(whole)
        first, second = (method.embed(view(copy.copy(prepared))) for view in inner.views)
    return first, second
