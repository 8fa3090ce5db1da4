"""Every public loss against its formula in float64: temperatures, offsets, lengths, types."""

import math
import warnings
from functools import partial
from itertools import product

import pytest
import torch
from torch import nn

import gcl
from gcl.losses import __all__ as losses
from gcl.ops import tiling
from tests.losses import in_float64 as exact

L = gcl.losses
F64 = torch.float64


# How large logits are, of rows of the largest length and at the largest distance. Float32 holds
# them to 6e-8 of that, and so far, in units of a logit, are values and softmaxes certain: at
# tau = 0.01 a cosine's to 1e-5, a product's of rows 1000 from the origin to 1: not representable.
LOGITS = {
    "cosine": lambda length, gap, tau: 1 / tau,
    "dot": lambda length, gap, tau: length**2 / tau,
    "square": lambda length, gap, tau: gap**2 / tau,
    "sum": lambda length, gap, tau: 4 * length,
    "none": lambda length, gap, tau: 1.0,
}


class Case:
    """A loss, its formula, and what it needs.

    Args:
        make: `(tau, n, d)` -> the loss.
        right: `(loss, z1, z2, tau)` -> its value in float64.
        logits: their kind, in `LOGITS`.
        tau: whether there is a temperature.
        least: rows from which value and gradient are determined.
        near: no rows far from the origin.
        squares: of distances, and what has none in the type counts as 0.
    """

    def __init__(
        self, make, right, logits="cosine", *, tau=True, least=1, near=False, squares=False
    ):
        self.make, self.right, self.logits = make, right, logits
        self.tau, self.least, self.near, self.squares = tau, least, near, squares


def plain(make, right, logits="cosine", **options):
    """A case whose formula needs the temperature only."""
    return Case(
        lambda tau, n, d: make(tau), lambda loss, z1, z2, tau: right(z1, z2, tau), logits, **options
    )


def fixed(make, right, logits="none", **options):
    """A case without a temperature."""
    return Case(
        lambda tau, n, d: make(),
        lambda loss, z1, z2, tau: right(z1, z2),
        logits,
        tau=False,
        **options,
    )


def labels(n):
    return torch.arange(n) % max(1, min(5, n // 2))


def same(n):
    return labels(n)[:, None] == labels(n)


def line(n):
    return torch.stack([torch.arange(n - 1), torch.arange(1, n)])


def far_on_the_line(n):
    place = torch.arange(n)
    return (place[:, None] - place).abs() > 1


def strengths(n):
    return torch.linspace(0, 1, n)


def team_up(n, d, tau):
    loss = L.TeamUp(tau, gamma_max=1.0)
    loss.after_step(100, 100)
    return WithMore(loss, strengths(n))


class WithMore(nn.Module):
    """A loss and what it takes besides the views."""

    def __init__(self, loss, *more):
        super().__init__()
        self.loss, self.more = loss, more

    def forward(self, z1, z2):
        return self.loss(z1, z2, *self.more)


class Of(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.forward = function


def one_kind(z1, z2):
    return L.uniformity(z1) + L.uniformity(z2)


def graphs(n):
    return torch.arange(n) % 2


CASES = {
    "InfoNCE": [
        plain(L.InfoNCE, exact.info_nce),
        plain(
            partial(L.InfoNCE, similarity="dot"), partial(exact.info_nce, similarity="dot"), "dot"
        ),
        plain(
            partial(L.InfoNCE, similarity="neg_sq_euclidean"),
            partial(exact.info_nce, similarity="neg_sq_euclidean"),
            "square",
        ),
        plain(partial(L.InfoNCE, intra=False), partial(exact.info_nce, intra=False)),
    ],
    "DCL": [plain(L.DCL, exact.dcl)],
    "DCLW": [plain(L.DCLW, exact.dclw)],
    "HardNegativeInfoNCE": [plain(L.HardNegativeInfoNCE, exact.hard_negative)],
    "KernelInfoNCE": [
        plain(L.KernelInfoNCE, exact.kernel),
        plain(
            partial(L.KernelInfoNCE, gamma=0.5, mix=0.5), partial(exact.kernel, gamma=0.5, mix=0.5)
        ),
    ],
    "TeamUp": [
        Case(
            lambda tau, n, d: team_up(n, d, tau),
            lambda loss, z1, z2, tau: exact.info_nce(
                z1,
                z2,
                tau,
                log_weight=lambda q, k: (
                    (strengths(len(q)).double() - strengths(len(q)).double()[:, None]) / tau
                ),
            ),
        )
    ],
    "CWCL": [
        Case(
            lambda tau, n, d: L.CWCL(tau),
            lambda loss, z1, z2, tau: exact.info_nce(z1, z2, tau, intra=False),
        )
    ],
    "AdaptiveContrast": [
        Case(
            lambda tau, n, d: L.AdaptiveContrast(d, tau).double().float(),
            lambda loss, z1, z2, tau: adaptive(loss, z1, z2, tau),
        )
    ],
    "PairNetwork": [
        Case(
            lambda tau, n, d: L.InfoNCE(tau, log_weight=L.PairNetwork(d)),
            lambda loss, z1, z2, tau: exact.info_nce(
                z1,
                z2,
                tau,
                log_weight=lambda q, k: exact.pair_weight(loss.log_weight, True)(
                    exact.unit(q), exact.unit(k)
                ),
            ),
        )
    ],
    "cluster_pairs": [
        Case(
            lambda tau, n, d: L.InfoNCE(tau, log_weight=L.cluster_pairs(labels(n)[None])),
            lambda loss, z1, z2, tau: exact.info_nce(z1, z2, tau, keep=~same(len(z1))),
        )
    ],
    "rank_one": [
        Case(
            lambda tau, n, d: L.InfoNCE(tau, log_weight=L.rank_one(strengths(n))),
            lambda loss, z1, z2, tau: exact.info_nce(
                z1,
                z2,
                tau,
                log_weight=lambda q, k: (
                    strengths(len(q)).double()[:, None] + strengths(len(q)).double()
                ),
            ),
        )
    ],
    "without_pairs": [
        Case(
            lambda tau, n, d: L.InfoNCE(tau, log_weight=L.without_pairs(line(n), n)),
            lambda loss, z1, z2, tau: exact.info_nce(
                z1, z2, tau, keep=~torch.ones(len(z1), len(z1)).tril(1).triu(1).bool()
            ),
        )
    ],
    "AdaptiveTemperature": [
        Case(
            lambda tau, n, d: L.InfoNCE(L.AdaptiveTemperature(tau)),
            lambda loss, z1, z2, tau: exact.info_nce(z1, z2, exact.adaptive_tau(z1, z2, tau)),
        )
    ],
    "PolyView": [
        plain(L.PolyView, exact.info_nce),
        plain(partial(L.PolyView, rest="mean"), exact.info_nce),
    ],
    "PairwiseViews": [plain(lambda tau: L.PairwiseViews(L.InfoNCE(tau)), exact.info_nce)],
    "ProGCL": [plain(L.ProGCL, exact.info_nce)],
    "ISogCLR": [
        Case(
            lambda tau, n, d: L.ISogCLR(n, perplexity=5, tau_init=tau, bounds=(tau, tau)).eval(),
            lambda loss, z1, z2, tau: exact.isogclr(z1, z2, loss.tau.double()[:, None][0, 0]),
        )
    ],
    "Sigmoid": [
        Case(
            lambda tau, n, d: L.Sigmoid(1 / tau, intra=True),
            lambda loss, z1, z2, tau: exact.sigmoid(z1, z2, loss.log_t.double().exp(), intra=True),
        )
    ],
    "NS4GC": [
        plain(lambda tau: L.NS4GC(0.3, tau), exact.ns4gc),
        Case(
            lambda tau, n, d: WithMore(L.NS4GC(0.3, tau), line(n)),
            lambda loss, z1, z2, tau: exact.ns4gc(z1, z2, tau, line(len(z1))),
        ),
    ],
    "JSD": [
        plain(L.JSD, exact.jsd, "dot"),
        plain(
            partial(L.JSD, similarity="cosine", intra=True),
            partial(exact.jsd, similarity="cosine", intra=True),
        ),
        plain(partial(L.JSD, beta=1.0), partial(exact.jsd, beta=1.0), "dot"),
    ],
    "PairwiseAUC": [
        plain(L.PairwiseAUC, exact.auc),
        plain(
            partial(L.PairwiseAUC, similarity="dot"), partial(exact.auc, similarity="dot"), "dot"
        ),
        plain(partial(L.PairwiseAUC, beta=1.0), partial(exact.auc, beta=1.0)),
    ],
    "CACR": [
        plain(lambda tau: L.CACR(t_neg=1 / tau), lambda z1, z2, tau: exact.cacr(z1, z2, 1 / tau)),
        fixed(lambda: L.CACR(tau_plus=0.1), partial(exact.cacr, tau_plus=0.1)),
    ],
    "AlignmentUniformity": [
        plain(
            lambda tau: L.AlignmentUniformity(1 / tau, cross_weight=1.0),
            lambda z1, z2, tau: exact.alignment_uniformity(z1, z2, 1 / tau, cross=1.0),
        ),
    ],
    "alignment": [fixed(lambda: L.alignment, exact.alignment)],
    "uniformity": [
        fixed(lambda: one_kind, lambda z1, z2: exact.uniformity(z1) + exact.uniformity(z2), least=2)
    ],
    "DecoupledUniformity": [
        plain(
            lambda tau: L.DecoupledUniformity(1 / tau),
            lambda z1, z2, tau: exact.decoupled(z1, z2, 1 / tau),
        )
    ],
    "Triplet": [
        fixed(L.Triplet, exact.triplet, squares=True),
        fixed(partial(L.Triplet, intra=True), partial(exact.triplet, intra=True), squares=True),
        fixed(partial(L.Triplet, num_negatives=4), exact.drawn_triplet, squares=True),
    ],
    "SUGRL": [fixed(L.SUGRL, exact.sugrl, squares=True)],
    "BarlowTwins": [  # Two rows are -1 and 1 in every column: what gradient is left is that of eps.
        fixed(L.BarlowTwins, exact.barlow_twins, least=3)
    ],
    "CCASSG": [fixed(L.CCASSG, exact.cca_ssg, least=3)],
    "VICReg": [fixed(L.VICReg, exact.vicreg, least=2)],
    "GroupDiscrimination": [fixed(L.GroupDiscrimination, exact.group, "sum")],
    "ScaledCosineError": [fixed(L.ScaledCosineError, exact.scaled_cosine)],
    "BootstrapCosine": [fixed(L.BootstrapCosine, exact.bootstrap)],
    "ProtoNCE": [
        Case(
            lambda tau, n, d: WithMore(L.ProtoNCE(tau), labels(n)),
            lambda loss, z1, z2, tau: exact.proto_nce(z1, z2, tau, labels(len(z1))),
        )
    ],
    "ClusterContrast": [
        Case(
            lambda tau, n, d: L.ClusterContrast(tau, clusters=3).eval(),
            lambda loss, z1, z2, tau: cluster_contrast(loss, z1, z2, tau),
        )
    ],
    "SwAV": [
        Case(
            lambda tau, n, d: L.SwAV(d, 4, tau),
            lambda loss, z1, z2, tau: exact.swav(z1, z2, loss.prototypes.double(), tau),
        )
    ],
    "SelfTraining": [
        fixed(
            lambda: (
                lambda z1, z2: L.SelfTraining()(
                    z1.float().softmax(1) if z1.dtype != F64 else z1.softmax(1)
                )
            ),
            lambda z1, z2: exact.self_training(z1.softmax(1)),
            near=True,
        )
    ],
    "LocalGlobalJSD": [
        Case(
            lambda tau, n, d: lambda z1, z2: L.LocalGlobalJSD()(z1, z2[:2], graphs(n)),
            lambda loss, z1, z2, tau: exact.local_global(z1, z2[:2], graphs(len(z1))),
            logits="dot",
            tau=False,
            least=2,
        )
    ],
    "Sketched": [
        Case(
            lambda tau, n, d: L.Sketched(L.InfoNCE(tau), ratio=0.7),
            lambda loss, z1, z2, tau: sketched(loss, z1, z2, tau),
        )
    ],
    "ClusterNegatives": [
        Case(
            lambda tau, n, d: L.InfoNCE(tau, negatives=L.ClusterNegatives(labels(n))),
            lambda loss, z1, z2, tau: exact.info_nce(z1, z2, tau, keep=same(len(z1))),
        )
    ],
    "FilteredNegatives": [
        Case(
            lambda tau, n, d: L.InfoNCE(tau, negatives=L.FilteredNegatives(line(n), n)),
            lambda loss, z1, z2, tau: exact.info_nce(z1, z2, tau, keep=far_on_the_line(len(z1))),
        )
    ],
    "HardestNegatives": [
        Case(
            lambda tau, n, d: L.InfoNCE(tau, negatives=L.HardestNegatives(5)),
            lambda loss, z1, z2, tau: hardest(z1, z2, tau),
            near=True,  # cosines that differ by 1e-7 are equally hard
        )
    ],
    "MetaNodeNegatives": [
        Case(
            lambda tau, n, d: L.InfoNCE(tau, negatives=L.MetaNodeNegatives(assignment=labels(n))),
            lambda loss, z1, z2, tau: meta_nodes(z1, z2, tau),
        ),
        Case(
            lambda tau, n, d: L.InfoNCE(
                tau, negatives=L.MetaNodeNegatives(assignment=torch.arange(n))
            ),
            lambda loss, z1, z2, tau: exact.info_nce(z1, z2, tau),
        ),
    ],
    "MixedNegatives": [
        Case(
            lambda tau, n, d: L.InfoNCE(tau, negatives=L.MixedNegatives(4, 0, 0)),
            lambda loss, z1, z2, tau: exact.info_nce(z1, z2, tau),
        )
    ],
    "RandomNegatives": [
        Case(
            lambda tau, n, d: L.InfoNCE(tau, negatives=L.RandomNegatives(6)),
            lambda loss, z1, z2, tau: random_negatives(z1, z2, tau, 6),
        )
    ],
}


def adaptive(loss, z1, z2, tau):
    n = len(z1)
    if n < 1:
        return 0 * z1.sum()
    a, b = exact.unit(z2), exact.unit(z1)
    log_w = exact.pair_weight(loss.weights, True)(a, b)
    logit = (a[:, None] * b).sum(2) / tau
    return ((logit + log_w).logsumexp(1) - logit.diagonal()).mean()


def cluster_contrast(loss, z1, z2, tau):
    n = len(z1)
    if n < 2:
        return 0 * z1.sum()
    (found,) = loss.cluster(z2.detach().to(loss.drawn_in))
    keep = found[:, None] != found
    (p, neg), _ = exact.sides(z1, z2, tau, intra=False, keep=keep)
    has = ~neg.isneginf()
    value = torch.where(has, neg.masked_fill(~has, 0.0) - p, 0.0).sum() / max(has.sum(), 1)
    return value + exact.proto_nce(z1, z2, tau, found)


def sketched(loss, z1, z2, tau):
    n = len(z1)
    # Drawn in the type of the rows, which the evaluation notes.
    dtype = loss.drawn_in
    p = gcl.ops.gaussian_sketch(torch.eye(n, dtype=dtype), max(2, round(0.7 * n))).double()
    return exact.info_nce(p @ z1, p @ z2, tau)


def hardest(z1, z2, tau):
    n = len(z1)
    if n < 2:
        return 0 * z1.sum()
    values = []
    for a, b in ((z1, z2), (z2, z1)):
        parts = [exact.others(exact.scores(x, y)) for x, y in ((a, b), (a, a))]
        neg = torch.cat([p.topk(min(5, n - 1), 1).values for p in parts], 1) / tau
        p = exact.scores(a, b).diagonal() / tau
        values.append(exact.add(p, neg.logsumexp(1)) - p)
    return exact.mean_of_sides(values)


def random_negatives(z1, z2, tau, num):
    n = len(z1)
    if n < 2:
        return 0 * z1.sum()

    def part(a, b):
        keep = torch.ones(n, dtype=torch.bool)
        if num < n - 1:
            keep = torch.zeros(n, dtype=torch.bool)
            keep[torch.randperm(n)[:num]] = True
        return exact.others(exact.scores(a, b) / tau, keep.expand(n, n))

    values = []
    for a, b in ((z1, z2), (z2, z1)):
        # A view's own rows come first where it is the first view.
        order = [(a, b), (a, a)] if a is z2 else [(a, a), (a, b)]
        neg = exact.lse(torch.cat([part(*pair) for pair in order], 1))
        p = exact.scores(a, b).diagonal() / tau
        values.append(exact.add(p, neg) - p)
    return exact.mean_of_sides(values)


def meta_nodes(z1, z2, tau):
    n, c = len(z1), labels(len(z1))
    if n < 2:
        return 0 * z1.sum()

    def part(q, k):
        member = torch.nn.functional.one_hot(c).double()
        left = member.sum(0) - member  # [n, K] members of every cluster besides i
        means = ((member.t() @ k)[None] - member[:, :, None] * k[:, None]) / left.clamp(min=1)[
            ..., None
        ]
        logit = (q[:, None] * means).sum(2) / tau + left.clamp(min=1).log()
        return logit.masked_fill(left == 0, -torch.inf)

    values = []
    for a, b in ((z1, z2), (z2, z1)):
        a, b = exact.unit(a), exact.unit(b)
        p = (a * b).sum(1) / tau
        values.append(exact.add(p, exact.lse(torch.cat([part(a, b), part(a, a)], 1))) - p)
    return exact.mean_of_sides(values)


def views(n, d, dtype, offset=0.0, length=1.0, seed=0):
    """Two views of some rows, as the dtype holds them."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, d, generator=generator, dtype=F64)
    w = z + 0.5 * torch.randn(n, d, generator=generator, dtype=F64)
    return [(length * (x + offset)).to(dtype) for x in (z, w)]


def value_and_slopes(loss, views):
    """In float64; the same draws every time."""
    inputs = [z.detach().clone().requires_grad_() for z in views]
    torch.manual_seed(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one row
        value = loss(*inputs)
    slopes = [torch.zeros_like(z) for z in inputs]
    if value.requires_grad:
        found = torch.autograd.grad(value, inputs, allow_unused=True)
        slopes = [z if g is None else g for z, g in zip(slopes, found, strict=True)]
    return float(value.detach()), torch.cat([g.double().flatten() for g in slopes])


def size(x):
    """The norm, also of what has no square in the type."""
    top = float(x.abs().max())
    return top * float((x / top).norm()) if 0 < top < math.inf else top


def check(case, n, d, dtype=torch.float32, *, tau=0.5, how=None, **options):
    """Value and gradient within the tolerance, or not finite where `options` allow it."""
    z = views(n, d, dtype, **options)
    torch.manual_seed(3)
    loss = case.make(tau, n, d)
    if isinstance(loss, nn.Module):
        loss = loss.double() if dtype == F64 else loss
        loss.drawn_in = torch.promote_types(dtype, torch.float32)
    with tiling(**(how or {})):
        value, slopes = value_and_slopes(loss, z)
    if options.get("length", 1.0) != 1 and not (math.isfinite(value) and slopes.isfinite().all()):
        return "refused"  # `fit` ends with a sentence

    def right(a, b):
        return case.right(loss, a, b, tau)

    wide = [x.double() for x in z]
    expected, right_slopes = value_and_slopes(right, wide)
    # What the last bits of the inputs decide, no computation can know.
    eps = torch.finfo(torch.promote_types(dtype, torch.float32)).eps
    generator = torch.Generator().manual_seed(5)
    noise = [torch.rand(x.shape, generator=generator, dtype=F64) - 0.5 for x in wide]
    moved = [x * (1 + eps * e) for x, e in zip(wide, noise, strict=True)]
    shaken, shaken_slopes = value_and_slopes(right, moved)

    lengths = d**0.5 * torch.cat([x.abs().amax(1) for x in wide])
    gap = 2 * d**0.5 * float((torch.cat(wide) - wide[0].mean(0)).abs().max())
    unsure = 8 * eps * LOGITS[case.logits](float(lengths.max()), gap, tau)
    # In float64 torch takes softplus(x) for x above 20, 2e-9 off.
    rtol = {torch.float32: 1e-4, torch.bfloat16: 1e-4, F64: 1e-8}[dtype]
    most = rtol * abs(expected) + 10 * abs(shaken - expected) + unsure + 32 * eps
    assert abs(value - expected) <= most, (value, expected, most)
    top, far = size(right_slopes), size(slopes - right_slopes)
    # A gradient that vanishes is a difference of terms of this size.
    terms = (unsure + 8 * eps) * (1 + abs(expected))
    terms = terms / float(lengths.min()) if case.logits == "cosine" else terms
    rtol = 5e-3 if dtype == torch.bfloat16 else rtol  # gradients are of the type of the rows
    most = (rtol + unsure) * top + 10 * size(shaken_slopes - right_slopes) + terms
    assert far <= most, (far, top, most)
    return "right"


DENSE, TILED = {"implementation": "dense"}, {"implementation": "tiled", "tile": 64}
EVERY = [
    pytest.param(case, id=f"{name} {i}")
    for name, group in CASES.items()
    for i, case in enumerate(group)
]


def test_no_public_loss_is_left_out():
    assert set(CASES) == set(losses)


@pytest.mark.parametrize("case", EVERY)
def test_few_rows(case):
    for n, d, offset, tau in product((1, 2, 3), (1, 16), (0.0, 1000.0), (0.01, 5.0)):
        if n >= case.least and not (case.near and offset) and (case.tau or tau == 5):
            check(case, n, d, tau=tau, how=DENSE if n < 3 else TILED, offset=offset)


@pytest.mark.parametrize("case", EVERY)
def test_many_rows(case):
    for offset, tau in ((0.0, 0.01), (1000.0, 0.5)):
        if not (case.near and offset):
            check(case, 257, 16, tau=tau, how=TILED, offset=offset)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, F64], ids=str)
@pytest.mark.parametrize("case", EVERY)
def test_the_whole_grid(case, dtype):
    for d, offset, tau in product((1, 16), (0.0, 1.0, 1000.0), (0.01, 0.1, 5.0)):
        # Offsets that leave bfloat16 no digits make rows that are equal.
        far = offset > 1 and (case.near or dtype == torch.bfloat16)
        if not far and (case.tau or tau == 5):
            check(case, 257, d, dtype, tau=tau, how=TILED, offset=offset)


@pytest.mark.parametrize("case", EVERY)
def test_other_types(case):
    for dtype, offset in ((torch.bfloat16, 0.0), (F64, 0.0), (F64, 1000.0)):
        if not (case.near and offset):
            check(case, 5, 16, dtype, how=TILED, offset=offset)


LENGTHS = [(torch.float32, 1e-25), (torch.float32, 1e25), (F64, 1e-100), (F64, 1e100), (F64, 1e200)]


@pytest.mark.parametrize("case", EVERY)
def test_rows_of_any_length(case):
    """Cosines have no length; what squares leave the type with is not finite, and so refused."""
    for dtype, length in LENGTHS:
        if not case.near and not (case.squares and length == 1e-25):
            found = [check(case, 5, 16, dtype, length=length)]
            if dtype == torch.float32:
                found.append(check(case, 5, 16, dtype, how=TILED, length=length))
            free = case.logits == "cosine" and 1e-100 <= length <= 1e100
            assert not free or set(found) == {"right"}


@pytest.mark.parametrize("length", [30.0, 300.0, 3000.0, 30000.0])
@pytest.mark.parametrize("kind", ["InfoNCE", "DCL"])
def test_streamed_gradients_of_large_logits(kind, length):
    """Each row of a square tile has its own rounding of a pair, by which its sum was made."""
    right = {"InfoNCE": exact.info_nce, "DCL": exact.dcl}[kind]
    z = views(300, 16, torch.float32, length=length)
    for tau in (1.0, 0.4):
        with tiling(**TILED):
            value, slopes = value_and_slopes(getattr(L, kind)(tau, similarity="dot"), z)
        wide = [x.double() for x in z]
        expected, right_slopes = value_and_slopes(
            lambda a, b, tau=tau: right(a, b, tau, similarity="dot"), wide
        )
        assert value == pytest.approx(expected, rel=1e-5)
        assert (slopes - right_slopes).norm() <= 1e-4 * right_slopes.norm()


@pytest.mark.parametrize("case", EVERY)
def test_views_of_two_types_are_compared_in_the_wider_one(case):
    for how in (DENSE, TILED):
        z1, z2 = views(6, 8, torch.float32)
        torch.manual_seed(3)
        loss = case.make(0.5, 6, 8)
        if isinstance(loss, nn.Module):
            loss = loss.double()
        expected, slopes = value_and_slopes(loss, (z1.double(), z2.double()))
        for pair in ((z1, z2.double()), (z1.double(), z2)):
            with tiling(**how):
                value, found = value_and_slopes(loss, pair)
            assert value == pytest.approx(expected, rel=1e-5, abs=1e-6)
            assert (found - slopes).norm() <= 1e-4 * slopes.norm() + 1e-9
