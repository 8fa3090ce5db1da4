"""fit and embed: what they promise a training script."""

import copy
import math
from functools import partial

import pytest
import torch
from torch import nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader, RandomNodeLoader
from torch_geometric.nn import GCN
from torch_geometric.seed import seed_everything

import gcl
from gcl import callbacks, checkpoint
from gcl.ops.tiling import current_tiling, tiling
from gcl.training.optimizers import warmup_cosine
from gcl.training.state import NonFiniteLossError


@pytest.fixture
def data():
    return gcl.datasets.load("karate")


def small(data, **options):
    return gcl.methods.grace(data, hidden=8, proj=8, **options)


class Quadratic(gcl.Method):
    """A loss with a known answer: (w - 3)^2."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(0.0))
        self.seen = []

    def loss(self, data):
        return (self.w - 3) ** 2

    def embed(self, data):
        return data.x * self.w

    def after_step(self, step, total):
        self.seen.append((step, total))


def test_gradient_descent_equals_its_closed_form(data):
    method = Quadratic()
    sgd = torch.optim.SGD(method.parameters(), lr=0.1)
    state = gcl.fit(method, data, epochs=5, optimizer=sgd)
    # w_t = 3 (1 - 0.8^t); the loss of epoch t is taken before its step.
    assert method.w.item() == pytest.approx(3 * (1 - 0.8**5), rel=1e-6)
    assert [r["loss"] for r in state.history] == pytest.approx([9 * 0.64**t for t in range(5)])
    assert method.seen == [(t, 5) for t in range(1, 6)]
    assert (state.epoch, state.step, state.finished) == (5, 5, True)


def test_clip_limits_the_step(data):
    method = Quadratic()
    gcl.fit(method, data, epochs=1, clip=0.5, optimizer=lambda p: torch.optim.SGD(p, lr=1.0))
    assert method.w.item() == pytest.approx(0.5, rel=1e-4)  # the gradient is -6


def test_a_scheduler_steps_after_every_step(data):
    optimizer = partial(torch.optim.SGD, lr=0.1)
    state = gcl.fit(
        Quadratic(), data, epochs=10, optimizer=optimizer, scheduler=warmup_cosine(4, 10)
    )
    assert [r["lr"] for r in state.history][:5] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])
    with pytest.raises(ValueError, match="warmup < total"):
        warmup_cosine(5, 5)


# torch reads .grad while it guards a tensor that is no leaf, and throws the warning away.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_compiled_steps_are_those_of_before(data):
    losses = []
    for compile in (False, "eager"):
        seed_everything(0)
        losses.append(
            [row["loss"] for row in gcl.fit(small(data), data, epochs=3, compile=compile).history]
        )
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_what_cannot_be_compiled_is_refused(data):
    with pytest.raises(ValueError, match=r"compile must be True, .*inductor") as caught:
        gcl.fit(small(data), data, epochs=1, compile="fast")
    assert len(str(caught.value)) < 200
    loader = gcl.loader.NeighborBatches(data, [2], batch_size=10)
    with pytest.raises(ValueError, match="compile does not go with accumulate"):
        gcl.fit(small(data), loader, epochs=1, compile=True, accumulate=2)


def test_loss_falls_and_the_input_stays(data):
    seed_everything(0)
    before = copy.deepcopy(data)
    method = small(data)
    state = gcl.fit(method, data, epochs=30, lr=0.01)
    assert state.history[-1]["loss"] < state.history[0]["loss"]
    for key in before.keys():  # noqa: SIM118
        assert torch.equal(before[key], data[key])


def test_same_seed_same_bits(data):
    runs = []
    for _ in range(2):
        seed_everything(3)
        method = small(data)
        gcl.fit(method, data, epochs=4)
        runs.append(gcl.embed(method, data))
    assert torch.equal(*runs)


def test_own_encoder_and_loaders(data):
    encoder = GCN(data.num_features, 8, num_layers=2)
    method = small(data, encoder=encoder)
    loader = RandomNodeLoader(data, num_parts=3, shuffle=True)
    state = gcl.fit(method, loader, epochs=2)
    assert state.step == 6
    graphs = DataLoader([data, data, data], batch_size=2)
    assert gcl.embed(method, graphs).shape == (3 * 34, 8)


def test_embed_is_in_evaluation_mode_and_puts_the_mode_back(data):
    encoder = gcl.nn.GCNEncoder(data.num_features, 8, dropout=0.9)
    method = small(data, encoder=encoder)
    assert torch.equal(gcl.embed(method, data), gcl.embed(method, data))
    assert method.training
    assert not gcl.embed(method, data).requires_grad


def test_precision_is_that_of_the_forward_pass_alone(data):
    class Watches(Quadratic):
        settings = None

        def loss(self, data):
            low = torch.ones(2, 2) @ torch.ones(2, 2)
            self.settings = current_tiling().precision, low.dtype, torch.is_autocast_enabled("cpu")
            return super().loss(data)

    for precision, seen in (
        ("bf16", ("bf16", torch.bfloat16, True)),
        ("fp32", ("fp32", torch.float32, False)),
    ):
        method = Watches()
        gcl.fit(method, data, epochs=1, precision=precision)
        assert method.settings == seen
    assert current_tiling().precision == "fp32"


def test_fp32_leaves_the_contexts_around(data):
    seen = []

    class Watches(Quadratic):
        def loss(self, data):
            seen.append(current_tiling().precision)
            return super().loss(data)

    with tiling(precision="bf16"):  # of the losses alone
        gcl.fit(Watches(), data, epochs=1)
    assert seen == ["bf16"]


def test_training_in_bfloat16_stays_near_and_embeds_in_float32(data):
    losses, embeddings = {}, {}
    for precision in ("fp32", "bf16"):
        seed_everything(0)
        method = small(data)
        with tiling(implementation="tiled"):
            losses[precision] = gcl.fit(method, data, epochs=5, precision=precision).loss
        embeddings[precision] = gcl.embed(method, data)
        assert all(p.dtype == torch.float32 for p in method.parameters())
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=1e-2)
    assert embeddings["bf16"].dtype == torch.float32
    # Not rounded to the 8 bits of bfloat16.
    assert not torch.equal(embeddings["bf16"], embeddings["bf16"].bfloat16().float())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": -1}, "epochs must be a whole number >= 0, got -1"),
        ({"epochs": 1, "lr": 0}, "lr must be a number above 0"),
        ({"epochs": 1, "weight_decay": -1}, "weight_decay"),
        ({"epochs": 1, "clip": 0}, "clip must be above 0"),
        ({"epochs": 1, "precision": "fp16"}, "^fit: precision must be one of 'fp32', 'bf16', got"),
    ],
)
def test_bad_arguments(data, options, message):
    with pytest.raises(ValueError, match=message):
        gcl.fit(small(data), data, **options)


def test_bad_data_is_refused(data):
    data.x[3, 1] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        gcl.fit(small(data), data, epochs=1)


def test_not_a_method(data):
    with pytest.raises(TypeError, match=r"gcl\.Method"):
        gcl.fit(nn.Linear(1, 1), data, epochs=1)


def test_nonfinite_loss_names_step_and_cause(data):
    class Breaks(Quadratic):
        def loss(self, data):
            return super().loss(data) * (torch.inf if len(self.seen) == 2 else 1)

    with pytest.raises(NonFiniteLossError, match=r"step 3 \(epoch 3\); the weights are sound"):
        gcl.fit(Breaks(), data, epochs=5)
    with pytest.raises(NonFiniteLossError, match="sound: try without precision='bf16'"):
        gcl.fit(Breaks(), data, epochs=5, precision="bf16")
    method = Quadratic()
    with pytest.raises(NonFiniteLossError, match="lower lr"):
        gcl.fit(method, data, epochs=99, optimizer=lambda p: torch.optim.SGD(p, lr=1e30))


def test_nonfinite_gradient_is_found_in_its_own_step(data):
    class Root(Quadratic):
        def loss(self, data):
            return (self.w * 0).sqrt()  # 0, with an infinite slope

    method = Root()
    with pytest.raises(NonFiniteLossError, match=r"The gradient is nan at step 1"):
        gcl.fit(method, data, epochs=3)
    assert method.w.item() == 0


@pytest.mark.parametrize("hidden", [8, 64])
def test_double_precision_data_train(data, hidden):
    data.x = data.x.double()
    method = gcl.methods.grace(data, hidden=hidden, normalize=False)
    assert math.isfinite(gcl.fit(method, data, epochs=2).loss)
    assert gcl.embed(method, data).dtype == torch.float32


def test_what_is_no_graph_or_no_loader(data):
    with pytest.raises(TypeError, match="a graph or a loader"):
        gcl.fit(small(data), None, epochs=1)
    with pytest.raises(ValueError, match="no batch"):
        gcl.embed(small(data), [])
    with pytest.raises(ValueError, match="two rates"):
        gcl.methods.grace(data, drop_edge=0.2)
    with pytest.raises(TypeError, match="HeteroData"):
        gcl.embed(small(data), gcl.datasets.hetero_sbm(20))


def test_what_is_iterable_and_no_loader(data):
    for wrong, came in (("cora", "the text 'cora'"), ({"x": data.x}, "dict"), (data.x, "Tensor")):
        with pytest.raises(TypeError, match=f"^embed: expected a graph or a loader.* got {came}"):
            gcl.embed(small(data), wrong)
        with pytest.raises(TypeError, match=f"^fit: expected a graph or a loader.* got {came}"):
            gcl.fit(small(data), wrong, epochs=1)
    with pytest.raises(TypeError, match=r"^embed: expected a torch_geometric Data .* got Tensor"):
        gcl.embed(small(data), [data.x])


@pytest.mark.parametrize("encoder", [None, GCN(34, 8, 2)], ids=["own", "of PyG"])
def test_features_of_another_width(data, encoder):
    method = small(data, encoder=encoder)
    other = Data(x=torch.ones(34, 5), edge_index=data.edge_index)
    message = r"made for 34 features a node, but data\.x is \[34, 5\]"
    for graph in (other, [other]):
        with pytest.raises(ValueError, match=message):
            gcl.embed(method, graph)
        with pytest.raises(ValueError, match=message):
            gcl.fit(method, graph, epochs=1)


def test_features_that_wait_for_a_gradient(data):
    table = nn.Embedding(34, 6)
    graph = Data(x=table.weight, edge_index=data.edge_index)
    for given in (graph, [graph]):
        with pytest.raises(ValueError, match=r"^fit: data\.x requires a gradient.*detach\(\)"):
            gcl.fit(small(graph), given, epochs=2)
    assert gcl.embed(small(graph), graph).shape == (34, 8)

    class Embedded(nn.Module):  # what the message tells to do
        out_channels = 8

        def __init__(self):
            super().__init__()
            self.table, self.gcn = nn.Embedding(34, 6), gcl.nn.GCNEncoder(6, 8)

        def forward(self, x, edge_index, edge_weight=None):
            return self.gcn(x @ self.table.weight, edge_index, edge_weight)

    encoder = Embedded()
    before = encoder.table.weight.detach().clone()
    method = gcl.methods.grace(data, encoder=encoder)
    gcl.fit(method, data, epochs=2, lr=0.1)
    assert not torch.equal(before, encoder.table.weight)


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_adam_steps_all_parameters_at_once_to_the_same_bits(data, kind):
    def weights(make):
        seed_everything(0)
        method = gcl.methods.dgi(data, hidden=8)
        state = gcl.fit(method, data, epochs=4, optimizer=make(method))
        return [group["foreach"] for group in state.optimizer.param_groups], list(
            method.parameters()
        )

    (at_once,), ours = weights(lambda method: lambda p: kind(p, lr=0.01, weight_decay=0.1))
    (left,), given = weights(lambda m: kind(m.parameters(), lr=0.01, weight_decay=0.1))
    (asked,), _ = weights(lambda method: lambda p: kind(p, lr=0.01, foreach=False))
    assert (at_once, left, asked) == (True, None, False)
    assert all(torch.equal(a, b) for a, b in zip(ours, given, strict=True))


def test_an_own_optimizer_trains_what_makes_the_batches(data):
    table = nn.Embedding(34, 6)
    method = small(Data(x=torch.ones(34, 6), edge_index=data.edge_index), normalize=False)

    class Batches:
        def __len__(self):
            return 1

        def __iter__(self):
            yield Data(x=table(torch.arange(34)), edge_index=data.edge_index)

    before = table.weight.detach().clone()
    both = torch.optim.SGD([*method.parameters(), table.weight], lr=0.1)
    gcl.fit(method, Batches(), epochs=2, optimizer=both)
    assert not torch.equal(before, table.weight)


def test_a_loss_without_parameters_or_of_wrong_shape(data):
    class Wrong(Quadratic):
        def loss(self, data):
            return self.answer

    method = Wrong()
    method.answer = torch.zeros(())
    with pytest.raises(ValueError, match="does not depend on any parameter"):
        gcl.fit(method, data, epochs=1)
    method.answer = method.w.repeat(3)
    with pytest.raises(TypeError, match=r"scalar tensor, got \[3\]"):
        gcl.fit(method, data, epochs=1)


def test_interrupt_keeps_the_log_and_the_checkpoint(data, tmp_path):
    class Interrupt(callbacks.Callback):
        def on_epoch_end(self, state):
            if state.epoch == 5:
                raise KeyboardInterrupt

    saving = [
        callbacks.Checkpoint(tmp_path / "c", every=2),
        callbacks.CSVLog(tmp_path / "log.csv"),
        callbacks.ProgressBar(),
        Interrupt(),
    ]
    with pytest.raises(KeyboardInterrupt):
        gcl.fit(small(data), data, epochs=9, callbacks=saving)
    assert checkpoint.load(tmp_path / "c")["epoch"] == 4
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 6


def test_data_on_another_dtype_edge_case(data):
    empty = Data(x=torch.randn(5, 3), edge_index=torch.zeros(2, 0, dtype=torch.long))
    assert math.isfinite(gcl.fit(small(empty), empty, epochs=2).loss)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"optimizer": "sgd"}, TypeError, "optimizer must be an optimizer or a function of the"),
        ({"optimizer": ["x"]}, TypeError, "optimizer must be an optimizer or a function of the"),
        ({"optimizer": {"lr": 1}}, TypeError, "optimizer must be an optimizer or a function"),
        (
            {"optimizer": lambda parameters: 3},
            TypeError,
            "must make a torch.optim.Optimizer, got 3",
        ),
        ({"optimizer": torch.optim.SGD, "lr": 5}, TypeError, "lr=5 is that of the default"),
        (
            {"optimizer": torch.optim.SGD, "weight_decay": 0.0},
            TypeError,
            "weight_decay=0.0 is that",
        ),
        ({"lr": "1e-3"}, TypeError, "lr must be a number, got '1e-3'"),
        ({"lr": float("nan")}, ValueError, "lr must be finite, got nan"),
        ({"weight_decay": True}, TypeError, "weight_decay must be a number, got True"),
        ({"scheduler": "cosine"}, TypeError, "scheduler must be a learning-rate scheduler"),
        ({"callbacks": [lambda state: None]}, TypeError, "callbacks must be objects of"),
        ({"callbacks": [callbacks.Checkpoint]}, TypeError, r"make one: Checkpoint\(\.\.\.\)"),
        ({"device": "gpu"}, ValueError, "device 'gpu' cannot be used here"),
    ],
)
def test_arguments_of_another_kind_are_named(data, options, error, message):
    method = small(data)
    before = [p.clone() for p in method.parameters()]
    with pytest.raises(error, match=f"^fit: .*{message}"):
        gcl.fit(method, data, epochs=1, **options)
    assert all(torch.equal(a, b) for a, b in zip(before, method.parameters(), strict=True))


def test_swapped_arguments_are_named(data):
    with pytest.raises(TypeError, match=r"^embed: method must .* got Data; the method comes"):
        gcl.embed(data, small(data))
    with pytest.raises(TypeError, match=r"^fit: method must .* got Data; the method comes"):
        gcl.fit(data, small(data), epochs=1)
    with pytest.raises(ValueError, match=r"^embed: device 'gpu' cannot be used here"):
        gcl.embed(small(data), data, device="gpu")
