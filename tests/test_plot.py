"""Figures hold what was measured."""

import pytest
import torch

from gcl import plot


def test_loss_curve_shows_the_numbers():
    (axes,) = plot.loss_curve([1, 2, 3], [3.0, 2.0, 1.5], title="t").axes
    (line,) = axes.lines
    assert line.get_ydata().tolist() == [3.0, 2.0, 1.5]
    assert axes.get_title() == "t"


@pytest.mark.parametrize("projection", ["pca", "tsne"])
def test_embedding_shows_every_node_by_label(projection):
    z = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    (axes,) = plot.embedding(z, torch.arange(30) % 3, projection=projection).axes
    assert [len(c.get_offsets()) for c in axes.collections] == [10, 10, 10]
    state = torch.get_rng_state()
    plot.embedding(z, projection=projection)
    assert torch.equal(state, torch.get_rng_state())


def test_large_graphs_are_sampled():
    (axes,) = plot.embedding(torch.randn(6000, 3), projection="pca").axes
    assert len(axes.collections[0].get_offsets()) == 5000


def test_similarities_of_equal_views_stand_at_one():
    z = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    (axes,) = plot.similarities(z, z).axes
    negative, positive = axes.containers
    assert positive[-1].get_height() > 0
    assert sum(bar.get_height() for bar in positive[:-1]) == 0
    assert sum(bar.get_height() for bar in negative[:-1]) > 0
