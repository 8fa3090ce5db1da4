"""Rows of new nodes, against the formula as a dense double loop in float64."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from gcl.transforms import AddPropagated, propagate_new


def looped(x, rows, degree, links, weight, hops):
    """The formula, link by link and hop by hop, old rows fixed."""
    (m, f), found = x.shape, [x.copy()]
    own = np.ones(m)
    for (_, v), w in zip(links.T, weight, strict=True):
        own[v] += w
    for k in range(1, hops + 1):
        new = np.zeros((m, f))
        for v in range(m):
            new[v] = found[-1][v] / own[v]
            for (u, to), w in zip(links.T, weight, strict=True):
                if to == v:
                    old = rows[u, (k - 1) * f : k * f]
                    new[v] += w * old / ((degree[u] + 1) * own[v]) ** 0.5
        found.append(new)
    return np.concatenate(found, axis=1)


@pytest.mark.parametrize("hops", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_formula(hops, weighted):
    generator = torch.Generator().manual_seed(0)
    data = Data(x=torch.randn(40, 4, generator=generator, dtype=torch.float64),
                edge_index=torch.randint(40, (2, 200), generator=generator))  # fmt: skip
    data.edge_index = data.edge_index[:, data.edge_index[0] != data.edge_index[1]]
    degree = torch.bincount(data.edge_index[1], minlength=40)
    rows = AddPropagated(hops, "concat")(data).x
    x = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    links = torch.stack([torch.randint(40, (7,), generator=generator),
                         torch.tensor([0, 0, 2, 2, 2, 0, 0])])  # node 1 has none  # fmt: skip
    weight = torch.rand(7, generator=generator, dtype=torch.float64) if weighted else None
    found = propagate_new(x, rows, degree, links, weight, hops=hops)
    expected = looped(x.numpy(), rows.numpy(), degree.numpy(), links.numpy(),
                      np.ones(7) if weight is None else weight.numpy(), hops)  # fmt: skip
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


def test_exact_where_old_nodes_do_not_see_the_new_one():
    generator = torch.Generator().manual_seed(1)
    data = Data(x=torch.randn(30, 3, generator=generator, dtype=torch.float64),
                edge_index=torch.randint(30, (2, 90), generator=generator))  # fmt: skip
    data.edge_index = data.edge_index[:, data.edge_index[0] != data.edge_index[1]]
    new = torch.randn(1, 3, generator=generator, dtype=torch.float64)
    near = torch.tensor([4, 9, 11])
    # directed: the new node is reached, and reaches nobody
    grown = Data(x=torch.cat([data.x, new]), edge_index=torch.cat(
        [data.edge_index, torch.stack([near, torch.full((3,), 30)])], dim=1))  # fmt: skip
    expected = AddPropagated(2, "concat")(grown).x[30:]
    degree = torch.bincount(data.edge_index[1], minlength=30)
    rows = AddPropagated(2, "concat")(data).x
    links = torch.stack([torch.arange(3), torch.zeros(3, dtype=torch.long)])
    found = propagate_new(new, rows[near], degree[near], links, hops=2)
    torch.testing.assert_close(found, expected)


ROWS, DEGREE, LINKS = torch.ones(2, 6), torch.ones(2), torch.zeros(2, 1).long()


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"hops": 0}, ValueError, "hops must be at least 1"),
        ({"x": torch.ones(3)}, ValueError, "x: expected the shape"),
        ({"rows": torch.ones(2, 5)}, ValueError, "made for 6 features"),
        ({"degree": torch.ones(3)}, ValueError, r"degree must be \[2\]"),
        ({"degree": -DEGREE}, ValueError, "degree must be at least 0"),
        ({"links": LINKS.float()}, TypeError, "links must be whole numbers"),
        ({"links": LINKS + 1}, ValueError, r"new nodes in \[0, 1\)"),
        ({"links": LINKS - 1}, ValueError, r"rows in \[0, 2\)"),
        ({"edge_weight": torch.ones(2)}, ValueError, "one row per edge"),
        ({"edge_weight": -torch.ones(1)}, ValueError, "edge_weight must be at least 0"),
    ],
)
def test_what_is_refused(changed, error, message):
    given = {"x": torch.ones(1, 2), "rows": ROWS, "degree": DEGREE, "links": LINKS, "hops": 2}
    with pytest.raises(error, match=rf"^propagate_new: .*{message}"):
        propagate_new(**{**given, **changed})
