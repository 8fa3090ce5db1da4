"""Training on the batches of a loader: prepared alike, pairs of their own, resumed to the bit."""

import copy

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader, RandomNodeLoader
from torch_geometric.seed import seed_everything

import gcl
from gcl import callbacks, methods, transforms
from gcl.loader import NeighborBatches, PartitionBatches
from gcl.losses import InfoNCE
from gcl.training import prepare_for_batches
from gcl.training.batches import (
    load_loader_state,
    loader_state,
    prepare_batch,
    prepared_batches,
    works_on_rows,
)

CPU = torch.device("cpu")


def graph(nodes=60, seed=0):
    """Bags of words: rows whose sums differ, mostly zeros."""
    data = gcl.datasets.sbm(nodes, 3, num_features=40, degree=6, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    data.x = (torch.rand(nodes, 40, generator=generator) < 0.05).float()
    data.x *= torch.randint(1, 9, (nodes, 1), generator=generator)
    return data


class Seen(gcl.Method):
    """Remembers the features that it is given."""

    def __init__(self, prepare=None):
        super().__init__()
        self.weight, self.seen = torch.nn.Parameter(torch.ones(())), []
        self.whole_graph = prepare

    def loss(self, data):
        self.seen.append(data)
        return self.weight**2

    def embed(self, data):
        self.seen.append(data)
        return data.x.to_dense()


def test_every_batch_gets_what_prepare_does_to_rows():
    """In training and in the embedding, as the whole graph does."""
    data = graph()
    whole = transforms.NormalizeRows()(copy.copy(data)).x
    steps = transforms.NormalizeRows(), transforms.ToSparseFeatures()
    method = Seen(torch_geometric_compose(*steps))
    loader = PartitionBatches(data, 4, parts="random")
    gcl.fit(method, loader, epochs=1)
    for batch in method.seen:
        assert batch.x.layout == torch.sparse_csr  # batches become sparse themselves
        assert torch.equal(batch.x.to_dense(), whole[batch.n_id])
    assert torch.equal(gcl.embed(method, loader), whole)
    assert torch.equal(gcl.embed(method, loader), gcl.embed(method, data))


def torch_geometric_compose(*steps):
    from torch_geometric.transforms import Compose

    return Compose([Compose([steps[0]]), *steps[1:]])  # nested ones are looked into


@pytest.mark.parametrize(
    "wrap", [methods.pot, methods.with_hops, lambda m: methods.several_seeds(m, seeds=2)]
)
def test_what_is_around_a_method_prepares_as_it(wrap):
    data = graph()
    wrapped = wrap(methods.grace(data, hidden=4, proj=4))
    rows = prepare_batch("here", wrapped, data).x.to_dense().sum(1)
    assert bool(((rows - 1).abs() < 1e-5)[data.x.sum(1) > 0].all())
    assert not works_on_rows(wrapped)  # it may do more
    assert works_on_rows(methods.grace(data, hidden=4))
    assert not works_on_rows(methods.gca(data, hidden=4))


def test_random_node_loader_works_as_documented():
    data = graph()
    for make in (methods.grace, methods.dgi, methods.bgrl):
        method = make(data, hidden=8)
        whole = prepare_for_batches(method, data)
        assert whole.x.layout == torch.strided
        for given in (data, whole):
            state = gcl.fit(method, RandomNodeLoader(given, 3, shuffle=True), epochs=1)
            assert state.step == 3


def test_fit_over_batches_sees_what_embed_sees():
    """dgi was trained on raw and embedded on normalised features."""
    data = graph()
    method = methods.dgi(data, hidden=8)
    seen = []
    forward = method.encoder.forward
    method.encoder.forward = lambda x, *a, **k: (seen.append(x.to_dense()), forward(x, *a, **k))[1]
    gcl.fit(method, PartitionBatches(data, 2, parts="random"), epochs=1)
    assert all(float(x.sum(1).max()) < 1.001 for x in seen)


NEEDS = {
    "positives": (lambda d: methods.ns4gc(d, hidden=4), "AddNeighborPositives.*pos_edge_index"),
    "diffusion": (lambda d: methods.mvgrl(d, hidden=4), "AddDiffusion.*across_edge_index"),
    "importance": (lambda d: methods.gca(d, hidden=4), "AddCentrality.*edge_importance"),
    "communities": (lambda d: methods.csgcl(d, hidden=4), "AddCommunities.*community"),
    "rows": (
        lambda d: methods.grace(d, hidden=4, encoder="propagated"),
        "AddPropagated.*propagated_hops",
    ),
}


@pytest.mark.filterwarnings("ignore:.*networkx")
@pytest.mark.parametrize("name", NEEDS)
def test_what_needs_the_whole_graph_is_named_where_it_is_missing(name):
    make, message = NEEDS[name]
    data = graph()
    method = make(data)
    with pytest.raises(ValueError, match=f"^fit: .*{message}.*prepare_for_batches"):
        gcl.fit(method, NeighborBatches(data, [3, 3], batch_size=20), epochs=1)
    whole = prepare_for_batches(method, data)
    loaders = [NeighborBatches(whole, [3, 3], batch_size=20),
               PartitionBatches(whole, 3, parts="random")]  # fmt: skip
    for loader in loaders:
        assert gcl.fit(method, loader, epochs=2).step == 6
        assert gcl.embed(method, loader).shape == gcl.embed(method, data).shape


def test_propagated_rows_are_not_normalised_again():
    data = graph()
    method = methods.grace(data, hidden=4, encoder="propagated", normalize=True)
    whole = prepare_for_batches(method, data)
    (batch,) = PartitionBatches(whole, 1, parts="random")
    assert torch.equal(prepare_batch("here", method, batch).x, whole.x)
    loader = NeighborBatches(whole, [], batch_size=16)
    torch.testing.assert_close(gcl.embed(method, loader), gcl.embed(method, data))


@pytest.mark.parametrize("make", [methods.pamc, methods.scgc])
def test_positives_of_a_batch_are_those_of_the_graph(make):
    data = graph()
    method = make(data, hidden=(8,), dim=4, pretrain_epochs=0)
    whole = prepare_for_batches(method, data)
    pairs = set(map(tuple, whole.pos_edge_index.t().tolist()))
    for batch in PartitionBatches(whole, 3, parts="random"):
        here = batch.n_id[batch.pos_edge_index]
        assert set(map(tuple, here.t().tolist())) <= pairs
        inside = torch.isin(whole.pos_edge_index, batch.n_id).all(0)
        assert here.shape[1] == int(inside.sum())
        assert bool(torch.isfinite(method.train().loss(batch)))


def test_pairs_of_the_whole_graph_are_refused():
    data = graph()
    data.pos_edge_index = torch.tensor([[0, 59], [59, 0]])
    method = methods.grace(data, hidden=4)
    with pytest.raises(ValueError, match="RandomNodeLoader leaves the node numbers of pos_edge"):
        gcl.fit(method, RandomNodeLoader(data, 3), epochs=1)
    data.n_id = torch.arange(60)
    with pytest.raises(ValueError, match="pos_edge_index of the batch still holds"):
        gcl.fit(method, RandomNodeLoader(data, 3), epochs=1)
    with pytest.raises(ValueError, match=r"RandomNodeLoader|still holds"):
        gcl.embed(method, RandomNodeLoader(data, 3))


def test_positives_between_seeds_enter_the_loss():
    """Those of the nodes around them have no row there."""
    data = graph()
    data.pos_edge_index = torch.stack([torch.arange(60), torch.arange(60).roll(1)])
    data.pos_weight = torch.arange(60.0)
    given = []

    def loss(z1, z2, pos_edge_index, pos_weight):
        given.append((len(z1), pos_edge_index, pos_weight))
        return z1.sum() * 0

    unchanged = lambda view: view  # noqa: E731
    method = methods.TwoView(gcl.nn.GCNEncoder(40, 4), (unchanged, unchanged), loss)
    for batch in NeighborBatches(data, [5], batch_size=20):
        method.loss(batch)
        rows, pairs, weight = given[-1]
        assert rows == 20
        seeds = batch.n_id[:20].tolist()
        expected = {(a, (a - 1) % 60, float(a)) for a in seeds if (a - 1) % 60 in seeds}
        assert {(seeds[i], seeds[j], float(w)) for (i, j), w in
                zip(pairs.t().tolist(), weight, strict=True)} == expected  # fmt: skip


@pytest.mark.parametrize(
    "name", ["grace", "gbt", "cca_ssg", "vicreg", "dgi", "ggd", "bgrl", "sugrl", "costa", "progcl",
             "graphmae", "sgrl", "afgrl", "mvgrl", "ns4gc", "gca", "csgcl", "pamc", "scgc"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*networkx")
def test_recipes_train_and_embed_over_our_loaders(name):
    """All neighbours at once: embedding by batches is that of the whole graph."""
    data = graph()
    size = {"hidden": (8,), "dim": 4, "pretrain_epochs": 0} if name in ("pamc", "scgc") else {
        "hidden": (8,) if name == "sugrl" else 8}  # fmt: skip
    seed_everything(0)
    method = getattr(methods, name)(data, **size)
    whole = prepare_for_batches(method, data)
    state = gcl.fit(method, NeighborBatches(whole, [4, 4], batch_size=25), epochs=2)
    assert state.step == 6
    z = gcl.embed(method, data)
    assert gcl.embed(method, NeighborBatches(whole, [3, 3], batch_size=25)).shape == z.shape
    if name not in ("mvgrl",):  # whose second encoder reads pairs, of which a batch has a part
        every = NeighborBatches(whole, [-1] * 4, batch_size=25)
        torch.testing.assert_close(gcl.embed(method, every), z, atol=1e-5, rtol=1e-4)


def own_generator(data, seed=0):
    return RandomNodeLoader(data, 3, shuffle=True, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "make",
    [
        own_generator,
        lambda data, seed=0: NeighborBatches(data, [3, 3], batch_size=20, seed=seed),
        lambda data, seed=0: PartitionBatches(data, 3, parts="random", seed=seed),
    ],
)
def test_a_training_over_a_loader_with_its_own_draws_resumes_to_the_bit(make, tmp_path):
    data, path = graph(), tmp_path / "checkpoint.safetensors"

    def run(epochs, resume=None, seed=0):
        seed_everything(0)
        method = methods.grace(data, hidden=4, proj=4)
        saved = callbacks.Checkpoint(path, every=1)
        state = gcl.fit(method, make(data, seed), epochs=epochs, callbacks=[saved], resume=resume)
        return [row["loss"] for row in state.history], gcl.embed(method, data)

    straight, z = run(4)
    run(2)
    resumed, again = run(4, path, seed=9)  # whose own seed plays no part any more
    assert resumed == straight
    assert torch.equal(again, z)


def test_the_checkpoint_of_another_loader_is_refused(tmp_path):
    data, path = graph(), tmp_path / "checkpoint.safetensors"
    method = methods.grace(data, hidden=4, proj=4)
    saved = [callbacks.Checkpoint(path)]
    gcl.fit(method, NeighborBatches(data, [3], batch_size=20), epochs=1, callbacks=saved)
    other = NeighborBatches(graph(50), [3], batch_size=20)
    with pytest.raises(gcl.checkpoint.CheckpointError, match=r"this loader: .*60 inputs"):
        gcl.fit(method, other, epochs=2, resume=path)
    with pytest.raises(gcl.checkpoint.CheckpointError, match=r"this loader: a list has no draws"):
        gcl.fit(method, [data], epochs=2, resume=path)


def shuffled(data):
    """By the global generator, and telling which nodes it gives."""
    data = copy.copy(data)
    data.n_id = torch.arange(60)
    return RandomNodeLoader(data, 3, shuffle=True)


@pytest.mark.parametrize("make", [lambda d: NeighborBatches(d, [3, 3], batch_size=20), shuffled])
def test_measuring_moves_no_training(make):
    data = graph()

    def run(*watching):
        seed_everything(0)
        method = methods.grace(data, hidden=4, proj=4)
        return gcl.fit(method, make(data), epochs=3, callbacks=watching).history

    watched = run(
        callbacks.Evaluate(lambda z, _: {"first": float(z[0, 0])}, every=1),
        callbacks.Diagnose(every=1),
    )
    assert [row["loss"] for row in watched] == [row["loss"] for row in run()]


def test_the_state_of_loaders():
    data = graph()
    assert loader_state(data) is None
    assert loader_state(DataLoader([data], shuffle=True)) is None
    loader = own_generator(data)
    before = loader_state(loader)
    first = [batch.num_edges for batch in loader]
    load_loader_state(loader, before)
    assert [batch.num_edges for batch in loader] == first
    with pytest.raises(ValueError, match="a list has no draws of its own"):
        load_loader_state([data], before)


def test_prepared_batches_of_a_graph_and_of_no_graph():
    data = graph()
    method = methods.grace(data, hidden=4)
    assert list(prepared_batches("here", method, data, CPU)) == [data]  # was prepared before
    with pytest.raises(TypeError, match="here: expected a torch_geometric Data"):
        list(prepared_batches("here", method, [3], CPU))


def test_prepare_for_batches_leaves_the_graph_alone():
    data = graph()
    before = data.clone()
    whole = prepare_for_batches(methods.gca(data, hidden=4), data)
    assert data.keys() == before.keys()
    assert torch.equal(data.x, before.x)
    assert "edge_importance" in whole
    with pytest.raises(TypeError, match=r"prepare_for_batches: expected a gcl.Method"):
        prepare_for_batches(methods.gca, data)
    with pytest.raises(TypeError, match="prepare_for_batches: expected a torch_geometric"):
        prepare_for_batches(methods.grace(data, hidden=4), [data])


def test_batches_of_whole_graphs_stay_as_they_are():
    graphs = [gcl.datasets.sbm(30, 2, degree=4, num_features=5, seed=s) for s in range(4)]
    method = methods.TwoView(gcl.nn.GCNEncoder(5, 4), [copy.copy, copy.copy], InfoNCE(0.5))
    (batch,) = DataLoader(graphs, 4)
    assert prepare_batch("here", method, batch) is batch
    assert isinstance(batch, Data)


def test_sparse_rows_that_a_loader_cannot_take_are_told_before_it_tries():
    data = gcl.datasets.load("karate")
    method = gcl.methods.grace(data, hidden=4)
    prepared = method.prepare(data)
    prepared.x = prepared.x.to_dense().to_sparse_csr()
    loader = RandomNodeLoader(prepared, num_parts=3)
    with pytest.raises(ValueError, match="prepare_for_batches"):
        gcl.fit(method, loader, epochs=1)
