"""Everything that reads embeddings."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import HeteroData

from gcl import evaluate as E
from tests.fuzz.graphs import SOUND, edges, graphs, labels, matrices, types
from tests.fuzz.judge import Refused, judge
from tests.fuzz.options import options_of
from tests.fuzz.profiles import fuzz

FEW = st.sampled_from([1, 2])
CS = st.sampled_from([(1.0,), (0.1, 10.0), [1], [0.0], [], None])
PROTOCOLS = st.sampled_from(
    [
        "public",
        "nothing",
        E.Protocol("few", 0.3, 0.3, 2, True, "lbfgs", Cs=(0.1, 1.0)),
        E.Protocol("few", 0.3, 0.3, 2, False, "lbfgs", Cs=(1.0,)),
        E.Protocol("few", 0.5, 0.0, 1, True, "liblinear", Cs=(0.1, 1.0)),
        E.Protocol("few", 0.3, 0.3, 1, False, "adam", epochs=5, select=True),
    ]
)
OF_GRAPHS = st.sampled_from(
    [
        E.GraphProtocol("few", kind, folds=folds, runs=1, Cs=(0.1, 1.0))
        for kind in ("svm", "lr", "rbf", "rbf-raw", "kernel")
        for folds in (2, 3)
    ]
)


@st.composite
def embeddings(draw, rows=None):
    """Embeddings as they come: tensors, arrays, SciPy matrices, tensors that want gradients."""
    sound = draw(SOUND)
    n = draw(st.one_of(st.integers(1, 6), st.integers(0, 40), st.integers(20, 40)))
    z = draw(matrices(n if rows is None else rows, None, sound))
    kind = draw(st.sampled_from(["tensor", "tensor", "numpy", "scipy", "grad", "list"]))
    if kind == "grad" and z.layout == torch.strided:
        return z.requires_grad_()
    if kind in ("numpy", "scipy") and z.dtype != torch.bfloat16:
        dense = z.to_dense().numpy()
        half = dense.dtype == np.float16
        return dense if kind == "numpy" or half else sp.csr_array(dense)
    return z.to_dense().tolist() if kind == "list" and not sound else z


def rows_of(z):
    return len(z) if isinstance(z, list) else z.shape[0]


@st.composite
def splits(draw, n):
    """Splits of n nodes; None now and then."""
    if n < 2 or draw(st.integers(0, 3)) == 0:
        return None
    given_ = {
        "num_nodes": st.just(n),
        "num_splits": FEW,
        "train": st.sampled_from([0.2, 0.5]),
        "val": st.sampled_from([0.0, 0.2]),
    }
    options = draw(options_of(E.random_splits, given_))
    found = judge(lambda: E.random_splits(**options))
    return None if isinstance(found, Refused) else found


@st.composite
def masked(draw, n):
    """A graph with masks of a split, at times strange ones."""
    graph = draw(graphs(sizes=st.just(n)))
    part = torch.arange(n) % draw(st.sampled_from([1, 2, 3, 3]))
    for number, name in enumerate(("train_mask", "val_mask", "test_mask")):
        graph[name] = part == number
    if n and draw(st.integers(0, 3)) == 0:
        graph.train_mask = draw(st.sampled_from([part.float(), part, graph.train_mask[1:]]))
    return graph


def of_nodes(data, name, z, y):
    """Options of the evaluations `(z, y, *, protocol, data, splits, ...)`."""
    n = rows_of(z)
    given_ = {"z": st.just(z), "y": st.just(y), "k": st.sampled_from([1, (1, 3), [50], []]),
              "protocol": PROTOCOLS if name == "linear_probe" else
              st.sampled_from(["public", "random-10-10-80", "nothing"]),
              "splits": splits(n), "data": st.one_of(st.none(), masked(n)), "Cs": CS}  # fmt: skip
    if name == "knn":
        del given_["Cs"]
    else:
        del given_["k"]
    return data.draw(options_of(getattr(E, name), given_))


def draw_call(data, name):
    """A call of an evaluation and what it must leave alone."""
    z = data.draw(embeddings())
    n = rows_of(z)
    y = data.draw(labels(n, data.draw(SOUND)))
    part = getattr(E, name)
    both = {"z": st.just(z), "y": st.just(y)}
    if name in ("linear_probe", "knn"):
        options = of_nodes(data, name, z, y)
    elif name in ("graph_classification", "semi_supervised"):
        given_ = {**both, "protocol": OF_GRAPHS, "seeds": st.sampled_from([None, 1]), "Cs": CS}
        if name == "semi_supervised":
            given_["label_rate"] = st.sampled_from([0.1, 0.5, 1.0, 0.0])
        options = data.draw(options_of(part, given_))
    elif name == "cluster":
        options = data.draw(options_of(part, {**both, "runs": FEW, "clusters":
                            st.sampled_from([None, None, 1, 2, 100])}))  # fmt: skip
    elif name == "clusters":
        given_ = {"z": st.just(z), "k": st.sampled_from([None, 1, 3, 100]), "starts": FEW,
                  "ks": st.sampled_from([None, (2, 3), (), (1,)]),
                  "data": st.one_of(st.none(), graphs(sizes=st.just(n)))}  # fmt: skip
        options = data.draw(options_of(part, given_))
    elif name == "nearest":
        words = [f"n{i}" for i in range(n)]
        given_ = {"z": st.just(z), "ids": st.sampled_from([None, words, [1, 1]]),
                  "k": st.sampled_from([1, 3, 100]),
                  "queries": st.sampled_from([None, 0, "n0", ["n0"]])}  # fmt: skip
        options = data.draw(options_of(part, given_))
    elif name == "graph_regression":
        number = st.sampled_from([y, torch.linspace(0, 1, n), torch.full((n,), torch.nan)])
        few = E.RegressionProtocol("few", "ridge", folds=2, runs=1, strengths=(1.0, 10.0))
        given_ = {"z": st.just(z), "y": number, "seeds": st.sampled_from([None, 1]),
                  "protocol": st.sampled_from([few, few, "nothing"]),
                  "strengths": st.sampled_from([None, (1.0,), ()])}  # fmt: skip
        options = data.draw(options_of(part, given_))
    elif name == "cluster_scores":
        assignment = data.draw(labels(n, data.draw(SOUND)))
        options = data.draw(options_of(part, {"assignment": st.just(assignment), "y": st.just(y)}))
    elif name == "match_clusters":
        other = data.draw(labels(n))
        options = {"y": y, "assignment": other}
    elif name == "similarity_search":
        options = data.draw(options_of(part, {**both, "ks": st.sampled_from([(1,), (5, 10), []])}))
    elif name in ("diagnostics", "geometry"):
        given_ = {"z1": st.just(z), "z2": st.one_of(st.none(), embeddings(n))}
        if name == "diagnostics":
            given_ |= {
                "y": st.sampled_from([None, y]),
                "tau": st.sampled_from([0.05, 0.4, 0.0]),
                "edge_index": st.one_of(st.none(), edges(n)),
                "ks": st.sampled_from([(1,), (1, 50)]),
                "anchors": st.sampled_from([1, 3, 2048]),
            }
        options = data.draw(options_of(part, given_))
    elif name in ("modularity", "conductance"):
        options = {"assignment": y, "data": data.draw(graphs(sizes=st.just(n)))}
    elif name == "kmeans_clusters":
        options = data.draw(options_of(part, {"z": st.just(z), "starts": FEW, "clusters":
                            st.sampled_from([1, 2, 100])}))  # fmt: skip
    elif name == "neighbour_agreement":
        given_ = {"z1": st.just(z), "z2": embeddings(n), "k": st.sampled_from([1, 3, 50]),
                  "anchors": st.sampled_from([1, 3, 2000])}  # fmt: skip
        options = data.draw(options_of(part, given_))
    elif name == "stability":
        given_ = {"zs": st.lists(embeddings(n), max_size=3), "k": st.sampled_from([1, 3, 50]),
                  "clusters": st.sampled_from([1, 3]), "anchors": st.just(5)}  # fmt: skip
        options = data.draw(options_of(part, given_))
    elif name == "compare":
        options = {"evaluator": E.similarity_search, "embeddings": {"a": z, "b": z}, "y": y}
    elif name == "fit_logistic":
        x = data.draw(matrices(n, 3, data.draw(SOUND), sparse=False))
        mask = data.draw(st.sampled_from([None, torch.ones(2, n, dtype=torch.bool)]))
        options = {"x": x, "y": y, "mask": mask, "Cs": data.draw(CS)}
    elif name == "hetero_probe":
        graph = data.draw(types())
        target = graph["t"]
        count = graph["t"].num_nodes or 0
        for number, kind in enumerate(("train", "val", "test")):
            target[f"{kind}_mask_20"] = torch.arange(count) % 3 == number
        options = {"z": data.draw(embeddings(count)), "data": graph, "probes": 2}
    elif name == "random_splits":
        options = data.draw(options_of(part, {"num_nodes": st.sampled_from([0, 1, 5, 40])}))
    elif name == "random_splits_by_class":
        options = data.draw(
            options_of(part, {"y": st.just(y), "num_splits": st.sampled_from([1, 3])})
        )
    elif name == "default_protocol":
        options = {"data": data.draw(st.one_of(masked(n), types()))}
    elif name == "paired_test":
        numbers = st.lists(st.floats(), max_size=4)
        options = {"a": data.draw(numbers), "b": data.draw(numbers),
                   "ratio": data.draw(st.floats(-1, 9))}  # fmt: skip
    elif name == "public_split":
        options = {"data": data.draw(masked(n))}
    else:
        raise AssertionError(f"{name} has no case yet")
    return lambda: part(**options), list(options.values())


LINKS = {"edge_split", "link_prediction", "link_prediction_runs"}
# Tables and what evaluations return; their classes are drawn above or by others.
VALUES = {"GRAPH_PROTOCOLS", "HETERO_PROTOCOLS", "PROTOCOLS", "REGRESSION_PROTOCOLS", "EdgeSplit",
          "GraphProtocol", "LogisticFit", "Neighbors", "Protocol", "RegressionProtocol", "Result",
          "Splits"}  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(E.__all__) - LINKS - VALUES))
@fuzz(12)
@given(data=st.data())
def test_an_evaluation(name, data):
    call, inputs = draw_call(data, name)
    judge(call, *inputs)


@fuzz(25)
@given(data=st.data())
def test_links(data):
    graph = data.draw(st.one_of(graphs(), graphs(), types()))
    hetero = isinstance(graph, HeteroData)
    kinds = [("t", "to", "a"), ("t", "cites", "t"), ("t", "no", "a"), None]
    chosen = st.sampled_from(kinds) if hetero else st.none()
    given_ = {
        "data": st.just(graph),
        "val": st.sampled_from([0.0, 0.05, 0.3]),
        "test": st.sampled_from([0.1, 0.3]),
        "negatives": st.sampled_from([0.5, 1.0, 3.0]),
        "edge_type": chosen,
    }
    options = data.draw(options_of(E.edge_split, given_))
    split = judge(lambda: E.edge_split(**options), graph, finite=False)
    if isinstance(split, Refused):
        return
    if split.edge_type is None:
        z = data.draw(embeddings(graph.num_nodes))
    else:
        z = tuple(data.draw(embeddings(graph[kind].num_nodes)) for kind in split.edge_type[::2])
    asked = {"z": st.just(z), "split": st.just(split), "ks": st.sampled_from([(1,), (10,), []]),
             "Cs": st.sampled_from([(1.0,), (0.1, 1.0)])}  # fmt: skip
    more = data.draw(options_of(E.link_prediction, asked))
    judge(lambda: E.link_prediction(**more), graph, z)
    if not hetero and data.draw(st.booleans()):
        judge(lambda: E.link_prediction_runs(lambda g, seed: g.x, graph, 2), graph)


def test_found_sparse_rows_in_bfloat16():
    z = torch.eye(12, dtype=torch.bfloat16).to_sparse_coo()
    assert "hits@1" not in judge(lambda: E.similarity_search(z, torch.arange(12) % 2, ks=[1]), z)


@pytest.mark.parametrize(("known", "refused"), [(8, False), (4, True)])
def test_found_a_training_part_with_few_of_every_class(known, refused):
    mask = torch.arange(12)[None] < known
    splits_ = E.Splits("few", mask, torch.zeros_like(mask), ~mask)
    protocol = E.Protocol("few", None, 0.0, 1, True, "liblinear", Cs=(1.0,))
    found = judge(lambda: E.linear_probe(torch.eye(12), torch.arange(12) % 4, splits=splits_,
                                         protocol=protocol))  # fmt: skip
    assert isinstance(found, Refused) is refused


def test_found_no_classes_to_match():
    assert isinstance(judge(lambda: E.match_clusters(None, [0, 1])), Refused)


def test_found_test_nodes_of_one_class():
    graph = HeteroData()
    graph["t"].y = torch.tensor([0, 1, 0, 1, 0, 0])
    for number, kind in enumerate(("train", "val", "test")):
        graph["t"][f"{kind}_mask_20"] = torch.arange(6) // 2 == number
    found = judge(lambda: E.hetero_probe(torch.eye(6), graph, probes=1), graph)
    assert isinstance(found, Refused)


def test_found_embeddings_that_collapsed():
    z = torch.ones(12, 3)
    assert judge(lambda: E.cluster(z, torch.arange(12) % 2, runs=1), z)["nmi"] == 0


def test_found_a_class_with_one_graph_a_training_part():
    protocol = E.GraphProtocol("few", "lr", folds=2, runs=1, Cs=(1.0,))
    y = torch.tensor([0, 0, 1, 1])
    found = judge(lambda: E.graph_classification(torch.eye(4), y, protocol=protocol))
    assert isinstance(found, Refused)


@pytest.mark.parametrize("options", [{"edge_type": 3}, {"edge_type": ("t", "to", "a"), "hide": 3}])
def test_found_numbers_for_edge_types(options):
    graph = HeteroData({"t": {"num_nodes": 9}, "a": {"num_nodes": 9}})
    graph["t", "to", "a"].edge_index = torch.arange(9).expand(2, 9)
    assert isinstance(judge(lambda: E.edge_split(graph, **options), graph), Refused)


def test_found_one_query_of_the_index():
    pytest.importorskip("usearch")
    z = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    ids = [f"n{i}" for i in range(20)]
    found = E.nearest(z, ids, 3, queries=["n0"], index="usearch")
    assert found.ids.tolist() == E.nearest(z, ids, 3, queries=["n0"], index="exact").ids.tolist()
    assert E.nearest(z[:4], None, 3, queries=[0], index="usearch").ids.shape == (1, 3)
