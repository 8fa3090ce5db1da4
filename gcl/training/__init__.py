"""The one training loop: `fit`, its state, and `embed` for what comes out of it."""

from gcl.training.batches import prepare_for_batches
from gcl.training.embedding import embed, embed_prepared
from gcl.training.loop import fit
from gcl.training.optimizers import warmup_cosine
from gcl.training.state import Callback, NonFiniteLossError, State, is_due

__all__ = [
    "Callback",
    "NonFiniteLossError",
    "State",
    "embed",
    "embed_prepared",
    "fit",
    "is_due",
    "prepare_for_batches",
    "warmup_cosine",
]
