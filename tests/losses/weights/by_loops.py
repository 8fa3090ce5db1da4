"""Two views to try weights on."""

import torch

N = 11


def views(n=N, d=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2)]
