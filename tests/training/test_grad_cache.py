"""Several batches as one contrastive batch, against one graph that holds them all."""

import copy
from contextlib import nullcontext

import pytest
import torch
from torch_geometric.data import Batch, Data

import gcl
from gcl.training.grad_cache import accumulated_backward, check_accumulates


def masked(columns):
    """A view that draws nothing."""

    def view(data):
        keep = torch.ones(data.x.shape[1], dtype=data.x.dtype)
        keep[columns] = 0.0
        data.x = data.x * keep
        return data

    return view


@pytest.fixture
def graphs():
    generator = torch.Generator().manual_seed(0)
    found = []
    for n in (5, 8, 3, 6):
        x = torch.randn(n, 6, generator=generator, dtype=torch.float64)
        edges = torch.randint(0, n, (2, 3 * n), generator=generator)
        found.append(Data(x=x, edge_index=edges))
    return found


def two_view(loss, views=None, **options):
    torch.manual_seed(1)
    encoder = gcl.nn.GCNEncoder(6, 8, 4, act="relu", **options)
    head = torch.nn.Linear(4, 4)
    views = views or (masked([0, 1]), masked([3]))
    return gcl.methods.TwoView(encoder, views, loss, head).double()


def gradients(method):
    return {name: p.grad for name, p in method.named_parameters()}


@pytest.mark.parametrize(
    "loss",
    [
        gcl.losses.InfoNCE(0.5),
        gcl.losses.InfoNCE(torch.nn.Parameter(torch.tensor(0.7, dtype=torch.float64))),
        gcl.losses.BarlowTwins(),
        gcl.losses.VICReg(),
        gcl.losses.JSD(),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_loss_and_gradients_are_those_of_one_graph(loss, graphs):
    whole, parts = two_view(copy.deepcopy(loss)), two_view(copy.deepcopy(loss))
    expected = whole(Batch.from_data_list(graphs))
    expected.backward()
    found = accumulated_backward(parts, parts, graphs, nullcontext)
    torch.testing.assert_close(found, expected)
    wanted = gradients(whole)
    assert wanted.keys() == gradients(parts).keys()
    for name, gradient in gradients(parts).items():
        torch.testing.assert_close(gradient, wanted[name], msg=name)


def test_pairs_of_positives_follow_their_batch(graphs):
    for graph in graphs:
        graph.pos_edge_index = torch.arange(graph.num_nodes).flip(0).repeat(2, 1)
        graph.pos_edge_index[1] = torch.arange(graph.num_nodes)
        graph.pos_weight = torch.rand(graph.num_nodes, dtype=torch.float64)
    whole, parts = two_view(gcl.losses.CWCL(0.5)), two_view(gcl.losses.CWCL(0.5))
    expected = whole(Batch.from_data_list(graphs))
    expected.backward()
    torch.testing.assert_close(accumulated_backward(parts, parts, graphs, nullcontext), expected)
    wanted = gradients(whole)
    for name, gradient in gradients(parts).items():
        torch.testing.assert_close(gradient, wanted[name], msg=name)


def test_what_is_drawn_is_drawn_again(graphs):
    """With dropout and random views: the slope along the gradient, by differences."""
    drop = gcl.augment.FeatureMasking(0.3)
    method = two_view(gcl.losses.InfoNCE(0.5), (drop, drop), dropout=0.2)
    state = torch.get_rng_state()
    accumulated_backward(method, method, graphs, nullcontext)
    step, slope = 1e-6, sum(p.grad.square().sum() for p in method.parameters())
    found = []
    for sign in (1, -1):
        moved = copy.deepcopy(method)
        with torch.no_grad():
            for p, own in zip(moved.parameters(), method.parameters(), strict=True):
                p.add_(own.grad, alpha=sign * step)
                p.grad = None
        torch.set_rng_state(state)
        found.append(accumulated_backward(moved, moved, graphs, nullcontext).detach())
    torch.testing.assert_close((found[0] - found[1]) / (2 * step), slope, rtol=1e-5, atol=0)


def test_batch_norm_counts_a_batch_once(graphs):
    once, cached = (two_view(gcl.losses.InfoNCE(0.5), norm="batch") for _ in range(2))
    for graph in graphs:
        once(graph)
    accumulated_backward(cached, cached, graphs, nullcontext)
    for (name, wanted), found in zip(once.named_buffers(), cached.buffers(), strict=True):
        torch.testing.assert_close(found, wanted, msg=name)


def test_the_method_is_left_as_it_was(graphs):
    for loss in (gcl.losses.InfoNCE(0.5), lambda a, b: (a * b).sum()):
        method = two_view(loss)
        names = [name for name, _ in method.named_modules()]
        accumulated_backward(method, method, graphs, nullcontext)
        assert method.objective is loss
        assert [name for name, _ in method.named_modules()] == names


def test_a_view_with_a_generator_of_its_own_is_refused(graphs):
    own = torch.Generator().manual_seed(0)

    def noisy(data):
        data.x = data.x + torch.randn(data.x.shape, generator=own, dtype=data.x.dtype)
        return data

    method = two_view(gcl.losses.InfoNCE(0.5), (noisy, noisy))
    with pytest.raises(ValueError, match="draws the views of TwoView twice"):
        accumulated_backward(method, method, graphs, nullcontext)


def test_options_that_cannot_be_joined_are_named(graphs):
    def loss(a, b, *, factor=1.0):
        return factor * (a * b).sum()

    method = two_view(loss)
    for i, graph in enumerate(graphs):
        graph.factor = float(i)
    with pytest.raises(ValueError, match="factor is no tensor with one row a node"):
        accumulated_backward(method, method, graphs, nullcontext)


def test_losses_that_are_more_than_their_objective_are_refused(graphs):
    data = gcl.datasets.karate()
    check_accumulates(gcl.methods.grace(data, hidden=4))
    with pytest.raises(ValueError, match="that of Infomax is not"):
        check_accumulates(gcl.methods.dgi(data, hidden=4))

    class Twice(gcl.methods.TwoView):
        def loss(self, data):
            return 2 * super().loss(data)

    method = Twice(gcl.nn.GCNEncoder(6, 4), (masked([0]), masked([1])), gcl.losses.InfoNCE(0.5))
    with pytest.raises(ValueError, match="one call of the objective"):
        accumulated_backward(method.double(), method, graphs, nullcontext)


def test_fit_makes_a_step_of_several_batches(graphs):
    """The same weights as of one graph that holds the batches of a step."""
    pairs = [Batch.from_data_list(graphs[:2]), Batch.from_data_list(graphs[2:])]
    whole, parts = two_view(gcl.losses.InfoNCE(0.5)), two_view(gcl.losses.InfoNCE(0.5))
    seen = []

    class Told(gcl.callbacks.Callback):
        def on_step_end(self, state, batches):
            seen.append((state.step, batches))

    one = gcl.fit(whole, pairs, epochs=3, optimizer=torch.optim.SGD)
    other = gcl.fit(
        parts, graphs, epochs=3, optimizer=torch.optim.SGD, accumulate=2, callbacks=[Told()]
    )
    assert other.step == one.step == 6
    assert seen == [(i + 1, 2) for i in range(6)]
    assert [row["loss"] for row in other.history] == pytest.approx(
        [row["loss"] for row in one.history]
    )
    for wanted, found in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(found, wanted)


def test_fewer_batches_at_the_end_of_an_epoch(graphs):
    method = two_view(gcl.losses.InfoNCE(0.5))
    assert gcl.fit(method, graphs, epochs=2, accumulate=3).step == 4


@pytest.mark.parametrize(
    ("accumulate", "data", "said"),
    [
        (0, "loader", "accumulate must be at least 1"),
        (2, "graph", "joins batches of a loader"),
    ],
)
def test_what_cannot_be_accumulated(accumulate, data, said, graphs):
    method = two_view(gcl.losses.InfoNCE(0.5))
    given = graphs if data == "loader" else graphs[0]
    with pytest.raises(ValueError, match=said):
        gcl.fit(method, given, epochs=1, accumulate=accumulate)
    data = gcl.datasets.karate()
    dgi = gcl.methods.dgi(data, hidden=4)
    with pytest.raises(ValueError, match="that of Infomax is not"):
        gcl.fit(dgi, [data], epochs=1, accumulate=2)
