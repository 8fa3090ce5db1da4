"""One loss over the rows of several processes is the loss of one process: value and gradient."""

import pytest
import torch

import gcl
import gcl.distributed
from tests.distributed.losses import (
    GATHERED,
    LENGTHS,
    LOSSES,
    D,
    clusters_of_several,
    common_and_own_draws,
    gathered_ones,
    gradients_of_losses,
    largest_messages,
    meta_node_steps,
    nodes_and_graphs,
    pairs_and_weights,
    refused,
    strengths,
)
from tests.test_contracts import LOSSES as CHECKED

# Correlations of standardised columns lose digits in any order of sums.
LOOSE = {"CCASSG": 3e-5}


def test_every_loss_is_here():
    assert {name.split()[0] for name in LOSSES} >= set(CHECKED) - {"LocalGlobalJSD", "SelfTraining"}


@pytest.mark.parametrize("implementation", [None, "tiled"])
def test_gradients_in_float64(run, implementation):
    for lengths in LENGTHS[run.size]:
        names = list(LOSSES)
        for found in run(gradients_of_losses, names, lengths, torch.float64, implementation):
            for name, (expected, value, error, ratio) in found.items():
                assert value == pytest.approx(expected, rel=1e-10, abs=1e-12), (name, lengths)
                assert ratio == pytest.approx(1, rel=1e-9), (name, lengths)
                assert error < 1e-10, (name, lengths)


def test_gradients_in_float32(run):
    lengths = LENGTHS[run.size][1]
    for found in run(gradients_of_losses, list(LOSSES), lengths, torch.float32):
        for name, (expected, value, error, ratio) in found.items():
            assert value == pytest.approx(expected, rel=1e-5, abs=1e-6), name
            assert ratio == pytest.approx(1, rel=1e-4), name
            assert error < LOOSE.get(name, 1e-5), name


def test_softmax_losses_gather_where_negatives_are_chosen_one_by_one(run_two):
    names = [name for name in LOSSES if name.split()[0] in ("DCL", "InfoNCE", "PolyView", "TeamUp")]
    for found in run_two(gathered_ones, names, LENGTHS[2][1]):
        assert set(found) == GATHERED


def test_alone_it_is_the_loss():
    z = torch.eye(12, 16)
    loss = gcl.losses.InfoNCE(0.4)
    assert gcl.distributed.GlobalBatch(loss)(z, z) == loss(z, z)


@pytest.mark.parametrize("options", [{}, {"positives": "sum", "intra": False}])
def test_listed_pairs_follow_their_rows(run, options):
    lengths = LENGTHS[run.size][1]
    places = [[(0, 1), (1, 1), (0, 0)], [(2, 3), (11, 0)], []][: run.size]
    weights = [[1.0, 0.5, 2.0], [0.25, 3.0], []][: run.size]
    for value, grad in run(pairs_and_weights, lengths, places, weights, options):
        assert abs(value) < 1e-10
        assert grad < 1e-10


def test_a_number_a_row_follows_its_rows(run):
    for lengths in LENGTHS[run.size]:
        for same, without, apart in run(strengths, lengths):
            assert max(same, without) < 1e-10
            assert apart > 1e-3


def test_centres_of_meta_nodes_move_as_in_one_process(run):
    for lengths in LENGTHS[run.size]:
        assert max(run(meta_node_steps, lengths)) < 1e-6  # what gap gives is of float32


def test_clusters_of_several_ranks(run):
    for lengths in LENGTHS[run.size]:
        for found in run(clusters_of_several, lengths, torch.float64):
            assert all(same and apart < 1e-10 for same, apart in found)


def test_meta_nodes_send_no_rows(run_two):
    for first, second in run_two(largest_messages, 300):
        assert first == 300 * D  # the rows of the first centres
        assert second == 300  # a number an anchor, and sums [5, D]


@pytest.mark.parametrize("second", [[4], [], [0, 5]])
def test_nodes_and_graphs(run_two, second):
    for errors in run_two(nodes_and_graphs, [[3, 2, 6], second], torch.float64):
        assert max(map(abs, errors)) < 1e-10


def test_draws_in_a_loss_are_common_and_those_around_it_are_not(run):
    (first, *_), *others = found = run(common_and_own_draws)
    assert first[0] != first[1]
    assert all(inside == first for inside, _ in others)
    assert len({tuple(after) for _, after in found}) == run.size


def test_what_cannot_be_gathered_is_refused_on_all_ranks(run):
    for rows, widths in run(refused, LENGTHS[run.size][0]):
        assert "neither one a row of the batch" in rows
        assert "do not compute the same" in widths
