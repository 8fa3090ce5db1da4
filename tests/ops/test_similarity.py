"""How rows compare, against torch's own functions."""

import torch

from gcl.ops.similarity import unit_rows


def test_unit_rows_pass_finite_gradients_at_zero():
    z = torch.tensor([[3.0, 4.0], [0.0, 0.0]], requires_grad=True)
    unit = unit_rows(z)
    assert torch.allclose(unit, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    unit.sum().backward()
    # Row one: the projection of (1, 1) orthogonal to (3, 4), divided by 5.
    assert torch.allclose(z.grad[0], torch.tensor([0.032, -0.024]), atol=1e-6)
    assert z.grad[1].isfinite().all()
