"""Clusters as labels and as shares against one-hot matrices."""

import math

import pytest
import torch

from gcl.ops.clusters.meta_nodes import meta_node_logsumexp


@pytest.mark.parametrize("proxy", ["node", "pair"])
def test_many_equal_rows_keep_their_digits(proxy):
    z = torch.full((300_000, 4), 0.5)
    labels = torch.arange(len(z)) % 3
    value = meta_node_logsumexp(z, z, 0.1, labels, proxy=proxy)
    exact = math.log(len(z)) + 10  # all cosines are 1
    assert float((value - exact).abs().max()) < 2e-4
