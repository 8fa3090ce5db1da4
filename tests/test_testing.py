"""The public contract suites find what is broken, and pass what is right."""

import copy

import pytest
import torch
from torch import nn
from torch_geometric.data import Data

import gcl
from gcl.testing import (
    check_augmentation,
    check_loss,
    check_method,
    check_negatives,
    check_variant,
    odd_graphs,
)

KARATE = gcl.datasets.karate()


class Leaky(nn.Module):
    """A loss with one broken promise, to see that the suite notices."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def forward(self, z1, z2):
        good = gcl.losses.InfoNCE(0.5)
        if self.fault == "order":
            weight = torch.arange(len(z1), dtype=z1.dtype)
            return (weight * gcl.losses.InfoNCE(0.5, reduction="none")(z1, z2)).sum()
        if self.fault == "gradient":
            return good(z1, z2.detach()) + 0 * z2.sum()
        if self.fault == "sign":
            return -good(z1, z2)
        if self.fault == "vector":
            return gcl.losses.InfoNCE(0.5, reduction="none")(z1, z2)
        if self.fault == "zero rows":
            return good(z1, z2) + 0 * (z1 / z1.norm(dim=1, keepdim=True)).sum()
        n = min(len(z1), len(z2))  # "errors": takes anything
        return good(z1[:n].double(), z2[:n].double())


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("order", "order of the rows"),
        ("gradient", "does not match differences"),
        ("sign", "do not score better"),
        ("vector", "expected a scalar"),
        ("zero rows", "zero rows give NaN"),
        ("errors", "unequal shapes: expected a ValueError"),
    ],
)
def test_loss_suite_finds_the_fault(fault, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_loss(Leaky(fault), refuses=fault == "errors")


class Sloppy:
    """Sums over all other rows, with one broken promise."""

    def __init__(self, fault):
        self.fault, self.sums_all = fault, fault not in ("pairs", "a row without")
        if fault == "pickling":
            self.function = lambda: None

    def __call__(self, q, k, tau):
        fault = self.fault
        if fault != "errors" and (q.shape != k.shape or not q.is_floating_point()):
            raise ValueError("two matrices of one shape")
        if fault == "errors":
            q, k = (z[: min(len(q), len(k))].double() for z in (q, k))
        if fault == "input":
            k.data.mul_(0.5)
        keys = k.detach() if fault == "detached" else k
        dots = q.float() @ keys.float().T if q.dtype == torch.bfloat16 else q @ keys.T
        if fault == "zero rows":
            dots = dots + 0 * (q / q.norm(dim=1, keepdim=True)).sum()
        if fault == "slope":
            dots = dots.detach() + 0.5 * (dots - dots.detach())
        n, own = len(q), torch.eye(len(q), dtype=torch.bool)
        if fault == "own pair, a constant":
            dots = torch.where(own, dots.detach(), dots)
        logits = dots / tau
        if not fault.startswith("own pair"):
            logits = logits.masked_fill(own, -torch.inf)
        if fault == "sums_all":
            logits = logits.masked_fill(torch.arange(n) % 2 == 0, -torch.inf)
        if fault == "seed":
            generator = torch.Generator()
            generator.seed()
            logits = logits + 1e-3 * torch.rand(n, n, generator=generator)
        if fault == "shape":
            return logits.logsumexp(0, keepdim=True)
        if fault == "low":
            return logits.logsumexp(1).to(q.dtype)
        if fault == "a row without":  # whose slope is NaN
            return (logits - torch.where(torch.arange(n) == 3, torch.inf, 0.0)[:, None]).logsumexp(
                1
            )
        if n == 1 and fault != "alone":
            return logits[:, 0] - torch.inf
        return logits.logsumexp(1) if fault != "alone" or n > 1 else logits.sum(1) * 0


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("input", "changed its input"),
        ("detached", "no gradient reaches k"),
        ("slope", "does not match differences"),
        ("own pair", "k_0 has a gradient"),
        ("own pair, a constant", "k_0 changes row 0"),
        ("sums_all", "it says sums_all, but counts"),
        ("a row without", "the gradient of q is not finite"),
        ("seed", "two calls with one seed differ"),
        ("shape", r"expected one number a row \[17\]"),
        ("low", "gives torch.bfloat16 in place of float32"),
        ("zero rows", "zero rows give NaN"),
        ("errors", "unequal shapes: expected a ValueError"),
        ("pickling", "does not survive pickling"),
        ("alone", "one row alone has no negatives"),
    ],
)
def test_negatives_suite_finds_the_fault(fault, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_negatives(Sloppy(fault), refuses=fault == "errors")


def test_negatives_suite_passes_what_is_right_and_compares_the_pairs():
    everyone = ~torch.eye(17, dtype=torch.bool)
    check_negatives(Sloppy("none"), chosen=lambda q, k: everyone)
    fewer = everyone.clone()
    fewer[4, 7] = False
    with pytest.raises(AssertionError, match=r"row 4 is .* but its pairs sum up to"):
        check_negatives(Sloppy("pairs"), chosen=lambda q, k: fewer)


def mutate_input(data):
    data.x.mul_(2)
    return data


def forget_attributes(data):
    for store in data.edge_stores:
        store.edge_index = store.edge_index[:, 1:]
    return data


def mix_up_attributes(data):
    for store in data.edge_stores:
        store.edge_index = store.edge_index.flip(1)
    return data


def reorder_nodes(data):
    for store in data.node_stores:
        store.node_id = store.node_id.flip(0)
    return data


class Unseeded:
    def __init__(self):
        self.calls = 0

    def __call__(self, data):
        self.calls += 1
        for store in data.node_stores:
            store.x = store.x + self.calls
        return data


@pytest.mark.parametrize(
    "faulty", [mutate_input, forget_attributes, mix_up_attributes, reorder_nodes, Unseeded()]
)
def test_augmentation_suite_finds_the_fault(faulty):
    with pytest.raises(AssertionError):
        check_augmentation(faulty)


class Faulty(gcl.Method):
    def __init__(self, fault):
        super().__init__()
        self.fault, self.linear = fault, nn.Linear(34, 4)

    def prepare(self, data):
        if self.fault == "prepare":
            data.extra = torch.ones(1)
        return data

    def loss(self, data):
        if self.fault == "stores":
            self.kept = copy.copy(data)
        z = self.linear(data.x)
        return {"vector": z.sum(1), "detached": z.sum().detach()}.get(self.fault, z.sum())

    def embed(self, data):
        if self.fault == "random":
            return self.linear(data.x) + torch.rand(1)
        return self.linear(data.x)


@pytest.mark.parametrize("fault", ["prepare", "stores", "vector", "detached", "random"])
def test_method_suite_finds_the_fault(fault):
    with pytest.raises(AssertionError):
        check_method(Faulty(fault), gcl.datasets.load("karate"))


def changes_what_it_is_given(method):
    with torch.no_grad():
        next(method.parameters()).add_(1.0)
    return copy.deepcopy(method)


def shares_the_encoder(method):
    return gcl.methods.TwoView(method.encoder, method.views, method.objective, method.projector)


def forgets_the_mode(method):
    method.eval()
    return copy.deepcopy(method)


def takes_the_loss(method):
    method.objective = gcl.losses.DCL(0.9)
    return copy.deepcopy(method)


def draws_other_weights(method):
    other = copy.deepcopy(method)
    for parameter in other.parameters():
        nn.init.normal_(parameter)
    return other


@pytest.mark.parametrize(
    "faulty",
    [
        changes_what_it_is_given,
        shares_the_encoder,
        forgets_the_mode,
        takes_the_loss,
        draws_other_weights,
        lambda method: nn.Identity(),
    ],
)
def test_variant_suite_finds_the_fault(faulty):
    data = gcl.datasets.load("karate")
    with pytest.raises(AssertionError):
        check_variant(faulty, gcl.methods.grace(data, hidden=8, proj=8), data)


def one_row_less(method):
    other = copy.deepcopy(method)
    whole = other.embed
    other.embed = lambda data: whole(data)[1:]
    return other


@pytest.mark.parametrize("faulty", [changes_what_it_is_given, shares_the_encoder, one_row_less])
def test_variant_suite_asks_for_the_rest_where_the_embedding_may_be_another(faulty):
    data = gcl.datasets.load("karate")
    method = gcl.methods.grace(data, hidden=8, proj=8)
    check_variant(draws_other_weights, method, data, keeps_embedding=False)
    with pytest.raises(AssertionError):
        check_variant(faulty, method, data, keeps_embedding=False)


def test_method_suite_passes_what_is_right():
    check_method(Faulty("none"), gcl.datasets.load("karate"))


def plain_loss(z1, z2):
    return (z1 - z2).square().mean()


def test_a_plain_function_is_not_asked_for_messages_unless_wanted():
    check_loss(plain_loss)
    with pytest.raises(AssertionError, match=r"^plain_loss: unequal shapes: .*got RuntimeError"):
        check_loss(plain_loss, refuses=True)


def half_the_edges(data):
    """A transform of graphs of one type."""
    kept = torch.rand(data.edge_index.shape[1]) < 0.5
    data.edge_index = data.edge_index[:, kept]
    for key in ("edge_attr", "edge_weight"):
        if key in data:
            data[key] = data[key][kept]
    return data


def test_a_transform_may_say_that_it_takes_no_types_of_nodes():
    graphs = [(name, g) for name, g in odd_graphs() if "batch" not in name]
    with pytest.raises(
        AssertionError, match=r"^half_the_edges: on a heterogeneous graph: it raised AttributeError"
    ) as caught:
        check_augmentation(half_the_edges, graphs=graphs)
    assert isinstance(caught.value.__cause__, AttributeError)
    check_augmentation(half_the_edges, graphs=graphs, hetero=False)


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (lambda: check_loss(lambda a, b: 0.5), "2 rows: expected a scalar tensor, got float"),
        (lambda: check_loss(lambda a, b: a.detach().sum()), "no gradient reaches the views"),
        (lambda: check_loss(lambda a, b: a.nope()), "2 rows: it raised AttributeError: "),
        (lambda: check_augmentation(lambda d: None), "on an undirected path: returned a NoneType"),
        (lambda: check_augmentation(lambda d: d.nope()), "on an undirected path: it raised "),
        (lambda: check_augmentation(lambda d: type(d)()), "the attribute node_id is gone"),
        (lambda: check_augmentation(lambda d: d), "pickling it: it raised "),
        (lambda: check_negatives(lambda q, k, tau: 0.5), "it raised AttributeError: "),
        (lambda: check_method(gcl.methods.grace, Data()), "it raised AttributeError: "),
        (
            lambda: check_variant(lambda m: None, gcl.methods.dgi(KARATE, hidden=4), KARATE),
            "method",
        ),
    ],
)
def test_failures_are_sentences_that_name_the_part(check, words):
    with pytest.raises(AssertionError, match=f"^[A-Za-z_<>]+: .*{words}") as caught:
        check()
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
