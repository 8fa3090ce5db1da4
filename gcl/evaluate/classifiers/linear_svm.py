"""Many linear support vector machines at once: every split in one batch, strength by strength."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

HALVINGS = 30


class LinearSVMFit(NamedTuple):
    """What `fit_linear_svm` returns.

    Attributes:
        weight: `[S, K, D, C]`.
        bias: `[S, K, C]`.
        converged: `[S, K]`, False where `max_iter` ended the search.
    """

    weight: Tensor
    bias: Tensor
    converged: Tensor


def fit_linear_svm(
    x: Tensor,
    y: Tensor,
    mask: Tensor | None = None,
    *,
    Cs: Sequence[float],
    num_classes: int | None = None,
    tol: float = 1e-6,
    max_iter: int = 100,
) -> LinearSVMFit:
    r"""Fit S x K one-against-rest linear SVMs by a batched Newton method.

    Problem `(s, k)` of class c is scikit-learn's `LinearSVC(C=Cs[k])` on the rows of split s, with
    t_i = 1 for class c and -1 for the others:

        minimise  1/2 ||w||^2 + b^2 / 2 + C_k sum_i max(0, 1 - t_i (x_i w + b))^2

    Between two changes of the set of rows inside the margin this is a quadratic, which one Newton
    step minimises; a handful of steps, each halved until the objective falls, find the set. Weak
    penalties start from the solution of the next stronger one.

    Args:
        x: Training rows, `[S, n, D]`, float32 or float64; computed in float64.
        y: Classes in `0 .. num_classes - 1`, `[S, n]`.
        mask: True where a row counts, `[S, n]`. Default: every row.
        Cs: Inverse strengths of the penalty, each > 0; scikit-learn's `C`.
        num_classes: Number of classes; default `y.max() + 1`.
        tol: Stop once no coordinate of the gradient is above `tol * max(1, C n)`.
        max_iter: Newton steps after which the search gives up.

    Shape:
        `weight [S, K, D, C]`, `bias [S, K, C]`, in float64; scores of rows x are
        `x @ weight[s, k] + bias[s, k]`.

    Raises:
        ValueError: if the shapes disagree, a strength is not positive, or there are fewer than two
            classes.

    Reference:
        Keerthi and DeCoste, "A modified finite Newton method for fast solution of large scale
        linear SVMs", JMLR 2005.

    Example:
        >>> x = torch.tensor([[[-1.0], [-2.0], [1.0], [2.0]]])
        >>> fit = fit_linear_svm(x, torch.tensor([[0, 0, 1, 1]]), Cs=[0.1, 1.0])
        >>> (x[0] @ fit.weight[0, 1].float() + fit.bias[0, 1]).argmax(1)
        tensor([0, 0, 1, 1])
    """
    if x.dim() != 3 or y.shape != x.shape[:2]:
        raise ValueError(
            f"fit_linear_svm: expected x [S, n, D] and y [S, n], got {tuple(x.shape)} and "
            f"{tuple(y.shape)}; add a leading dimension of one for a single split."
        )
    if not Cs or min(Cs) <= 0:
        raise ValueError(f"fit_linear_svm: Cs must be positive numbers, got {list(Cs)}.")
    mask = torch.ones_like(y, dtype=torch.bool) if mask is None else mask
    if mask.shape != y.shape:
        raise ValueError(f"fit_linear_svm: expected a mask [S, n] like y, got {tuple(mask.shape)}.")
    classes = int(y.max()) + 1 if num_classes is None else num_classes
    if classes < 2:
        raise ValueError(f"fit_linear_svm: expected at least two classes, got {classes}.")
    x, basis = x.double(), None
    if x.shape[2] > x.shape[1]:
        # The optimum lies in the span of the rows: n columns in place of D.
        basis, r = torch.linalg.qr(x.transpose(1, 2))
        x = r.transpose(1, 2)
    rows = pad(x, (0, 1), value=1.0)
    # Two classes are one problem: the scores of the first are those of the second, negated.
    solved = [1] if classes == 2 else list(range(classes))
    order = sorted(range(len(Cs)), key=lambda k: Cs[k])
    fits = [_path(rows, (y == c).double() * 2 - 1, mask, [Cs[k] for k in order], tol, max_iter)
            for c in solved]  # fmt: skip
    back = torch.tensor(order).argsort()
    w = torch.stack([fit[0] for fit in fits], -1)[:, back]
    converged = torch.stack([fit[1] for fit in fits], -1).all(-1)[:, back]
    if classes == 2:
        w = torch.cat([-w, w], -1)
    weight = w[:, :, :-1] if basis is None else basis.unsqueeze(1) @ w[:, :, :-1]
    return LinearSVMFit(weight, w[:, :, -1], converged)


def _path(
    x: Tensor, t: Tensor, mask: Tensor, Cs: list[float], tol: float, max_iter: int
) -> tuple[Tensor, Tensor]:
    """Solutions `[S, K, D + 1]` for rising strengths, and whether they were found `[S, K]`."""
    w = x.new_zeros(len(x), x.shape[2])
    found, converged = [], []
    for C in Cs:
        w, done = _newton(x, t, mask, C, w, tol, max_iter)
        found.append(w)
        converged.append(done)
    return torch.stack(found, 1), torch.stack(converged, 1)


def _newton(
    x: Tensor, t: Tensor, mask: Tensor, C: float, w: Tensor, tol: float, max_iter: int
) -> tuple[Tensor, Tensor]:
    def slack(w: Tensor) -> Tensor:
        margin = 1 - t * (x @ w.unsqueeze(2)).squeeze(2)
        return margin.clamp(min=0) * mask

    def value(w: Tensor, s: Tensor) -> Tensor:
        return w.square().sum(1) / 2 + C * s.square().sum(1)

    eye = torch.eye(x.shape[2], dtype=x.dtype, device=x.device)
    limit = tol * (C * mask.sum(1)).clamp(min=1)
    w = w.clone()
    open_ = torch.arange(len(x), device=x.device)
    whole = x, t, mask
    for _ in range(max_iter):
        s = slack(w[open_])
        here = w[open_]
        grad = here - 2 * C * ((t * s).unsqueeze(1) @ x).squeeze(1)
        going = grad.abs().amax(1) > limit[open_]
        open_ = open_[going]
        if not len(open_):
            break
        # Solved splits leave the batch.
        x, t, mask = (part[open_] for part in whole)
        s, here, grad = s[going], here[going], grad[going]
        inside = x * (s > 0).unsqueeze(2)
        hessian = eye + 2 * C * (inside.transpose(1, 2) @ inside)
        step = torch.cholesky_solve(grad.unsqueeze(2), torch.linalg.cholesky(hessian)).squeeze(2)
        before, fall = value(here, s), (grad * step).sum(1)
        length = torch.ones_like(before)
        for _ in range(HALVINGS):
            tried = here - length.unsqueeze(1) * step
            short = value(tried, slack(tried)) > before - 1e-4 * length * fall
            if not bool(short.any()):
                break
            length = torch.where(short, length / 2, length)
        w[open_] = here - length.unsqueeze(1) * step
    converged = torch.ones(len(w), dtype=torch.bool, device=w.device)
    converged[open_] = False
    return w, converged
