from __future__ import annotations

import subprocess
import sys

import numpy as np
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gcl.ops.sparse
from gcl.ops.sparse import csr_tensor


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 8), cols=st.integers(1, 8), seed=st.integers(0, 99))
def test_holds_the_matrix_of_scipy_and_multiplies_like_it(rows, cols, seed):
    rng = np.random.default_rng(seed)
    matrix = sp.random(rows, cols, density=0.4, format="csr", rng=rng)
    crow, col = (torch.from_numpy(a.astype(np.int64)) for a in (matrix.indptr, matrix.indices))
    tensor = csr_tensor(crow, col, torch.from_numpy(matrix.data), matrix.shape)
    assert (tensor.to_dense().numpy() == matrix.toarray()).all()
    dense = rng.standard_normal((cols, 3))
    np.testing.assert_allclose((tensor @ torch.from_numpy(dense)).numpy(), matrix @ dense)


def test_gradients_reach_the_values():
    crow, col = torch.tensor([0, 1, 3]), torch.tensor([2, 0, 1])
    values = torch.tensor([5.0, 6.0, 7.0], requires_grad=True)
    right = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    (csr_tensor(crow, col, values, (2, 3)) @ right).sum().backward()
    assert values.grad.tolist() == [11.0, 3.0, 7.0]  # row sums of `right` at col


def test_no_warning_escapes_in_a_fresh_process():
    # torch warns once a process, so only a new one can show it. The module needs torch alone.
    program = (
        "import sys, runpy, warnings, torch; warnings.simplefilter('error');"
        "csr_tensor = runpy.run_path(sys.argv[1])['csr_tensor'];"
        "index = torch.tensor([0, 1]);"
        "a = csr_tensor(index, index[:1], torch.ones(1), (1, 1));"
        "(a @ torch.ones(1, 1), a.t().to_dense(), torch.eye(2).to_sparse_csr(), a.to_sparse_csc())"
    )
    subprocess.run([sys.executable, "-c", program, gcl.ops.sparse.__file__], check=True)
