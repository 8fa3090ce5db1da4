"""Sums over clusters as plain loops, and clustered rows to try them on."""

import math

import numpy as np
import torch

LABELS = [0, 2, 0, 0, 4, 2, 0, 1, 1]  # cluster 3 is empty, 4 has one node


def draw(n, d=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64)


def some_shares(n, k=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    shares = torch.rand(n, k, generator=generator, dtype=torch.float64)
    shares[:, 1] = 0  # an empty cluster
    shares[0] = 0  # and a row in none
    return shares


def as_shares(assignment, k):
    given = np.asarray(assignment)
    return np.eye(k)[given] if given.ndim == 1 else given


def unit(z):
    return [row / np.linalg.norm(row) for row in z.detach().numpy()]


def mean_and_variance(values, weights):
    total = math.fsum(weights)
    mean = math.fsum(w * x for w, x in zip(weights, values, strict=True)) / total
    square = math.fsum(w * (x - mean) ** 2 for w, x in zip(weights, values, strict=True))
    return mean, square / total


def log_sum(terms):
    return math.log(math.fsum(terms)) if terms else -math.inf


def node_loop(z, keys, taus, q, mine, *, within, second, exclude):
    u, v = unit(z), unit(keys)
    out = []
    for i in range(len(u)):
        terms = []
        for b in range(q.shape[1]):
            pairs = [j for j in range(len(v)) if not (exclude and j == i) and q[j, b] > 0]
            factor = 1.0 if within else 1 - mine[i, b]
            if not pairs or factor <= 0:
                continue
            logits = [float(u[i] @ v[j]) / taus[i] for j in pairs]
            weights = [q[j, b] for j in pairs]
            mean, variance = mean_and_variance(logits, weights)
            terms.append(factor * math.fsum(weights) * math.exp(mean + second * variance / 2))
        out.append(log_sum(terms))
    return out


def pair_loop(z, keys, tau, q, mine, *, within, second, exclude):
    u, v = unit(z), unit(keys)
    of_cluster = []
    for a in range(mine.shape[1]):
        terms = []
        for b in range(q.shape[1]):
            if a == b and not within:
                continue
            pairs = [
                (i, j)
                for i in range(len(u))
                for j in range(len(v))
                if mine[i, a] * q[j, b] > 0 and not (exclude and i == j)
            ]
            if not pairs:
                continue
            weights = [mine[i, a] * q[j, b] for i, j in pairs]
            mean, variance = mean_and_variance(
                [float(u[i] @ v[j]) / tau for i, j in pairs], weights
            )
            size = math.fsum(weights) / math.fsum(mine[:, a])
            terms.append(size * math.exp(mean + second * variance / 2))
        of_cluster.append(log_sum(terms))
    out = []
    for share in mine:
        used = [(s, x) for s, x in zip(share, of_cluster, strict=True) if s > 0]
        total = math.fsum(share) or 1.0
        out.append(math.fsum(s * x for s, x in used) / total)
    return out


def paper_loop(z, keys, tau, q, mine, *, within):
    sums = [z.detach().numpy().T @ mine, keys.detach().numpy().T @ q]
    full = [[c for c in range(q.shape[1]) if share[:, c].sum() > 0] for share in (mine, q)]
    values = []
    for k in full[0]:
        terms = []
        for b in full[1]:
            a, c = sums[0][:, k], sums[1][:, b]
            cosine = 0.0 if k == b else a @ c / np.linalg.norm(a) / np.linalg.norm(c)
            if within or k != b:
                terms.append(math.exp(cosine / tau))
        values.append(log_sum(terms))
    return [math.fsum(values) / len(values)] * len(z)


def clustered(seed, n=60, k=6, spread=0.3, d=5):
    generator = torch.Generator().manual_seed(seed)
    centers = torch.randn(k, d, generator=generator, dtype=torch.float64)
    labels = torch.randint(k, (n,), generator=generator)
    noise = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return centers[labels] + spread * noise, labels


def diameters(z, labels):
    u = torch.nn.functional.normalize(z)
    return {
        int(c): float(torch.cdist(u[labels == c], u[labels == c]).max()) for c in labels.unique()
    }
