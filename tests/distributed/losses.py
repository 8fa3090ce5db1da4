"""What ranks compute in the tests of losses."""

import copy
from contextlib import ExitStack
from unittest import mock

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.functional import normalize

from gcl import losses as L
from gcl.distributed import GlobalBatch, alone, ranks
from gcl.ops import LogWeight, kmeans, spherical_kmeans, tiling

N, D = 17, 8


class Mine(nn.Module):
    """A loss of a user's own: no sum of parts, with a parameter and a weight a row."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.5))

    def forward(self, z1, z2, strength=None):
        strength = torch.ones(len(z1)) if strength is None else strength
        share = (self.scale * z1 @ z2.t()).softmax(1).diagonal()
        return (-(share * strength).log().mean()).exp()


class Doubled(L.InfoNCE):
    """Changes forward alone: the inherited `across` is not its own."""

    def forward(self, z1, z2):
        return 2 * super().forward(z1, z2)


def learned(tau):
    return nn.Parameter(torch.tensor(tau))


def meta_nodes(clusters=5, loss=L.InfoNCE, **options):
    return lambda: loss(learned(0.4), negatives=L.MetaNodeNegatives(clusters, **options))


def weighted(rule, loss=L.InfoNCE, tau=0.4, **options):
    """With a rule for the rows of all ranks."""
    return lambda: loss(learned(tau), log_weight=rule(), **options)


def strong():
    return L.rank_one(nn.Parameter(torch.linspace(-1, 1, N).sin()), scale=2.0)


def far(rows, cols, rate):
    places = torch.arange(N, dtype=torch.float64)
    return -rate * (places[rows, None] - places[cols]).abs()


def apart():
    return LogWeight(far, nn.Parameter(torch.tensor(0.3)), symmetric=True)


LABELS = torch.arange(N) % 4
CIRCLE = torch.stack([torch.arange(N), (torch.arange(N) + 1) % N])
CIRCLE = torch.cat([CIRCLE, CIRCLE.flip(0)], 1)
SHARES = torch.rand(N, 3, generator=torch.Generator().manual_seed(0)).softmax(1)

LOSSES = {
    "AdaptiveContrast": lambda: L.AdaptiveContrast(D, 0.4),
    "AlignmentUniformity": lambda: L.AlignmentUniformity(),
    "BarlowTwins": lambda: L.BarlowTwins(),
    "BootstrapCosine": lambda: L.BootstrapCosine(),
    "CACR": lambda: L.CACR(),
    "CCASSG": lambda: L.CCASSG(lam=0.1),
    "CWCL": lambda: L.CWCL(0.4),
    "ClusterContrast": lambda: L.ClusterContrast(0.4, clusters=(2, 5)),
    "DCL": lambda: L.DCL(learned(0.4)),
    "DCL adaptive": lambda: L.DCL(L.AdaptiveTemperature(0.4)),
    "DCLW": lambda: L.DCLW(0.4),
    "DecoupledUniformity": lambda: L.DecoupledUniformity(),
    "GroupDiscrimination": lambda: L.GroupDiscrimination(),
    "HardNegativeInfoNCE": lambda: L.HardNegativeInfoNCE(0.4),
    "ISogCLR": lambda: L.ISogCLR(N, perplexity=5),
    "InfoNCE": lambda: L.InfoNCE(0.4),
    "InfoNCE learned": lambda: L.InfoNCE(learned(0.4)),
    "InfoNCE small tau": lambda: L.InfoNCE(learned(0.01)),
    "InfoNCE dot": lambda: L.InfoNCE(0.4, similarity="dot"),
    "InfoNCE one way": lambda: L.InfoNCE(0.4, intra=False, symmetric=False),
    "InfoNCE distance": lambda: L.InfoNCE(0.4, similarity="neg_sq_euclidean"),
    "InfoNCE random": lambda: L.InfoNCE(0.4, negatives=L.RandomNegatives(5)),
    "InfoNCE mixed": lambda: L.InfoNCE(0.4, negatives=L.MixedNegatives(5, 4)),
    "InfoNCE meta-nodes": meta_nodes(),
    "InfoNCE meta-nodes batch": meta_nodes(batch=11),
    "InfoNCE meta-nodes few": meta_nodes(N),
    "InfoNCE meta-nodes labels": meta_nodes(None, assignment=LABELS),
    "InfoNCE meta-nodes others": meta_nodes(within_cluster=False),
    "InfoNCE meta-nodes pair": meta_nodes(proxy="pair"),
    "InfoNCE meta-nodes paper": meta_nodes(proxy="paper"),
    "InfoNCE meta-nodes second": meta_nodes(second_order=True),
    "InfoNCE meta-nodes second pair": meta_nodes(second_order=True, proxy="pair"),
    "InfoNCE meta-nodes shares": meta_nodes(None, assignment=SHARES, within_cluster=False),
    "InfoNCE meta-nodes soft": meta_nodes(assign="soft"),
    "InfoNCE meta-nodes soft pair": meta_nodes(assign="soft", proxy="pair"),
    "DCL meta-nodes": meta_nodes(loss=L.DCL),
    "InfoNCE weighted": lambda: L.InfoNCE(0.4, intra=False, log_weight=L.PairNetwork(D)),
    "InfoNCE strong": weighted(strong),
    "InfoNCE strong dot": weighted(strong, similarity="dot", intra=False),
    "InfoNCE strong small tau": weighted(strong, tau=0.01),
    "InfoNCE apart": weighted(apart),
    "InfoNCE cluster pairs": weighted(lambda: L.cluster_pairs(torch.stack([LABELS, LABELS // 2]))),
    "InfoNCE not symmetric": weighted(lambda: L.rank_one(torch.ones(N), torch.arange(N) / N)),
    "DCL without pairs": weighted(lambda: L.without_pairs(CIRCLE, N), L.DCL, 0.01),
    "JSD": lambda: L.JSD(),
    "KernelInfoNCE": lambda: L.KernelInfoNCE(0.4),
    "NS4GC": lambda: L.NS4GC(),
    "PairwiseAUC": lambda: L.PairwiseAUC(),
    "PairwiseViews": lambda: L.PairwiseViews(L.InfoNCE(learned(0.4))),
    "PairwiseViews Triplet": lambda: L.PairwiseViews(L.Triplet(num_negatives=3)),
    "PolyView": lambda: L.PolyView(learned(0.4)),
    "PolyView adaptive": lambda: L.PolyView(L.AdaptiveTemperature(0.4), form="arithmetic"),
    "PolyView mean": lambda: L.PolyView(learned(0.4), rest="mean"),
    "ProGCL": lambda: L.ProGCL(0.4, t0=0, columns=9),
    "ProtoNCE": lambda: L.ProtoNCE(clusters=(2, 5)),
    "SUGRL": lambda: L.SUGRL(),
    "ScaledCosineError": lambda: L.ScaledCosineError(),
    "Sigmoid": lambda: L.Sigmoid(),
    "Sketched": lambda: L.Sketched(L.InfoNCE(0.4, intra=False), nn.Linear(D, D)),
    "SwAV": lambda: L.SwAV(D, 5),
    "TeamUp": lambda: L.TeamUp(0.4),
    "Triplet": lambda: L.Triplet(num_negatives=3),
    "VICReg": lambda: L.VICReg(),
    "of a user": Mine,
    "subclass": lambda: Doubled(0.4),
}
VIEWS = {
    "PairwiseViews": 3,
    "PairwiseViews Triplet": 3,
    "PolyView": 3,
    "PolyView adaptive": 3,
    "PolyView mean": 3,
}
GATHERED = {  # of the softmax losses: negatives that are chosen one by one, weights without a turn
    "InfoNCE distance",
    "InfoNCE mixed",
    "InfoNCE not symmetric",
    "InfoNCE random",
    "InfoNCE weighted",
}

# Rows on every rank; the last kinds have a rank with few or none.
LENGTHS = {2: [(9, 8), (4, 13), (17, 0)], 3: [(6, 6, 5), (2, 12, 3), (0, 16, 1)]}


def gradients_of_losses(names, lengths, dtype, implementation=None):
    """By loss: its value, the largest error of a gradient, and the ratio of their lengths."""
    found = {}
    with tiling(implementation=implementation, tile=4 if implementation else None):
        for name in names:
            torch.manual_seed(1)
            loss = LOSSES[name]().to(dtype)
            found[name] = compare(loss, VIEWS.get(name, 2), lengths, dtype)
    return found


def compare(loss, views, lengths, dtype, **per_node):
    """The loss over ranks against the same of one process, behind a layer that both have."""
    torch.manual_seed(2)
    x = [torch.randn(sum(lengths), D, dtype=dtype) for _ in range(views)]
    layer = nn.Linear(D, D).to(dtype)
    values, grads = [], []
    for several in (False, True):
        one, own = copy.deepcopy(loss), copy.deepcopy(layer)
        torch.manual_seed(3 + dist.get_rank() * several)
        with torch.random.fork_rng(devices=[]):  # the number that ranks draw to have it in common
            torch.manual_seed(3)
            seed = int(torch.randint(2**62, ()))
        if several:
            mine = [z.split(lengths)[dist.get_rank()] for z in x]
            of_mine = {key: x.split(lengths)[dist.get_rank()] for key, x in per_node.items()}
            value = GlobalBatch(one)(*(own(z) for z in mine), **of_mine)
        else:
            with alone():
                torch.manual_seed(seed)
                value = one(*(own(z) for z in x), **per_node)
        value.backward()
        parameters = [*own.parameters(), *one.parameters()]
        found = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        if several:
            for grad in found:  # as DistributedDataParallel does
                dist.all_reduce(grad)
                grad /= dist.get_world_size()
        values.append(value.detach())
        grads.append(torch.cat([grad.view(-1) for grad in found]))
    expected, got = grads
    largest = expected.abs().max()
    error = float((got - expected).abs().max() / largest)
    ratio = float((got @ expected) / (expected @ expected))
    return *(float(value) for value in values), error, ratio


def pairs_and_weights(lengths, places, weights, options):
    """InfoNCE with listed positives, each rank having those between its own rows."""
    torch.manual_seed(0)
    z = torch.randn(2, sum(lengths), D, dtype=torch.float64)
    loss, rank = L.InfoNCE(0.4, **options), dist.get_rank()
    start = sum(lengths[:rank])
    mine = [v[start : start + lengths[rank]].clone().requires_grad_() for v in z]
    here = torch.tensor(places[rank], dtype=torch.long).view(-1, 2).t()
    weight = torch.tensor(weights[rank], dtype=torch.float64)
    # Once by name and once by position, as HeCo hands them over.
    value = GlobalBatch(loss)(*mine, pos_edge_index=here, pos_weight=weight)
    assert torch.equal(value.detach(), GlobalBatch(loss)(*mine, here, weight).detach())
    value.backward()
    grads = torch.stack([v.grad for v in mine]) / dist.get_world_size()
    full = [v.clone().requires_grad_() for v in z]
    shifted = [
        torch.tensor(p, dtype=torch.long).view(-1, 2).t() + sum(lengths[:r])
        for r, p in enumerate(places)
    ]
    with alone():
        expected = loss(
            *full,
            torch.cat(shifted, 1),
            torch.tensor([w for part in weights for w in part], dtype=torch.float64),
        )
    expected.backward()
    there = torch.stack([v.grad for v in full])[:, start : start + lengths[rank]]
    return float((value - expected).detach()), float((grads - there).abs().max())


def meta_node_steps(lengths):
    """Training steps with meta-nodes: the largest error of a number against one process."""
    torch.manual_seed(0)
    apart = []
    several, one = (L.InfoNCE(0.4, negatives=L.MetaNodeNegatives(4, every=2)) for _ in range(2))
    for step in range(4):
        z = torch.randn(2, sum(lengths), D, dtype=torch.float64)
        if step == 3:
            several.eval(), one.eval()
        value = GlobalBatch(several)(*(v.split(lengths)[dist.get_rank()] for v in z))
        with alone():
            expected = one(*z)
        mine, theirs = several.negatives, one.negatives
        assert mine.steps == theirs.steps
        apart += [value - expected, *(mine.centers - theirs.centers).flatten()]
        for found, there in ((mine.gap(5), theirs.gap(5)), (mine.bound(), theirs.bound())):
            assert found.keys() == there.keys()
            apart += [torch.tensor(found[key] - there[key]) for key in found]
    return float(torch.stack(apart).abs().max())


def largest_messages(n):
    """The numbers in the largest message of the first step of meta-nodes, and of the next."""
    z, found = torch.randn(2, n, D, requires_grad=True), []
    loss = GlobalBatch(L.InfoNCE(0.4, negatives=L.MetaNodeNegatives(5)))
    kinds = {"all_reduce": 0, "all_gather": 1}
    with ExitStack() as stack:
        for name, place in kinds.items():
            sent = getattr(dist, name)

            def noting(*given, sent=sent, place=place, **options):
                found[-1] = max(found[-1], given[place].numel())
                return sent(*given, **options)

            stack.enter_context(mock.patch.object(dist, name, noting))
        for _ in range(2):
            found.append(0)
            loss(*(2 * z)).backward()
    return found


def clusters_of_several(lengths, dtype):
    """k-means of rows of which many are alike, so that clusters lose their rows."""
    torch.manual_seed(0)
    z = torch.randn(5, D, dtype=dtype)[torch.randint(5, (sum(lengths),))]
    z[::3] += torch.randn_like(z[::3])
    own = z.split(lengths)[dist.get_rank()]
    found = []
    for options in ({}, {"seed": 3}, {"init": z[:1].expand(6, -1)}):
        labels, centres = spherical_kmeans(own, 6, together=ranks(own), **options)
        with alone():
            expected, there = spherical_kmeans(z, 6, **options)
        there_labels = expected.split(lengths)[dist.get_rank()]
        found.append((torch.equal(labels, there_labels), float((centres - there).abs().max())))
    with mock.patch.object(kmeans, "STARTS", 7):  # as of rows too many to draw from
        labels, centres = spherical_kmeans(own, 6, iterations=0, together=ranks(own))
    nearest = normalize(own) @ centres.t()
    is_row = ((centres[:, None] - normalize(z)).abs().amax(2) < 1e-12).any(1).all()
    apart = (nearest.amax(1) - nearest.gather(1, labels[:, None])[:, 0]).sum()
    return [*found, (bool(is_row), float(apart))]


def strengths(lengths):
    """TeamUp against one process, with strengths and without, and how far these are apart."""
    strength = torch.rand(sum(lengths), dtype=torch.float64, generator=torch.manual_seed(0))
    loss = L.TeamUp(learned(0.4), t0=0).double()
    loss.after_step(50, 100)
    found = [
        compare(loss, 2, lengths, torch.float64, **given)
        for given in ({"community_strength": strength}, {})
    ]
    errors = [max(abs(value - expected), error) for expected, value, error, _ in found]
    return *errors, abs(found[0][0] - found[1][0])


def gathered_ones(names, lengths):
    """Of losses those that are gathered."""
    found, z = [], torch.randn(lengths[dist.get_rank()], D, dtype=torch.float64)

    class GatheredError(Exception):
        pass

    with mock.patch.object(GlobalBatch, "_gathered", side_effect=GatheredError):
        for name in names:
            try:
                GlobalBatch(LOSSES[name]().double())(z, z.flip(0))
            except GatheredError:
                found.append(name)
    return found


def refused(lengths):
    """What a loss cannot be handed, and ranks that come with different things."""
    n, messages = lengths[dist.get_rank()], []
    z = torch.randn(n, D)
    tries = [
        lambda: GlobalBatch(Mine())(z, z, strength=torch.rand(n + 1)),
        lambda: GlobalBatch(Mine())(z[:, : 3 + dist.get_rank()], z[:, : 3 + dist.get_rank()]),
    ]
    for attempt in tries:
        try:
            attempt()
        except ValueError as error:
            messages.append(str(error))
    return messages


def nodes_and_graphs(nodes, dtype):
    """LocalGlobalJSD, where rows are nodes and graphs; rank r has as many graphs as `nodes[r]`."""
    torch.manual_seed(0)
    counts = [sum(part) for part in nodes]
    local = torch.randn(sum(counts), D, dtype=dtype)
    graphs = torch.randn(sum(map(len, nodes)), D, dtype=dtype)
    rank, loss = dist.get_rank(), L.LocalGlobalJSD()
    mine = local.split(counts)[rank].clone().requires_grad_()
    own = graphs.split([len(part) for part in nodes])[rank].clone().requires_grad_()
    of = [torch.repeat_interleave(torch.arange(len(p)), torch.tensor(p).long()) for p in nodes]
    value = GlobalBatch(loss)(mine, own, of[rank])
    value.backward()
    full, all_graphs = local.clone().requires_grad_(), graphs.clone().requires_grad_()
    sizes = torch.tensor([count for part in nodes for count in part])
    with alone():
        expected = loss(full, all_graphs, torch.repeat_interleave(torch.arange(len(sizes)), sizes))
    expected.backward()
    errors = [float((value - expected).detach())]
    for got, there, parts in (
        (mine.grad, full.grad, counts),
        (own.grad, all_graphs.grad, [len(part) for part in nodes]),
    ):
        there = there.split(parts)[rank]
        got = torch.zeros_like(there) if got is None else got / dist.get_world_size()
        errors.append(float((got - there).abs().sum()))
    return errors


def common_and_own_draws():
    """Draws inside of a loss, and around it."""
    torch.manual_seed(dist.get_rank())
    inside = []

    def loss(u, v):
        inside.append(torch.rand(3).tolist())
        return (u * v).sum()

    GlobalBatch(loss)(torch.ones(2, 2), torch.ones(2, 2))
    GlobalBatch(loss)(torch.ones(2, 2), torch.ones(2, 2))
    return inside, torch.rand(3).tolist()
