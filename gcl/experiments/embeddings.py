"""What trainings gave, kept in a folder, to be measured by any protocol without training again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gcl import checkpoint
from gcl.checkpoint import CheckpointError


@dataclass(frozen=True)
class Trained:
    """A training that has ended.

    Args:
        untrained: embeddings before it `[n, d]`.
        z: embeddings after it `[n, d]`.
        cost: seconds, cpu_seconds, peak_mb (beyond what was there before) and trained_epochs.
        loss: of its last epoch.
        commit: of the code that trained.
    """

    untrained: Tensor
    z: Tensor
    cost: dict[str, Any]
    loss: float
    commit: str

    def write(self, folder: Path, run: str, seed: int, data: str) -> None:
        """Keep it in a folder, under the digest of its run, its seed and the digest of its data."""
        tree = {"run": run, "seed": seed, "data": data, **vars(self)}
        checkpoint.save(tree, _path(folder, run, seed))


def read_trained(folder: Path, run: str, seed: int, data: str) -> Trained | None:
    """What a folder keeps of a run; None where it has nothing.

    Raises:
        CheckpointError: the file is damaged, or of other data.
    """
    path = _path(folder, run, seed)
    if not path.is_file():
        return None
    tree = checkpoint.load(path)
    try:
        said = tree.pop("run"), tree.pop("seed"), tree.pop("data")
        found = Trained(**tree)
    except checkpoint.MISFIT as error:
        raise CheckpointError(f"{path} holds no training ({error!r}); take it away.") from None
    if said != (run, seed, data):
        raise CheckpointError(
            f"{path} is of other data than now; take it away, or keep embeddings in another folder."
        )
    return found


def _path(folder: Path, run: str, seed: int) -> Path:
    return folder / f"{run}-{seed}.safetensors"
