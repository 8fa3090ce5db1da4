"""What autograd keeps between the passes of a streamed loss grows with its inputs, not with pairs.

Bytes are counted where they are kept: tensors that functions save, and those that autograd
functions of Python hold as attributes. Storages count once, the inputs' own included.
"""

import pytest
import torch
from torch import nn

import gcl
from gcl.losses.weights import rank_one
from gcl.ops.multi_view import KEPT_BYTES
from gcl.ops.tiling import tiling
from tests.ops.test_tiling import STREAMED, Pieces

L = gcl.losses
D = 64


def of_size(n):
    """Every streamed loss for n rows; what knows no number of rows is as it is."""
    labels = torch.arange(n) % 4
    path = torch.stack([torch.arange(n - 1), torch.arange(1, n)])
    strength = torch.linspace(-1, 1, n)

    def team_up(z1, z2):
        loss = L.TeamUp(0.4)
        loss.after_step(60, 100)
        return loss(z1, z2, strength)

    return STREAMED | {
        "distances": L.InfoNCE(0.4, similarity="neg_sq_euclidean"),
        "distances to some": L.InfoNCE(
            0.4, similarity="neg_sq_euclidean", negatives=L.RandomNegatives(20)
        ),
        "kernels": L.KernelInfoNCE(0.4, gamma=0.5, mix=0.5),
        "AdaptiveContrast": L.AdaptiveContrast(D, 0.4, normalize="none"),
        "ClusterNegatives": L.InfoNCE(0.4, negatives=L.ClusterNegatives(labels)),
        "FilteredNegatives": L.InfoNCE(0.4, negatives=L.FilteredNegatives(path, n)),
        "ISogCLR": L.ISogCLR(n, perplexity=20),
        "LocalGlobalJSD": Pieces(
            lambda z1, z2: L.LocalGlobalJSD()(z1, z2[: n // 20], torch.arange(n) % (n // 20))
        ),
        "NS4GC": Pieces(lambda z1, z2: L.NS4GC()(z1, z2, path)),
        "PairNetwork": L.InfoNCE(0.4, log_weight=L.PairNetwork(D)),
        "ProGCL": L.ProGCL(0.4, t0=0, columns=200),
        "TeamUp": Pieces(team_up),
        "cluster_pairs": L.InfoNCE(0.4, log_weight=L.cluster_pairs(labels[None])),
        "rank_one": L.InfoNCE(0.4, log_weight=rank_one(strength)),
        "without_pairs": L.InfoNCE(0.4, log_weight=L.without_pairs(path, n)),
    }


def held_bytes(loss, n, views=2):
    """`(kept between the passes, inputs)` in bytes."""
    generator = torch.Generator().manual_seed(3)
    inputs = [torch.randn(n, D, generator=generator).requires_grad_() for _ in range(views)]
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    torch.manual_seed(0)
    with (
        tiling(implementation="tiled"),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t),
    ):
        value = loss.float()(*inputs)
    seen, waiting = set(), [value.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting += [following for following, _ in node.next_functions]
        for found in tensors_of(getattr(node, "__dict__", {})):
            keep(found)
    return sum(kept.values()), sum(z.untyped_storage().nbytes() for z in inputs)


def tensors_of(held, deep=0):
    """Tensors inside of what a function holds."""
    if isinstance(held, torch.Tensor):
        yield held
    elif deep < 6:
        if isinstance(held, dict):
            inside = held.values()
        elif isinstance(held, list | tuple | set):
            inside = held
        elif isinstance(held, nn.Module) or type(held).__module__.startswith("gcl"):
            slots = [getattr(held, name, None) for name in getattr(held, "__slots__", ())]
            inside = [*vars(held).values(), *slots] if hasattr(held, "__dict__") else slots
        elif callable(held) and getattr(held, "__closure__", None):
            inside = [cell.cell_contents for cell in held.__closure__]
        else:
            inside = ()
        for one in inside:
            yield from tensors_of(one, deep + 1)


NAMES = sorted(of_size(100))


def check(name, n):
    held, inputs = held_bytes(of_size(n)[name], n)
    assert held <= 4 * inputs + KEPT_BYTES, f"{held / inputs:.1f} times the inputs of {n} rows"


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_keeps_little_more_than_its_inputs(name):
    check(name, 2000)


@pytest.mark.slow
@pytest.mark.parametrize("n", [6000, 20_000])
@pytest.mark.parametrize("name", NAMES)
def test_a_loss_of_many_rows_keeps_little_more_than_its_inputs(name, n):
    check(name, n)


@pytest.mark.parametrize("loss", [L.PairwiseViews(L.InfoNCE(0.4)), L.PolyView(0.4)])
def test_more_views_share_what_is_kept(loss):
    held, inputs = held_bytes(loss, 3000, views=4)
    assert held <= 4 * inputs + KEPT_BYTES


def test_pairs_would_be_counted():
    n = 4000
    held, inputs = held_bytes(Pieces(lambda a, b: (a @ b.t()).exp().sum()), n)
    assert held >= 4 * n * n > 4 * inputs + KEPT_BYTES


class Holding(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.pairs = (a @ b.t(),)
        return ctx.pairs[0].sum()

    @staticmethod
    def backward(ctx, grad):
        return None, None


def test_pairs_that_a_function_holds_would_be_counted():
    held, _ = held_bytes(Pieces(Holding.apply), 3000)
    assert held >= 4 * 3000**2
