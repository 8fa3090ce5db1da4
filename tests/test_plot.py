"""Figures hold what was measured."""

import numpy as np
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


ROWS = [
    {"epoch": 1, "loss": 3.0},
    {"epoch": 2, "loss": 2.0, "auc": 0.5, "effective_rank": 4.0, "column_std": 0.25},
    {"epoch": 4, "loss": 1.0, "auc": 0.75, "effective_rank": 8.0, "column_std": 0.5}
    | {"false_negative_rate@1": 0.5, "false_negative_rate@10": 0.25},
]


def drawn(figure):
    return {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
        for axes in figure.axes
        for line in axes.lines
    }


def test_diagnostics_shows_what_was_measured():
    figure = plot.diagnostics(ROWS, title="t")
    assert drawn(figure) == {
        "effective rank": ([2, 4], [4, 8]),
        "column std (right)": ([2, 4], [0.25, 0.5]),
        "auc": ([2, 4], [0.5, 0.75]),
        "false negative rate@1": ([4], [0.5]),
        "false negative rate@10": ([4], [0.25]),
    }
    assert len(figure.axes) == 4  # three panels, one of them with two scales
    assert all(axes.lines for axes in figure.axes)


def test_diagnostics_of_a_log_of_strings_with_a_prefix():
    names = dict.fromkeys(name for row in ROWS for name in row)
    text = [
        {"epoch": str(row["epoch"])}
        | {f"d_{n}": str(row.get(n, "")) for n in names}
        | {"d_gap": ""}
        for row in ROWS
    ]
    assert drawn(plot.diagnostics(text, prefix="d_")) == drawn(plot.diagnostics(ROWS))
    (axes,) = plot.diagnostics([{"epoch": "1", "column_std": "0.5"}]).axes
    assert axes.lines[0].get_label() == "column std"
    with pytest.raises(ValueError, match="no row has numbers"):
        plot.diagnostics(text)


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
