"""Node compactness by degree, drawn."""

import numpy as np
import pytest
import torch

from gcl import plot

# Degrees 0, 1, 1, 2, 3, 3, and a loop that does not count.
EDGES = torch.tensor([[0, 0, 0, 1, 0, 1, 2, 0, 1, 2, 4], [1, 2, 3, 3, 4, 4, 4, 5, 5, 5, 4]])


def test_medians_and_shares_of_every_range_of_degrees():
    values = torch.tensor([-2.0, 1.0, 3.0, -1.0, 5.0, 2.0])
    figure = plot.compactness(values, EDGES, title="t")
    left, right = figure.axes
    curve, zero = left.lines
    assert curve.get_ydata().tolist() == [-2, 2, 2]
    assert zero.get_ydata() == [0, 0]
    assert right.lines[0].get_ydata().tolist() == pytest.approx([0, 1, 2 / 3])
    assert [t.get_text() for t in left.get_xticklabels()] == ["0\n1", "1\n2", "2–3\n3"]
    assert figure.get_suptitle() == "t"
    assert not figure.legends


def test_several_curves_have_a_legend():
    curves = {"before": torch.zeros(6), "after": torch.ones(6)}
    figure = plot.compactness(curves, EDGES)
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["before", "after"]
    assert np.allclose(figure.axes[1].lines[1].get_ydata(), 1)


def test_edges_of_another_graph_are_refused():
    with pytest.raises(ValueError, match="values of 2 nodes; give the edges of the same graph"):
        plot.compactness(torch.ones(2), torch.tensor([[0, 1], [1, 2]]))


@pytest.mark.parametrize(
    "values",
    [torch.ones(0), torch.ones(3, 2), {}, {"a": torch.ones(3), "b": torch.ones(4)}],
)
def test_other_than_one_number_a_node_is_refused(values):
    with pytest.raises(ValueError, match="one number a node"):
        plot.compactness(values, EDGES)
