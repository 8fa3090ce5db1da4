"""The context of numerics: who obeys it, and that backward passes keep what forward passes read."""

import threading

import pytest
import torch
from torch import nn

import gcl
from gcl.losses.weights import rank_one
from gcl.ops import tiles
from gcl.ops.multi_view import two_view_logsumexp
from gcl.ops.streaming import streaming_logsumexp
from gcl.ops.tiling import Tiling, current_tiling, tiling

L = gcl.losses
F64 = torch.float64
N, D = 60, 32


def test_contexts_nest_and_go():
    assert current_tiling() == Tiling("auto", None, "fp32")
    with tiling(implementation="tiled", tile=7):
        with tiling(precision="bf16"):
            assert current_tiling() == Tiling("tiled", 7, "bf16")
            with tiling(implementation="dense", precision="fp32"):
                assert current_tiling() == Tiling("dense", 7, "fp32")
        assert current_tiling() == Tiling("tiled", 7, "fp32")
        with pytest.raises(KeyError), tiling(tile=1):
            raise KeyError
        assert current_tiling().tile == 7
    assert current_tiling() == Tiling()


def test_it_decorates_functions_too():
    @tiling(tile=3)
    def inside():
        return current_tiling().tile

    assert [inside(), inside(), current_tiling().tile] == [3, 3, None]


def test_other_threads_have_their_own():
    found = []
    with tiling(tile=5):
        thread = threading.Thread(target=lambda: found.append(current_tiling()))
        thread.start()
        thread.join()
    assert found == [Tiling()]


@pytest.mark.parametrize(
    ("bad", "kind", "said"),
    [
        ({"implementation": "fast"}, ValueError, "'auto', 'dense', 'tiled', got 'fast'"),
        ({"precision": "fp16"}, ValueError, "precision must be one of 'fp32', 'bf16', got 'fp16'"),
        ({"tile": 0}, ValueError, "tile must be at least 1, got 0"),
        ({"tile": 2.5}, TypeError, "tile must be a whole number, got 2.5"),
    ],
)
def test_bad_settings_are_refused_at_the_door(bad, kind, said):
    with pytest.raises(kind, match=rf"^tiling: .*{said}\.$"):
        tiling(**bad)  # not only when entered
    assert current_tiling() == Tiling()


class Pieces(nn.Module):
    """A loss of another shape as one of two matrices."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, z1, z2):
        return self.function(z1, z2)


LABELS = torch.arange(N) % 4
PATH = torch.stack([torch.arange(N - 1), torch.arange(1, N)])
STRENGTH = torch.linspace(-1, 1, N, dtype=F64)


def of_graphs(z1, z2):
    return L.LocalGlobalJSD()(z1, z2[:8], torch.arange(N) % 8)


def team_up(z1, z2):
    loss = L.TeamUp(0.4)
    loss.after_step(60, 100)
    return loss(z1, z2, STRENGTH.to(z1))


# What has streamed products.
STREAMED = {
    "AdaptiveContrast": L.AdaptiveContrast(D, 0.4, normalize="none"),
    "AdaptiveTemperature": L.InfoNCE(L.AdaptiveTemperature(0.4)),
    "AlignmentUniformity": L.AlignmentUniformity(cross_weight=1.0),
    "CACR": L.CACR(tau_plus=0.1),
    "CWCL": L.CWCL(0.4),
    "ClusterContrast": L.ClusterContrast(0.4, clusters=(3, 6)).eval(),
    "ClusterNegatives": L.InfoNCE(0.4, negatives=L.ClusterNegatives(LABELS)),
    "DCL": L.DCL(0.4),
    "DCLW": L.DCLW(0.4),
    "DecoupledUniformity": L.DecoupledUniformity(),
    "FilteredNegatives": L.InfoNCE(0.4, negatives=L.FilteredNegatives(PATH, N)),
    "HardNegativeInfoNCE": L.HardNegativeInfoNCE(0.4),
    "ISogCLR": L.ISogCLR(N, perplexity=20).eval(),
    "InfoNCE": L.InfoNCE(0.4),
    "JSD": L.JSD(4.0),
    "KernelInfoNCE": L.KernelInfoNCE(0.4),
    "LocalGlobalJSD": Pieces(of_graphs),
    "MixedNegatives": L.InfoNCE(0.4, negatives=L.MixedNegatives(5, 4)),
    "NS4GC": Pieces(lambda z1, z2: L.NS4GC()(z1, z2, PATH)),
    "PairNetwork": L.InfoNCE(0.4, log_weight=L.PairNetwork(D)),
    "PairwiseAUC": L.PairwiseAUC(0.4),
    "PairwiseViews": L.PairwiseViews(L.InfoNCE(0.4)),
    "PolyView": L.PolyView(0.4),
    "ProGCL": L.ProGCL(0.4, t0=0, columns=N),
    "ProtoNCE": L.ProtoNCE(0.4),
    "RandomNegatives": L.InfoNCE(0.4, negatives=L.RandomNegatives(20)),
    "Sigmoid": L.Sigmoid(),
    "Sketched": L.Sketched(L.InfoNCE(0.4)),
    "TeamUp": Pieces(team_up),
    "cluster_pairs": L.InfoNCE(0.4, log_weight=L.cluster_pairs(LABELS[None])),
    "rank_one": L.InfoNCE(0.4, log_weight=rank_one(STRENGTH)),
    "uniformity": Pieces(lambda z1, z2: L.uniformity(z1) + L.uniformity(z2)),
    "without_pairs": L.InfoNCE(0.4, log_weight=L.without_pairs(PATH, N)),
}
FURTHER = {
    "InfoNCE of listed pairs": Pieces(
        lambda z1, z2: L.InfoNCE(0.4, positives="sum")(z1, z2, torch.cat([PATH, PATH.flip(0)], 1))
    ),
    "InfoNCE of dots": L.InfoNCE(4.0, similarity="dot"),
    "JSD, hard": L.JSD(4.0, beta=1.0, intra=True),
    "KernelInfoNCE, mixed": L.KernelInfoNCE(0.4, gamma=0.5, mix=0.5, intra=False),
    "PairwiseAUC, hard": L.PairwiseAUC(0.4, beta=1.0),
    "PolyView, mean": L.PolyView(0.4, rest="mean"),
    "Sigmoid of listed pairs": Pieces(lambda z1, z2: L.Sigmoid(intra=True)(z1, z2, PATH)),
}
# Without: the same number under every setting.
NOT_STREAMED = {
    "BarlowTwins": "columns",
    "BootstrapCosine": "positives",
    "CCASSG": "columns",
    "GroupDiscrimination": "columns",
    "HardestNegatives": "search",
    "MetaNodeNegatives": "clusters",
    "SUGRL": "samples",
    "ScaledCosineError": "positives",
    "SelfTraining": "assignments",
    "SwAV": "prototypes",
    "Triplet": "distances",
    "VICReg": "columns",
    "alignment": "positives",
}


def test_every_public_part_is_in_one_of_the_tables():
    assert not set(STREAMED) & set(NOT_STREAMED)
    assert set(STREAMED) | set(NOT_STREAMED) == set(L.__all__)


def sample(dtype):
    generator = torch.Generator().manual_seed(3)
    z1 = torch.randn(N, D, generator=generator, dtype=F64)
    z2 = z1 + torch.randn(N, D, generator=generator, dtype=F64)
    return [z.to(dtype).requires_grad_() for z in (z1, z2)]


def run(loss, dtype=F64, **settings):
    """Value and gradients, the backward pass outside of the context."""
    inputs = sample(dtype)
    torch.manual_seed(0)
    with tiling(**settings):
        value = loss.to(dtype)(*inputs)
    grads = torch.autograd.grad(value, inputs, allow_unused=True)
    return [value, *(g for g in grads if g is not None)]


def parts(*tables):
    return [pytest.param(loss, id=name) for table in tables for name, loss in table.items()]


STANDING = {
    "HardestNegatives": L.InfoNCE(0.4, negatives=L.HardestNegatives(7)),
    "Triplet": L.Triplet(intra=True),
}


@pytest.mark.parametrize("loss", parts(STREAMED, FURTHER, STANDING))
def test_tiles_give_what_plain_pytorch_gives(loss):
    tiled, dense = run(loss, implementation="tiled", tile=7), run(loss, implementation="dense")
    assert len(tiled) == len(dense) > 1
    for mine, oracle in zip(tiled, dense, strict=True):
        # Some weights of pairs are kept as float32 numbers.
        torch.testing.assert_close(mine, oracle, rtol=1e-6, atol=1e-8)


MATRIX_UNITS = pytest.mark.skipif(not tiles._has_amx(), reason="needs a CPU with AMX")


@pytest.fixture(params=["cast", pytest.param("by oneDNN", marks=MATRIX_UNITS)])
def rounding_tile(request, monkeypatch):
    """Both ways to round factors, each with tiles that it rounds.

    oneDNN is sent no small products: those keep float32, and are no slower for it.
    """
    if request.param == "by oneDNN":
        return N
    monkeypatch.setattr(tiles, "_has_amx", lambda: False)
    return 7


@pytest.mark.parametrize("loss", parts(STREAMED, FURTHER))
def test_bfloat16_rounds_the_products_of_every_streamed_loss(loss, rounding_tile):
    settings = {"implementation": "tiled", "tile": rounding_tile}
    exact = run(loss, torch.float32, **settings)
    low = run(loss, torch.float32, precision="bf16", **settings)
    assert low[0] != exact[0]
    assert low[0].item() == pytest.approx(exact[0].item(), rel=1e-2, abs=1e-2)
    for mine, oracle in zip(low[1:], exact[1:], strict=True):
        assert mine.dtype == torch.float32
        assert not torch.equal(mine, oracle)
        assert (mine - oracle).norm() <= 0.05 * oracle.norm()
    # Rows this few are taken as a whole by default, in full precision; clusters are not.
    by_default = [] if loss is STREAMED["ClusterNegatives"] else [{}]
    for whole in ({"implementation": "dense"}, *by_default):
        low, exact = (run(loss, torch.float32, precision=p, **whole) for p in ("bf16", "fp32"))
        assert torch.equal(low[0], exact[0])


@pytest.mark.parametrize("loss", parts(STREAMED, FURTHER))
def test_every_streamed_loss_obeys_implementation_and_tile(loss, monkeypatch):
    def chosen(*_):
        raise AssertionError("a tile was chosen although the context says one")

    for room in ("stream_rows", "multi_view"):
        monkeypatch.setattr(f"gcl.ops.{room}.default_tile", chosen)
    loss = loss.double()
    for how in ("tiled", "dense"):
        inputs = sample(F64)
        with tiling(implementation=how, tile=7):
            value = loss(*inputs)
        if how == "tiled":
            with pytest.raises(RuntimeError, match=r'in gcl.ops.tiling\(implementation="dense"\)'):
                torch.autograd.grad(value, inputs[0], create_graph=True)
        elif loss is not STREAMED["Sketched"]:  # whose sketches have none; plain PyTorch has one
            (grad,) = torch.autograd.grad(value, inputs[0], create_graph=True)
            grad.square().sum().backward()
            assert inputs[0].grad.isfinite().all()


@pytest.mark.parametrize("loss", [L.InfoNCE(0.3), L.JSD(2.0), L.KernelInfoNCE(0.3)])
def test_the_backward_pass_keeps_what_the_forward_pass_read(loss, rounding_tile):
    settings = {"implementation": "tiled", "tile": rounding_tile, "precision": "bf16"}
    outside = run(loss, torch.float32, **settings)
    inputs = sample(torch.float32)
    with tiling(**settings):
        inside = torch.autograd.grad(loss(*inputs), inputs)
    with tiling(implementation="tiled", tile=rounding_tile):
        value = loss(*inputs)
    with tiling(implementation="dense", tile=30, precision="bf16"):
        other = torch.autograd.grad(value, inputs)
    exact = run(loss, torch.float32, implementation="tiled", tile=rounding_tile)
    for a, b, c, d in zip(outside[1:], inside, other, exact[1:], strict=True):
        assert torch.equal(a, b)
        assert torch.equal(c, d)
        assert not torch.equal(a, c)


@pytest.mark.parametrize(("rows", "tiled"), [(256, False), (257, True)])
def test_auto_streams_above_256_rows(rows, tiled):
    generator = torch.Generator().manual_seed(0)
    u, v = (torch.randn(rows, 3, generator=generator).requires_grad_() for _ in range(2))
    for value in (two_view_logsumexp(u, v, 0.5)[0], streaming_logsumexp(u, v, tau=0.5)):
        if tiled:
            with pytest.raises(RuntimeError, match="no second derivative"):
                torch.autograd.grad(value.sum(), u, create_graph=True)
        else:
            assert torch.autograd.grad(value.sum(), u, create_graph=True)[0].requires_grad


def test_one_object_is_entered_again_within_itself_and_in_threads():
    chosen = tiling(tile=5)
    for _ in range(2):
        with chosen, tiling(precision="bf16"), chosen:
            assert current_tiling() == Tiling(tile=5, precision="bf16")
        assert current_tiling() == Tiling()
    seen, started = [], threading.Barrier(2)

    def inside():
        with chosen:
            started.wait(timeout=10)
            seen.append(current_tiling().tile)

    threads = [threading.Thread(target=inside) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [5, 5]
    assert chosen(current_tiling)().tile == 5  # as a decorator
    assert current_tiling().tile is None
