"""AddSoftPositives against scikit-learn's nearest neighbours."""

import pickle

import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestNeighbors
from torch_geometric.data import Batch, Data, HeteroData

from gcl.transforms import ToSparseFeatures
from gcl.transforms import add_soft_positives as module
from gcl.transforms.add_soft_positives import AddSoftPositives


def features(n=40, f=6, seed=0):
    return torch.randn(n, f, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def as_dict(data):
    pairs = [tuple(p) for p in data.pos_edge_index.t().tolist()]
    assert len(set(pairs)) == len(pairs) == len(data.pos_weight)
    return dict(zip(pairs, data.pos_weight.tolist(), strict=True))


def oracle(x, k, power):
    nearest = NearestNeighbors(n_neighbors=k + 1, metric="cosine", algorithm="brute").fit(x)
    distance, index = nearest.kneighbors(x)
    out = {(i, i): 1.0 for i in range(len(x))}
    for i, (ds, js) in enumerate(zip(distance, index, strict=True)):
        for d, j in zip(ds, js, strict=True):
            if j != i and d < 1:
                out[i, int(j)] = (1 - d) ** power
    return out


@pytest.mark.parametrize("chunk", [1 << 24, 100])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(("k", "power"), [(3, 2.0), (25, 1.0), (39, 3.5)])
def test_nearest_neighbours(k, power, sparse, chunk, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", chunk)
    x = features()
    x[x.abs() < 0.4] = 0
    data = Data(x=x.to_sparse_csr() if sparse else x)
    out = AddSoftPositives(k, power)(data)
    expected = oracle(x.numpy(), k, power)
    found = as_dict(out)
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, rel=1e-9)
    assert "pos_edge_index" not in data
    first, weight = out.pos_edge_index[0], out.pos_weight
    assert (first.diff() >= 0).all()
    assert (weight.diff()[first.diff() == 0] <= 1e-12).all()
    assert out.num_nodes == 40


@pytest.mark.parametrize("sparse", [False, True])
def test_zero_rows_have_only_themselves_and_equal_rows_weigh_one(sparse):
    x = torch.tensor([[0.0, 0.0], [3.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 5.0]])
    data = Data(x=x.to_sparse_csr() if sparse else x)
    out = AddSoftPositives(k=10)(data)
    expected = {(i, i): 1.0 for i in range(5)} | {(1, 2): 1.0, (2, 1): 1.0}
    assert as_dict(out) == pytest.approx(expected)
    assert out.pos_weight.max() <= 1


def test_other_attributes_types_and_devices_of_numbers():
    x = features(12)
    data = Data(x=torch.zeros(12, 1), p=x.bfloat16())
    out = AddSoftPositives(4, attr="p")(data)
    assert out.pos_weight.dtype == torch.float32
    exact = cosine_similarity(x.bfloat16().float().numpy())
    for (i, j), w in as_dict(out).items():
        assert w == pytest.approx(exact[i, j] ** 2, abs=1e-6)
    counts = torch.tensor([[1, 0], [1, 1]])
    assert AddSoftPositives()(Data(x=counts)).pos_weight.tolist() == pytest.approx([1, 0.5, 1, 0.5])
    sparse = ToSparseFeatures(1.0)(Data(x=counts.float()))
    assert AddSoftPositives()(sparse).pos_weight.tolist() == pytest.approx([1, 0.5, 1, 0.5])


def test_batches_shift_the_positions():
    parts = [AddSoftPositives(2)(Data(x=features(n, seed=n))) for n in (5, 7)]
    batch = Batch.from_data_list(parts)
    size = parts[0].pos_edge_index.shape[1]
    assert torch.equal(batch.pos_edge_index[:, size:], parts[1].pos_edge_index + 5)
    assert len(batch.pos_weight) == batch.pos_edge_index.shape[1]


def test_node_types_on_their_own():
    data = HeteroData()
    data["paper"].x, data["author"].num_nodes = features(6), 3
    data["paper", "by", "author"].edge_index = torch.tensor([[0, 5], [2, 0]])
    out = AddSoftPositives(2)(data)
    alone = AddSoftPositives(2)(Data(x=features(6)))
    assert torch.equal(out["paper"].pos_edge_index, alone.pos_edge_index)
    assert "pos_weight" not in out["author"]


def test_few_nodes_and_bad_input():
    assert as_dict(AddSoftPositives()(Data(x=torch.ones(1, 2)))) == {(0, 0): 1.0}
    assert AddSoftPositives()(Data(x=torch.ones(0, 2))).pos_edge_index.shape == (2, 0)
    with pytest.raises(ValueError, match="no attribute 'x'"):
        AddSoftPositives()(Data(num_nodes=3))
    with pytest.raises(ValueError, match=r"x must be \[n, f\], got \[3\]"):
        AddSoftPositives()(Data(x=torch.ones(3)))
    with pytest.raises(ValueError, match="power must be a number above 0"):
        AddSoftPositives(power=0)
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        AddSoftPositives(0)
    with pytest.raises(TypeError, match=r"k must be a whole number, got 2\.5"):
        AddSoftPositives(2.5)


def test_repr_pickle_and_the_same_twice():
    transform = AddSoftPositives(3, 4.0, "p")
    assert repr(pickle.loads(pickle.dumps(transform))) == repr(transform)
    assert repr(transform) == "AddSoftPositives(k=3, power=4.0, attr='p')"
    data = Data(p=(features(50) > 0.5).float())  # many ties
    first, second = transform(data), transform(data)
    assert torch.equal(first.pos_edge_index, second.pos_edge_index)
