"""How rows compare, against torch's own functions."""

import math

import pytest
import torch
from torch.nn.functional import cosine_similarity

from gcl.ops.similarity import SIMILARITIES, as_products, comparable, row_similarity, unit_rows


def test_unit_rows_pass_finite_gradients_at_zero():
    z = torch.tensor([[3.0, 4.0], [0.0, 0.0]], requires_grad=True)
    unit = unit_rows(z)
    assert torch.allclose(unit, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    unit.sum().backward()
    # Row one: the projection of (1, 1) orthogonal to (3, 4), divided by 5.
    assert torch.allclose(z.grad[0], torch.tensor([0.032, -0.024]), atol=1e-6)
    assert z.grad[1].isfinite().all()


def pair(n=6, m=4, d=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    u = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return u, torch.randn(m, d, generator=generator, dtype=torch.float64)


def by_hand(a, b, similarity):
    if similarity == "cosine":
        return float(cosine_similarity(a, b, dim=0))
    if similarity == "dot":
        return math.fsum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True))
    return -(math.dist(a.tolist(), b.tolist()) ** 2)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_rows_compare_as_torch_and_python_compare_them(similarity):
    u, v = pair(5, 5)
    found = row_similarity(comparable(u, similarity), comparable(v, similarity), similarity)
    expected = [by_hand(a, b, similarity) for a, b in zip(u, v, strict=True)]
    assert found.tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_products_are_similarities_up_to_a_constant_of_the_row(similarity):
    u, v = pair()
    rows = as_products([comparable(z, similarity) for z in (u, v)], similarity)
    for q, a_rows in zip(rows, (u, v), strict=True):
        assert (q.constant is None) == (similarity != "neg_sq_euclidean")
        for k, b_rows in zip(rows, (u, v), strict=True):
            table = q.left @ k.right.t() + (0 if q.constant is None else q.constant[:, None])
            expected = [[by_hand(a, b, similarity) for b in b_rows] for a in a_rows]
            torch.testing.assert_close(table, torch.tensor(expected, dtype=torch.float64))


def test_distances_far_from_the_origin_keep_their_digits():
    u, v = ((1000 + z).float() for z in pair())
    q, k = as_products((u, v), "neg_sq_euclidean")
    expected = -torch.cdist(u.double(), v.double()).square()
    torch.testing.assert_close(
        (q.left @ k.right.t() + q.constant[:, None]).double(), expected, rtol=1e-4, atol=1e-4
    )
    nobody = as_products((u, v[:0]), "neg_sq_euclidean")[1]
    assert nobody.right.shape == (0, 4)
    assert as_products([v[:0]], "neg_sq_euclidean")[0].left.shape == (0, 4)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_half_precision_is_raised(similarity):
    z = pair()[0].bfloat16()
    assert comparable(z, similarity).dtype == torch.float32
    assert comparable(z.double(), similarity).dtype == torch.float64
    if similarity == "cosine":
        lengths = comparable(z, similarity).norm(dim=1)
        torch.testing.assert_close(lengths, torch.ones(6))


def test_rows_as_short_as_floats_can_be():
    # Squares that leave the range of float32 count as zero rows, and nothing is infinite.
    tiny = torch.tensor([[1e-30, 0.0], [1e-15, 1e-15]])
    found = unit_rows(tiny)
    assert found.isfinite().all()
    assert found[1].tolist() == pytest.approx([0.5**0.5] * 2, rel=1e-6)


@pytest.mark.parametrize(
    ("dtype", "lengths"),
    [
        (torch.float32, [1e-29, 1e-25, 1e-19, 1e-14, 1e-12, 1.0, 1e12, 1e19, 1e25, 1e37]),
        (torch.float64, [1e-299, 1e-160, 1e-110, 1e-100, 1.0, 1e100, 1e110, 1e160, 1e300]),
    ],
)
def test_rows_of_any_length_have_a_direction_and_its_slope(dtype, lengths):
    generator = torch.Generator().manual_seed(0)
    ways, slopes = torch.randn(2, len(lengths), 16, generator=generator, dtype=torch.float64)
    length = torch.tensor(lengths, dtype=torch.float64)[:, None]
    z = (length * ways).to(dtype).requires_grad_()
    u = unit_rows(z)
    (grad,) = torch.autograd.grad((u * slopes.to(dtype)).sum(), z)
    right = (z.detach().double() / length).requires_grad_()
    expected = right / right.norm(dim=1, keepdim=True)
    (slope,) = torch.autograd.grad((expected * slopes).sum(), right)
    assert torch.allclose(u.double(), expected, rtol=0, atol=3e-7)
    assert torch.allclose(grad.double() * length, slope, rtol=1e-5, atol=1e-5)


def test_a_row_of_odd_length_moves_no_bit_of_the_others():
    torch.manual_seed(0)
    z = torch.randn(20, 16)
    alone = unit_rows(z)
    for row in (torch.full((1, 16), 1e25), torch.full((1, 16), 1e-25), torch.zeros(1, 16)):
        assert torch.equal(unit_rows(torch.cat([z, row]))[:20], alone)


def test_rows_without_a_direction_stay_and_pass_a_finite_gradient():
    z = torch.cat([torch.zeros(1, 4), torch.full((1, 4), 1e-35), torch.full((1, 4), 1e30)])
    z.requires_grad_()
    u = unit_rows(z)
    (grad,) = torch.autograd.grad(u[:, 0].sum(), z)
    assert u[0].tolist() == [0.0] * 4
    assert u[2].tolist() == pytest.approx([0.5] * 4)
    assert u[1].abs().max() < 1e-30
    assert grad.isfinite().all()
    assert unit_rows(torch.zeros(3, 0)).shape == (3, 0)
    assert unit_rows(torch.full((1, 2), torch.nan)).isnan().all()
