from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData

from gcl.augment import FeatureMasking


def test_whole_columns_with_the_right_frequency() -> None:
    x = torch.rand(3, 6000) + 0.5
    torch.manual_seed(0)
    view = FeatureMasking(0.3)(Data(x=x))
    gone = (view.x == 0).all(0)
    assert torch.equal(view.x[:, ~gone], x[:, ~gone])
    assert abs(int(gone.sum()) - 1800) < 4 * sqrt(6000 * 0.3 * 0.7)


def test_frequency_follows_importance() -> None:
    # By hand: mean 1.5, maximum 4.
    phi = torch.tensor([0.0, 0.5, 4.0]).repeat(5000)
    data = Data(x=torch.ones(2, 15_000), importance=phi)
    torch.manual_seed(0)
    gone = FeatureMasking(0.3, weight="importance", p_max=0.45)(data).x[0] == 0
    for value, rate in [(0.0, 0.45), (0.5, 0.3 * 3.5 / 2.5), (4.0, 0.0)]:
        hits = int(gone[phi == value].sum())
        assert abs(hits - 5000 * rate) <= 4 * sqrt(5000 * rate * (1 - rate))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_csr_is_the_dense_result_on_the_same_indices(dtype: torch.dtype) -> None:
    dense = (torch.rand(20, 30) * (torch.rand(20, 30) < 0.3)).to(dtype)
    x = dense.to_sparse_csr()
    torch.manual_seed(0)
    view = FeatureMasking(0.5)(Data(x=x))
    torch.manual_seed(0)
    expected = FeatureMasking(0.5)(Data(x=dense)).x
    assert torch.equal(view.x.to_dense(), expected)
    assert view.x.dtype == dtype
    assert view.x.crow_indices().data_ptr() == x.crow_indices().data_ptr()
    assert view.x.col_indices().data_ptr() == x.col_indices().data_ptr()
    assert torch.equal(x.to_dense(), dense)


@pytest.mark.parametrize("csr", [False, True])
def test_batch_with_importances_masks_per_graph(csr: bool) -> None:
    # Alone, each graph loses exactly its unimportant columns.
    parts = [
        Data(x=torch.ones(n, 2), edge_index=torch.empty(2, 0).long(),
             feature_importance=torch.tensor(phi))
        for n, phi in [(3, [0.0, 1.0]), (1, [9.0, 2.0]), (2, [40.0, 50.0])]
    ]  # fmt: skip
    data = Batch.from_data_list(parts)
    if csr:
        data.x = data.x.to_sparse_csr()
    x = FeatureMasking(0.5, weight="feature_importance", p_max=1.0)(data).x
    x = x.to_dense() if csr else x
    assert x.tolist() == [[0, 1]] * 3 + [[1, 0]] + [[0, 1]] * 2


def test_hetero_types_are_drawn_apart_and_may_lack_features() -> None:
    data = HeteroData()
    data["a"].x, data["b"].x = torch.ones(2, 64), torch.ones(3, 64)
    data["c"].num_nodes = 4
    torch.manual_seed(0)
    view = FeatureMasking(0.5)(data)
    assert not torch.equal(view["a"].x[0], view["b"].x[0])
    assert torch.equal(view["b"].x[0], view["b"].x[2])
    assert "x" not in view["c"]


def test_gradients_and_whole_numbers() -> None:
    x = torch.tensor([[2.0, 1.0]], requires_grad=True)
    FeatureMasking(1.0)(Data(x=x)).x.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0, 0.0]]
    assert FeatureMasking(1.0)(Data(x=torch.ones(1, 2).long())).x.tolist() == [[0, 0]]


def test_errors() -> None:
    data = Data(x=torch.ones(2, 4))
    with pytest.raises(ValueError, match="no attribute 'feature_importance'; set it"):
        FeatureMasking(0.2, weight="feature_importance")(data)
    data.feature_importance = torch.ones(3)
    with pytest.raises(ValueError, match=r"one number per column \(4\), got 3"):
        FeatureMasking(0.2, weight="feature_importance")(data)
    data.feature_importance = torch.tensor([0.0, 1.0, -torch.inf, 1.0])
    with pytest.raises(ValueError, match="infinite"):
        FeatureMasking(0.2, weight="feature_importance")(data)
