"""Nothing leaves the device of the data, and how often a step of training waits for it.

On a machine without a GPU, by tensors that claim to be on one: `tests.other_device`. The waits
that are allowed are those that were measured: fewer are welcome, more are a regression.
"""

import copy
import math
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

import gcl
from gcl.losses import __all__ as losses
from gcl.methods.recipes import __all__ as recipes
from gcl.ops import kmeans, tiling
from gcl.ops.pairs import pair_dots
from gcl.ops.structure import structure
from gcl.testing import (
    check_augmentation,
    check_loss,
    check_method,
    check_negatives,
    check_variant,
)
from gcl.training import NonFiniteLossError, loop
from tests import on_device
from tests.other_device import CPU, OTHER, WrongDevice, other_device
from tests.test_contracts import AUGMENTATIONS, DETERMINISTIC, LOSSES, NEGATIVES, PARTS, VARIANTS

M = gcl.methods
SMALL = {"hidden": 8, "proj": 8}
CLUSTERED = {"hidden": (16,), "dim": 4, "pretrain_epochs": 2}
WALKED = {"hidden": 8, "topk": 5}
# Options, and how often a steady step waits: on few nodes, and on so many that losses stream.
NODE = {
    "afgrl": ({"hidden": 8, "predictor": 8, "clusters": 5, "runs": 2}, 3, 3),
    "bgrl": ({"hidden": 8, "predictor": 8}, 0, 0),
    "cca_ssg": ({"hidden": 8}, 0, 0),
    "costa": (SMALL, 0, 0),
    "csgcl": ({**SMALL, "t0": 0}, 1, 2),
    "dgi": ({"hidden": 8}, 1, 1),
    "gbt": ({"hidden": 8}, 0, 0),
    "gca": (SMALL, 0, 1),
    "ggd": ({"hidden": 8}, 1, 1),
    "grace": (SMALL, 0, 1),
    "graphmae": ({"hidden": 8}, 0, 0),
    "mvgrl": (WALKED, 1, 1),
    "ns4gc": ({"hidden": 16, "dim": 8}, 0, 1),
    "pamc": (CLUSTERED, 2, 2),
    "progcl": ({**SMALL, "t0": 0}, 2, 2),
    "scgc": (CLUSTERED, 1, 2),
    "sgrl": ({"hidden": 8, "predictor": 8}, 0, 0),
    "sugrl": ({"hidden": (16,), "dim": 8}, 0, 0),
    "vicreg": (SMALL, 0, 0),
}
HETERO = {
    "adameow": ({"hidden": 16, "proj": 8}, 5, 7),
    "heco": ({"hidden": 16}, 0, 2),
    "meow": ({"hidden": 16, "clusters": (4, 8)}, 5, 6),
}
GRAPHS = {
    "graphcl": ({"hidden": 8}, 73, 73),
    "infograph": ({"hidden": 8}, 0, 0),
    "mvgrl_graph": (WALKED, 2, 2),
    "simgrace": ({"hidden": 8}, 0, 0),
}
# What was agreed on; the numbers above may only be lower.
AGREED = {"dgi": 1, "bgrl": 2, "grace": 2, "csgcl": 4, "pamc": 4, "meow": 8}


def nodes(n):
    data = gcl.datasets.sbm(n, 3, num_features=12)
    data.x = data.x.relu()
    return data


def hetero(n):
    data = gcl.datasets.hetero_sbm(n, num_authors=60, num_subjects=6)
    data.metapaths = [["paper", "author", "paper"], ["paper", "subject", "paper"]]
    return data


def batch(n):
    size = max(n // 10, 20)
    return Batch.from_data_list(
        [gcl.datasets.sbm(size, 2, num_features=5, seed=s) for s in range(9)]
    )


def steps_of(method, data):
    """The steps of a training, without what `fit` adds."""
    optimizer = torch.optim.Adam(method.parameters(), lr=0.01)
    for number in range(1, 10):
        optimizer.zero_grad(set_to_none=True)
        method(data).backward()
        optimizer.step()
        method.after_step(number, 10)
        yield


def waits_of_a_step(watch, make, data):
    torch.manual_seed(0)
    method = make().to(OTHER)
    steps = steps_of(method, method.prepare(data.clone().to(OTHER)))
    for _ in range(3):  # what is found out once is known by then
        next(steps)
    with watch.step():
        next(steps)
    assert all(p.grad.device == OTHER for p in method.parameters() if p.grad is not None)
    return watch.waits + watch.copies


def test_every_recipe_has_its_limit():
    assert {*NODE, *HETERO, *GRAPHS} == set(recipes)
    for name, limit in AGREED.items():
        assert max((NODE | HETERO)[name][1:]) <= limit


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("name", [*NODE, *HETERO, *GRAPHS])
def test_a_step_of_a_recipe_stays_on_the_device(name, streams):
    kind = nodes if name in NODE else hetero if name in HETERO else batch
    options, *limits = (NODE | HETERO | GRAPHS)[name]
    data = kind(300 if streams else 60)
    with other_device() as watch:
        found = waits_of_a_step(watch, partial(getattr(M, name), data, **options), data)
    assert found.total() <= limits[streams], found


# Base recipe, variant, waits.
WITH = {
    "distil": 0,
    "half_hop": 8,
    "joao": 73,
    "macl": 1,
    "meta_nodes": 4,
    "pot": 2,
    "several_seeds": 0,
    "several_views": 0,
    "with_hops": 0,
    "with_negatives": 0,
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_step_of_a_variant_stays_on_the_device(name):
    recipe, variant = VARIANTS[name][0]
    data = batch(60) if recipe in GRAPHS else nodes(60)
    options = (NODE | GRAPHS)[recipe][0]
    with other_device() as watch:
        found = waits_of_a_step(watch, lambda: variant(getattr(M, recipe)(data, **options)), data)
    assert found.total() <= WITH[name], found


def test_there_are_limits_for_every_variant():
    assert set(WITH) == set(VARIANTS)


@pytest.mark.parametrize("weights", [False, True], ids=["masks drawn", "masks kept"])
def test_masks_of_meta_paths_are_drawn_where_the_data_are(weights):
    """Also those that are the same at every call, and those of a type without features."""
    data = hetero(60)
    with other_device() as watch:
        for plain in (data, data.clone()):
            if plain is not data:
                del plain["paper"].x
                plain["paper"].num_nodes = 60
            method = M.meow(plain, hidden=8, resample="once" if weights else "epoch").to(OTHER)
            prepared = method.prepare(plain.clone().to(OTHER))
            with watch.step():
                method(prepared).backward()


def cases(table):
    return [
        pytest.param(part, options, id=f"{name} {i}")
        for name, group in table.items()
        for i, (part, options) in enumerate(group)
    ]


def test_every_loss_is_here():
    assert set(LOSSES) | set(PARTS) == set(losses)


@pytest.mark.parametrize("implementation", ["dense", "tiled"])
@pytest.mark.parametrize(("loss", "options"), cases(LOSSES | PARTS))
def test_a_loss_stays_on_the_device_and_gives_the_value_of_the_cpu(loss, options, implementation):
    with tiling(implementation=implementation, tile=7):
        compare_with_cpu(loss)


def compare_with_cpu(loss):
    torch.manual_seed(0)
    z1 = torch.randn(17, 8, dtype=torch.float64)
    z2 = z1 + 0.3 * torch.randn_like(z1)
    # Losses that learn as they are called start alike.
    here, there = copy.deepcopy(loss), copy.deepcopy(loss)
    torch.manual_seed(0)
    expected = here(z1, z2).detach()
    with other_device() as watch:
        q, k = z1.to(OTHER).requires_grad_(), z2.to(OTHER).requires_grad_()
        there = there.to(OTHER) if isinstance(there, torch.nn.Module) else there
        torch.manual_seed(0)
        with watch.step():
            value = there(q, k)
            value.backward()
        assert value.device == q.grad.device == OTHER
        value = value.detach().cpu()
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize(("negatives", "options"), cases(NEGATIVES))
def test_negatives_stay_on_the_device(negatives, options):
    q, k = torch.nn.functional.normalize(torch.randn(2, 17, 8), dim=2).unbind()
    with other_device() as watch:
        q, k = q.to(OTHER), k.to(OTHER)
        if isinstance(negatives, torch.nn.Module):
            negatives = copy.deepcopy(negatives).to(OTHER)
        with watch.step():
            assert negatives(q, k, 0.5).device == OTHER


@pytest.mark.parametrize("kind", ["graph", "batch", "hetero"])
@pytest.mark.parametrize(("transform", "options"), cases(AUGMENTATIONS | DETERMINISTIC))
def test_a_view_stays_on_the_device(transform, options, kind):
    graphs = dict(options.get("graphs") or gcl.testing.odd_graphs())
    name = next(n for n in graphs if kind in n.lower() or kind == "graph")
    graph = graphs[name]
    with other_device() as watch:
        there = graph.clone().to(OTHER)
        with watch.step():
            view = transform(copy.copy(there))
        for store in view.stores:
            for key, value in store.items():
                if isinstance(value, torch.Tensor):
                    assert value.device == OTHER, key


def fitted(watch, data, **options):
    """A short training on the other device, and what it waited between its first and last epoch."""
    torch.manual_seed(0)
    method = M.sgrl(nodes(60), hidden=8, predictor=8).to(OTHER)
    counts = []

    class Count(gcl.callbacks.Callback):
        def on_epoch_end(self, state):
            counts.append(watch.waited)

    with watch.step():
        state = gcl.fit(method, data, epochs=4, callbacks=[Count()], **options)
    return state, [after - before for before, after in pairwise(counts[1:])]


def moved(graphs):
    return [graph.to(OTHER) for graph in graphs]


def test_fit_waits_once_an_epoch_however_many_batches_it_has():
    """SGRL's own steps wait for nothing."""
    with other_device() as watch:
        state, waits = fitted(watch, nodes(60).to(OTHER))
        assert waits == [1, 1]
        several, waits = fitted(watch, moved([nodes(60), nodes(60), nodes(60)]))
        assert waits == [1, 1]
        clipped, waits = fitted(watch, moved([nodes(60), nodes(60)]), clip=1.0)
        assert waits == [1, 1]
    assert [row["step"] for row in several.history] == [3, 6, 9, 12]
    assert all(math.isfinite(row["loss"]) for s in (state, several, clipped) for row in s.history)


def test_losses_read_together_are_those_of_the_cpu(monkeypatch):
    """Also where a long epoch is read in parts."""
    data = [nodes(60), nodes(60), nodes(60)]

    def losses_on(device):
        torch.manual_seed(0)
        method = M.cca_ssg(data[0], hidden=8).to(device)
        state = gcl.fit(method, [g.clone().to(device) for g in data], epochs=2)
        return [row["loss"] for row in state.history]

    expected = losses_on(CPU)
    with other_device():
        assert losses_on(OTHER) == pytest.approx(expected, rel=1e-4)
        monkeypatch.setattr(loop, "UNREAD", 2)
        assert losses_on(OTHER) == pytest.approx(expected, rel=1e-4)


class Breaks(gcl.Method):
    """One of its losses is `value`."""

    def __init__(self, at, value):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))
        self.at, self.value, self.step = at, value, 0

    def loss(self, data):
        self.step += 1
        return self.weight.sum() * (self.value if self.step == self.at else 1.0)

    def embed(self, data):
        return data.x


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_found_at_its_step_and_before_a_checkpoint(value):
    with other_device():
        method = Breaks(5, value).to(OTHER)
        graphs = moved([nodes(60)] * 3)
        saved = []

        class Save(gcl.callbacks.Callback):
            last = True

            def on_epoch_end(self, state):
                saved.append(state.method.weight.detach().clone().cpu())

        with pytest.raises(
            NonFiniteLossError, match=r"at step 5 \(epoch 2\); the weights are sound"
        ):
            gcl.fit(method, graphs, epochs=3, callbacks=[Save()])
        assert len(saved) == 1
        assert saved[0].isfinite().all()
        # One graph: the step is not even taken.
        method = Breaks(2, value).to(OTHER)
        with pytest.raises(NonFiniteLossError, match=r"at step 2 \(epoch 2\)"):
            gcl.fit(method, graphs[0], epochs=3)
        assert method.weight.isfinite().all().item()


def test_bfloat16_takes_float32_rows_and_refuses_float64():
    z = torch.randn(300, 8)
    loss = gcl.losses.InfoNCE(0.5)
    with tiling(precision="bf16", implementation="tiled"):
        expected = loss(z, -z)
        with other_device():
            there = z.to(OTHER)
            # CUDA's products leave in float32.
            assert loss(there, -there).item() == pytest.approx(expected.item(), rel=1e-2)
            with pytest.raises(ValueError, match=r"precision='bf16' .* float64; set precision"):
                loss(there.double(), -there.double())
        with pytest.raises(ValueError, match=r"precision='bf16' .* float64; set precision"):
            loss(z.double(), -z.double())


def test_kmeans_elsewhere_finds_the_clusters_of_the_cpu():
    """Without a question, empty clusters and many iterations after the last move included."""
    generator = torch.Generator().manual_seed(0)
    for rows, clusters in ((40, 5), (40, 60), (3, 7)):
        z = torch.randn(rows, 4, generator=generator).repeat(2, 1)
        expected = kmeans.spherical_kmeans(z, clusters)
        with other_device() as watch:
            there = z.to(OTHER)
            with watch.step():
                found = kmeans.spherical_kmeans(there, clusters)
            assert watch.waited == 0
            labels, centroids = (part.cpu() for part in found)
        assert torch.equal(labels, expected[0])
        torch.testing.assert_close(centroids, expected[1])


def test_large_kmeans_elsewhere_stops_when_nothing_moves(monkeypatch):
    monkeypatch.setattr(kmeans, "PAIRS", 100)
    z = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    expected = kmeans.spherical_kmeans(z, 5)[0]
    with other_device() as watch:
        there = z.to(OTHER)
        with watch.step():
            labels = kmeans.spherical_kmeans(there, 5)[0]
        assert 1 <= watch.waited <= 20
        assert torch.equal(labels.cpu(), expected)


@pytest.mark.parametrize("kind", ["sorted", "shuffled", "loops"])
def test_structures_elsewhere_are_those_of_the_cpu(kind):
    edges = nodes(30).edge_index
    if kind == "shuffled":
        edges = edges[:, torch.randperm(edges.shape[1], generator=torch.Generator().manual_seed(0))]
    if kind == "loops":
        loops = torch.tensor([[3, 3, 7, 3], [3, 3, 7, 3]])
        edges = torch.cat([edges, loops], 1)
    encoder = gcl.nn.GCNEncoder(12, 4)
    weight = torch.rand(edges.shape[1], generator=torch.Generator().manual_seed(1))
    x = nodes(30).x
    expected = encoder(x, edges, weight), structure(edges, 30)
    with other_device():
        there = copy.deepcopy(encoder).to(OTHER)(x.to(OTHER), edges.to(OTHER), weight.to(OTHER))
        made = structure(edges.to(OTHER), 30)
        partner = None if made.partner is None else made.partner.cpu()
        col, row, there = made.col.cpu(), made.row.cpu(), there.detach().cpu()
    assert torch.equal(col, expected[1].col)
    assert torch.equal(row, expected[1].row)
    assert partner is None or torch.equal(edges[:, partner], edges.flip(0))
    assert (partner is None) == (expected[1].partner is None)
    torch.testing.assert_close(there, expected[0].detach())


def test_pairs_elsewhere_have_the_gradients_of_the_cpu():
    z = torch.randn(9, 4)
    rows, cols = torch.tensor([4, 0, 8, 0, 3]), torch.tensor([1, 2, 2, 0, 7])

    def gradient(z, rows, cols):
        z = z.detach().requires_grad_()
        pair_dots(z, z, rows, cols).square().sum().backward()
        return z.grad

    expected = gradient(z, rows, cols)
    with other_device() as watch:
        there = z.to(OTHER), rows.to(OTHER), cols.to(OTHER)
        with watch.step():
            found = gradient(*there)
        assert watch.waited == 0
        torch.testing.assert_close(found.cpu(), expected)


def test_the_suites_for_a_real_device_run_here_too():
    """`tests/test_cuda.py` itself must not wait for a GPU to be found broken."""
    with other_device():
        check_loss(on_device.Loss(gcl.losses.InfoNCE(0.4), OTHER))
        check_augmentation(on_device.View(gcl.augment.EdgeDropping(0.4), OTHER))
        check_negatives(on_device.Loss(gcl.losses.HardestNegatives(3), OTHER), rows=9)
        data = nodes(60)
        check_method(M.grace(data, **SMALL).to(OTHER), data.to(OTHER))
        check_variant(M.macl, M.grace(data, **SMALL).to(OTHER), data.to(OTHER))


# The device itself: it must be able to fail.


def test_tensors_that_were_moved_say_so_and_so_does_what_is_made_of_them():
    with other_device() as watch:
        here = torch.ones(3, 2)
        there = here.to("cuda")
        assert (here.device, there.device) == (CPU, OTHER)
        assert there.is_cuda
        assert not here.is_cuda
        made = (
            there[1:], there + 1, there.t(), there.sum(), there.clone(), there.to_sparse_csr(),
            there.new_zeros(2), torch.zeros_like(there), there.double(), there.split(1)[0],
            torch.ones(2, device="cuda"), torch.tensor([1.0], device=OTHER), here.to(there),
        )  # fmt: skip
        assert {t.device for t in made} == {OTHER}
        assert {t.device for t in (there.cpu(), here + 1, torch.ones(2))} == {CPU}
        layer = torch.nn.Linear(2, 1).to(OTHER)
        layer(there).sum().backward()
        assert layer.weight.grad.device == OTHER
        assert watch.waited > 0
    assert torch.ones(1).device == CPU


@pytest.mark.parametrize(
    "operation",
    [
        lambda here, there: here + there,
        lambda here, there: there @ here.t(),
        lambda here, there: torch.cat([here, there]),
        lambda here, there: torch.stack([there.sum(), here.sum()]),
        lambda here, there: there[0].index_select(0, torch.tensor([1])),
        lambda here, there: there.masked_fill(here > 0, 0.0),
        lambda here, there: here.add_(there),
        lambda here, there: here[torch.zeros(1, dtype=torch.long, device=OTHER)],
        lambda here, there: torch.nn.functional.linear(there, here),
        lambda here, there: there.numpy(),
        lambda here, there: np.asarray(there),
        lambda here, there: torch.rand(3, device=OTHER, generator=torch.Generator()),
        lambda here, there: torch.rand(3, generator=torch.Generator(OTHER)),
        lambda here, there: torch.sparse.mm(there.to_sparse_csr(), there.t(), "sum"),
    ],
)
def test_what_a_device_refuses_is_refused(operation):
    with other_device():
        here = torch.ones(3, 2)
        there = here.to(OTHER)
        with pytest.raises(WrongDevice):
            operation(here, there)


def test_single_numbers_of_the_host_may_stand_beside_tensors():
    with other_device():
        there, number = torch.ones(3, device=OTHER), torch.tensor(2.0)
        for made in (there * number, torch.where(there > 0, number, there), there.fill_(number)):
            assert made.device == OTHER


@pytest.mark.parametrize(
    "draw",
    [
        lambda: torch.rand(4),
        lambda: torch.randperm(4),
        lambda: torch.randn_like(torch.ones(2)),
        lambda: torch.ones(2).normal_(),
        lambda: torch.bernoulli(torch.full((2,), 0.5)),
        lambda: torch.multinomial(torch.ones(3), 2),
        lambda: torch.nn.functional.dropout(torch.ones(3)),
        lambda: torch.rand(4, generator=torch.Generator().manual_seed(0)),
    ],
)
def test_a_draw_on_the_cpu_is_found_in_a_step(draw):
    with other_device() as watch:
        draw()  # before training: weights, splits
        with watch.step(), pytest.raises(WrongDevice, match="on the CPU"):
            draw()
        with watch.step():
            torch.multinomial(torch.ones(3), 1)  # which of three things the host does
            torch.rand(4, device=OTHER)


@pytest.mark.parametrize(
    ("ask", "waits"),
    [
        (lambda z: z.sum().item(), 1),
        (lambda z: float(z[0]), 1),
        (lambda z: bool((z > 0).any()), 1),
        (lambda z: z.tolist(), 1),
        (lambda z: z.cpu(), 1),
        (lambda z: z.nonzero(), 1),
        (lambda z: z[z > 0], 1),
        (lambda z: z.unique(), 1),
        (lambda z: torch.equal(z, z + 1), 1),
        (lambda z: z.long().bincount(), 2),
        (lambda z: z.repeat_interleave(z.long()), 1),
        (lambda z: z.repeat_interleave(z.long(), output_size=3), 0),
        (lambda z: torch.empty(3).copy_(z), 1),
        (lambda z: z.sort(), 0),
        (lambda z: z[z.argsort()], 0),
    ],
)
def test_what_waits_is_counted(ask, waits):
    with other_device() as watch:
        z = torch.ones(3).to(OTHER)
        with watch.step():
            ask(z)
        assert watch.waited == waits, watch.waits
        with watch.step():
            torch.ones(3).sum().item()
        assert watch.waited == 0


def test_copies_from_the_host_are_counted():
    with other_device() as watch, watch.step():
        torch.ones(3).to(OTHER)
        torch.tensor([1, 2], device=OTHER)
        torch.full((2,), 1.0, device=OTHER)  # filled there
        assert watch.copies.total() == 2
