"""Temperatures that adapt to the model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gcl.checks import check_fraction, check_interval, check_positive, check_real
from gcl.ops.tracing import outside_graph


class AdaptiveTemperature(nn.Module):
    r"""MACL's temperature: it grows with the alignment that the model has reached.

        A = mean_i s(z1_i, z2_i)  (no gradient),   tau = tau0 * (1 + alpha * (A - A0))

    Any softmax loss takes it as its `tau`. MACL itself is `DCL(AdaptiveTemperature(...))`: the
    published loss weighs InfoNCE by a detached `1 / (1 - P_i)`, and the gradient of that is exactly
    the gradient of DCL at the same temperature, without the overflow at P -> 1.

    Args:
        tau0: temperature at alignment A0, > 0. The paper's 0.1 is for images; on node graphs start
            from the method's own.
        alpha: strength, in [0, 1].
        A0: alignment at which tau = tau0, in [0, 1].
        momentum: share of the old alignment that stays, in [0, 1); 0.9 smooths mini-batches. The
            state is saved in checkpoints. Only training mode moves it.
        bounds: tau is clamped to this range, widened to hold tau0, as early alignments can be
            negative.

    Shape:
        similarities of the positive pairs `[p]` -> scalar.

    Raises:
        ValueError: a number outside its range.

    Reference:
        Huang et al., "Model-Aware Contrastive Learning: Towards Escaping the Dilemmas", ICML 2023.

    Example:
        >>> AdaptiveTemperature(0.4, alpha=0.5)(torch.tensor([0.5, 0.7]))
        tensor(0.5200)
    """

    alignment: Tensor

    def __init__(
        self,
        tau0: float = 0.1,
        *,
        alpha: float = 0.5,
        A0: float = 0.0,
        momentum: float = 0.0,
        bounds: tuple[float, float] = (0.05, 2.0),
    ):
        super().__init__()
        check_positive("AdaptiveTemperature", tau0=tau0)
        check_fraction("AdaptiveTemperature", alpha=alpha, A0=A0)
        check_real("AdaptiveTemperature", momentum=momentum)
        if not 0 <= momentum < 1:
            raise ValueError(f"AdaptiveTemperature: momentum must lie in [0, 1), got {momentum}.")
        check_interval("AdaptiveTemperature", "bounds", bounds)
        if not 0 < bounds[0] <= bounds[1]:
            raise ValueError(
                f"AdaptiveTemperature: bounds must be two numbers 0 < low <= high, got {bounds}."
            )
        self.tau0, self.alpha, self.A0 = tau0, alpha, A0
        self.momentum, self.bounds = momentum, (min(bounds[0], tau0), max(bounds[1], tau0))
        self.register_buffer("alignment", torch.tensor(float("nan")))

    @outside_graph
    @torch.no_grad()
    def forward(self, similarity: Tensor) -> Tensor:
        mean = similarity.detach().mean() if len(similarity) else similarity.new_tensor(self.A0)
        if self.momentum > 0 and bool(self.alignment.isfinite()):
            mean = self.momentum * self.alignment.to(mean) + (1 - self.momentum) * mean
        if self.training:
            self.alignment.copy_(mean)
        return (self.tau0 * (1 + self.alpha * (mean - self.A0))).clamp(*self.bounds)

    def extra_repr(self) -> str:
        return f"tau0={self.tau0:g}, alpha={self.alpha:g}, A0={self.A0:g}"
