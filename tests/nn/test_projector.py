"""The projection head, and its form for losses of inner products."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

import gcl
from gcl.nn import projector


def heads(dtype=torch.float64):
    torch.manual_seed(0)
    plain = projector(12, 3).to(dtype)
    narrow = projector(12, 3, inner_products=True).to(dtype)
    narrow.load_state_dict(plain.state_dict())
    return plain, narrow


def test_inner_products_are_those_of_the_plain_head():
    plain, narrow = heads()
    x = torch.randn(7, 12, dtype=torch.float64)
    h, short = plain(x), narrow(x)
    assert short.shape == (7, 4)
    torch.testing.assert_close(short @ short.t(), h @ h.t(), rtol=1e-12, atol=1e-12)


def test_gradients_are_those_of_the_plain_head():
    grads = []
    for head in heads():
        torch.manual_seed(1)
        x = torch.randn(7, 12, dtype=torch.float64, requires_grad=True)
        unit = normalize(head(x))
        # Written out here: no loss of the package takes part.
        spread = (unit @ unit.t() / 0.3).fill_diagonal_(-9.0).logsumexp(1).mean()
        (spread - unit[0] @ unit[1]).backward()
        grads.append([x.grad, *(p.grad for p in head.parameters())])
    for plain, narrow in zip(*grads, strict=True):
        assert plain.abs().max() > 1e-4
        torch.testing.assert_close(narrow, plain, rtol=1e-9, atol=1e-12)


def test_a_head_without_full_rank_still_keeps_inner_products():
    plain, narrow = heads()
    with torch.no_grad():
        for head in (plain, narrow):
            head.lins[1].weight[:, 1] = head.lins[1].weight[:, 0]
            head.lins[1].bias.zero_()
    x = torch.randn(7, 12, dtype=torch.float64)
    torch.testing.assert_close(narrow(x) @ narrow(x).t(), plain(x) @ plain(x).t())


@pytest.mark.parametrize(("hidden", "columns"), [(64, 65), (254, 255), (255, 256), (300, 256)])
def test_the_narrow_form_is_taken_only_where_it_has_fewer_columns(hidden, columns):
    head = projector(256, hidden, inner_products=True)
    assert head(torch.randn(2, 256)).shape[1] == columns
    assert projector(256, hidden)(torch.randn(2, 256)).shape[1] == 256


def test_a_recipe_trains_alike_with_either_head():
    data = gcl.datasets.load("karate")
    losses = []
    for inner_products in (False, True):
        torch.manual_seed(0)
        method = gcl.methods.grace(data, hidden=16, proj=4)
        head = projector(16, 4, inner_products=inner_products)
        head.load_state_dict(method.projector.state_dict())
        method.projector = head
        torch.manual_seed(1)
        losses.append([row["loss"] for row in gcl.fit(method, data, epochs=20, lr=1e-2).history])
    assert losses[0][0] - losses[0][-1] > 0.1
    torch.testing.assert_close(torch.tensor(losses[1]), torch.tensor(losses[0]), rtol=1e-3, atol=0)


def test_a_width_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        projector(8, 0)


def test_a_norm_stands_before_the_activation_in_both_forms():
    torch.manual_seed(0)
    plain = projector(12, 3, norm="batch").double()
    narrow = projector(12, 3, norm="batch", inner_products=True).double()
    narrow.load_state_dict(plain.state_dict())
    x = torch.randn(7, 12, dtype=torch.float64)
    first, last = plain.lins
    a = first(x)
    a = (a - a.mean(0)) / (a.var(0, unbiased=False) + 1e-5).sqrt()
    h = last(torch.nn.functional.elu(a))
    torch.testing.assert_close(plain(x), h)
    short = narrow(x)
    assert short.shape == (7, 4)
    torch.testing.assert_close(short @ short.t(), h @ h.t())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("rows", [0, 1])
def test_a_norm_inside_takes_any_number_of_rows(norm, rows):
    assert projector(8, 4, norm=norm)(torch.randn(rows, 8)).isfinite().all()


def test_an_unknown_norm_is_told():
    with pytest.raises(ValueError, match=r"^projector: unknown norm .bach."):
        projector(8, 4, norm="bach")
