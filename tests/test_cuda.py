"""On a CUDA device: the contract suites, equality with the CPU, bfloat16.

    python -m pytest -m cuda

Skipped where there is none. What can be seen without one is in `tests/test_devices.py`.
"""

import copy

import pytest
import torch
from torch import nn

import gcl
from gcl.methods.recipes import __all__ as recipes
from gcl.ops import spherical_kmeans, tiling
from gcl.testing import (
    check_augmentation,
    check_loss,
    check_method,
    check_negatives,
    check_variant,
)
from tests import on_device
from tests.test_contracts import AUGMENTATIONS, DETERMINISTIC, LOSSES, NEGATIVES, PARTS, VARIANTS
from tests.test_devices import GRAPHS, HETERO, NODE, batch, cases, hetero, nodes

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]
CUDA = torch.device("cuda", 0)
CPU = torch.device("cpu")
# Clusters start from draws of the device, so that other ones come out than on a CPU.
CLUSTERS = {"ClusterContrast", "MetaNodeNegatives", "ProtoNCE", "ProGCL"}
OPTIONS = NODE | HETERO | GRAPHS


def data_of(name):
    return nodes(60) if name in NODE else hetero(60) if name in HETERO else batch(60)


def build(name):
    """A recipe that can be compared: its clusters start from the untrained encoder."""
    options = dict(OPTIONS[name][0])
    if "pretrain_epochs" in options:
        options["pretrain_epochs"] = 0
    torch.manual_seed(0)
    return getattr(gcl.methods, name)(data_of(name), **options)


@pytest.fixture(autouse=True)
def exact_products():
    """Without TF32, which is a choice of the user."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize(("transform", "options"), cases(AUGMENTATIONS | DETERMINISTIC))
def test_contract_of_an_augmentation(transform, options):
    check_augmentation(on_device.View(transform, CUDA), **options)


@pytest.mark.parametrize(("loss", "options"), cases(LOSSES | PARTS))
def test_contract_of_a_loss(loss, options):
    check_loss(on_device.Loss(as_module(loss), CUDA), **options)


@pytest.mark.parametrize(("negatives", "options"), cases(NEGATIVES))
def test_contract_of_negatives(negatives, options):
    check_negatives(on_device.Loss(as_module(negatives), CUDA), rows=17, **options)


@pytest.mark.parametrize("name", [*NODE, *GRAPHS])
def test_contract_of_a_recipe(name):
    check_method(build(name).to(CUDA), data_of(name).to(CUDA))


@pytest.mark.parametrize("name", VARIANTS)
def test_contract_of_a_variant(name):
    for recipe, variant in VARIANTS[name]:
        check_variant(variant, build(recipe).to(CUDA), data_of(recipe).to(CUDA))


class Function(nn.Module):
    """A plain function as a part of a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs, **named):
        return self.function(*inputs, **named)


def as_module(part):
    return part if isinstance(part, nn.Module) else Function(part)


def equal_cases():
    table = {
        name: [
            (loss, options)
            for loss, options in group
            if not options.get("draws") and "MetaNodeNegatives" not in repr(loss)
        ]
        for name, group in (LOSSES | PARTS).items()
        if name not in CLUSTERS
    }
    return cases(table)


@pytest.mark.parametrize("implementation", ["dense", "tiled"])
@pytest.mark.parametrize(("loss", "options"), equal_cases())
def test_a_loss_has_the_value_and_gradient_of_the_cpu(loss, options, implementation):
    generator = torch.Generator().manual_seed(0)
    z1, z2 = torch.randn(2, 17, 8, dtype=torch.float64, generator=generator).unbind()
    found = []
    for device in (CPU, CUDA):
        rows = [z.clone().to(device).requires_grad_() for z in (z1, z2)]
        with tiling(implementation=implementation, tile=7):
            value = as_module(copy.deepcopy(loss)).to(device)(*rows)
            value.backward()
        grads = [r.grad.cpu() for r in rows if r.grad is not None]
        found.append((value.detach().cpu(), *grads))
    for here, there in zip(*found, strict=True):
        torch.testing.assert_close(there, here, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", recipes)
def test_a_recipe_has_the_embeddings_of_the_cpu(name):
    method = build(name)
    prepared = method.prepare(data_of(name))
    expected = gcl.training.loop.embed_prepared(method, prepared)
    found = gcl.training.loop.embed_prepared(method.to(CUDA), prepared.to(CUDA))
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", recipes)
def test_a_recipe_trains(name, precision):
    method, data = build(name), data_of(name)
    state = gcl.fit(method, data, epochs=3, device="cuda", precision=precision)
    assert all(torch.isfinite(torch.tensor(row["loss"])) for row in state.history)
    z = gcl.embed(method, data)
    assert z.device == CUDA
    assert z.isfinite().all()


@pytest.mark.parametrize("rows", [300, 20_000])
def test_bfloat16_is_close_to_float32(rows):
    generator = torch.Generator().manual_seed(0)
    z1 = torch.randn(rows, 64, generator=generator).to(CUDA)
    z2 = z1 + 0.3 * torch.randn(rows, 64, generator=generator).to(CUDA)
    found = []
    for precision in ("fp32", "bf16"):
        z = z1.clone().requires_grad_()
        with tiling(precision=precision, implementation="tiled"):
            value = gcl.losses.InfoNCE(0.4)(z, z2)
            value.backward()
        found.append((value.item(), z.grad))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-2)
    assert (found[1][1] - found[0][1]).norm() < 0.05 * found[0][1].norm()


def test_bfloat16_refuses_float64():
    z = torch.randn(300, 8, dtype=torch.float64, device=CUDA)
    with (
        tiling(precision="bf16", implementation="tiled"),
        pytest.raises(ValueError, match=r"precision='bf16' .* float64; set precision"),
    ):
        gcl.losses.InfoNCE(0.4)(z, -z)


def test_memory_of_a_streamed_loss_is_linear():
    peaks = []
    for rows in (10_000, 20_000):
        z1, z2 = (torch.randn(rows, 32, device=CUDA, requires_grad=True) for _ in range(2))
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        gcl.losses.InfoNCE(0.4)(z1, z2).backward()
        peaks.append(torch.cuda.max_memory_allocated() - before)
    assert peaks[1] < 2.2 * peaks[0] + (1 << 20)


def test_kmeans_finds_separate_clusters():
    centres = torch.eye(5, device=CUDA)
    z = centres.repeat_interleave(20, dim=0, output_size=100) + 0.01 * torch.rand(
        100, 5, device=CUDA
    )
    labels = spherical_kmeans(z, 5)[0].view(5, 20)
    assert (labels == labels[:, :1]).all()
    assert len(labels[:, 0].unique()) == 5


def test_training_draws_where_the_data_are_and_follows_the_seed():
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        method = gcl.methods.grace(nodes(60), hidden=8, proj=8)
        state = gcl.fit(method, nodes(60), epochs=3, device="cuda")
        found.append([row["loss"] for row in state.history])
    assert found[0] == pytest.approx(found[1], rel=1e-4)  # sums of atomics have no fixed order
