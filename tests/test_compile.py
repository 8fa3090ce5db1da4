"""Under torch.compile everything gives what it gives without, and nothing is printed."""

import contextlib
import copy
import logging
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.nn.parallel import DistributedDataParallel
from torch_geometric.data import Batch, Data

import gcl
from gcl.losses import __all__ as losses
from gcl.methods.recipes import __all__ as recipes
from gcl.nn import __all__ as parts
from tests.methods.papers import RECIPES as HETERO
from tests.methods.papers import graph as papers
from tests.methods.papers import make as make_hetero
from tests.test_contracts import GRAPH_RECIPES, LOSSES, PARTS, RECIPES, VARIANTS, OfRows

# torch reads .grad while it guards a tensor that is no leaf, and throws the warning away.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
N = gcl.nn
ROWS = (17, 257)  # on both sides of where tiles begin
# What the tests without "slow" compile; the others take minutes together.
USUAL = {"grace", "pamc"}


class Printed(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.said = []

    def emit(self, record):
        self.said.append(record.getMessage())


@contextlib.contextmanager
def in_silence():
    """A fresh start for torch's compiler, which must say nothing at all."""
    torch._dynamo.reset()
    # It says some things once a process only.
    torch._dynamo.utils.warn_once_cache.clear()
    torch._dynamo.variables.TensorVariable._warn_capture_scalar_outputs.cache_clear()
    log, printed = logging.getLogger("torch"), Printed()
    log.addHandler(printed)
    try:
        yield
    finally:
        log.removeHandler(printed)
        torch._dynamo.reset()
    assert not printed.said


def equal(found, expected):
    """To 1e-5 of the largest entry; a gradient that is not there is one of zeros.

    Compiled sums run in another order: on some processors a step moves a bias by 4e-6 of it.
    """
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        if a is None or b is None:
            assert all(t is None or not t.any() for t in (a, b))
        else:
            assert a.dtype == b.dtype
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5 * float(b.abs().max()) + 1e-12)


def values_and_gradients(call, module, *inputs):
    """What comes out of a call, and the gradients of its inputs and of a module's parameters."""
    given = [x.clone().requires_grad_() if x.is_floating_point() else x for x in inputs]
    torch.manual_seed(0)
    out = call(*given)
    # Not the plain sum, which is a constant behind a batch norm.
    out.cos().sum().backward()
    weights = module.parameters() if isinstance(module, nn.Module) else []
    grads = [x.grad for x in given if x.is_floating_point()] + [w.grad for w in weights]
    return [out.detach(), *grads]


def check_compiled(module, *inputs):
    """A module and its compiled copy do the same; returns how many graphs there are."""
    module, again = copy.deepcopy(module), copy.deepcopy(module)  # without older gradients
    counter = CompileCounterWithBackend("aot_eager")
    expected = values_and_gradients(module, module, *inputs)
    with in_silence():
        compiled = torch.compile(again, backend=counter)
        equal(values_and_gradients(compiled, again, *inputs), expected)
    return counter.frame_count


def two_views(rows):
    torch.manual_seed(rows)
    return torch.randn(2, rows, 8, dtype=torch.float64)


def loss_cases():
    for name, cases in {**LOSSES, **PARTS}.items():
        for i, (loss, _) in enumerate(cases):
            for rows in ROWS:
                if name == "ISogCLR" and rows > 17:  # made for 17 nodes
                    continue
                slow = pytest.mark.slow if i or rows != ROWS[len(name) % 2] else ()
                slow = () if name == "InfoNCE" and i == 0 else slow
                yield pytest.param(loss, rows, id=f"{name} {i}, {rows} rows", marks=slow)


@pytest.mark.parametrize(("loss", "rows"), list(loss_cases()))
def test_loss(loss, rows):
    views = two_views(rows)
    if isinstance(loss, OfRows):  # rules are made of values, so before
        loss = loss.make(views[0])
    check_compiled(loss, *views)


def a_graph(weighted=False):
    torch.manual_seed(0)
    data = gcl.datasets.load("karate")
    data.x = torch.randn(34, 6)
    if weighted:
        data.edge_weight = torch.rand(data.num_edges)
    return data


class Hops(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 4)

    def forward(self, x, edge_index, edge_weight=None):
        data = Data(edge_index=edge_index, edge_weight=edge_weight)
        return self.of(self.linear(x), data, 2)


class AddHops(Hops):
    of = staticmethod(N.add_hops)


class Propagate(Hops):
    of = staticmethod(N.propagate)


class Product(nn.Module):
    """A layer of one's own."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 4)

    def forward(self, x, edge_index, edge_weight=None):
        z = self.linear(x)  # before, as an operator of the package ends what can be compiled
        adjacency = N.gcn_adjacency(edge_index, edge_weight, x.shape[0], x.dtype)
        return adjacency @ z


class OfTensors(nn.Module):
    """Parts that take something else than a graph."""

    def __init__(self, part, arguments):
        super().__init__()
        self.part, self.arguments = part, arguments

    def forward(self, x, edge_index, edge_weight=None):
        return self.part(*self.arguments(x))


class Coded(nn.Module):
    """Whole numbers in the place of features."""

    def __init__(self):
        super().__init__()
        self.encoder = N.CodeEmbedding(N.GCNEncoder(8, 4), [3] * 6)

    def forward(self, x, edge_index, edge_weight=None):
        return self.encoder(x.sign().long() + 1, edge_index, edge_weight)


def side_by_side_gcn():
    from torch_geometric.nn import GCN

    return N.side_by_side(GCN(6, 8, num_layers=2, jk="cat"))


def of_rows(make):
    return lambda: OfTensors(make(), lambda x: (x,))


ENCODERS = {
    "AddHops": (AddHops, "add_hops"),
    "AutoEncoder": (of_rows(lambda: N.AutoEncoder(N.MLPEncoder(6, (8,), 4))), "AutoEncoder"),
    "CodeEmbedding": (Coded, "CodeEmbedding"),
    "EMA": (lambda: N.EMA(N.GCNEncoder(6, 8, 4)), "EMA"),
    "GCN": (lambda: N.GCNEncoder(6, 8, 4), "GCNEncoder"),
    "GCN with all": (
        lambda: N.GCNEncoder(6, 4, 8, norm="batch", act="prelu", dropout=0.4),
        "GCNEncoder",
    ),
    "GIN": (lambda: N.GINEncoder(6, 8, 2), "GINEncoder"),
    "MLP": (lambda: N.MLPEncoder(6, (8,), 4), "MLPEncoder"),
    "MLP with all": (lambda: N.MLPEncoder(6, (8,), 4, norm="batch"), "MLPEncoder"),
    "Product": (Product, "gcn_adjacency"),
    "Propagate": (Propagate, "propagate"),
    "UnitRows": (lambda: N.UnitRows(N.GCNEncoder(6, 8, 4)), "UnitRows"),
    "SemanticAttention": (
        lambda: OfTensors(N.SemanticAttention(6, 0.3), lambda x: ([x, 2 * x],)),
        "SemanticAttention",
    ),
    "PReLU": (of_rows(lambda: N.PReLU(6)), "PReLU"),
    "ShortcutMLP": (of_rows(lambda: N.ShortcutMLP(6, 4)), "ShortcutMLP"),
    "StudentTClustering": (of_rows(lambda: N.StudentTClustering(3, 6)), "StudentTClustering"),
    "projector": (of_rows(lambda: N.projector(6, 4)), "projector"),
    "narrow projector": (of_rows(lambda: N.projector(6, 2, inner_products=True)), "projector"),
    "side by side": (side_by_side_gcn, "side_by_side"),
}
# What the recipes on graphs of several types are made of; compiled with them.
OF_HETERO = {
    "MetaPathContexts", "MetaPathGCN", "SchemaAttention", "TypeProjection", "context_mean",
    "masked_adjacency", "metapath_adjacency",
}  # fmt: skip


def test_nothing_public_is_left_out():
    others = {"Adjacency", "GlobalBatchNorm"}  # the latter is put in by `fit`, over several ranks
    assert {name for _, name in ENCODERS.values()} | OF_HETERO | others == set(parts)
    assert set(RECIPES) | set(GRAPH_RECIPES) | set(HETERO) == set(recipes)
    assert set(LOSSES) | set(PARTS) == set(losses)


def encoder_cases():
    for name in ENCODERS:
        for weighted in (False, True):
            usual = weighted == (name == "GCN with all") and name not in ("EMA", "side by side")
            marks = () if usual else pytest.mark.slow
            yield pytest.param(name, weighted, id=f"{name}{', weighted' * weighted}", marks=marks)


@pytest.mark.parametrize(("name", "weighted"), list(encoder_cases()))
def test_encoder(name, weighted):
    torch.manual_seed(1)
    data = a_graph(weighted)
    module = ENCODERS[name][0]()
    inputs = [data.x, data.edge_index] + ([data.edge_weight] if weighted else [])
    assert check_compiled(module, *inputs) > 0


@pytest.mark.parametrize("name", ["GCN", "GCN with all", "MLP"])
def test_encoder_of_sparse_features(name):
    data = a_graph()
    module = ENCODERS[name][0]()
    again, x = copy.deepcopy(module), data.x.relu().to_sparse_csr()

    def run(call, module):
        torch.manual_seed(0)
        out = call(x, data.edge_index)
        out.cos().sum().backward()
        return [out.detach(), *(w.grad for w in module.parameters())]

    expected = run(module, module)
    with in_silence():
        equal(run(torch.compile(again, backend="aot_eager"), again), expected)


def trained(method, data, compiled, steps=2):
    """Losses, gradients and weights of a few steps by hand."""
    call = torch.compile(method, backend="aot_eager") if compiled else method
    torch.manual_seed(1)
    data, found = method.prepare(data), []
    optimizer = torch.optim.SGD(method.parameters(), lr=0.01)
    for step in range(steps):
        optimizer.zero_grad()
        loss = call(data)
        loss.backward()
        optimizer.step()
        method.after_step(step + 1, steps)
        found += [loss.detach(), *(p.grad for p in method.parameters())]
        found += [p.detach().clone() for p in method.parameters()]
    return found


def check_trains_compiled(method, data):
    again = copy.deepcopy(method)
    expected = trained(method, data, compiled=False)
    with in_silence():
        equal(trained(again, data, compiled=True), expected)


def some_graphs():
    return Batch.from_data_list(
        [gcl.datasets.sbm(20, 2, num_features=5, seed=seed) for seed in range(3)]
    )


def make(name):
    torch.manual_seed(0)
    if name in HETERO:
        data = papers()
        return make_hetero(name, data), data
    data = some_graphs() if name in GRAPH_RECIPES else a_graph()
    return getattr(gcl.methods, name)(data, **{**RECIPES, **GRAPH_RECIPES}[name]), data


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in USUAL else pytest.mark.slow) for n in sorted(recipes)],
)
def test_recipe(name, capfd):
    check_trains_compiled(*make(name))
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "variant"),
    [pytest.param(*cases[0], id=name) for name, cases in VARIANTS.items()],
)
def test_variant(recipe, variant):
    method, data = make(recipe)
    check_trains_compiled(variant(method), data)


def test_fit_and_embed_take_a_compiled_method():
    method, data = make("grace")
    compiled = torch.compile(copy.deepcopy(method).eval(), backend="aot_eager")
    torch.manual_seed(3)
    plain = gcl.fit(method, data, epochs=2)
    with in_silence():
        torch.manual_seed(3)
        state = gcl.fit(compiled, data, epochs=2)
    assert type(state.method) is type(method)  # so checkpoints and callbacks know the names
    assert [h["loss"] for h in state.history] == [h["loss"] for h in plain.history]
    assert torch.equal(gcl.embed(compiled, data), gcl.embed(method, data))


@pytest.mark.slow
def test_a_method_compiled_in_place_trains_too():
    method, data = make("grace")
    again = copy.deepcopy(method)
    torch.manual_seed(3)
    plain = gcl.fit(method, data, epochs=2)
    with in_silence():
        again.compile(backend="aot_eager")
        torch.manual_seed(3)
        state = gcl.fit(again, data, epochs=2)
    assert [h["loss"] for h in state.history] == [h["loss"] for h in plain.history]


def test_what_is_wrapped_twice_is_unwrapped(monkeypatch):
    method, data = make("grace")
    # A real one needs a group of processes.
    monkeypatch.setattr(DistributedDataParallel, "__init__", lambda self, module: None)
    parallel = DistributedDataParallel(None)
    parallel.__dict__.update(nn.Module().__dict__, _modules={"module": torch.compile(method)})
    assert torch.equal(gcl.embed(parallel, data), gcl.embed(method, data))


def test_a_compiled_module_that_is_no_method_is_refused():
    data = a_graph()
    with pytest.raises(TypeError, match=r"method must be a gcl\.Method, got Linear"):
        gcl.fit(torch.compile(nn.Linear(1, 1)), data, epochs=1)


@pytest.mark.slow
def test_many_layers_are_compiled_without_a_word():
    data = a_graph()
    assert check_compiled(N.GCNEncoder(6, 8, num_layers=12), data.x, data.edge_index) > 1


def test_the_memory_of_edge_lists_is_shared_with_compiled_code():
    data, built = a_graph(), []
    plain = gcl.ops.structure.Structure.__init__
    module, again = N.GCNEncoder(6, 8, 4), N.GCNEncoder(6, 8, 4)
    counted = SimpleNamespace(init=lambda self, *args: built.append(1) or plain(self, *args))
    with pytest.MonkeyPatch.context() as patch, in_silence():
        patch.setattr(gcl.ops.structure.Structure, "__init__", lambda *a: counted.init(*a))
        torch.compile(module, backend="aot_eager")(data.x, data.edge_index)
        torch.compile(again, backend="aot_eager")(data.x, data.edge_index)
        again(data.x, data.edge_index)
    assert len(built) == 1
