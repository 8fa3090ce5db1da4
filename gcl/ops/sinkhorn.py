"""Balanced soft assignments of rows to prototypes."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gcl.checks import check_columns, check_count, check_positive


@torch.no_grad()
def sinkhorn(
    scores: Float[Tensor, "n k"], eps: float = 0.05, iterations: int = 3
) -> Float[Tensor, "n k"]:
    r"""Codes that are close to the scores and give every prototype the same share of the rows.

        Q = n diag(a) exp(scores / eps) diag(b),   sum_k Q_ik = 1,   sum_i Q_ik -> n / k

    The scales a, b come from alternating column and row normalisations, done on logarithms: no
    exponential can overflow, whatever eps. Rows are normalised last, so rows sum to 1 always and
    columns to n / k in the limit. No gradient passes.

    Args:
        scores: similarity of every row to every prototype.
        eps: softness, > 0: small values give nearly hard codes.
        iterations: pairs of normalisations, >= 1. With 1 the equal shares are only suggested, which
            suits unbalanced classes; so does k well above the number of classes.

    Shape:
        scores `[n, k]` -> `[n, k]`, float32 or wider.

    Raises:
        ValueError: not a matrix, no prototype, eps or iterations not above 0.
        TypeError: not floating-point input.

    Reference:
        Cuturi, "Sinkhorn Distances: Lightspeed Computation of Optimal Transport", NeurIPS 2013;
        Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster
        Assignments", NeurIPS 2020. Their code takes the exponential first, which overflows in
        float32 for eps < 0.011.

    Example:
        >>> scores = torch.tensor([[1.0, 0.9], [0.9, 0.0]])  # both rows prefer prototype 0
        >>> sinkhorn(scores, eps=0.1, iterations=100).round(decimals=2)
        tensor([[0.0200, 0.9800],
                [0.9800, 0.0200]])
    """
    check_columns("sinkhorn", scores, scores)
    check_positive("sinkhorn", eps=eps)
    check_count("sinkhorn", iterations=iterations)
    if scores.shape[1] == 0:
        raise ValueError(f"sinkhorn: expected at least one column, got {list(scores.shape)}.")
    log_codes = scores.to(torch.promote_types(scores.dtype, torch.float32)) / eps
    for _ in range(iterations):
        # The constants log(1/k) and log(1/n) would cancel in the next normalisation.
        log_codes -= log_codes.logsumexp(dim=0)
        log_codes -= log_codes.logsumexp(dim=1, keepdim=True)
    return log_codes.exp_()
