"""Every loss and every part of one: any options on any two views, in tiles and without."""

import copy
import inspect

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gcl import losses as L
from gcl.ops import tiling
from tests.fuzz.graphs import SOUND, edges, matrices
from tests.fuzz.judge import Refused, judge
from tests.fuzz.options import options_of
from tests.fuzz.profiles import fuzz

ROWS = st.one_of(st.integers(1, 5), st.integers(0, 24))
TAUS = st.one_of(
    st.sampled_from([0.01, 0.1, 0.4, 1.0, 5.0, 0.0]),
    st.builds(L.AdaptiveTemperature, st.sampled_from([0.1, 0.4])),
)
NUMBERS = st.sampled_from([0.05, 0.4, 1.0, 5.0])
NEGATIVES = {name for name in L.__all__ if name.endswith("Negatives")}
RULES = {"PairNetwork", "cluster_pairs", "rank_one", "without_pairs"}
# Of other arguments than two views: drawn in tests of their own below.
OTHERS = {"AdaptiveTemperature", "LocalGlobalJSD", "SelfTraining", "alignment", "uniformity"}
PLAIN = sorted(set(L.__all__) - NEGATIVES - RULES - OTHERS)
SOFTMAX = ("InfoNCE", "DCL", "DCLW", "CWCL", "HardNegativeInfoNCE")


@st.composite
def negatives(draw, n, name=None):
    """A choice of negatives for n rows."""
    name = name or draw(st.sampled_from([None, *sorted(NEGATIVES)]))
    if name is None:
        return None
    classes = torch.arange(n) % draw(st.sampled_from([1, 2, 3]))
    given_ = {
        "ClusterNegatives": {"labels": st.just(classes)},
        "FilteredNegatives": {
            "edge_index": st.just(draw(edges(n))),
            "num_nodes": st.just(n),
        },
        "MetaNodeNegatives": {
            "clusters": st.sampled_from([1, 2, 5]),
            "assignment": st.none(),
            "proxy": st.sampled_from(["node", "pair"]),
        },
    }.get(name)
    options = draw(options_of(getattr(L, name), given_, wrong=False))
    if name == "MetaNodeNegatives" and draw(st.booleans()):
        options |= {"clusters": None, "assignment": classes}
    made = judge(lambda: getattr(L, name)(**options))
    return None if isinstance(made, Refused) else made


@st.composite
def rules(draw, n, width, name=None):
    """Weights of pairs of n rows."""
    name = name or draw(st.sampled_from([None, *sorted(RULES)]))
    if name == "PairNetwork":
        options = draw(options_of(L.PairNetwork, {"in_channels": st.just(width)}, wrong=False))
        return L.PairNetwork(**options)
    values = torch.rand(n, generator=torch.Generator().manual_seed(0))
    arguments = {
        "cluster_pairs": lambda: (torch.stack([torch.arange(n) % 2, torch.arange(n) % 3]),),
        "rank_one": lambda: (values,),
        "without_pairs": lambda: (draw(edges(n)), n),
    }
    if name is None:
        return None
    made = arguments[name]()
    rule = judge(lambda: getattr(L, name)(*made))
    return None if isinstance(rule, Refused) else rule


@st.composite
def views(draw):
    """Two matrices; not always of one shape or number format."""
    n = draw(ROWS)
    width = draw(st.sampled_from([1, 3, 8]))
    sound = draw(SOUND)
    found = [draw(matrices(n, width, sound, sparse=not sound)) for _ in range(2)]
    if draw(st.integers(0, 3)):
        found[1] = found[1].to_dense().to(found[0].dtype)
        found[0] = found[0].to_dense()
    if not sound and draw(st.integers(0, 3)) == 0:
        found[1] = found[1].to_dense()[1:]
    return found


def options_for(name, n, width):
    """Strategies for what the signature of a loss does not tell."""
    own = {
        "AdaptiveContrast": {"in_channels": st.just(width)},
        "ISogCLR": {"num_nodes": st.just(max(n, 1)), "perplexity": st.sampled_from([1.5, 3.0])},
        "PairwiseViews": {"loss": st.just(L.InfoNCE(0.4))},
        "Sketched": {"loss": st.just(L.InfoNCE(0.4)), "ratio": st.sampled_from([0.5, 1.0])},
        "SwAV": {"in_channels": st.just(width), "num_prototypes": st.sampled_from([1, 2, 5])},
        "ClusterContrast": {"clusters": st.sampled_from([1, 2, (2, 3), (100, 300)])},
        "ProtoNCE": {"clusters": st.sampled_from([None, 1, 2, (2, 30)])},
        "ProGCL": {"t0": st.sampled_from([0, 400])},
    }.get(name, {})
    if name in SOFTMAX:
        own |= {"similarity": st.sampled_from(["cosine", "dot", "neg_sq_euclidean"])}
        own |= {"negatives": negatives(n), "log_weight": rules(n, width)}
    return {"tau": TAUS if name in (*SOFTMAX, "PolyView", "TeamUp") else NUMBERS, **own}


def bounded(found):
    """Whether sums of squares stay within the number format: what a formula has to bear.

    Gradients of rows in half precision come in half precision.
    """
    return all(
        z.layout == torch.strided
        and bool(z.isfinite().all())
        and float(z.abs().max()) < (1e4 if z.dtype.itemsize > 2 else 10)
        for z in found
        if z.numel()
    )


def ordinary(z):
    """Whether rows are of a length at which a cosine has gradients of a usual size."""
    length = z.norm(dim=1)
    return bool(((length == 0) | ((length > 1e-3) & (length < 100))).all())


def value_and_gradients(loss, found):
    """The value of a loss and its gradients, at two dense or other matrices."""
    leaves = [z.detach().clone().requires_grad_() for z in found]
    value = loss(*leaves)
    if value.requires_grad:
        grads = torch.autograd.grad(value.sum(), leaves, allow_unused=True)
        return value.detach(), *[g for g in grads if g is not None]
    return (value.detach(),)


def judged(loss, found, n):
    """A loss on views: finite with finite gradients, the same in tiles and dense."""
    if any(z.layout == torch.sparse_csr for z in found):
        judge(lambda: loss(*found), *found, finite=False)
        return
    finite = bounded(found)
    pristine = copy.deepcopy(loss)
    dense = judge(lambda: value_and_gradients(loss, found), *found, finite=finite)
    with tiling(implementation="tiled", tile=3):
        tiled = judge(lambda: value_and_gradients(pristine, found), *found, finite=finite)
    assert isinstance(dense, Refused) == isinstance(tiled, Refused)
    if isinstance(dense, Refused) or not finite:
        return
    if all(z.dtype == torch.float64 and ordinary(z) for z in found):
        for a, b in zip(dense, tiled, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", PLAIN)
@fuzz(12)
@given(data=st.data())
def test_a_loss_of_two_views(name, data):
    found = data.draw(views())
    n, width = len(found[0]), found[0].shape[1]
    part = getattr(L, name)
    asked = options_for(name, n, width)
    if name in ("GroupDiscrimination", "CCASSG", "BarlowTwins", "VICReg", "SUGRL"):
        asked.pop("tau")
    options = data.draw(options_of(part, _known(part, asked)))
    loss = judge(lambda: part(**options))
    if isinstance(loss, Refused):
        return
    if found[0].dtype == torch.float64:
        loss = loss.double()
    judged(loss, found, n)


def _known(part, asked):
    return {key: value for key, value in asked.items() if key in inspect.signature(part).parameters}


@pytest.mark.parametrize("name", sorted(NEGATIVES))
@fuzz(12)
@given(data=st.data())
def test_negatives_in_a_loss(name, data):
    found = data.draw(views())
    chosen = data.draw(negatives(len(found[0]), name))
    if chosen is not None:
        judged(L.InfoNCE(0.4, negatives=chosen), found, len(found[0]))


@pytest.mark.parametrize("name", sorted(RULES))
@fuzz(12)
@given(data=st.data())
def test_weights_of_pairs_in_a_loss(name, data):
    found = data.draw(views())
    rule = data.draw(rules(*found[0].shape, name))
    if rule is not None:
        made = judge(lambda: L.DCL(0.4, log_weight=rule, intra=data.draw(st.booleans())))
        if not isinstance(made, Refused):
            judged(made, found, len(found[0]))


@pytest.mark.parametrize("name", sorted(OTHERS))
@fuzz(12)
@given(data=st.data())
def test_what_is_called_otherwise(name, data):
    z1, z2 = data.draw(views())
    finite = bounded((z1, z2))
    if name == "AdaptiveTemperature":
        options = data.draw(options_of(L.AdaptiveTemperature))
        tau = judge(lambda: L.AdaptiveTemperature(**options))
        if not isinstance(tau, Refused):
            judge(lambda: L.InfoNCE(tau)(z1, z2), z1, z2, finite=finite)
    elif name == "LocalGlobalJSD":
        batch = torch.arange(len(z1)) % 3
        few = data.draw(st.sampled_from([1, 3]))
        summary = z2[:few] if z2.layout == torch.strided else z2  # which has no slices
        judge(lambda: L.LocalGlobalJSD()(z1, summary, batch), z1, summary, batch, finite=finite)
    elif name == "SelfTraining":
        p, q = (z.to_dense().softmax(1) for z in (z1, z2))
        judge(lambda: L.SelfTraining()(p, q), p, q, finite=finite)
    elif name == "alignment":
        judge(lambda: L.alignment(z1, z2), z1, z2, finite=finite)
    else:
        judge(lambda: L.uniformity(z1), z1, finite=finite)


def test_found_views_of_two_number_formats():
    """The kernel's own products once took them as they came."""
    z1, z2 = torch.eye(3, 4), torch.eye(3, 4, dtype=torch.float64)
    for loss in (L.KernelInfoNCE(0.4), L.BarlowTwins(), L.Triplet(), L.ProGCL(t0=0)):
        assert judge(lambda loss=loss: loss(z1, z2), z1, z2) >= 0


def test_found_a_head_that_is_no_module():
    assert isinstance(judge(lambda: L.Sketched(L.InfoNCE(0.4), head=2.5)), Refused)


def test_found_a_width_that_is_no_count():
    assert isinstance(judge(lambda: L.SwAV([], 2)), Refused)


@pytest.mark.parametrize("loss", [L.BarlowTwins, L.CCASSG])
def test_found_an_eps_that_is_no_number(loss):
    assert isinstance(judge(lambda: loss(eps="0.3")), Refused)
