"""Every option of every public part with every wrong value: an answer, or one sentence of ours."""

import inspect

import pytest
import torch
from torch_geometric.data import Batch

import gcl
from gcl import augment, evaluate, losses, nn, transforms
from gcl.methods import recipes, variants
from tests.fuzz.judge import Refused, judge
from tests.fuzz.options import LEFT, WRONG


def masked(graph):
    """The graph with the masks of a split."""
    graph = graph.clone()
    for number, name in enumerate(("train_mask", "val_mask", "test_mask")):
        graph[name] = torch.arange(graph.num_nodes) % 3 == number
    return graph


N = 60
GRAPH = gcl.datasets.sbm(N, 3, num_features=6)
GRAPHS = Batch.from_data_list(
    [gcl.datasets.sbm(20, 2, num_features=6, degree=4, seed=seed) for seed in range(4)]
)
PATHS = transforms.AddMetaPaths([["paper", "author", "paper"]])
TYPES = PATHS(gcl.datasets.hetero_sbm(N, num_authors=60, num_subjects=6))
Z = torch.randn(N, 6, generator=torch.Generator().manual_seed(0))
PATH = torch.stack([torch.arange(N - 1), torch.arange(1, N)])
DATA = {
    **dict.fromkeys(("graphcl", "infograph", "mvgrl_graph", "simgrace"), GRAPHS),
    **dict.fromkeys(("adameow", "heco", "meow"), TYPES),
}
SMALL = {"hidden": 4, "proj": 4, "num_layers": 1, "dim": 2, "pretrain_epochs": 1, "restarts": 1}
# Arguments without a default, by name.
NEEDED = {
    "alpha": 0.15,
    "assignment": GRAPH.y,
    "augmentations": [augment.EdgeDropping(0.3)],
    "channels": 4,
    "clusters": 3,
    "data": GRAPH,
    "hidden": 4,
    "hidden_channels": 4,
    "hops": 2,
    "in_channels": 6,
    "k": 3,
    "labels": GRAPH.y,
    "length": 3,
    "loss": losses.InfoNCE(0.4),
    "meta_paths": [["paper", "author", "paper"]],
    "negatives": losses.RandomNegatives(2),
    "num": 3,
    "num_layers": 1,
    "num_nodes": N,
    "out_channels": 4,
    "p": 0.3,
    "pairs": PATH,
    "prototypes": 4,
    "ratio": 0.5,
    "size": 4,
    "synthetic": 3,
    "tau": 0.4,
    "threshold": 0.7,
    "y": GRAPH.y,
    "z": Z,
    "z1": Z,
    "z2": Z + 0.1,
}
# Where a name means something else.
OWN = {
    "AddHeCoPositives": {"threshold": 3},
    "AddDiffusion": {"topk": 4},
    "MetaNodeNegatives": {"clusters": 3},
    "cluster_pairs": {"labels": GRAPH.y[None]},
    "PPRDiffusion": {"topk": 4},
    "public_split": {"data": masked(GRAPH)},
}
FEW = evaluate.GraphProtocol("few", "lr", folds=2, runs=1, Cs=(1.0,))
PROTOCOLS = {
    "graph_classification": FEW,
    "graph_regression": evaluate.RegressionProtocol(
        "few", "ridge", folds=2, runs=1, strengths=(1.0,)
    ),
    "cluster": "last",
    "cluster_scores": "last",
    "linear_probe": evaluate.Protocol("few", 0.3, 0.3, 1, True, "lbfgs", Cs=(1.0,)),
    "semi_supervised": FEW,
}
# What torch or dataclasses ask for; what a test of its own has.
OTHERS = {"PReLU", "EdgeSplit", "LogisticFit", "Neighbors", "Result", "Splits", "hetero_probe"}


def options_of(part):
    """The parameters that may be given by name, and values of those that must be."""
    free = [
        parameter
        for name, parameter in inspect.signature(part).parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and name not in LEFT
    ]
    needed = [p.name for p in free if p.default is p.empty]
    if not all(name in NEEDED or name == "protocol" for name in needed):
        return [p.name for p in free], None
    values = {n: NEEDED.get(n) for n in needed} | OWN.get(part.__name__, {})
    return [p.name for p in free], values


def parts(module):
    """The callables of a module whose needed arguments are known here."""
    found = [n for n in module.__all__ if callable(getattr(module, n)) and n not in OTHERS]
    return [name for name in sorted(found) if options_of(getattr(module, name))[1] is not None]


def wrong_calls(part, given, left=()):
    """What comes of each option with each wrong value; findings are told at the end of it."""
    findings = []
    names, needed = options_of(part)
    right = judge(lambda: part(**{**(needed or {}), **given}))
    assert not isinstance(right, Refused), f"without a wrong one: {right.error}"
    for name in names:
        for value in WRONG if name not in left else ():
            options = {**(needed or {}), **given, name: value}
            try:
                found = judge(lambda options=options: part(**options))
            except Exception as error:  # what judge lets through is a finding, too
                findings.append(f"{name}={value!r}: {type(error).__name__}: {error}"[:300])
                continue
            if not isinstance(found, Refused):
                yield name, value, found
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize("name", sorted(recipes.__all__))
def test_a_recipe(name):
    recipe, data = getattr(recipes, name), DATA.get(name, GRAPH)
    known = inspect.signature(recipe).parameters
    given = {"data": data, **{k: v for k, v in SMALL.items() if k in known}}
    if "hidden" in known and isinstance(known["hidden"].default, tuple):
        given["hidden"] = (4,)
    if "paths" in known:
        given["paths"] = PATHS
    list(wrong_calls(recipe, given, left=("data", "encoder")))


@pytest.mark.parametrize("name", sorted(variants.__all__))
def test_a_variant(name):
    recipe, data = (recipes.graphcl, GRAPHS) if name == "joao" else (recipes.grace, GRAPH)
    given = {"method": recipe(data, hidden=4)}
    if name == "distil":
        given |= {"data": data, "hidden": (4,)}
    elif name == "with_negatives":
        given["negatives"] = losses.RandomNegatives(2)
    list(wrong_calls(getattr(variants, name), given, left=("method", "data")))


@pytest.mark.slow
@pytest.mark.parametrize("name", parts(losses))
def test_a_loss(name):
    for option, value, made in wrong_calls(getattr(losses, name), {}):
        loss = losses.InfoNCE(0.4, negatives=made) if name.endswith("Negatives") else made
        if not isinstance(loss, torch.nn.Module) or len(inspect.signature(loss).parameters) < 2:
            continue
        views = [z.clone().requires_grad_() for z in (Z, Z + 0.1)]

        def run(loss=loss, views=views):
            total = loss(*views).sum()
            total.backward()
            return [total.detach(), *(z.grad for z in views if z.grad is not None)]

        if takes_views(loss):
            try:
                judge(run)
            except AssertionError as error:
                raise AssertionError(f"{option}={value!r}: {error}") from error


def takes_views(loss):
    """Whether a loss is called with two matrices and nothing else that must be."""
    needed = [
        p.name for p in inspect.signature(loss.forward).parameters.values() if p.default is p.empty
    ]
    return needed == ["z1", "z2"]


@pytest.mark.parametrize("module", [augment, transforms], ids=lambda m: m.__name__)
def test_a_transform(module):
    for name in parts(module):
        part = getattr(module, name)
        if not inspect.isclass(part):
            continue
        data = TYPES if "MetaPath" in name else GRAPH
        for option, value, made in wrong_calls(part, {}):
            try:
                judge(lambda made=made, data=data: made(data), data)
            except AssertionError as error:
                raise AssertionError(f"{name}, {option}={value!r}: {error}") from error


@pytest.mark.parametrize("name", [n for n in parts(nn) if inspect.isclass(getattr(nn, n))])
def test_a_network(name):
    list(wrong_calls(getattr(nn, name), {}))


@pytest.mark.parametrize("name", parts(evaluate))
def test_an_evaluation(name):
    known = inspect.signature(getattr(evaluate, name)).parameters
    given = {}
    if "protocol" in known:
        given["protocol"] = PROTOCOLS.get(name, "random-10-10-80")
    if name == "graph_regression":
        given["y"] = torch.linspace(0, 1, N)
    list(wrong_calls(getattr(evaluate, name), given))
