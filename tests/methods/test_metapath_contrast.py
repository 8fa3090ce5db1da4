"""MEOW, AdaMEOW and HeCo on heterogeneous graphs of every kind."""

from __future__ import annotations

import copy

import pytest
import torch
from torch_geometric.data import Batch, HeteroData

import gcl
from gcl.callbacks import Checkpoint
from gcl.datasets import hetero_sbm
from gcl.nn.metapath_adjacency import metapath_adjacency
from gcl.ops.similarity import unit_rows
from gcl.testing import check_method
from gcl.transforms import AddHeCoPositives, AddMetaPaths

PAP, PSP = ["paper", "author", "paper"], ["paper", "subject", "paper"]
RECIPES = {
    "meow": {"clusters": (3, 6), "hidden": 8},
    "adameow": {"hidden": 8, "proj": 4},
    "heco": {"hidden": 8, "samples": 2},
}


def graph(n=40, **options):
    options = {"num_authors": 50, "num_subjects": 6, "num_features": 10, **options}
    return hetero_sbm(n, **options)


def make(name, data, chains=(PAP, PSP), *, paths=None, **options):
    form = {"contexts": "none", "topk_form": "row"} if name == "heco" else {}
    transform = AddMetaPaths([list(p) for p in chains], **form, **(paths or {}))
    return getattr(gcl.methods, name)(data, paths=transform, **{**RECIPES[name], **options})


@pytest.mark.parametrize("name", RECIPES)
def test_contract(name):
    check_method(make(name, graph()), graph())


@pytest.mark.parametrize("name", RECIPES)
def test_learns_communities(name):
    data = graph(120, homophily=0.95, subjects=2.0, noise=8.0)
    torch.manual_seed(0)
    method = make(name, data)
    before = gcl.fit(method, data, epochs=1, lr=5e-3).loss
    after = gcl.fit(method, data, epochs=40, lr=5e-3).loss
    assert after < before - 0.1
    found = gcl.evaluate.knn(gcl.embed(method, data), data["paper"].y, k=5)["accuracy"]
    assert found > gcl.evaluate.knn(data["paper"].x, data["paper"].y, k=5)["accuracy"] + 0.1


def odd(case):
    data = graph()
    paths = [PAP, PSP]
    if case == "one meta-path":
        paths = [PAP]
    elif case == "a type without features":
        del data["author"].x
        data["author"].num_nodes = 50
    elif case == "a target without features":
        del data["paper"].x
        data["paper"].num_nodes = 40
    elif case == "no features at all":
        for kind, n in (("paper", 40), ("author", 50), ("subject", 6)):
            del data[kind].x
            data[kind].num_nodes = n
    elif case == "isolated targets":
        for name in data.edge_types:
            row = 0 if name[0] == "paper" else 1
            keep = data[name].edge_index[row] > 4
            data[name].edge_index = data[name].edge_index[:, keep]
    elif case == "no edges":
        for name in data.edge_types:
            data[name].edge_index = data[name].edge_index[:, :0]
    elif case == "float64 features":
        data["paper"].x = data["paper"].x.double()
    elif case == "sparse features":
        data["paper"].x = data["paper"].x.relu().to_sparse_csr()
    elif case == "labels from 1":
        data["paper"].y += 1
    elif case == "a zero row":
        data["paper"].x[3] = 0
    elif case == "length 6":
        paths = [["paper", "author", "paper", "subject", "paper", "author", "paper"]]
    return data, paths


CASES = [
    "one meta-path",
    "a type without features",
    "a target without features",
    "no features at all",
    "isolated targets",
    "no edges",
    "float64 features",
    "sparse features",
    "labels from 1",
    "a zero row",
    "length 6",
]


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("case", CASES)
def test_odd_graphs(name, case):
    data, paths = odd(case)
    method = make(name, data, paths)
    gcl.fit(method, data, epochs=2)
    z = gcl.embed(method, data)
    assert z.shape == (40, 8)
    assert z.isfinite().all()


@pytest.mark.parametrize("name", ["meow", "adameow"])
def test_a_metapath_of_length_one_has_no_interior(name):
    data = graph()
    cites = torch.randint(40, (2, 100))
    data["paper", "cites", "paper"].edge_index = cites
    method = make(name, data, [[("paper", "cites", "paper")], PAP])
    gcl.fit(method, data, epochs=2)
    assert method.contexts.positions == (0, 1)


def test_more_clusters_than_nodes():
    data = graph()
    gcl.fit(make("meow", data, clusters=(90,)), data, epochs=2)


@pytest.mark.parametrize(
    "options",
    [
        {"paths": {"contexts": "none"}},
        {"paths": {"contexts": "walk"}},
        {"norm": "layer"},
        {"paths": {"similarity": "count", "topk": 3}},
        {"clusters": 5},
    ],
)
def test_options(options):
    data = graph()
    method = make("meow", data, **options)
    gcl.fit(method, data, epochs=2)
    assert gcl.embed(method, data).shape == (40, 8)


@pytest.mark.parametrize("name", RECIPES)
def test_what_a_metapath_may_take_is_an_option(name):
    data = graph()
    with pytest.raises(ValueError, match="budget=100 bytes"):
        make(name, data, paths={"budget": 100}).prepare(data)


@pytest.mark.parametrize("name", RECIPES)
def test_a_graph_that_was_prepared_before_will_do(name):
    data = graph()
    prepared = make(name, data).prepare(data)
    torch.manual_seed(0)
    method = make(name, prepared)
    assert torch.equal(gcl.embed(method, prepared), gcl.embed(method, data))


def permuted(data, order):
    """The same graph with its papers in another order."""
    place, out = order.argsort(), copy.copy(data)
    out["paper"].x, out["paper"].y = data["paper"].x[order], data["paper"].y[order]
    for name in data.edge_types:
        row, edges = 0 if name[0] == "paper" else 1, data[name].edge_index.clone()
        edges[row] = place[edges[row]]
        out[name].edge_index = edges
    return out


@pytest.mark.parametrize("name", RECIPES)
def test_permuting_targets_permutes_embeddings(name):
    data, order = graph(), torch.randperm(40)
    method = make(name, data).double()
    z = gcl.embed(method, data)
    torch.testing.assert_close(gcl.embed(method, permuted(data, order)), z[order])


def test_embedding_is_the_flow_written_out():
    """One meta-path without masks: every matrix dense, in evaluation mode."""
    data = graph()
    method = make("meow", data, [PAP], norm=None).double().eval()
    h = method.projection(data)
    pa = torch.zeros(40, 50, dtype=torch.float64)
    pa[tuple(data["paper", "to", "author"].edge_index)] = 1
    mean = pa / pa.sum(1, keepdim=True).clamp(min=1)
    f = torch.nn.functional.elu(h["paper"] + mean @ h["author"] @ method.contexts.weights[0])
    counts = pa @ pa.t()
    loops = torch.diag((counts.sum(1) == 0).double())
    scale = counts.sum(1).clamp(min=1).rsqrt()
    plain = scale[:, None] * counts * scale + loops
    pattern = ((counts > 0) | torch.eye(40).bool()).double()
    scale = pattern.sum(1).rsqrt()
    views = []
    for a in (plain, scale[:, None] * pattern * scale):
        u = a @ (f @ method.gcn.first)
        v = a @ (torch.where(u > 0, u, method.gcn.act.weight * u) @ method.gcn.second)
        views.append(unit_rows(v))
    w = torch.stack(
        [method.attention.linear(v).tanh().mean(0) @ method.attention.query[0] for v in views]
    ).softmax(0)
    expected = w[0] * views[0] + w[1] * views[1]
    torch.testing.assert_close(gcl.embed(method, data), expected)


def test_masks_are_drawn_anew_or_once():
    data = graph()
    for resample, same in (("once", True), ("epoch", False)):
        method = make("meow", data, resample=resample, dropout=0.0)
        prepared = method.prepare(data)
        first, second = (method.train().views(prepared)[1] for _ in range(2))
        assert torch.equal(first, second) == same


@pytest.mark.parametrize("name", RECIPES)
def test_resumes_bit_for_bit(name, tmp_path):
    data = graph()

    def start():
        torch.manual_seed(0)
        return make(name, data)

    whole = gcl.fit(start(), data, epochs=4)
    gcl.fit(start(), data, epochs=2, callbacks=[Checkpoint(tmp_path / "c.safetensors")])
    torch.manual_seed(9)
    rest = gcl.fit(
        start(),
        data,
        epochs=4,
        callbacks=[Checkpoint(tmp_path / "c.safetensors")],
        resume=tmp_path / "c.safetensors",
    )
    assert [r["loss"] for r in rest.history] == [r["loss"] for r in whole.history]


def test_memory_at_20000_nodes_stays_far_below_an_array_of_pairs():
    data = hetero_sbm(20_000, num_authors=20_000, num_subjects=400, num_features=8)
    method = gcl.methods.meow(
        data, paths=AddMetaPaths([PAP, PSP], topk=[10, 20]), hidden=8, clusters=(20, 50)
    )
    prepared = method.prepare(data)
    sizes = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for x in out if isinstance(out, tuple | list) else (out,):
                if isinstance(x, torch.Tensor) and x.layout == torch.strided:
                    sizes.append(x.untyped_storage().nbytes())
            return out

    with Watch():
        method(prepared).backward()
    assert max(sizes) < 20_000 * 20_000 * 4 / 20


@pytest.mark.parametrize("name", RECIPES)
def test_bad_input(name):
    data = graph()
    with pytest.raises(TypeError, match="expected a HeteroData"):
        make(name, gcl.datasets.load("karate"))
    with pytest.raises(ValueError, match="names no meta-paths of its own"):
        getattr(gcl.methods, name)(data)
    with pytest.raises(ValueError, match=r"step 1 of meta-path 0.*no node type 'venue'"):
        make(name, data, [["paper", "venue", "paper"]])
    method = make(name, data)
    with pytest.raises((TypeError, ValueError), match=r"HeteroData|meta-path graphs"):
        method.embed(gcl.datasets.load("karate"))


def test_bad_rates_and_samples():
    data = graph()
    with pytest.raises(ValueError, match="one for each of 2 meta-paths, got 3"):
        make("meow", data, mask_edge=[0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="mask_feature must lie"):
        make("meow", data, mask_feature=1.0)
    with pytest.raises(ValueError, match="samples names venue"):
        make("heco", data, samples={"venue": 3})
    with pytest.raises(ValueError, match="samples is empty"):
        make("heco", data, samples={})
    alone = HeteroData()
    alone["paper"].x = torch.rand(5, 3)
    alone["paper", "cites", "paper"].edge_index = torch.tensor([[0, 1], [1, 0]])
    with pytest.raises(ValueError, match="no edge type leads from another node type"):
        gcl.methods.heco(alone, paths=AddMetaPaths([[("paper", "cites", "paper")]]))


def test_heco_sees_only_the_types_it_is_told_to():
    method = make("heco", graph(), samples={"author": 3})
    assert [name[0] for name in method.schema.edge_types] == ["author"]
    assert set(method.projection.weights) == {"paper", "author"}


def test_heco_loss_is_the_published_one():
    data = graph(12)
    method = make("heco", data, samples=60, lam=0.3).double().eval()
    prepared = method.prepare(data)
    torch.manual_seed(0)
    loss = method.loss(prepared)
    torch.manual_seed(0)
    h = method.projection(prepared)
    a = unit_rows(method.head(method.embed(prepared)))
    b = unit_rows(method.head(method.schema(prepared, h)))
    positive = torch.zeros(12, 12, dtype=torch.bool)
    positive[tuple(prepared["paper"].pos_edge_index)] = True
    total = 0.0
    for weight, s in ((0.3, a @ b.t()), (0.7, b @ a.t())):
        e = (s / 0.8).exp()
        total = total - weight * ((e * positive).sum(1) / e.sum(1)).log().mean()
    assert loss.item() == pytest.approx(total.item(), rel=1e-9)


@pytest.mark.parametrize("recipe", ["meow", "adameow", "heco"])
def test_batches_and_unprepared_graphs_are_refused(recipe):
    data = gcl.datasets.hetero_sbm(20, num_authors=20, num_subjects=3)
    method = getattr(gcl.methods, recipe)(data, paths=AddMetaPaths([["paper", "author", "paper"]]))
    with pytest.raises(TypeError, match="got a batch of 2"):
        method(Batch.from_data_list([data, data]))
    with pytest.raises(ValueError, match=r"method.prepare\(data\)|AddMetaPaths"):
        method(data)


def test_a_type_that_edges_alone_name():
    data = HeteroData()
    data["u"].x = torch.randn(3, 2)
    data["u", "to", "i"].edge_index = torch.tensor([[0, 1], [0, 1]])
    data["i", "to", "u"].edge_index = torch.tensor([[0, 1], [0, 1]])
    with pytest.raises(ValueError, match=r"set data\['i'\].num_nodes"):
        gcl.methods.meow(data, paths=AddMetaPaths([["u", "i", "u"]]))


def directed(weights=None):
    """Papers that cite: nobody cites 0 and 1 but 0 is cited by 3, which nobody cites."""
    data = HeteroData()
    data["paper"].x = torch.rand(4, 3)
    data["paper", "cites", "paper"].edge_index = torch.tensor([[0, 1, 3], [2, 2, 0]])
    return data


@pytest.mark.parametrize("form", ["transpose", "row"])
def test_nobody_is_left_without_an_edge_in_a_directed_graph(form):
    data = AddMetaPaths([[("paper", "cites", "paper")]], topk_form=form)(directed())
    name = ("paper", "metapath_0", "paper")
    matrix = metapath_adjacency(data, name) @ torch.eye(4)
    edges = {tuple(pair) for pair in data[name].edge_index.t().tolist()}
    for source in range(4):
        for target in range(4):
            own = source == target and not any(t == target for _, t in edges)
            assert bool(matrix[target, source] > 0) == ((source, target) in edges or own)


def test_heco_reads_a_directed_graph_the_way_it_chooses_positives():
    data = directed()
    data["author"].num_nodes = 2
    data["author", "to", "paper"].edge_index = torch.tensor([[0, 1, 1], [0, 1, 2]])
    paths = AddMetaPaths([[("paper", "cites", "paper")]], "none", topk_form="row")
    method = gcl.methods.heco(data, paths=paths, hidden=4)
    edges = method.prepare(data)["paper", "metapath_0", "paper"].edge_index
    # Row 0 of A says that paper 0 cites paper 2: it listens to it.
    assert [2, 0] in edges.t().tolist()


def test_changed_weights_of_a_meta_path_count():
    data = graph()
    method = make("meow", data)
    prepared = method.prepare(data)
    before = gcl.embed(method, prepared.clone())
    store = prepared["paper", "metapath_0", "paper"]
    method.eval()
    with torch.no_grad():
        assert torch.allclose(method.embed(prepared), before)
        store.edge_weight = torch.rand_like(store.edge_weight) + 0.1
        assert not torch.allclose(method.embed(prepared), before)


@pytest.mark.parametrize("layout", ["coo", "csc"])
def test_sparse_features_of_any_layout_that_are_not_normalised(layout):
    data = graph()
    sparse = copy.copy(data)
    sparse["paper"].x = getattr(data["paper"].x.relu(), f"to_sparse_{layout}")()
    method = make("meow", sparse, normalize=False)
    gcl.fit(method, sparse, epochs=1)


def test_the_draw_of_ties_is_an_option():
    data = graph()
    for name in ("meow", "adameow"):
        method = make(name, data, paths={"seed": 3, "topk": 2})
        assert method.whole_graph.transforms[0].seed == 3
    method = make("heco", data, positives=AddHeCoPositives(5, seed=3))
    assert method.whole_graph.transforms[1].seed == 3
