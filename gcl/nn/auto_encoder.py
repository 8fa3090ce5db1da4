"""An MLP with its mirror image, trained to reconstruct features before anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from gcl import checkpoint
from gcl.checks import shown
from gcl.nn.mlp_encoder import MLPEncoder

_KIND = "auto-encoder"


class AutoEncoder(nn.Module):
    """`decoder(encoder(x))`, the decoder an MLP of the encoder's widths in reverse.

    Args:
        encoder: an `MLPEncoder`; it is used, not copied.

    Attributes:
        history: mean error of every epoch of `pretrain`.

    Shape:
        x `[n, f]` -> `[n, f]`.

    Example:
        >>> AutoEncoder(MLPEncoder(8, (16,), 4))
        AutoEncoder(
          (encoder): MLPEncoder(8 -> 16 -> 4)
          (decoder): MLPEncoder(4 -> 16 -> 8)
        )
    """

    def __init__(self, encoder: MLPEncoder):
        super().__init__()
        if not isinstance(encoder, MLPEncoder):
            raise TypeError(
                f"AutoEncoder: expected an MLPEncoder, got {shown(encoder)}; other encoders have "
                "no mirror image."
            )
        reverse = encoder.widths[::-1]
        self.encoder = encoder
        self.decoder = MLPEncoder(reverse[0], reverse[1:-1], reverse[-1])
        self.history: list[float] = []

    def forward(self, x: Float[Tensor, "n f"]) -> Float[Tensor, "n f"]:
        return self.decoder(self.encoder(x))

    def save(self, path: str | Path) -> None:
        """Write weights and history to one safetensors file, in one step."""
        checkpoint.save(
            {
                "kind": _KIND,
                "widths": list(self.encoder.widths),
                "history": self.history,
                "encoder": self.encoder.state_dict(),
                "decoder": self.decoder.state_dict(),
            },
            path,
        )

    def restore(self, path: str | Path) -> None:
        """Read weights and history back.

        Raises:
            FileNotFoundError: no such file.
            gcl.checkpoint.CheckpointError: the file is damaged, something else, or of an
                auto-encoder of other widths.
        """
        saved = checkpoint.load(path)
        if not isinstance(saved, dict) or str(saved.get("kind")) != _KIND:
            raise checkpoint.CheckpointError(
                f"{path} is a checkpoint, but not of an auto-encoder; write one by pretrain."
            )
        widths = saved.get("widths")
        # By their names, as a list may hold tensors.
        if str(widths) != str(list(self.encoder.widths)):
            raise checkpoint.CheckpointError(
                f"{path} holds an auto-encoder {_arrows(widths)}, but this one is "
                f"{_arrows(self.encoder.widths)}."
            )
        try:
            self.encoder.load_state_dict(saved["encoder"])
            self.decoder.load_state_dict(saved["decoder"])
            self.history = [float(loss) for loss in saved["history"]]
        except checkpoint.MISFIT as error:
            reason = " ".join(str(error).split())
            raise checkpoint.CheckpointError(
                f"{path} holds no auto-encoder of these widths: {reason:.300}."
            ) from None


def _arrows(widths: Any) -> str:
    return " -> ".join(map(str, widths)) if isinstance(widths, list | tuple) else "of no widths"
