"""Many multinomial logistic regressions at once: every split and every strength in one batch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from gcl.checks import as_strengths

MEMORY = 5  # pairs of curvature history; with 8 or 12 the iterations saved cost more than they give
ARMIJO = 1e-4
TRIALS = 20  # step lengths tried before a problem counts as exhausted


class LogisticFit(NamedTuple):
    """What `fit_logistic` returns.

    Attributes:
        weight: `[S, K, D, C]`.
        bias: `[S, K, C]`; minus infinity for a class that a split has no training row of.
        objective: `[S, K]`, the minimised value, divided by `C * n`.
        iterations: `[S, K]`.
        converged: `[S, K]`, False where `max_iter` ended the search.
    """

    weight: Tensor
    bias: Tensor
    objective: Tensor
    iterations: Tensor
    converged: Tensor


def fit_logistic(
    x: Tensor,
    y: Tensor,
    mask: Tensor | None = None,
    *,
    Cs: Sequence[float],
    num_classes: int | None = None,
    tol: float = 1e-4,
    max_iter: int = 1000,
) -> LogisticFit:
    r"""Fit S x K independent multinomial logistic regressions by one batched L-BFGS.

    Problem `(s, k)` is scikit-learn's `LogisticRegression(C=Cs[k])` on the rows of split s:

        minimise  C_k * sum_i CE(y_i, x_i W + b) + 1/2 ||W||^2      (b is not penalised)

    and with two classes, as there, 1/2 ||w||^2 of the difference w of the two columns, which is
    the double of that.

    Three exact changes of variable make it quick. Centring the columns decouples the bias. Rotating
    the columns onto the eigenvectors of their covariance leaves the penalty as it is and makes the
    Hessian at W = 0 diagonal, so that a diagonal starting matrix makes the first step a Newton step
    and stays a good one. If D > n the optimum lies in the span of the training rows, so the search
    has n columns instead of D. Each problem has its own curvature history, step length and stopping
    test; those that have finished are frozen, and taken out of the batch when that saves work.

    Args:
        x: Training rows, `[S, n, D]`, float32 or float64, CPU or CUDA.
        y: Classes in `0 .. num_classes - 1`, `[S, n]`.
        mask: True where a row counts, `[S, n]`; lets splits differ in size. Default: every row.
        Cs: Inverse strengths of the penalty, each > 0; scikit-learn's `C`.
        num_classes: Number of classes; default `y.max() + 1`.
        tol: Stop once the estimated distance to the optimum, `1/2 g^T H^-1 g` with the diagonal
            curvature H, is at most `tol` times the objective. The true distance is about that; with
            weak penalties (C of 100 and more) it can be several times larger.
        max_iter: Iterations after which the search gives up, with a warning.

    Shape:
        `weight [S, K, D, C]`, `bias [S, K, C]`; the scores of rows x are `x @ weight[s, k] +
        bias[s, k]`.

    Raises:
        TypeError: if y is not of int64.
        ValueError: if the shapes disagree, a strength is not positive, a split has no rows or a
            class is out of range.

    Reference:
        Liu and Nocedal, "On the limited memory BFGS method for large scale optimization",
        Mathematical Programming 1989.

    Example:
        >>> x = torch.tensor([[[-1.0], [-2.0], [1.0], [2.0]]])
        >>> fit = fit_logistic(x, torch.tensor([[0, 0, 1, 1]]), Cs=[1.0, 10.0])
        >>> fit.weight.shape, fit.bias.shape
        (torch.Size([1, 2, 1, 2]), torch.Size([1, 2, 2]))
        >>> (x[0] @ fit.weight[0, 1] + fit.bias[0, 1]).argmax(1)
        tensor([0, 0, 1, 1])
    """
    for name, value, kind in (("x", x, "numbers"), ("y", y, "whole numbers")):
        fits = isinstance(value, Tensor) and value.is_floating_point() == (name == "x")
        if not fits:
            came = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise TypeError(f"fit_logistic: {name} must be a tensor of {kind}, got {came}.")
    Cs = as_strengths("fit_logistic", "Cs", Cs)
    if x.dim() != 3 or y.shape != x.shape[:2]:
        raise ValueError(
            f"fit_logistic: expected x [S, n, D] and y [S, n], got {tuple(x.shape)} and "
            f"{tuple(y.shape)}; add a leading dimension of one for a single split."
        )
    if y.dtype != torch.int64:
        raise TypeError(f"fit_logistic: y must hold classes in int64, got {y.dtype}.")
    mask = torch.ones_like(y, dtype=torch.bool) if mask is None else mask
    if mask.shape != y.shape or not bool(mask.any(1).all()):
        raise ValueError(
            f"fit_logistic: expected a mask [S, n] that keeps a row of every split, got "
            f"{tuple(mask.shape)}; drop the empty splits."
        )
    classes = int(y.max()) + 1 if num_classes is None else num_classes
    counts = mask.sum(1, keepdim=True)
    weights = mask.to(x.dtype) / counts
    mean = weights.unsqueeze(1) @ x
    rows, spread, basis = _principal_axes((x - mean) * mask.unsqueeze(2))
    rows = pad(rows, (0, 1), value=1.0)
    spread = pad(spread / counts, (0, 1), value=1.0)
    # A masked row has no say, but its label must be a class that is present.
    first = y.gather(1, mask.int().argmax(1, keepdim=True))
    label = torch.where(mask, y, first)
    if int(label.min()) < 0 or int(label.max()) >= classes:
        raise ValueError(
            f"fit_logistic: expected classes 0 to {classes - 1}, got {int(label.min())} to "
            f"{int(label.max())}; number them from zero."
        )
    hot = torch.zeros(len(y), classes, y.shape[1], dtype=x.dtype, device=x.device)
    hot.scatter_(1, label.unsqueeze(1), 1.0)
    present = hot.sum(2) > 0
    loss = _Loss(
        x=rows,
        label=label[:, None, None],
        hot=hot.unsqueeze(1),
        weights=weights.unsqueeze(2),
        spread=spread[:, None, None],
    )
    penalty = 1 / (torch.tensor(list(Cs), dtype=x.dtype, device=x.device) * counts)
    # The columns of two classes are w / 2 and -w / 2: half the penalty that scikit-learn has.
    penalty = torch.where(present.sum(1, keepdim=True) == 2, 2 * penalty, penalty)
    solution, objective, iterations, converged = _minimise(loss, present, penalty, tol, max_iter)
    if not bool(converged.all()):
        warnings.warn(
            f"fit_logistic: {int((~converged).sum())} of {converged.numel()} problems did not reach"
            f" tol={tol} in {max_iter} iterations; raise max_iter or tol.",
            RuntimeWarning,
            stacklevel=2,
        )
    shape = (x.shape[0], len(Cs), classes, x.shape[2])
    weight = (solution[..., :-1].flatten(1, 2) @ basis.transpose(1, 2)).view(shape)
    bias = solution[..., -1] - (weight @ mean.unsqueeze(3)).squeeze(3)
    bias = bias.masked_fill(~present.unsqueeze(1), -torch.inf)
    return LogisticFit(weight.transpose(2, 3), bias, objective, iterations, converged)


def _principal_axes(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates of centred rows along their principal axes, their squared norms, and the axes.

    `x [S, n, D] == rows [S, n, R] @ basis [S, D, R].T` with R = min(n, D), `spread [S, R]`.
    """
    n, width = x.shape[1:]
    if width <= n:
        # The rotation is exact however inexact the eigenvectors are: float32 will do.
        gram = x.transpose(1, 2) @ x
        try:
            eigenvalues, basis = torch.linalg.eigh(gram)
        except torch.linalg.LinAlgError:
            # Where most columns are zero, float32 iterations may not settle.
            eigenvalues, basis = (a.to(x.dtype) for a in torch.linalg.eigh(gram.double()))
        return x @ basis, eigenvalues.clamp(min=0), basis
    # The Gram matrix squares the condition number, hence float64.
    gram = x @ x.transpose(1, 2)
    if x.dtype != torch.float64:
        gram = gram.double()
    eigenvalues, vectors = torch.linalg.eigh(gram)
    floor = eigenvalues[:, -1:] * torch.finfo(x.dtype).eps
    inverse = torch.where(eigenvalues > floor, eigenvalues, torch.inf).rsqrt()
    kept = eigenvalues * (inverse > 0)
    basis = x.transpose(1, 2) @ (vectors * inverse.unsqueeze(1)).to(x.dtype)
    rows = (vectors * kept.sqrt().unsqueeze(1)).to(x.dtype)
    return rows, kept.to(x.dtype), basis


@dataclass
class _Batch:
    """The problems still being worked on: a grid of splits by strengths; P = C * (R + 1)."""

    weight: Tensor  # [S, K, P], the bias last in every class
    scores: Tensor  # [S, K, C, n], kept up to date with weight
    gradient: Tensor  # [S, K, P]
    penalty: Tensor  # [S, K, P], zero for the bias
    curvature: Tensor  # [S, K, P], the diagonal model of the Hessian
    objective: Tensor  # [S, K, 1]
    ridge: Tensor  # [S, K, 1], the penalty's share of the objective
    done: Tensor  # [S, K, 1]
    history: list[tuple[Tensor, Tensor, Tensor]]  # s, y [S, K, P] and 1 / s.y [S, K, 1]

    def keep(self, splits: Tensor, strengths: Tensor) -> None:
        """Restrict the grid to the given rows and columns."""

        def cut(value: Tensor) -> Tensor:
            if len(strengths) < value.shape[1]:
                value = value.index_select(1, strengths)
            return value.index_select(0, splits) if len(splits) < value.shape[0] else value

        for field in fields(self):
            if field.name != "history":
                setattr(self, field.name, cut(getattr(self, field.name)))
        self.history = [(cut(s), cut(y), cut(rho)) for s, y, rho in self.history]


class _Loss(NamedTuple):
    """The weighted cross-entropy of a grid of problems that share their rows within a split."""

    x: Tensor  # [S, n, R + 1], the last column ones
    label: Tensor  # [S, 1, 1, n]
    hot: Tensor  # [S, 1, C, n], the labels as indicators
    weights: Tensor  # [S, n, 1]
    spread: Tensor  # [S, 1, 1, R + 1], the weighted mean square of each column

    def keep(self, splits: Tensor) -> _Loss:
        return _Loss(*(value[splits] for value in self))

    def value(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy `[S, K, 1]` and probabilities `[S, K, C, n]`."""
        return _cross_entropy(scores, self.label, self.weights)

    def gradient(self, probability: Tensor, ridge: Tensor) -> Tensor:
        """`[S, K, P]`; ridge is the penalty's share of it."""
        rows = (self.x.shape[0], -1, self.x.shape[2])
        residual = (probability - self.hot).mul_(self.weights.unsqueeze(1).transpose(2, 3))
        return torch.baddbmm(ridge.view(rows), residual.flatten(1, 2), self.x).view_as(ridge)

    def curvature(self, probability: Tensor) -> Tensor:
        """Diagonal of the Hessian `[S, K, P]`, rows and columns taken as independent."""
        variance = torch.addcmul(probability, probability, probability, value=-1)
        mean = (variance.flatten(1, 2) @ self.weights).view(*probability.shape[:3], 1)
        return (mean * self.spread).flatten(2)


def _cross_entropy(scores: Tensor, label: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    log_probability = torch.log_softmax(scores, 2)
    label = label.expand(-1, scores.shape[1], -1, -1)
    picked = log_probability.gather(2, label).squeeze(2)
    return -(picked @ weights), log_probability.exp_()


def _minimise(
    loss: _Loss, present: Tensor, penalty: Tensor, tol: float, max_iter: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """L-BFGS on `CE + penalty_k / 2 ||W||^2` for every split and strength.

    present `[S, C]` (classes with a training row), penalty `[S, K]`
    -> solution `[S, K, C, R + 1]`, objective, iterations, converged `[S, K]`.
    """
    grid, device = penalty.shape, penalty.device
    num_classes, (_, n, width) = present.shape[1], loss.x.shape
    columns = penalty.new_ones(num_classes, width)
    columns[:, -1] = 0
    scores = torch.where(present[:, None, :, None], 0.0, -torch.inf).to(penalty.dtype)
    scores = scores.expand(*grid, num_classes, n).contiguous()
    value, probability = loss.value(scores)
    weight = penalty.new_zeros(*grid, num_classes * width)
    diagonal = penalty.unsqueeze(2) * columns.flatten()
    # At W = 0 this is the Hessian, exactly, on the directions that sum to zero over classes.
    curvature = (loss.spread / present.sum(1)[:, None, None, None]).expand(-1, 1, num_classes, -1)
    batch = _Batch(
        weight=weight,
        scores=scores,
        gradient=loss.gradient(probability, weight),
        penalty=diagonal,
        curvature=curvature.flatten(2) + diagonal,
        objective=value,
        ridge=torch.zeros_like(value),
        done=torch.zeros_like(value, dtype=torch.bool),
        history=[],
    )
    split = torch.arange(grid[0], device=device).unsqueeze(1)
    strength = torch.arange(grid[1], device=device)
    solution, objective = torch.zeros_like(weight), torch.zeros_like(penalty)
    iterations = torch.full(grid, max_iter, device=device)
    converged = torch.zeros(grid, dtype=torch.bool, device=device)

    for step in range(max_iter + 1):
        gap = 0.5 * _dot(batch.gradient / batch.curvature, batch.gradient)
        newly = (gap <= tol * batch.objective) > batch.done
        if bool(newly.any()) or step == max_iter:
            batch.done |= newly
            at = split, strength
            iterations[at] = torch.where(newly.squeeze(2), step, iterations[at])
            solution[at], objective[at] = batch.weight, batch.objective.squeeze(2)
            converged[at] = batch.done.squeeze(2)
            active = ~converged[at]
            rows, cols = active.any(1).nonzero().flatten(), active.any(0).nonzero().flatten()
            if not len(rows) or step == max_iter:
                break
            # Taking out splits copies their rows as well, so wait until a quarter has finished.
            if 4 * len(rows) > 3 * len(split):
                rows = torch.arange(len(split), device=device)
            batch.keep(rows, cols)
            if len(rows) < len(split):
                loss = loss.keep(rows)
            split, strength = split[rows], strength[cols]
        _advance(batch, loss)
    return solution.view(*grid, num_classes, width), objective, iterations, converged


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product per problem, `[S, K, 1]`."""
    return torch.linalg.vecdot(a, b).unsqueeze(2)


def _direction(batch: _Batch) -> Tensor:
    """The two-loop recursion, with the diagonal curvature as the starting matrix."""
    q, alphas = batch.gradient.clone(), []
    for s, y, rho in reversed(batch.history):
        alpha = rho * _dot(s, q)
        q.addcmul_(alpha, y, value=-1)
        alphas.append(alpha)
    q /= batch.curvature
    if batch.history:
        _, y, rho = batch.history[-1]
        scale = rho * _dot(y, y / batch.curvature)
        q /= torch.where(scale > 0, scale, 1.0)
    for (s, y, rho), alpha in zip(batch.history, reversed(alphas), strict=True):
        q.addcmul_(alpha - rho * _dot(y, q), s)
    return q.neg_()


def _advance(batch: _Batch, loss: _Loss) -> None:
    """One L-BFGS iteration of every problem that has not finished."""
    direction = _direction(batch)
    rows = (loss.x.shape[0], -1, loss.x.shape[2])
    # The scores are linear in the weights: one product serves every step length.
    change = (direction.view(rows) @ loss.x.transpose(1, 2)).view_as(batch.scores)
    ridge = batch.penalty * direction
    line = _Line(
        change=change,
        slope=_dot(batch.gradient, direction),
        linear=_dot(ridge, batch.weight),
        square=0.5 * _dot(ridge, direction),
    )
    entropy, probability = loss.value(batch.scores + change)
    value = entropy + batch.ridge + line.linear + line.square
    length = 1.0 - batch.done.to(value.dtype)
    wrong = (value > _limit(batch.objective, line.slope, length)) > batch.done
    if bool(wrong.any()):
        _backtrack(batch, loss, line, wrong.squeeze(2), length, value, probability)
    s = length * direction
    moved = length > 0
    batch.weight = batch.weight + s
    batch.scores = torch.addcmul(batch.scores, length.unsqueeze(3), change)
    batch.objective = torch.where(moved, value, batch.objective)
    batch.ridge = batch.ridge + length * (line.linear + length * line.square)
    batch.done = batch.done | ~moved  # no shorter step helps: the precision is used up
    gradient = loss.gradient(probability, batch.penalty * batch.weight)
    gradient = torch.where(moved, gradient, batch.gradient)
    y = gradient - batch.gradient
    curved = _dot(s, y)
    rho = torch.where(curved > 0, 1 / curved, 0.0)
    batch.history = [*batch.history[1 - MEMORY :], (s, y, rho)]
    batch.gradient = gradient
    batch.curvature = (loss.curvature(probability) + batch.penalty).clamp_(
        min=torch.finfo(value.dtype).tiny
    )


class _Line(NamedTuple):
    """The objective along the search direction: cross-entropy plus a parabola."""

    change: Tensor  # [S, K, C, n], of the scores for a step of one
    slope: Tensor  # [S, K, 1], at zero
    linear: Tensor
    square: Tensor


def _limit(objective: Tensor, slope: Tensor, length: Tensor) -> Tensor:
    """Armijo's bound; rounding must not turn a good step down, hence the last term."""
    return objective + ARMIJO * length * slope + 10 * torch.finfo(slope.dtype).eps * objective


def _backtrack(
    batch: _Batch,
    loss: _Loss,
    line: _Line,
    wrong: Tensor,
    length: Tensor,
    value: Tensor,
    probability: Tensor,
) -> None:
    """Shorten the steps of the problems in `wrong [S, K]` alone.

    Writes `length`, `value` and `probability` in place; a length of zero where no step helps.
    """
    splits, strengths = wrong.nonzero().unbind(1)
    for _ in range(TRIALS):
        at = splits, strengths
        change, weights = line.change[at], loss.weights[splits]
        linear, square, slope, t = (v[at] for v in (line.linear, line.square, line.slope, length))
        residual = (probability[at] - loss.hot[splits, 0]) * weights.transpose(1, 2)
        end = (residual * change).sum((1, 2)).unsqueeze(1) + linear + 2 * t * square
        # The secant on the slope: the minimum if the objective were a parabola.
        t = t * (slope / (slope - end)).nan_to_num(0.1).clamp(0.1, 0.7)
        scores = torch.addcmul(batch.scores[at], t.unsqueeze(2), change)
        entropy, tried = _cross_entropy(scores.unsqueeze(1), loss.label[splits], weights)
        reached = entropy.squeeze(1) + batch.ridge[at] + t * (linear + t * square)
        length[at], value[at], probability[at] = t, reached, tried.squeeze(1)
        again = (reached > _limit(batch.objective[at], slope, t)).squeeze(1)
        splits, strengths = splits[again], strengths[again]
        if not len(splits):
            return
    length[splits, strengths] = 0.0
