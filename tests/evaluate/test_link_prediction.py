"""Link prediction against double loops and scikit-learn, and what it may look at."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import normalize
from torch_geometric.data import Data, HeteroData

import gcl
from gcl.evaluate import EdgeSplit, compare, edge_split, link_prediction, link_prediction_runs


@pytest.fixture(scope="module")
def split():
    return edge_split(gcl.datasets.sbm(num_nodes=200, degree=8), 0.1, 0.2)


def rows(num_nodes, width=6, levels=0):
    """Random rows; with `levels`, of few whole numbers, so that scores tie."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(num_nodes, width, generator=generator, dtype=torch.float64)
    return z.mul(levels).round() if levels else z


def loop(z, positive, negative, k):
    """The definitions, pair by pair; ties by the mean over all their orders."""
    z = z.tolist()

    def scores(pairs):
        return [math.fsum(a * b for a, b in zip(z[u], z[v], strict=True)) for u, v in pairs]

    positive, negative = (scores(part.T.tolist()) for part in (positive, negative))
    auc = hits = mrr = 0.0
    for s in positive:
        above, equal = sum(t > s for t in negative), sum(t == s for t in negative)
        auc += (len(negative) - above - equal) + equal / 2
        ranks = [above + 1 + i for i in range(equal + 1)]
        hits += sum(rank <= k for rank in ranks) / len(ranks)
        mrr += sum(1 / rank for rank in ranks) / len(ranks)
    ap = 0.0
    for s in positive:  # each link gains 1 / P of recall at the precision of its score
        right = sum(t >= s for t in positive)
        ap += right / (right + sum(t >= s for t in negative))
    count = len(positive)
    return {
        "auc": auc / count / len(negative),
        "ap": ap / count,
        f"hits@{k}": hits / count,
        "mrr": mrr / count,
    }


@pytest.mark.parametrize("levels", [0, 1])
def test_double_loop(split, levels):
    z = rows(200, levels=levels)
    found = link_prediction(z, split, decoder="dot", ks=[3])
    for name, value in loop(z, split.test, split.test_neg, 3).items():
        assert found[name] == pytest.approx(value, rel=1e-12)
    assert found["val_auc"] == pytest.approx(loop(z, split.val, split.val_neg, 3)["auc"])
    unit = z / z.norm(dim=1, keepdim=True).clamp(min=1e-12)
    cosine = link_prediction(z, split)
    if not levels:  # rounding decides between equal cosines
        for name, value in loop(unit, split.test, split.test_neg, 10).items():
            assert cosine[name] == pytest.approx(value, rel=1e-12)


def test_logistic_equals_scikit_learn(split):
    z, Cs = rows(200) + rows(200, levels=1), [1e-3, 0.1, 10.0]
    unit = normalize(z.numpy())
    parts = {}
    for part in ("train", "val", "test"):
        positive, negative = getattr(split, part), getattr(split, f"{part}_neg")
        pairs = torch.cat([positive, negative], 1).numpy()
        labels = np.repeat([1, 0], [positive.shape[1], negative.shape[1]])
        parts[part] = unit[pairs[0]] * unit[pairs[1]], labels
    scale = np.sqrt(parts["train"][0].var(0).mean())
    models = [
        LogisticRegression(C=c, tol=1e-10, max_iter=9999).fit(
            parts["train"][0] / scale, parts["train"][1]
        )
        for c in Cs
    ]

    def auc(model, part):
        return roc_auc_score(parts[part][1], model.decision_function(parts[part][0] / scale))

    best = max(models, key=lambda model: auc(model, "val"))
    found = link_prediction(z, split, decoder="logistic", Cs=Cs)
    assert found.per_run["C"] == [best.C]
    assert found["auc"] == pytest.approx(auc(best, "test"), abs=2e-3)
    assert found["val_auc"] == pytest.approx(auc(best, "val"), abs=4e-3)
    assert "C of 3 on validation" in found.protocol


def test_perfect_collapsed_and_random():
    """Two cliques: knowing them is everything, a constant is exactly chance."""
    edges = torch.combinations(torch.arange(40)).T
    cliques = Data(edge_index=torch.cat([edges, edges + 40], 1), num_nodes=80)
    split = edge_split(cliques, 0.1, 0.3)
    count = split.test_neg.shape[1]
    perfect = torch.eye(2).repeat_interleave(40, 0)
    for decoder in ("dot", "cosine", "logistic"):
        best = link_prediction(perfect, split, decoder=decoder)
        assert all(best[name] == 1 for name in ("auc", "ap", "hits@10", "mrr", "val_auc"))
        for constant in (torch.ones(80, 3), torch.zeros(80, 3)):
            chance = link_prediction(constant, split, decoder=decoder)
            assert chance["auc"] == chance["ap"] == 0.5
            assert chance["hits@10"] == pytest.approx(10 / (count + 1))
            expected = sum(1 / rank for rank in range(1, count + 2)) / (count + 1)
            assert chance["mrr"] == pytest.approx(expected)
        # Under chance the deviation of the AUC is sqrt((P + M + 1) / (12 P M)) = 0.019.
        z = torch.randn(80, 16, generator=torch.Generator().manual_seed(1))
        assert abs(link_prediction(z, split, decoder=decoder)["auc"] - 0.5) < 0.08
    worst = link_prediction(perfect - perfect.flip(1), swapped(split))
    assert worst["auc"] == worst["hits@10"] == 0


def swapped(split):
    """The same pairs with links and negatives exchanged."""
    negatives = {part: getattr(split, f"{part}_neg") for part in ("train", "val", "test")}
    links = {f"{part}_neg": getattr(split, part) for part in negatives}
    return EdgeSplit(
        "swapped", Data(edge_index=split.train_neg, num_nodes=80), **negatives, **links
    )


@pytest.mark.parametrize("decoder", ["cosine", "logistic"])
def test_the_test_part_decides_nothing(split, decoder):
    """Other test pairs change the test numbers, and no other."""
    z = rows(200)
    half = split.test.shape[1] // 2
    other = EdgeSplit(
        "other", split.data, split.train, split.val, split.test[:, :half], split.train_neg,
        split.val_neg, split.test_neg[:, :half],
    )  # fmt: skip
    one, two = (link_prediction(z, s, decoder=decoder) for s in (split, other))
    assert one["auc"] != two["auc"]
    assert one["val_auc"] == two["val_auc"]
    assert one.per_run == two.per_run


def test_dense_sparse_and_array_agree(split):
    z = rows(200).float() * (rows(200) > 0.3)
    for decoder in ("dot", "cosine", "logistic"):
        first, *others = (
            link_prediction(form, split, decoder=decoder)
            for form in (z, z.numpy(), sp.csr_matrix(z.numpy()), z.to_sparse_coo(), z.double())
        )
        for other in others:
            assert other == pytest.approx(first, abs=1e-3)


def test_chunks_and_samples(split, monkeypatch):
    z = rows(200)
    whole = link_prediction(z, split, decoder="logistic")
    monkeypatch.setitem(link_prediction.__globals__, "CHUNK", 50)
    assert link_prediction(z, split, decoder="logistic") == pytest.approx(whole, abs=1e-9)
    links = split.train.shape[1]
    monkeypatch.setitem(link_prediction.__globals__, "BUDGET", links * 6)  # half of the pairs
    state = torch.get_rng_state()
    half = link_prediction(z, split, decoder="logistic")
    assert torch.equal(state, torch.get_rng_state())
    assert half == link_prediction(z, split, decoder="logistic")
    assert f"fitted to {links // 2 * 2} of {2 * links} pairs" in half.protocol


def test_without_validation_and_with_few_negatives():
    split = edge_split(gcl.datasets.load("karate"), 0, 0.1)
    z = rows(34)
    found = link_prediction(z, split, ks=[2, 8, 9])
    assert list(found) == ["auc", "ap", "hits@2", "hits@8", "mrr"]  # any rank is among the first 9
    assert found.protocol == "links-90-10: 70/0/8 links and 70/0/8 negatives, cosine"
    one = link_prediction(z, split, decoder="logistic", Cs=[0.5])
    assert one.per_run["C"] == [0.5]
    assert one.protocol.endswith("products of l2 rows, C 0.5")
    with pytest.raises(ValueError, match="needs validation links"):
        link_prediction(z, split, decoder="logistic")


def test_runs_train_on_the_links_that_are_shown():
    data = gcl.datasets.sbm(num_nodes=60, degree=6)
    seen = []

    def train(shown, seed):
        seen.append((seed, shown))
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(60, 4, generator=generator)

    state = torch.get_rng_state()
    total = link_prediction_runs(train, data, 3, val=0.1, test=0.2, negatives=2, decoder="logistic")
    assert torch.equal(state, torch.get_rng_state())
    single = []
    for seed, (told, shown) in enumerate(seen[:]):
        split = edge_split(data, 0.1, 0.2, negatives=2, seed=seed)
        assert told == seed
        assert torch.equal(shown.edge_index, split.data.edge_index)
        single.append(link_prediction(train(shown, seed), split, decoder="logistic"))
    for name in ("auc", "ap", "hits@10", "mrr", "val_auc"):
        values = [result[name] for result in single]
        assert total.per_run[name] == values
        assert total[name] == pytest.approx(np.mean(values))
        assert total[f"{name}_std"] == pytest.approx(np.std(values))
    assert total.per_run["C"] == [result.per_run["C"][0] for result in single]
    assert total.protocol == single[0].protocol + ", 3 seeds of split and training"


def test_beside_its_baselines(split):
    results = compare(link_prediction, {"one": rows(200), "two": -rows(200)}, split, decoder="dot")
    assert results["one"] == results["two"]


def test_a_graph_of_the_size_of_pubmed():
    """No array of N x N, nor of links x negatives."""
    data = gcl.datasets.sbm(num_nodes=20_000, degree=4.5)
    split, z, sizes = edge_split(data), torch.randn(20_000, 32), []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for x in out if isinstance(out, tuple | list) else (out,):
                if isinstance(x, torch.Tensor):
                    sizes.append(x.untyped_storage().nbytes() // x.element_size())
            return out

    with Watch():
        for decoder in ("cosine", "logistic"):
            link_prediction(z, split, decoder=decoder, Cs=[0.1, 1.0])
    assert max(sizes) <= 2 * split.train.shape[1] * (32 + 1)


@pytest.mark.parametrize(
    ("z", "options", "error", "message"),
    [
        (torch.eye(199), {}, ValueError, "split is of 200 nodes"),
        (torch.zeros(200), {}, ValueError, "matrix"),
        (torch.full((200, 2), torch.nan), {}, ValueError, "NaN"),
        ("z", {}, TypeError, "str"),
        (torch.eye(200), {"decoder": "mlp"}, ValueError, "'dot', 'cosine', 'logistic'"),
        (torch.eye(200), {"ks": [0]}, ValueError, "k must be at least 1"),
        (torch.eye(200), {"Cs": [], "decoder": "logistic"}, ValueError, "Cs must be positive"),
        (torch.eye(200), {"Cs": [-1.0], "decoder": "logistic"}, ValueError, "Cs must be positive"),
    ],
)
def test_mistakes(split, z, options, error, message):
    with pytest.raises(error, match=message):
        link_prediction(z, split, **options)


def test_a_graph_is_no_split():
    with pytest.raises(TypeError, match="edge_split before training"):
        link_prediction(torch.eye(34), gcl.datasets.load("karate"))
    with pytest.raises(ValueError, match="seeds must be at least 1"):
        link_prediction_runs(lambda data, seed: data.x, gcl.datasets.load("karate"), 0)


BUYS = ("user", "buys", "item")


def shop(users=50, items=30, groups=5):
    """Everyone buys what is of the group of the user, most of it, and nothing else."""
    data = HeteroData()
    data["user"].x = torch.eye(groups)[torch.arange(users) % groups]
    data["item"].x = torch.eye(groups)[torch.arange(items) % groups]
    same = data["user"].x @ data["item"].x.T
    drawn = torch.rand(same.shape, generator=torch.Generator().manual_seed(0)) < 0.8
    data[BUYS].edge_index = (same * drawn).nonzero().T.contiguous()
    data["item", "rev_buys", "user"].edge_index = data[BUYS].edge_index.flip(0)
    return data


@pytest.mark.parametrize("levels", [0, 1])
def test_two_types_of_nodes_by_a_double_loop(levels):
    split = edge_split(shop(), 0.1, 0.2, edge_type=BUYS)
    users, items = rows(50, levels=levels), rows(80, levels=levels)[50:]
    # The loop reads one matrix: items behind the users.
    shift = torch.tensor([[0], [50]])
    found = link_prediction({"item": items, "user": users}, split, decoder="dot", ks=[3])
    joined = torch.cat([users, items])
    for name, value in loop(joined, split.test + shift, split.test_neg + shift, 3).items():
        assert found[name] == pytest.approx(value, rel=1e-12)


def test_the_sides_by_themselves_tell_nothing():
    """As one graph, knowing the side alone has an AUC of 3 / 4; as two types, of exactly 1 / 2."""
    data = shop()
    edges = data[BUYS].edge_index + torch.tensor([[0], [50]])
    one = Data(edge_index=torch.cat([edges, edges.flip(0)], 1), num_nodes=80)
    side = torch.tensor([[1.0, 0.0]] * 50 + [[0.0, 1.0]] * 30)
    with pytest.warns(UserWarning, match="all links lead from one side"):
        wrong = edge_split(one, 0.1, 0.2, negatives=3)
    # Rows of two users have the product 1, those of a user and an item 0.
    apart = 1 - link_prediction(side, wrong, decoder="dot", ks=[1])["auc"]
    same = (wrong.test_neg[0] < 50) == (wrong.test_neg[1] < 50)
    assert apart == pytest.approx((1 + float(same.double().mean())) / 2)
    assert 0.7 < apart < 0.82
    right = edge_split(data, 0.1, 0.2, edge_type=BUYS)
    for decoder in ("dot", "cosine", "logistic"):
        z = {"user": side[:50], "item": side[50:]}
        assert link_prediction(z, right, decoder=decoder)["auc"] == 0.5
        known = {kind: data[kind].x for kind in ("user", "item")}
        assert link_prediction(known, right, decoder=decoder)["auc"] > 0.9


def test_runs_over_links_between_two_types():
    seen = []

    def train(shown, seed):
        seen.append(shown)
        return {kind: shown[kind].x for kind in ("user", "item")}

    found = link_prediction_runs(train, shop(), 2, val=0.1, test=0.2, edge_type=BUYS)
    assert found["auc"] > 0.9
    assert found.protocol.startswith("links-70-10-20 of user-buys-item: ")
    counts = [shown[BUYS].edge_index.shape[1] for shown in seen]
    assert counts == [shown["item", "rev_buys", "user"].edge_index.shape[1] for shown in seen]
    assert counts[0] < shop()[BUYS].edge_index.shape[1]


@pytest.mark.parametrize(
    ("z", "error", "message"),
    [
        (torch.ones(80, 2), TypeError, "expected a mapping .* of 'user' and of 'item'"),
        ({"user": torch.ones(50, 2)}, ValueError, "expected embeddings of 'item', got those"),
        (
            {"user": torch.ones(50, 2), "item": torch.ones(50, 2)},
            ValueError,
            "the split is of 30 'item' nodes and the embeddings of 50",
        ),
        (
            {"user": torch.ones(50, 2), "item": torch.ones(30, 3)},
            ValueError,
            "of one width, got 2 for 'user' and 3 for 'item'",
        ),
    ],
)
def test_mistakes_with_two_types(z, error, message):
    split = edge_split(shop(), 0.1, 0.2, edge_type=BUYS)
    with pytest.raises(error, match=message):
        link_prediction(z, split)
