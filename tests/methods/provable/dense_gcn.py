"""GCNs written densely in float64, and graphs drawn within a budget: oracles for bounds."""

import torch

import gcl


def random_graph(seed, n=9, links=13):
    """An undirected graph `[2, e]` whose last node is isolated."""
    generator = torch.Generator().manual_seed(seed)
    pairs = torch.combinations(torch.arange(n - 1))
    pairs = pairs[torch.randperm(len(pairs), generator=generator)[:links]].t()
    return torch.cat([pairs, pairs.flip(0)], dim=1)


def within_budget(edge_index, budget, samples, seed, symmetric=True):
    """Masks `[samples, e]` of kept edges: no node loses more than its budget of arriving edges.

    Edges are tried in a random order and dropped as long as there is budget, each with a
    probability that differs from sample to sample (often 1, so that budgets are used up).
    """
    generator = torch.Generator().manual_seed(seed)
    e, half = edge_index.shape[1], edge_index.shape[1] // 2
    units = half if symmetric else e
    order = torch.rand(samples, units, generator=generator).argsort(1)
    eager = torch.rand(samples, 1, generator=generator).mul(2).clamp(max=1)
    wanted = torch.rand(samples, units, generator=generator) < eager
    left = budget.repeat(samples, 1)
    keep = torch.ones(samples, e, dtype=torch.bool)
    rows = torch.arange(samples)
    for step in range(units):
        edge = order[:, step]
        target = edge_index[1, edge]
        free = (left[rows, target] > 0) & wanted[rows, edge]
        if symmetric:
            source = edge_index[0, edge]
            free &= left[rows, source] > 0
            left[rows, source] -= free.long()
            keep[rows, edge + half] &= ~free
        left[rows, target] -= free.long()
        keep[rows, edge] &= ~free
    return keep


def dense_adjacency(edge_index, weight, n):
    """`[..., n, n]` of GCN, from weights `[..., e]`; no self-loops in the list."""
    weight = weight.double()
    a = weight.new_zeros(*weight.shape[:-1], n, n)
    a[..., edge_index[1], edge_index[0]] = weight
    a = a + torch.eye(n, dtype=torch.float64)
    scale = a.sum(-1).rsqrt()
    return scale[..., :, None] * a * scale[..., None, :]


def dense_forward(layers, x, a):
    """Pre-activations of every layer and the output, for x `[..., n, f]` and a `[..., n, n]`."""
    found, h = [], x
    for weight, bias, slope in layers:
        p = a @ (h @ weight) + bias
        found.append(p)
        h = torch.maximum(p, torch.zeros_like(p)) + slope * torch.minimum(p, torch.zeros_like(p))
    return found, h


def random_encoder(seed, widths, act):
    """A GCNEncoder in float64 with random weights and biases."""
    torch.manual_seed(seed)
    encoder = gcl.nn.GCNEncoder(
        widths[0], widths[1], widths[-1], num_layers=len(widths) - 1, act=act
    ).double()
    with torch.no_grad():
        for weight, bias in zip(encoder.weights, encoder.biases, strict=True):
            weight.normal_()
            bias.normal_(std=0.5)
        for after in encoder.afters:
            for module in after:
                if isinstance(module, torch.nn.PReLU):
                    module.weight.uniform_(0, 0.6)
    return encoder


def weights_of(edge_index, kind, seed):
    """Weights `[e]` of the edges: none, the same both ways, or each its own and some of them 0."""
    half = edge_index.shape[1] // 2
    generator = torch.Generator().manual_seed(seed)
    if kind == "none":
        return None
    if kind == "even":
        return torch.rand(half, generator=generator, dtype=torch.float64).repeat(2) + 0.1
    weight = torch.rand(2 * half, generator=generator, dtype=torch.float64) * 3
    return weight.masked_fill(torch.rand(2 * half, generator=generator) < 0.2, 0.0)


def share(edge_index, p, n=9):
    """Budgets `[n]`: the share p of the edges that arrive at a node, and never all."""
    degree = torch.bincount(edge_index[1], minlength=n)
    return torch.minimum((p * degree).round().long(), (degree - 1).clamp(min=0))


def dense(adjacency, n=9):
    """A sparse adjacency as a matrix in float64."""
    return adjacency @ torch.eye(n, dtype=torch.float64)
