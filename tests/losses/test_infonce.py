"""InfoNCE against closed forms and a float64 double loop."""

import math

import pytest
import torch
from torch import nn

from gcl.losses import DCL, InfoNCE
from gcl.ops import tiling
from gcl.ops.log_weight import LogWeight
from gcl.testing import check_loss


def similarity(a, b, kind="cosine"):
    a, b = a.tolist(), b.tolist()
    if kind == "neg_sq_euclidean":
        return -math.fsum((x - y) ** 2 for x, y in zip(a, b, strict=True))
    dot = math.fsum(x * y for x, y in zip(a, b, strict=True))
    if kind == "dot":
        return dot
    norms = [math.sqrt(math.fsum(x**2 for x in c)) for c in (a, b)]
    return dot / (norms[0] * norms[1]) if all(norms) else 0.0


def loop(
    z1, z2, tau, *, intra=True, positives=None, form="out", kind="cosine", margin=lambda s: s,
    weight=lambda i, j: 1.0,
):  # fmt: skip
    """Per-anchor loss z1 -> z2 in plain Python; positives[i] = [(j, weight), ...]."""
    losses = []
    for i in range(len(z1)):
        across = [similarity(z1[i], z2[j], kind) for j in range(len(z2))]
        within = [similarity(z1[i], z1[j], kind) for j in range(len(z1))]
        if positives is None:
            across[i] = margin(across[i])
        logits = [s / tau for s in across]
        terms = [
            (weight(i, j) if positives is not None or i != j else 1.0) * math.exp(x)
            for j, x in enumerate(logits)
        ]
        chosen = [(i, 1.0)] if positives is None else positives.get(i, [])
        if not chosen:
            losses.append(None)
            continue
        total = sum(w for _, w in chosen)
        inner = sum(w * math.exp(logits[j]) for j, w in chosen)
        positive = {
            "out": sum(w * logits[j] for j, w in chosen) / total,
            "in": math.log(inner / total),
            "sum": math.log(inner),
        }[form]
        if intra:
            terms += [weight(i, j) * math.exp(s / tau) for j, s in enumerate(within) if j != i]
        losses.append(math.log(math.fsum(terms)) - positive)
    return losses


def mean(values):
    values = [v for v in values if v is not None]
    return sum(values) / len(values)


def views(n=9, d=5):
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2)]


@pytest.mark.parametrize("tau", [0.1, 0.4, 0.9])
def test_closed_form_on_identity_rows(tau, implementation):
    z = torch.eye(12, 16, dtype=torch.float64)
    both = InfoNCE(tau)(z, z)
    assert both.item() == pytest.approx(math.log(math.exp(1 / tau) + 22) - 1 / tau, rel=1e-12)
    inter = InfoNCE(tau, intra=False)(z, z)
    assert inter.item() == pytest.approx(math.log(math.exp(1 / tau) + 11) - 1 / tau, rel=1e-12)


def test_published_number_of_the_closed_form():
    z = torch.eye(12, 16, dtype=torch.float64)
    assert InfoNCE(0.4)(z, z).item() == pytest.approx(1.031713640523, abs=1e-12)


@pytest.mark.parametrize("intra", [True, False])
def test_double_loop(intra, implementation):
    z1, z2 = views()
    forth, back = loop(z1, z2, 0.3, intra=intra), loop(z2, z1, 0.3, intra=intra)
    options = {"intra": intra}
    assert InfoNCE(0.3, **options)(z1, z2).item() == pytest.approx(mean(forth + back), rel=1e-10)
    one_sided = InfoNCE(0.3, symmetric=False, **options)(z1, z2)
    assert one_sided.item() == pytest.approx(mean(forth), rel=1e-10)
    each = InfoNCE(0.3, reduction="none", symmetric=False, **options)(z1, z2)
    assert each.tolist() == pytest.approx(forth, rel=1e-10)


def test_weighted_positives_by_double_loop():
    z1, z2 = views()
    pairs = torch.tensor([[0, 0, 1, 4, 8], [0, 3, 1, 2, 3]])
    weight = torch.tensor([1.0, 0.5, 2.0, 1.0, 0.25], dtype=torch.float64)
    forward, backward = {}, {}
    for i, j, w in zip(*pairs.tolist(), weight.tolist(), strict=True):
        forward.setdefault(i, []).append((j, w))
        backward.setdefault(j, []).append((i, w))
    expected = (
        mean(loop(z1, z2, 0.5, positives=forward)) + mean(loop(z2, z1, 0.5, positives=backward))
    ) / 2
    assert InfoNCE(0.5)(z1, z2, pairs, weight).item() == pytest.approx(expected, rel=1e-10)
    itself = torch.arange(9).repeat(2, 1)
    assert torch.isclose(InfoNCE(0.5)(z1, z2, itself), InfoNCE(0.5)(z1, z2), rtol=1e-12)


@pytest.mark.parametrize("form", ["out", "in", "sum"])
@pytest.mark.parametrize("kind", ["cosine", "dot", "neg_sq_euclidean"])
def test_forms_of_several_positives(form, kind, implementation):
    z1, z2 = views()
    pairs = torch.tensor([[0, 0, 1, 4, 8, 2], [0, 3, 1, 2, 3, 5]])
    weight = torch.tensor([1.0, 0.5, 2.0, 1.0, 0.25, 0.0], dtype=torch.float64)
    forward = {0: [(0, 1.0), (3, 0.5)], 1: [(1, 2.0)], 4: [(2, 1.0)], 8: [(3, 0.25)]}
    options = {"intra": False, "positives": form, "similarity": kind}
    loss = InfoNCE(0.9, symmetric=False, **options)
    expected = mean(loop(z1, z2, 0.9, intra=False, positives=forward, form=form, kind=kind))
    assert loss(z1, z2, pairs, weight).item() == pytest.approx(expected, rel=1e-10)
    inputs = [z.requires_grad_() for z in (z1, z2, weight[:5].clone())]
    assert torch.autograd.gradcheck(lambda a, b, w: loss(a, b, pairs[:, :5], w), inputs)


def angular(s, m):
    angle = math.acos(s)
    return math.cos(angle + m) if angle + m <= math.pi else s - m * math.sin(m)


@pytest.mark.parametrize(
    ("form", "margin"), [("additive", lambda s: s - 0.3), ("angular", lambda s: angular(s, 0.3))]
)
def test_margins(form, margin, implementation):
    z1, z2 = views()
    z2 = z2.clone()
    z2[0] = -z1[0]  # beyond pi with the margin
    expected = mean(loop(z1, z2, 0.4, margin=margin) + loop(z2, z1, 0.4, margin=margin))
    loss = InfoNCE(0.4, margin=0.3, margin_form=form)
    assert loss(z1, z2).item() == pytest.approx(expected, rel=1e-5)
    plain = InfoNCE(0.4, margin=0.0, margin_form=form)(z1, z2)
    assert torch.isclose(plain, InfoNCE(0.4)(z1, z2), rtol=1e-12)


@pytest.mark.parametrize("kind", ["dot", "neg_sq_euclidean"])
@pytest.mark.parametrize("intra", [True, False])
def test_other_similarities(kind, intra, implementation):
    z1, z2 = views()
    forth = loop(z1, z2, 0.7, intra=intra, kind=kind)
    back = loop(z2, z1, 0.7, intra=intra, kind=kind)
    loss = InfoNCE(0.7, intra=intra, similarity=kind)
    assert loss(z1, z2).item() == pytest.approx(mean(forth + back), rel=1e-10)
    assert torch.autograd.gradcheck(loss, [z.requires_grad_() for z in (z1, z2)])


def test_weights_of_negatives_leave_the_positive_alone(implementation):
    z1, z2 = views()
    s = torch.linspace(-1, 1, 9, dtype=torch.float64)

    def w(i, j):
        return math.exp(float(s[i] + s[j]))

    expected = mean(loop(z1, z2, 0.5, weight=w) + loop(z2, z1, 0.5, weight=w))
    rule = LogWeight(lambda i, j: s[i, None] + s[None, j], symmetric=True)

    class Makes(nn.Module):
        def forward(self, q, k):
            return rule

    for loss in (InfoNCE(0.5, log_weight=rule), InfoNCE(0.5, log_weight=Makes())):
        assert loss(z1, z2).item() == pytest.approx(expected, rel=1e-10)


def test_negatives_and_weights_exclude_each_other():
    with pytest.raises(ValueError, match="not both"):
        InfoNCE(negatives=lambda q, k, tau: q.sum(1), log_weight=LogWeight(lambda i, j: i))
    loss = InfoNCE(negatives=lambda q, k, tau: q.sum(1))
    loss.log_weight = LogWeight(lambda i, j: torch.zeros(1, 1))
    with pytest.raises(ValueError, match="not both"):
        loss(*views())
    with pytest.raises(TypeError, match="callable"):
        InfoNCE(negatives=5)
    with pytest.raises(TypeError, match=r"LogWeight\(function\)"):
        InfoNCE(log_weight=lambda i, j: torch.zeros(1, 1))


def test_parameters_of_a_rule_belong_to_the_loss():
    rate = nn.Parameter(torch.tensor(0.5))
    loss = InfoNCE(log_weight=LogWeight(lambda i, j, r: r.view(1, 1), rate))
    assert [id(p) for p in loss.parameters()] == [id(rate)]
    saved = {key: value.clone() for key, value in loss.state_dict().items()}
    rate.data.zero_()
    loss.load_state_dict(saved)
    assert rate.item() == 0.5


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_a_number_is_no_perfect_score(bad):
    z1, z2 = views()
    z1 = z1.clone()
    z1[0] = bad
    pairs = torch.arange(9).repeat(2, 1)
    for loss in (InfoNCE(), DCL(), InfoNCE(similarity="dot"), DCL(similarity="dot")):
        assert not loss(z1, z2).isfinite()
    for form in ("out", "in", "sum"):
        assert not InfoNCE(positives=form)(z1, z2, pairs).isfinite()


def test_far_rows_keep_their_distances():
    z1, z2 = (z.float() + 300 for z in views(40, 8))
    grads = []
    for dtype in (torch.float64, torch.float32):
        a = z1.to(dtype).requires_grad_()
        with tiling(implementation="tiled"):
            value = InfoNCE(1.0, similarity="neg_sq_euclidean")(a, z2.to(dtype))
        grads.append(torch.autograd.grad(value, a)[0].double())
    assert (grads[1] - grads[0]).norm() <= 1e-4 * grads[0].norm()
    said = r"^(InfoNCE|DCL): .* needs precision 'fp32'; call it in gcl.ops.tiling\(precision='fp32'"
    for kind in (InfoNCE, DCL):
        loss = kind(similarity="neg_sq_euclidean")
        with tiling(precision="bf16"):
            with pytest.raises(ValueError, match=said):
                loss(z1, z2)
            with tiling(precision="fp32"):  # what the error says to do
                assert loss(z1, z2).isfinite()


def test_positives_of_one_direction_only():
    z1, z2 = views()
    pairs = torch.tensor([[0, 1], [3, 4]])
    each = InfoNCE(0.4, reduction="none")(z1, z2, pairs)
    forth = InfoNCE(0.4, symmetric=False, reduction="none")(z1, z2, pairs)
    assert torch.allclose(each[:2], forth[:2])  # no half of a direction that is not there
    assert torch.isclose(each[[0, 1, 3, 4]].mean(), InfoNCE(0.4)(z1, z2, pairs))


def test_bfloat16_products():
    z1, z2 = (z.float() for z in views(400, 32))
    exact = InfoNCE(0.4)(z1.double(), z2.double())
    with tiling(precision="bf16"):
        low = InfoNCE(0.4)(z1, z2)
    assert low.item() == pytest.approx(exact.item(), rel=1e-4)
    assert low != InfoNCE(0.4)(z1, z2)


def test_no_positive_at_all_is_a_zero_with_a_graph():
    z1, z2 = (z.requires_grad_() for z in views())
    value = InfoNCE()(z1, z2, torch.zeros(2, 0, dtype=torch.long))
    value.backward()
    assert value.item() == 0
    assert z1.grad.abs().sum() == 0


@pytest.mark.parametrize("intra", [True, False])
def test_contract(intra, implementation):
    check_loss(InfoNCE(0.4, intra=intra))
    with tiling(tile=128):
        check_loss(InfoNCE(0.4, intra=intra), rows=(300,))


def test_gradcheck_with_learned_tau(implementation):
    z1, z2 = (z.requires_grad_() for z in views(6, 3))
    loss = InfoNCE(nn.Parameter(torch.tensor(0.4, dtype=torch.float64)))

    def run(a, b, tau):
        loss.tau.data = tau.data
        return torch.func.functional_call(loss, {"tau": tau}, (a, b))

    tau = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, (z1, z2, tau))
    assert [name for name, _ in loss.named_parameters()] == ["tau"]


def test_small_tau_and_identical_rows_stay_finite(implementation):
    z = torch.ones(20, 4, requires_grad=True)
    value = InfoNCE(0.01)(z, z)
    value.backward()
    assert value.item() == pytest.approx(math.log(39), rel=1e-4)  # all 39 candidates alike
    assert z.grad.isfinite().all()


def test_one_row_is_zero_with_a_warning():
    with pytest.warns(UserWarning, match="no negatives"):
        assert InfoNCE()(torch.ones(1, 3), torch.ones(1, 3)).item() == pytest.approx(0, abs=1e-6)


def test_no_rows_is_zero():
    assert InfoNCE()(torch.zeros(0, 3), torch.zeros(0, 3)).item() == 0


@pytest.mark.parametrize("tau", [0, -0.1, float("nan")])
def test_bad_tau(tau):
    with pytest.raises(ValueError, match="tau must be a number above 0"):
        InfoNCE(tau)


def test_bad_positives():
    z = torch.ones(3, 2)
    with pytest.raises(ValueError, match=r"must lie in \[0, 3\)"):
        InfoNCE()(z, z, torch.tensor([[0], [3]]))
    with pytest.raises(ValueError, match="one a pair"):
        InfoNCE()(z, z, torch.tensor([[0], [1]]), torch.tensor([-1.0]))
    with pytest.raises(ValueError, match="needs pos_edge_index"):
        InfoNCE()(z, z, None, torch.ones(1))
    with pytest.raises(ValueError, match="one of 'mean', 'none'"):
        InfoNCE(reduction="sum")
    with pytest.raises(ValueError, match="margin must be a number"):
        InfoNCE(margin=-0.1)
    with pytest.raises(ValueError, match="needs similarity='cosine'"):
        InfoNCE(margin=0.1, margin_form="angular", similarity="dot")
    with pytest.raises(ValueError, match="own pair"):
        InfoNCE(margin=0.1)(z, z, torch.tensor([[0], [1]]))
