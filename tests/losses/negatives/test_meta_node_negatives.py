import copy
import pickle

import pytest
import torch

import gcl
from gcl.callbacks import Checkpoint, MonitorMetaNodes
from gcl.losses.dcl import DCL
from gcl.losses.hard_negative import HardNegativeInfoNCE
from gcl.losses.infonce import InfoNCE
from gcl.losses.negatives import meta_node_negatives as module
from gcl.losses.negatives.hardest_negatives import HardestNegatives
from gcl.losses.negatives.meta_node_negatives import MetaNodeNegatives
from gcl.ops.clusters.bound import meta_node_bound
from gcl.ops.clusters.meta_nodes import meta_node_logsumexp
from gcl.ops.streaming import streaming_logsumexp
from gcl.testing import check_loss, check_method


def clustered(n=200, k=6, spread=0.4, d=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centers = torch.randn(k, d, generator=generator)
    labels = torch.randint(k, (n,), generator=generator)
    first, second = (
        centers[labels] + spread * torch.randn(n, d, generator=generator) for _ in range(2)
    )
    return first, second, labels


def unit(z):
    return torch.nn.functional.normalize(z)


@pytest.mark.parametrize(
    "negatives",
    [
        MetaNodeNegatives(9),
        MetaNodeNegatives(30, proxy="pair"),
        MetaNodeNegatives(assignment=torch.arange(9)),
        MetaNodeNegatives(assignment=torch.eye(9), second_order=True),
    ],
    ids=repr,
)
def test_a_cluster_a_node_is_every_other_node(agrees, negatives):
    agrees(negatives, lambda q, k, i: [j for j in range(len(k)) if j != i], 9)


@pytest.mark.parametrize("intra", [True, False])
@pytest.mark.parametrize("kind", [InfoNCE, DCL])
def test_losses_are_near_those_of_all_nodes(kind, intra):
    z1, z2, _ = clustered()
    exact = kind(0.5, intra=intra)(z1, z2)
    errors = []
    for k in (2, 6, 40):
        negatives = MetaNodeNegatives(k)
        value = kind(0.5, intra=intra, negatives=negatives)(z1, z2)
        errors.append(float(exact - value))
        assert 0 < errors[-1] <= negatives.bound()["mean_bound"] <= negatives.bound()["bound"]
        closer = kind(
            0.5, intra=intra, negatives=MetaNodeNegatives(k, second_order=True)
        )(z1, z2)  # fmt: skip
        assert abs(float(exact - closer)) < errors[-1] / 2
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02


def test_each_call_is_the_function_without_the_own_pair():
    z1, z2, labels = clustered()
    u, v = unit(z1), unit(z2)
    for proxy in ("node", "pair", "paper"):
        for within in (True, False):
            negatives = MetaNodeNegatives(assignment=labels, proxy=proxy, within_cluster=within)
            expected = meta_node_logsumexp(
                z1, z2, 0.5, labels, proxy=proxy, within_cluster=within, exclude=True
            )
            if proxy != "paper":
                assert torch.allclose(negatives(u, v, 0.5), expected, rtol=1e-5)
            else:  # of unit rows, which is what a loss gives
                expected = meta_node_logsumexp(
                    u, v, 0.5, labels, proxy=proxy, within_cluster=within
                )
                assert torch.equal(negatives(u, v, 0.5), expected)


def test_other_similarities_have_other_logits():
    z1, z2, labels = clustered(n=40)
    negatives = MetaNodeNegatives(assignment=labels)
    for similarity in ("dot", "neg_sq_euclidean"):
        exact = InfoNCE(3.0, similarity=similarity)(z1, z2)
        value = InfoNCE(3.0, similarity=similarity, negatives=negatives)(z1, z2)
        assert 0 < exact - value < 0.5


def test_soft_clusters_are_closer_to_hard_ones_the_sharper_they_are():
    z1, z2, _ = clustered()
    hard = InfoNCE(0.5, negatives=MetaNodeNegatives(6))(z1, z2)
    apart = []
    for softness in (0.5, 0.1, 1e-3):
        negatives = MetaNodeNegatives(6, assign="soft", softness=softness)
        apart.append(abs(float(InfoNCE(0.5, negatives=negatives)(z1, z2) - hard)))
    assert apart == sorted(apart, reverse=True)
    assert apart[-1] < 1e-3


def test_gap_and_bound_of_one_call():
    z1, z2, labels = clustered()
    u, v = unit(z1), unit(z2)
    tau = torch.linspace(0.3, 0.8, len(u))
    negatives = MetaNodeNegatives(assignment=labels)
    gap = streaming_logsumexp(u, v, tau=tau, exclude=True) - negatives(u, v, tau)
    measured = negatives.gap(10**6)
    assert measured["gap"] == pytest.approx(float(gap.mean()), rel=1e-3)
    assert measured["gap_max"] == pytest.approx(float(gap.max()), rel=1e-3)
    some = negatives.gap(50)
    assert some == negatives.gap(50)  # the same sample
    assert 0 < some["gap"] <= some["gap_max"] <= measured["gap_max"] * (1 + 1e-6)
    expected = meta_node_bound(v, labels, tau, z=u, exclude=True, normalize=False)
    assert negatives.bound() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("clusters", ["labels", "shares"])
def test_gap_leaves_out_what_the_sums_leave_out(clusters):
    z1, z2, labels = clustered(n=50)
    u, v = unit(z1), unit(z2)
    given, apart = labels, (labels[:, None] != labels).float()
    if clusters == "shares":
        given = 0.8 * torch.nn.functional.one_hot(labels, 6).float() + 0.2 / 6
        apart = 1 - given @ given.t()
    negatives = MetaNodeNegatives(assignment=given, within_cluster=False)
    weights = apart.fill_diagonal_(0.0)
    exact = ((u @ v.t() / 0.5).exp() * weights).sum(1).log()
    gap = exact - negatives(u, v, 0.5)
    assert gap.min() > -1e-5
    assert negatives.gap(50)["gap"] == pytest.approx(float(gap.mean()), rel=1e-3)
    assert negatives.gap(50)["gap"] <= negatives.bound()["mean_bound"]


def test_gap_of_a_loss_adds_up_both_views():
    z1, z2, _ = clustered()
    negatives = MetaNodeNegatives(6)
    loss = DCL(0.5, negatives=negatives)
    difference = DCL(0.5)(z1, z2) - loss(z1, z2)
    assert negatives.gap(10**6)["gap"] == pytest.approx(float(difference), rel=1e-3)


def test_rows_are_kept_if_there_are_few_or_if_asked(monkeypatch):
    z1, z2, _ = clustered()
    negatives = MetaNodeNegatives(6)
    loss = InfoNCE(0.5, negatives=negatives)
    with pytest.raises(ValueError, match="call the loss first"):
        negatives.bound()
    monkeypatch.setattr(module, "KEPT", 1)
    loss(z1, z2)
    with pytest.raises(ValueError, match="remember=True"):
        negatives.gap()
    negatives.remember = True
    loss(z1, z2)
    assert negatives.gap()["gap"] > 0
    negatives.forget()
    with pytest.raises(ValueError, match="call the loss first"):
        negatives.gap()


def count_clusterings(monkeypatch):
    runs = []
    plain = module.spherical_kmeans

    def counted(z, k, *, iterations, **options):
        if iterations:
            runs.append((len(z), iterations, options["init"] is None))
        return plain(z, k, iterations=iterations, **options)

    monkeypatch.setattr(module, "spherical_kmeans", counted)
    return runs


@pytest.mark.parametrize("options", [{}, {"intra": False}, {"symmetric": False}], ids=str)
def test_centres_move_every_few_steps_from_where_they_were(monkeypatch, options):
    runs = count_clusterings(monkeypatch)
    z1, z2, _ = clustered()
    negatives = MetaNodeNegatives(6, every=3, iterations=2, batch=64)
    loss = InfoNCE(0.5, negatives=negatives, **options)
    for step in range(7):
        loss(z1 + step, z2 + step)
        if step == 1:
            before = negatives.centers.clone()
        if step == 2:
            assert torch.equal(negatives.centers, before)
    assert runs == [(64, 20, True), (64, 2, False), (64, 2, False)]  # steps 0, 3, 6
    assert negatives.steps == 7
    assert not torch.equal(negatives.centers, before)
    loss.eval()
    moved = negatives.centers.clone()
    loss(z1, z2)
    assert torch.equal(negatives.centers, moved)
    assert negatives.steps == 7
    loss.train()
    loss(z1[:, :5], z2[:, :5])  # other rows altogether: from the start
    assert runs[3:] == [(64, 20, True)]
    assert negatives.centers.shape == (6, 5)


def test_batches_of_any_length_share_the_centres():
    z1, z2, _ = clustered()
    loss = InfoNCE(0.5, negatives=MetaNodeNegatives(6))
    for rows in (slice(0, 90), slice(90, 200), slice(3, 4), slice(0, 0)):
        if rows.stop - rows.start == 1:
            with pytest.warns(UserWarning, match="one row has no negatives"):
                assert loss(z1[rows], z2[rows]) == 0
        elif rows.stop:
            exact = InfoNCE(0.5)(z1[rows], z2[rows])
            assert 0 < exact - loss(z1[rows], z2[rows]) < 0.2
    assert loss.negatives(z1[:0], z2[:0], 0.5).shape == (0,)


def test_draws_leave_the_global_generator_alone():
    z1, z2, _ = clustered()
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    loss = InfoNCE(0.5, negatives=MetaNodeNegatives(6, batch=50))
    first = loss(z1, z2)
    loss.negatives.gap(20)
    assert torch.equal(torch.rand(3), expected)
    again = InfoNCE(0.5, negatives=MetaNodeNegatives(6, batch=50))(z1, z2)
    assert torch.equal(first, again)


def test_weights_hold_centres_and_steps():
    z1, z2, _ = clustered()
    loss = InfoNCE(0.5, negatives=MetaNodeNegatives(6, every=100))
    fresh = InfoNCE(0.5, negatives=MetaNodeNegatives(6, every=100))
    fresh.load_state_dict(loss.state_dict())  # before the first step
    loss(z1, z2)
    fresh.load_state_dict(loss.state_dict())
    assert torch.equal(fresh(z2, z1), loss(z2, z1))
    for clone in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(clone(z2, z1), loss(z2, z1))
        assert repr(clone) == repr(loss)
    assert "assignment" not in MetaNodeNegatives(assignment=torch.arange(3)).state_dict()


def test_loss_contract():
    for options in ({}, {"proxy": "pair"}, {"second_order": True}, {"within_cluster": False}):
        negatives = MetaNodeNegatives(3, **options)
        check_loss(InfoNCE(0.4, negatives=negatives).eval(), rows=(3, 17))
    check_loss(InfoNCE(0.4, negatives=MetaNodeNegatives(40, assign="soft")).eval(), constants=True)


def make(data, negatives=None):
    torch.manual_seed(0)
    method = gcl.methods.grace(data, hidden=8, proj=8)
    return method if negatives is None else gcl.methods.with_negatives(method, negatives)


def test_grace_trains_and_resumes_as_if_it_had_not_stopped(tmp_path):
    data = gcl.datasets.load("karate")
    check_method(make(data, negatives=MetaNodeNegatives(5)), data)
    path = tmp_path / "run.safetensors"

    def train(epochs, resume=None):
        negatives = MetaNodeNegatives(5, every=3, batch=20)
        method = make(data, negatives=negatives)
        saving = [Checkpoint(path, every=1)]
        gcl.fit(method, data, epochs=epochs, callbacks=saving, resume=resume)
        return method

    whole = train(8)
    train(4)
    resumed = train(8, resume=path)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    assert whole.objective.negatives.steps == 8


def test_monitor_writes_gap_and_bound():
    data = gcl.datasets.load("karate")
    negatives = MetaNodeNegatives(5)
    method = make(data, negatives=negatives)
    negatives = method.objective.negatives
    watch = MonitorMetaNodes(every=2, sample=20, prefix="x_")
    state = gcl.fit(method, data, epochs=3, callbacks=[watch])
    assert negatives.remember is None  # as before
    assert ["x_meta_gap" in row for row in state.history] == [False, True, True]
    row = state.history[-1]
    assert 0 <= row["x_meta_gap"] <= row["x_meta_mean_bound"] <= row["x_meta_bound"]
    assert row["x_meta_gap"] <= row["x_meta_gap_max"] <= row["x_meta_bound"]

    plain = make(data, negatives=MetaNodeNegatives(5))
    other = gcl.fit(plain, data, epochs=3)
    assert [r["loss"] for r in other.history] == [r["loss"] for r in state.history]

    paper = make(data, negatives=MetaNodeNegatives(5, proxy="paper"))
    row = gcl.fit(paper, data, epochs=1, callbacks=[MonitorMetaNodes()]).history[-1]
    assert "meta_gap" in row
    assert "meta_bound" not in row


def test_monitor_needs_something_to_watch():
    data = gcl.datasets.load("karate")
    with pytest.raises(ValueError, match="ClusterMetaNodes, in the method, found 0"):
        gcl.fit(make(data), data, epochs=1, callbacks=[MonitorMetaNodes()])
    with pytest.raises(ValueError, match="sample must be at least 1"):
        MonitorMetaNodes(sample=0)


def test_bad_options():
    bad = {
        "give either clusters": {},
        "clusters must be at least 1": {"clusters": 0},
        "every must be at least 1": {"clusters": 3, "every": 0},
        "iterations must be at least 1": {"clusters": 3, "iterations": 0},
        "batch must be at least 1": {"clusters": 3, "batch": 0},
        "assign must be one of": {"clusters": 3, "assign": "fuzzy"},
        "proxy must be one of": {"clusters": 3, "proxy": "cluster"},
        "softness must be a number above 0": {"clusters": 3, "softness": 0.0},
        "second_order goes with": {"clusters": 3, "proxy": "paper", "second_order": True},
    }
    for match, options in bad.items():
        with pytest.raises(ValueError, match=match):
            MetaNodeNegatives(**options)
    with pytest.raises(ValueError, match="give either clusters"):
        MetaNodeNegatives(3, assignment=torch.arange(3))
    z1, z2, labels = clustered()
    with pytest.raises(ValueError, match="one label a row"):
        MetaNodeNegatives(assignment=labels[:-1])(z1, z2, 0.5)
    with pytest.raises(ValueError, match="of one shape"):
        MetaNodeNegatives(3)(z1, z2[:-1], 0.5)
    negatives = MetaNodeNegatives(3, proxy="paper")
    negatives(z1, z2, 0.5)
    with pytest.raises(ValueError, match="no bound"):
        negatives.bound()


@pytest.mark.parametrize("intra", [True, False])
def test_listed_positives_go_with_meta_nodes(intra):
    torch.manual_seed(0)
    z1, z2 = torch.randn(2, 12, 5, dtype=torch.double)
    pairs = torch.tensor([[0, 0, 3, 7], [0, 4, 3, 1]])
    exact = InfoNCE(0.5, intra=intra)
    # A cluster a node: the sums are exact, so the whole loss is.
    proxy = InfoNCE(0.5, intra=intra, negatives=MetaNodeNegatives(12))
    torch.testing.assert_close(proxy(z1, z2, pairs), exact(z1, z2, pairs))
    coarse = InfoNCE(0.5, intra=intra, negatives=MetaNodeNegatives(3))
    assert coarse(z1, z2, pairs) < exact(z1, z2, pairs)


@pytest.mark.parametrize("tau_plus", [0.0, 0.05])
def test_hard_and_debiased_losses_take_meta_nodes(tau_plus):
    torch.manual_seed(0)
    z1, z2 = torch.randn(2, 12, 5, dtype=torch.double)
    exact = HardNegativeInfoNCE(0.5, tau_plus=tau_plus)
    proxy = HardNegativeInfoNCE(0.5, tau_plus=tau_plus, negatives=MetaNodeNegatives(12))
    torch.testing.assert_close(proxy(z1, z2), exact(z1, z2))
    with pytest.raises(ValueError, match="other than MetaNodeNegatives"):
        HardNegativeInfoNCE(0.5, negatives=HardestNegatives(3))


def test_gap_is_that_of_the_lowest_temperature_of_the_step():
    torch.manual_seed(0)
    z1, z2 = torch.randn(2, 30, 5)
    negatives = MetaNodeNegatives(4)
    HardNegativeInfoNCE(0.5, beta=1.0, negatives=negatives)(z1, z2)  # asks at 0.25 and 0.5
    alone = MetaNodeNegatives(4)
    InfoNCE(0.25, negatives=alone)(z1, z2)
    torch.testing.assert_close(negatives.gap(30)["gap"], alone.gap(30)["gap"])


def test_inference_mode():
    with torch.inference_mode():
        a = torch.randn(20, 8)
        loss = InfoNCE(0.5, negatives=MetaNodeNegatives(5))
        assert loss(a, a + 1) <= InfoNCE(0.5)(a, a + 1)


def test_states_of_other_sizes_and_bad_assignments_are_refused():
    negatives = MetaNodeNegatives(5)
    InfoNCE(0.5, negatives=negatives)(torch.randn(20, 4), torch.randn(20, 4))
    with pytest.raises(RuntimeError, match="has 5 clusters, not 9"):
        MetaNodeNegatives(9).load_state_dict(negatives.state_dict())
    with pytest.raises(ValueError, match="shares must sum to 1"):
        MetaNodeNegatives(assignment=torch.ones(4, 3))
    with pytest.raises(TypeError, match="must be a tensor of labels or shares, got list"):
        MetaNodeNegatives(assignment=[0, 1])
