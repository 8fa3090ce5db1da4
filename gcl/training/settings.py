"""How a recipe's paper trains it: what `gcl train` does unless told otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from gcl.checks import check_count, check_real

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Settings:
    """The settings of a training.

    Args:
        epochs: passes over the data, >= 1.
        lr: learning rate, > 0.
        weight_decay: L2 penalty (Adam) or decoupled decay (AdamW), >= 0.
        optimizer: a class of torch.optim, by name.
        warmup: epochs of linear warm-up, followed by a cosine to 0; -1 keeps lr constant.
        clip: upper limit of the gradient norm; 0 for none.
        patience: stop when the loss has not fallen for so many epochs, and take the weights of its
            lowest; 0 trains to the end and takes the last.

    Raises:
        TypeError, ValueError: a number of another type, or outside its range.
    """

    epochs: int = 200
    lr: float = 1e-3
    weight_decay: float = 1e-5
    optimizer: str = "Adam"
    warmup: int = -1
    clip: float = 0.0
    patience: int = 0

    def __post_init__(self) -> None:
        check_count("Settings", epochs=self.epochs)
        check_real("Settings", lr=self.lr, weight_decay=self.weight_decay, clip=self.clip)
        if self.lr <= 0 or self.weight_decay < 0 or self.clip < 0:
            raise ValueError(
                f"Settings: lr must be above 0, weight_decay and clip at least 0, got {self.lr:g}, "
                f"{self.weight_decay:g} and {self.clip:g}."
            )

    def lasting(self, epochs: int) -> Settings:
        """The same for a training of another length: the warm-up keeps its share of it.

        Example:
            >>> Settings(epochs=200, warmup=20).lasting(50).warmup
            5
        """
        if self.warmup < 0 or epochs < 1:
            return replace(self, epochs=max(epochs, 1), warmup=-1)
        share = round(self.warmup * epochs / self.epochs)
        return replace(self, epochs=epochs, warmup=min(share, epochs - 1))


def trained_with(**settings: Any) -> Callable[[F], F]:
    """A recipe that says how it is trained; what it does not say is as in `Settings`.

    Args:
        settings: fields of `Settings`.

    Raises:
        TypeError, ValueError: no such field, or a value outside its range.

    Example:
        >>> @trained_with(epochs=50, weight_decay=0.0)
        ... def my_recipe(data, *, hidden: int = 64): ...
        >>> settings_of(my_recipe).epochs
        50
    """
    own = Settings(**settings)

    def say(recipe: F) -> F:
        recipe.training = own  # type: ignore[attr-defined]
        return recipe

    return say


def settings_of(recipe: Callable[..., Any]) -> Settings:
    """How a recipe is trained: as it says by `trained_with`, or as any."""
    own = getattr(recipe, "training", None)
    return own if isinstance(own, Settings) else Settings()
