"""Every loss as its formula over all pairs in float64: no tile, no product, nothing shared.

Distances are taken from differences and lengths after a division by the largest entry, so that no
entry of the inputs is too large, too small or too far from the origin. Gradients are autograd's.
"""

import math

import torch
from torch.nn.functional import relu, softplus

from gcl.losses.triplet import draw_others

INF = torch.inf


def unit(z):
    """Rows of length 1, zero rows stay zero."""
    top = z.detach().abs().amax(1, keepdim=True)
    z = z / torch.where(top > 0, top, 1.0)
    length = torch.where(top > 0, z.square().sum(1, keepdim=True), 1.0).sqrt()
    return z / length


def distances(a, b):
    """Euclidean distances of all pairs, from differences; gradient 0 where they are 0."""
    gap = a[:, None] - b[None]
    top = gap.detach().abs().amax(2, keepdim=True)
    square = (gap / torch.where(top > 0, top, 1.0)).square().sum(2)
    apart = top[..., 0] > 0
    return torch.where(apart, torch.where(apart, square, 1.0).sqrt() * top[..., 0], 0.0)


def scores(a, b, similarity="cosine"):
    """Similarities of all pairs."""
    if similarity == "neg_sq_euclidean":
        return -distances(a, b).square()
    if similarity == "cosine":
        a, b = unit(a), unit(b)
    return (a[:, None] * b[None]).sum(2)


def own(n):
    return torch.eye(n, dtype=torch.bool)


def others(logits, keep=None):
    """The pairs that are summed over, as a list of a row: -inf takes the rest out."""
    out = logits.masked_fill(own(len(logits)), -INF)
    return out if keep is None else out.masked_fill(~keep, -INF)


def lse(logits):
    """Log-sum-exp of every row, -inf without a gradient where there is nothing."""
    nothing = logits.isneginf().all(1)
    value = logits.masked_fill(nothing[:, None], 0.0).logsumexp(1)
    return value.masked_fill(nothing, -INF)


def add(a, b):
    return lse(torch.stack([a, b], 1))


def sides(z1, z2, tau, *, similarity="cosine", intra=True, log_weight=None, keep=None):
    """`(positive logit, log-sum-exp of the negatives)` of both directions."""
    found = []
    for a, b in ((z1, z2), (z2, z1)):
        parts = [scores(a, b, similarity) / tau]
        positive = parts[0].diagonal()
        if intra:
            parts.append(scores(a, a, similarity) / tau)
        if log_weight is not None:
            parts = [p + log_weight(a, k) for p, k in zip(parts, (b, a), strict=False)]
        found.append((positive, lse(torch.cat([others(p, keep) for p in parts], 1))))
    return found


def mean_of_sides(each):
    return torch.stack([value.mean() for value in each]).mean()


def info_nce(z1, z2, tau, symmetric=True, **options):
    if len(z1) == 1 or not len(z1):
        return 0 * (z1.sum() + z2.sum())
    found = sides(z1, z2, tau, **options)[: 2 if symmetric else 1]
    return mean_of_sides([add(p, neg) - p for p, neg in found])


def dcl(z1, z2, tau, **options):
    values = []
    for p, neg in sides(z1, z2, tau, **options):
        has = ~neg.isneginf()
        values.append(
            torch.where(has, neg.masked_fill(~has, 0.0) - p, 0.0).sum() / max(has.sum(), 1)
        )
    return torch.stack(values).mean()


def dclw(z1, z2, tau, sigma=0.5):
    s = scores(z1, z2).diagonal()
    w = (2 - len(s) * (s.detach() / sigma).softmax(0)).clamp(0, 2)
    if len(s) < 2:
        return 0 * (z1.sum() + z2.sum())
    return mean_of_sides([neg - w * p for p, neg in sides(z1, z2, tau)])


def hard_negative(z1, z2, tau, beta=1.0, tau_plus=0.01):
    n = len(z1)
    if n < 2:
        return 0 * (z1.sum() + z2.sum())
    values = []
    for a, b in ((z1, z2), (z2, z1)):
        logit = torch.cat([others(scores(a, b)), others(scores(a, a))], 1) / tau
        p = scores(a, b).diagonal() / tau
        count = math.log(2 * (n - 1))
        mean = lse((1 + beta) * logit) - lse(beta * logit)
        drop = math.log(tau_plus) + p - mean
        some = drop < 0
        rest = mean + torch.log(-torch.expm1(torch.where(some, drop, -1.0)))
        rest = rest - math.log1p(-tau_plus)
        clamped = ~some | (rest < -1 / tau)
        negative = count + torch.where(clamped, -1 / tau, rest)
        values.append(add(p, negative) - p)
    return mean_of_sides(values)


def kernel(z1, z2, tau, gamma=1.0, mix=1.0):
    if len(z1) < 2:
        return 0 * (z1.sum() + z2.sum())

    def side(a, b, power):
        p, *negatives = (
            -(unit_squares(x, y) + (1e-6 if power < 2 else 0)).pow(power / 2) / tau
            for x, y in ((a, b), (a, b), (a, a))
        )
        p = p.diagonal()
        return add(p, lse(torch.cat([others(part) for part in negatives], 1))) - p

    total = 0.0
    for share, power in ((mix, gamma), (1 - mix, 2.0)):
        if share:
            total = total + share * mean_of_sides([side(z1, z2, power), side(z2, z1, power)])
    return total


def unit_squares(a, b):
    """Squared distances of unit rows; a zero row is at right angles to all others."""
    zero = (a == 0).all(1)[:, None] | (b == 0).all(1)
    return torch.where(zero, 2 - 2 * scores(a, b), distances(unit(a), unit(b)).square())


def sigmoid(z1, z2, t=10.0, intra=False):
    n = len(z1)
    if n < 2:
        return 0 * (z1.sum() + z2.sum())
    bias = -math.log((n - 1) * (2 if intra else 1))
    logit = t * scores(z1, z2) + bias
    total = softplus(-logit.diagonal()).sum() + softplus(others(logit)).sum()
    if intra:
        total = total + sum(softplus(others(t * scores(z, z) + bias)).sum() for z in (z1, z2)) / 2
    return total / n


def jsd(z1, z2, tau, similarity="dot", intra=False, beta=0.0):
    n = len(z1)
    if n < 2:
        return 0 * (z1.sum() + z2.sum())
    positive = softplus(-scores(z1, z2, similarity).diagonal() / tau).mean()
    negative = []
    for a, b in ((z1, z2), (z2, z1)):
        logit = torch.cat(
            [others(scores(a, k, similarity)) for k in ((b, a) if intra else (b,))], 1
        )
        weight = (~logit.isneginf()).double() / (n - 1) / (2 if intra else 1)
        if beta:
            longest = 1.0
            if similarity == "dot":
                longest = max(z.detach().square().sum(1).max() for z in (z1, z2))
            weight = (2 * beta * logit.detach() / longest).softmax(1)
        negative.append((weight * softplus(logit / tau)).sum(1).mean())
    return positive + sum(negative) / 2 - 2 * math.log(2)


def auc(z1, z2, tau, similarity="cosine", beta=0.0):
    n = len(z1)
    if n < 2:
        return 0 * (z1.sum() + z2.sum())
    values = []
    for a, b in ((z1, z2), (z2, z1)):
        s = scores(a, b, similarity)
        logit = others((s - s.diagonal()[:, None]) / tau)
        weight = (~own(n)).double() / (n - 1)
        if beta:
            weight = others(beta * s.detach()).softmax(1)
        values.append((weight * softplus(logit)).sum(1))
    return mean_of_sides(values)


def cacr(z1, z2, t_neg=0.9, tau_plus=0.0, detach=False):
    if len(z1) < 2:
        return 0 * (z1.sum() + z2.sum())
    cost = unit_squares(z1, z2)
    pull, push = cost.diagonal().mean(), []
    for c in (cost, cost.t()):
        p = others(-t_neg * c).softmax(1)
        p = p.detach() if detach else p
        repulsion = -(p * c).sum(1)
        push.append(((repulsion + tau_plus * c.diagonal()) / (1 - tau_plus)).mean())
    return pull + sum(push) / 2


def log_mean_gaussian(a, b, t):
    n = len(a)
    return others(-t * distances(a, b).square()).flatten().logsumexp(0) - math.log(n * (n - 1))


def alignment(z1, z2, alpha=2.0):
    gap = distances(unit(z1), unit(z2)).diagonal()
    apart = gap > 0
    return torch.where(apart, torch.where(apart, gap, 1.0).pow(alpha), 0.0).mean()


def uniformity(z, t=2.0):
    return log_mean_gaussian(unit(z), unit(z), t)


def alignment_uniformity(z1, z2, t=2.0, cross=0.0):
    if len(z1) < 2:
        return 0 * (z1.sum() + z2.sum())
    loss = alignment(z1, z2) + (uniformity(z1, t) + uniformity(z2, t)) / 2
    return loss + cross * log_mean_gaussian(unit(z1), unit(z2), t)


def decoupled(z1, z2, t=1.0):
    mean = (unit(z1) + unit(z2)) / 2
    return log_mean_gaussian(mean, mean, t) if len(z1) > 1 else 0 * (z1.sum() + z2.sum())


def triplet(z1, z2, margin=1.0, intra=False):
    n = len(z1)
    if n < 2:
        return 0 * (z1.sum() + z2.sum())
    reach = distances(z1, z2).diagonal()[:, None] + margin
    pairs = [(z1, z2), (z2, z1)] + ([(z1, z1), (z2, z2)] if intra else [])
    values = [relu(others(reach - distances(a, b))).sum() / (n * (n - 1)) for a, b in pairs]
    return torch.stack(values).mean()


def drawn_triplet(z1, z2, count=4, margin=1.0):
    n = len(z1)
    if n - 1 <= count:
        return triplet(z1, z2, margin)
    reach, values = distances(z1, z2).diagonal() + margin, []
    for a, b in ((z1, z2), (z2, z1)):
        drawn = draw_others(n, count, z1.device)
        values.append(relu(reach - distances(a, b)[torch.arange(n), drawn]).mean())
    return torch.stack(values).mean()


def sugrl(z1, z2, m1=0.8, m2=0.2, w1=10.0, w3=1.0, count=4):
    n = len(z1)
    if n < 2:
        return 0 * (z1.sum() + z2.sum())
    near, all_of_them = distances(z1, z2).diagonal(), distances(z1, z1)
    drawn = draw_others(n, min(count, n - 1), z1.device)
    far = all_of_them[torch.arange(n), drawn]
    low = w1 * relu(near - far + m1).mean(1).sum()
    return low + w3 * relu(far - near.detach() - m1 - m2).sum(1).mean()


def standard(z, eps=1e-5):
    z = z - z.mean(0)
    scale = z.detach().abs().amax(0)
    scale = torch.where(scale > 0, scale, 1.0)
    varies = (z != 0).any(0)
    variance = torch.where(varies, (z / scale).square().mean(0), 1.0)
    return z / (variance.sqrt() * scale + eps)


def barlow_twins(z1, z2):
    c = standard(z1).t() @ standard(z2) / len(z1)
    off = c - torch.diag(c.diagonal())
    return (1 - c.diagonal()).square().sum() + off.square().sum() / len(c)


def ns4gc(z1, z2, tau, pairs=None, threshold=0.3):
    s, n = scores(z1, z2), len(z1)
    near = torch.zeros(n, n, dtype=torch.bool)
    if pairs is not None:
        near[pairs[0], pairs[1]] = True
    apart = ~near & ~own(n)
    value = -s.diagonal().mean() if n else s.sum()
    value = value - s[near].mean() if near.any() else value
    return value + ((s[apart] - threshold) / tau).sigmoid().mean() if apart.any() else value


def scaled_cosine(z1, z2, gamma=3.0):
    return (1 - (unit(z1) * unit(z2)).sum(1)).pow(gamma).sum() / max(len(z1), 1)


def cca_ssg(z1, z2, lam=1e-3):
    a, b = standard(z1), standard(z2)
    eye = torch.eye(a.shape[1], dtype=a.dtype)
    far = [(eye - x.t() @ x / len(x)).square().sum() for x in (a, b)]
    return lam * (far[0] + far[1]) - (a * b).sum() / len(a)


def vicreg(z1, z2):
    total = 25 * (z1 - z2).square().mean()
    for z in (z1, z2):
        c = z - z.mean(0)
        c = c.t() @ c / (len(z) - 1)
        total = total + 25 * relu(1 - (c.diagonal() + 1e-4).sqrt()).mean() / 2
        total = total + (c - torch.diag(c.diagonal())).square().sum() / len(c)
    return total


def group(z1, z2):
    return (softplus(-z1.sum(1)).sum() + softplus(z2.sum(1)).sum()) / (2 * len(z1))


def bootstrap(z1, z2):
    return distances(unit(z1), unit(z2.detach())).diagonal().square().mean() / 2


def adaptive_tau(z1, z2, tau0, alpha=0.5, low=0.05, high=2.0):
    """`AdaptiveTemperature`, a constant of the step."""
    found = tau0 * (1 + alpha * scores(z1, z2).detach().diagonal().mean())
    return found.clamp(min(low, tau0), max(high, tau0))


def isogclr(z1, z2, tau, perplexity=5.0):
    n = len(z1)
    if n < 2:
        return 0 * (z1.sum() + z2.sum())
    pairs = ((z1, z2), (z2, z1), (z1, z1), (z2, z2))
    logit = torch.cat([others(scores(a, b)) for a, b in pairs], 1) / tau
    at_most = math.log(min(perplexity, 4 * (n - 1) - 1))
    return (tau * (lse(logit) - at_most) - scores(z1, z2).diagonal()).mean()


def proto_nce(z1, z2, tau, labels, eps=1e-7):
    """One clustering, whose temperatures follow the distances of its members."""
    if len(z1) < 2:
        return 0 * z1.sum()
    a, f = unit(z1), unit(z2).detach()
    used, labels, n = labels.unique(return_inverse=True, return_counts=True)
    mu = unit(torch.stack([f[labels == c].mean(0) for c in range(len(used))]))
    spread = (f - mu[labels]).norm(dim=1)
    phi = (
        torch.stack([spread[labels == c].mean() for c in range(len(used))]) / (n + 5).double().log()
    )
    largest = max([p for p, m in zip(phi, n, strict=True) if m > 1], default=phi.new_zeros(()))
    phi = torch.where(n > 1, phi, largest)
    phi = phi.clamp(*torch.quantile(phi, phi.new_tensor([0.1, 0.9])))
    if phi.mean() <= 10 * eps:
        phi = torch.full_like(phi, tau)
    else:
        phi = (tau * phi / phi.mean()).clamp(min=1e-6 * tau)
    logit = (a[:, None] * mu[None]).sum(2) / phi
    return (logit.logsumexp(1) - logit[torch.arange(len(logit)), labels]).mean()


def swav(z1, z2, prototypes, tau, eps=0.05, iterations=3):
    if len(z1) < 2:
        return 0 * (z1.sum() + z2.sum())
    a1, a2 = scores(z1, prototypes), scores(z2, prototypes)

    def codes(a):
        q = a.detach() / eps
        for _ in range(iterations):
            q = q - q.logsumexp(0)
            q = q - q.logsumexp(1, keepdim=True)
        return q.exp()

    each = [-(codes(b) * (a / tau).log_softmax(1)).sum(1) for a, b in ((a1, a2), (a2, a1))]
    return mean_of_sides(each)


def self_training(q):
    p = q.detach().square() / q.detach().sum(0)
    p = p / p.sum(1, keepdim=True)
    return torch.where(p > 0, p * (p / q).log(), 0.0).sum() / len(q)


def local_global(local, summary, batch):
    logit = (local[:, None] * summary[None]).sum(2)
    mine = torch.nn.functional.one_hot(batch, len(summary)).bool()
    positive = softplus(-logit[mine]).mean()
    negative = softplus(logit.masked_fill(mine, -INF)).sum(1).mean() / (len(summary) - 1)
    return positive + negative - 2 * math.log(2)


def pair_weight(network, normalize):
    """`(q, k) -> log W` of a `PairNetwork` of tanh units."""
    w1, b1 = network.first.weight.double(), network.first.bias.double()
    w2, b2 = network.second.weight.double(), network.second.bias.double()

    def rule(q, k):
        hidden = torch.tanh((q[:, None] + k[None]) @ w1.t() + b1)
        log_w = torch.nn.functional.logsigmoid((hidden @ w2.t() + b2)[..., 0])
        if normalize:
            total = lse(others(log_w))
            log_w = (
                log_w
                - torch.where(total.isneginf(), 0.0, total - math.log(max(1, len(q) - 1)))[:, None]
            )
        return log_w

    return rule
