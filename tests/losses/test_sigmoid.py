"""The sigmoid loss against a float64 double loop and its closed form."""

import io
import math

import pytest
import torch

from gcl.losses.sigmoid import Sigmoid
from gcl.ops import tiling
from gcl.testing import check_loss


@pytest.fixture(autouse=True)
def small_tiles():
    with tiling(tile=4):
        yield


def views(n=9, d=5):
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2)]


def loop(z1, z2, t, b, intra=False, positives=None):
    """Every pair a question of its own, in plain Python."""
    rows = [[row.tolist() for row in z] for z in (z1, z2)]
    rows = [[[x / math.hypot(*row) for x in row] for row in z] for z in rows]
    n = len(z1)
    yes = {(i, i) for i in range(n)} if positives is None else set(positives)

    def term(p, q, label):
        logit = t * math.fsum(x * y for x, y in zip(p, q, strict=True)) + b
        return math.log1p(math.exp(-logit if label else logit))

    total = sum(term(rows[0][i], rows[1][j], (i, j) in yes) for i in range(n) for j in range(n))
    if intra:
        for view in rows:
            total += sum(
                term(view[i], view[j], False) / 2 for i in range(n) for j in range(n) if i != j
            )
    return total / n


@pytest.mark.parametrize("intra", [True, False])
def test_double_loop(intra, implementation):
    z1, z2 = views()
    loss = Sigmoid(5.0, bias_init=-1.5, intra=intra)
    assert loss(z1, z2).item() == pytest.approx(loop(z1, z2, 5.0, -1.5, intra), rel=1e-6)
    balanced = Sigmoid(5.0, intra=intra)
    b = -math.log(16 if intra else 8)
    assert balanced(z1, z2).item() == pytest.approx(loop(z1, z2, 5.0, b, intra), rel=1e-6)


def test_listed_positives(implementation):
    z1, z2 = views()
    pairs = [(0, 0), (0, 3), (1, 1), (4, 2), (8, 3)]
    edges = torch.tensor([*pairs, (0, 3)]).t()  # the repeated pair counts once
    loss = Sigmoid(5.0, bias_init=-1.5)
    expected = loop(z1, z2, 5.0, -1.5, positives=pairs)
    assert loss(z1, z2, edges).item() == pytest.approx(expected, rel=1e-6)
    itself = torch.arange(9).repeat(2, 1)
    assert loss(z1, z2, itself).item() == pytest.approx(loss(z1, z2).item(), rel=1e-6)
    nobody = loss(z1, z2, edges[:, :0])
    assert nobody.item() == pytest.approx(loop(z1, z2, 5.0, -1.5, positives=[]), rel=1e-6)


@pytest.mark.parametrize("listed", [False, True])
def test_gradients_of_views_scale_and_bias(implementation, listed):
    loss = Sigmoid(intra=True)
    edges = torch.tensor([[0, 2, 5], [1, 2, 0]]) if listed else None

    def run(z1, z2, log_t, bias):
        weights = {"log_t": log_t, "bias": bias}
        return torch.func.functional_call(loss, weights, (z1, z2, edges))

    scalars = [torch.tensor(x, dtype=torch.float64) for x in (0.7, -0.3)]
    inputs = [x.requires_grad_() for x in (*views(6, 3), *scalars)]
    assert torch.autograd.gradcheck(run, inputs)


@pytest.mark.parametrize("n", [2, 12])
def test_closed_form_and_balanced_start(n):
    z = torch.eye(n, 16, dtype=torch.float64)
    b = -math.log(n - 1)
    expected = math.log1p(math.exp(-10 - b)) + (n - 1) * math.log1p(math.exp(b))
    assert Sigmoid()(z, z).item() == pytest.approx(expected, rel=1e-6)
    # balanced: where all cosines are 0, positives and negatives have the same total slope
    loss = Sigmoid()
    loss(torch.zeros(50, 2), torch.zeros(50, 2)).backward()
    assert loss.bias.grad.item() == pytest.approx(0.0, abs=1e-5)


def test_state_moves_with_a_checkpoint_also_before_the_first_step():
    z1, z2 = views()
    trained, fresh = Sigmoid(), Sigmoid(3.0)
    with torch.no_grad():
        trained.bias.add_(0.5)
    file = io.BytesIO()
    torch.save(trained.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert fresh(z1, z2) == trained(z1, z2) != Sigmoid()(z1, z2)


@pytest.mark.parametrize("intra", [True, False])
def test_contract(intra, implementation):
    check_loss(Sigmoid(intra=intra), rows=(2, 3, 17))


def test_autocast_keeps_float32():
    z1, z2 = (z.float() for z in views())
    with torch.autocast("cpu", torch.bfloat16):
        inside = Sigmoid()(z1, z2)
    assert inside == Sigmoid()(z1, z2)


def test_few_rows():
    with pytest.warns(UserWarning, match="no negatives"):
        assert Sigmoid()(torch.ones(1, 3), torch.ones(1, 3)).item() == 0
    z = torch.zeros(0, 3, requires_grad=True)
    value = Sigmoid()(z, z)
    value.backward()
    assert value.item() == 0


def test_bad_input():
    with pytest.raises(ValueError, match="t_init must be a number above 0"):
        Sigmoid(0)
    with pytest.raises(ValueError, match="bias_init must be a finite number"):
        Sigmoid(bias_init=math.inf)
    with pytest.raises(ValueError, match=r"must lie in \[0, 3\)"):
        Sigmoid()(torch.ones(3, 2), torch.ones(3, 2), torch.tensor([[0], [3]]))
