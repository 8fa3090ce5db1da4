"""Each check passes what is right, and says in one sentence what came in its place."""

import math
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.nn import GCN

from gcl.checks import (
    as_number,
    as_rate,
    check_attribute_name,
    check_choice,
    check_columns,
    check_count,
    check_encoder,
    check_fraction,
    check_node_pairs,
    check_number,
    check_pairs,
    check_positive,
    check_views,
    check_width,
)

Z, WIDE, WHOLE = torch.ones(4, 3), torch.ones(4, 5), torch.ones(4, 3).long()
PAIRS = torch.tensor([[0, 3], [1, 1]])

RIGHT = {
    "views": lambda: check_views("N", Z, Z.double()),
    "no rows": lambda: check_views("N", Z[:0], Z[:0]),
    "columns": lambda: check_columns("N", Z[:2], Z),
    "positive": lambda: check_positive("N", a=1e-9, b=3, c=torch.tensor(0.5, requires_grad=True)),
    "number": lambda: check_number("N", a=-2.5, b=0, c=np.float32(1)),
    "number from": lambda: check_number("N", least=1, a=1, b=1.5),
    "fraction": lambda: check_fraction("N", a=0, b=1, c=0.25, d=np.float64(0.5)),
    "count": lambda: check_count("N", a=1, b=np.int64(7)),
    "count from": lambda: check_count("N", least=0, a=0),
    "choice": lambda: check_choice("N", "k", "b", ("a", "b")),
    "pairs": lambda: check_pairs("N", PAIRS, torch.tensor([0.0, 2.0]), 4),
    "pairs alone": lambda: check_pairs("N", PAIRS, None, 4),
    "no pairs": lambda: check_pairs("N", PAIRS[:, :0], torch.ones(0), 0),
    "node pairs": lambda: check_node_pairs("N", "k", PAIRS, 4),
    "no node pairs": lambda: check_node_pairs("N", "k", PAIRS[:, :0], 0),
    "attribute": lambda: check_attribute_name("N", "edge_weight"),
    "encoder": lambda: check_encoder("N", GCN(3, 4, 2)),
    "function": lambda: check_encoder("N", lambda x, edges, weight: x, width=False),
    "width": lambda: check_width("N", Z, 3),
    "width of sparse": lambda: check_width("N", Z.to_sparse_csr(), 3),
    "no attribute": lambda: check_attribute_name("N", None),
}
WRONG = [
    (lambda: check_views("N", Z, WHOLE), TypeError,
     "N: expected floating-point tensors [n, d], got torch.int64."),
    (lambda: check_views("N", [1.0], Z), TypeError,
     "N: expected floating-point tensors [n, d], got list."),
    (lambda: check_views("N", Z, WIDE), ValueError,
     "N: expected two matrices of one shape [n, d], got [4, 3] and [4, 5]; row i of both must be "
     "the same node."),
    (lambda: check_views("N", Z[0], Z[0]), ValueError,
     "N: expected two matrices of one shape [n, d], got [3] and [3]; row i of both must be the "
     "same node."),
    (lambda: check_views("N", Z, Z.numpy()), TypeError,
     "N: expected floating-point tensors [n, d], got ndarray; use torch.from_numpy(z)."),
    (lambda: check_views("N", Z, Z.to_sparse_csr()), TypeError,
     "N: expected floating-point tensors [n, d], got torch.sparse_csr; use z.to_dense()."),
    (lambda: check_columns("N", Z, WHOLE), TypeError,
     "N: expected floating-point tensors, got torch.int64."),
    (lambda: check_columns("N", Z, WIDE), ValueError,
     "N: expected matrices [n, d] and [m, d] of one width, got [4, 3] and [4, 5]."),
    (lambda: check_columns("N", Z, Z[0]), ValueError,
     "N: expected matrices [n, d] and [m, d] of one width, got [4, 3] and [3]."),
    (lambda: check_positive("N", a=1, b=0), ValueError,
     "N: b must be a number above 0, got 0."),
    (lambda: check_positive("N", a=math.inf), ValueError,
     "N: a must be a number above 0, got inf."),
    (lambda: check_positive("N", a=torch.tensor(math.nan)), ValueError,
     "N: a must be a number above 0, got nan."),
    (lambda: check_positive("N", a="0.4"), TypeError, "N: a must be a number, got '0.4'."),
    (lambda: check_positive("N", a=None), TypeError, "N: a must be a number, got None."),
    (lambda: check_positive("N", a=Z), TypeError, "N: a must be a number, got a Tensor."),
    (lambda: check_number("N", a=float), TypeError, "N: a must be a number, got the class float."),
    (lambda: check_number("N", a="1"), TypeError, "N: a must be a number, got '1'."),
    (lambda: check_number("N", a=True), TypeError, "N: a must be a number, got True."),
    (lambda: check_number("N", a=math.nan), ValueError, "N: a must be finite, got nan."),
    (lambda: check_number("N", least=0.5, a=0.25), ValueError,
     "N: a must be at least 0.5, got 0.25."),
    (lambda: check_fraction("N", p=1.5), ValueError, "N: p must lie in [0, 1], got 1.5."),
    (lambda: check_fraction("N", p=math.nan), ValueError, "N: p must lie in [0, 1], got nan."),
    (lambda: check_fraction("N", p=None), TypeError, "N: p must be a number, got None."),
    (lambda: check_count("N", k=2.0), TypeError, "N: k must be a whole number, got 2.0."),
    (lambda: check_count("N", k=True), TypeError, "N: k must be a whole number, got True."),
    (lambda: check_count("N", least=2, k=1), ValueError, "N: k must be at least 2, got 1."),
    (lambda: check_choice("N", "k", "c", ("a", "b")), ValueError,
     "N: k must be one of 'a', 'b', got 'c'."),
    (lambda: check_pairs("N", [[0], [1]], None, 4), TypeError,
     "N: pos_edge_index must be a tensor, got list."),
    (lambda: check_pairs("N", PAIRS, [1.0, 1.0], 4), TypeError,
     "N: pos_weight must be a tensor, got list."),
    (lambda: check_pairs("N", PAIRS.int(), None, 4), TypeError,
     "N: pos_edge_index must hold int64 positions, got torch.int32."),
    (lambda: check_pairs("N", PAIRS.view(4), None, 4), ValueError,
     "N: pos_edge_index must be [2, P], got [4]."),
    (lambda: check_pairs("N", PAIRS, None, 3), ValueError,
     "N: pos_edge_index must lie in [0, 3), got values from 0 to 3."),
    (lambda: check_pairs("N", PAIRS, torch.ones(3), 4), ValueError,
     "N: pos_weight must hold 2 finite numbers >= 0, one a pair."),
    (lambda: check_pairs("N", PAIRS, torch.tensor([1.0, -1.0]), 4), ValueError,
     "N: pos_weight must hold 2 finite numbers >= 0, one a pair."),
    (lambda: check_pairs("N", PAIRS, torch.tensor([1.0, math.inf]), 4), ValueError,
     "N: pos_weight must hold 2 finite numbers >= 0, one a pair."),
    (lambda: check_node_pairs("N", "k", [[0], [1]], 4), TypeError,
     "N: k must be a tensor of int64, got list."),
    (lambda: check_node_pairs("N", "k", PAIRS.float(), 4), TypeError,
     "N: k must be a tensor of int64, got torch.float32."),
    (lambda: check_node_pairs("N", "k", PAIRS[0], 4), ValueError, "N: k must be [2, e], got [2]."),
    (lambda: check_node_pairs("N", "k", PAIRS - 1, 4), ValueError,
     "N: k must lie in [0, 4), got values from -1 to 2."),
    (lambda: check_attribute_name("N", Z), TypeError,
     "N: weight must be the name of an attribute of the data or None, got Tensor; store the tensor "
     "on the data and pass its name."),
    (lambda: check_encoder("N", GCN), TypeError,
     "N: encoder must be an object, got the class GCN; make one: GCN(...)."),
    (lambda: check_encoder("N", "gcn"), TypeError,
     "N: encoder must be a module (x, edge_index, edge_weight) -> [n, out_channels], got 'gcn'."),
    (lambda: check_encoder("N", nn.Linear(3, 4)), TypeError,
     "N: encoder must take (x, edge_index, edge_weight), but Linear takes (input); wrap it in a "
     "module that does."),
    (lambda: check_encoder("N", lambda x, edges, weight: x), TypeError,
     "N: encoder must tell the width of its embeddings as out_channels, but that of function is "
     "None; set encoder.out_channels to the number of columns."),
    (lambda: check_width("N", Z, 5), ValueError,
     "N: made for 5 features a node, but x is [4, 3]; give features as it was made for, or make it "
     "for these."),
    (lambda: check_width("N", Z[0], 3, "data.x"), ValueError,
     "N: made for 3 features a node, but data.x is [3]; give features as it was made for, or make "
     "it for these."),
    (lambda: check_width("N", None, 3), TypeError, "N: x must be a tensor [n, 3], got None."),
    (lambda: as_rate("N", "p", "0.3"), TypeError, "N: p must be a number, got '0.3'."),
    (lambda: as_rate("N", "p", -0.5), ValueError, "N: p must lie in [0, 1], got -0.5."),
]  # fmt: skip


@pytest.mark.parametrize("check", RIGHT.values(), ids=RIGHT)
def test_what_is_right_passes(check):
    assert check() is None


@pytest.mark.parametrize(("check", "error", "sentence"), WRONG, ids=[s for *_, s in WRONG])
def test_what_is_wrong_is_named(check, error, sentence):
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        check()


def test_a_rate_is_a_number_or_the_name_of_an_attribute():
    assert as_rate("N", "p", "drop_rate") == "drop_rate"
    rate = as_rate("N", "p", 1)
    assert (rate, type(rate)) == (1.0, float)


def test_numbers_of_parameters():
    value = as_number(torch.nn.Parameter(torch.tensor(0.5)))
    assert (value, type(value)) == (0.5, float)
    assert as_number(3) == 3.0
