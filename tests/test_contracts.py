"""The public contract suites over everything the package exports; nothing may be left out."""

from functools import partial

import pytest
import torch
from torch import nn
from torch_geometric import nn as gnn
from torch_geometric.data import Batch, Data

import gcl
from gcl.augment import __all__ as augmentations
from gcl.losses import __all__ as losses
from gcl.methods.recipes import __all__ as recipes
from gcl.methods.variants import __all__ as variants
from gcl.testing import (
    check_augmentation,
    check_loss,
    check_method,
    check_negatives,
    check_variant,
    odd_graphs,
)

A = gcl.augment


def with_strengths():
    """The odd graphs with what `AddCommunities` writes."""
    found = []
    for name, graph in odd_graphs():
        for nodes in graph.node_stores:
            nodes.community_strength = torch.cos(nodes.node_id.to(nodes.x.dtype))
        for edges in graph.edge_stores:
            edges.edge_strength = torch.cos(edges.edge_index.sum(0).float())
        found.append((name, graph))
    return {"graphs": found}


AUGMENTATIONS = {
    "CommunalAttributeVoting": [
        (A.CommunalAttributeVoting(0.4), with_strengths()),
        (A.CommunalAttributeVoting(1.0, threshold=1.0, dense=True), with_strengths()),
    ],
    "CommunalEdgeDropping": [
        (A.CommunalEdgeDropping(0.4), with_strengths()),
        (A.CommunalEdgeDropping(0.4, threshold=0.7, undirected=False), with_strengths()),
        (A.CommunalEdgeDropping(0.4, as_weight=True), with_strengths()),
        (A.CommunalEdgeDropping(1.0), with_strengths()),
    ],
    "EdgeAdding": [(A.EdgeAdding(0.5), {"makes_edges": True})],
    "EdgeDropping": [
        (A.EdgeDropping(0.4), {}),
        (A.EdgeDropping(0.4, undirected=False), {}),
        (A.EdgeDropping(0.4, as_weight=True), {}),
        (A.EdgeDropping(1.0), {}),
    ],
    "FeatureDropout": [(A.FeatureDropout(0.4), {})],
    "FeatureMasking": [(A.FeatureMasking(0.4), {}), (A.FeatureMasking(1.0), {})],
    "FeatureNoise": [(A.FeatureNoise(0.1), {}), (A.FeatureNoise(0.5, 0.4, 0.5, True), {})],
    "FeatureShuffling": [(A.FeatureShuffling(), {})],
    "NodeDropping": [
        (A.NodeDropping(0.4), {}),
        (A.NodeDropping(1.0), {}),
        (A.NodeDropping(0.4, remove=True), {"keeps_nodes": False}),
    ],
    "RandomChoice": [(A.RandomChoice([A.EdgeDropping(0.3), A.FeatureMasking(0.3)]), {})],
    "RandomWalkSubgraph": [(A.RandomWalkSubgraph(), {"keeps_nodes": False})],
}
# Transforms that promise what augmentations do, and draw nothing.
DETERMINISTIC = {
    "PPRDiffusion": [(gcl.transforms.PPRDiffusion(topk=2), {"makes_edges": True})],
}
L = gcl.losses


class InTiles(nn.Module):
    """A loss as many rows see it."""

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def forward(self, z1, z2):
        with gcl.ops.tiling(implementation="tiled", tile=7):
            return self.loss(z1, z2)


class OfRows(nn.Module):
    """A loss with a part that is made from the rows at hand, so that it follows their order."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, z1, z2):
        return self.make(z1)(z1, z2)


def two_groups(z):
    return (z[:, 0] > 0).long()


def edges(z):
    """Pairs of neighbours on a line."""
    order = z[:, 1].argsort()
    return torch.stack([torch.cat([order[1:], order[:-1]]), torch.cat([order[:-1], order[1:]])])


CONSTANTS = {"constants": True}
LOSSES = {
    "AdaptiveContrast": [(L.AdaptiveContrast(8, 0.4).double(), {})],
    "AlignmentUniformity": [
        (L.AlignmentUniformity(), {}),
        (L.AlignmentUniformity(cross_weight=1.0), {}),
    ],
    "BarlowTwins": [(L.BarlowTwins(), {"min_rows": 2})],
    "BootstrapCosine": [(L.BootstrapCosine(), {"one_sided": True})],
    "CACR": [
        (L.CACR(), {}),
        (L.CACR(tau_plus=0.1), {}),
        (L.CACR(detach_weights=True), CONSTANTS),
    ],
    "CCASSG": [(L.CCASSG(), {"min_rows": 2})],
    "CWCL": [(L.CWCL(0.4), {})],
    "ClusterContrast": [(L.ClusterContrast(0.4, clusters=(2, 5), warm_start=False), CONSTANTS)],
    "DCL": [
        (L.DCL(0.4), {}),
        (L.DCL(0.01), {}),
        (L.DCL(L.AdaptiveTemperature(0.4)), CONSTANTS),
        (L.DCL(0.4, negatives=L.HardestNegatives(5)), {}),
    ],
    "DCLW": [(L.DCLW(0.4), CONSTANTS)],
    "DecoupledUniformity": [(L.DecoupledUniformity(), {})],
    "GroupDiscrimination": [(L.GroupDiscrimination(), {"compares": False})],
    "HardNegativeInfoNCE": [
        (L.HardNegativeInfoNCE(0.4), {}),
        (L.HardNegativeInfoNCE(0.4, detach_weights=True), CONSTANTS),
    ],
    "ISogCLR": [(L.ISogCLR(17, perplexity=5).eval(), {})],
    "InfoNCE": [
        (L.InfoNCE(0.4), {}),
        (L.InfoNCE(0.01), {}),
        (InTiles(L.InfoNCE(0.4)), {}),
        (L.InfoNCE(0.4, similarity="dot"), {}),
        (L.InfoNCE(0.4, similarity="neg_sq_euclidean"), {}),
        (L.InfoNCE(0.4, margin=0.2, margin_form="angular"), {}),
        (L.InfoNCE(0.4, negatives=L.RandomNegatives(5)), {"draws": True}),
        (L.InfoNCE(0.4, negatives=L.HardestNegatives(5)), {}),
        (L.InfoNCE(0.4, negatives=L.MetaNodeNegatives(5)), {}),
        (L.InfoNCE(0.4, negatives=L.MixedNegatives(5, 4)), {"draws": True, "constants": True}),
        (L.InfoNCE(0.4, intra=False, log_weight=L.PairNetwork(8, normalize="none").double()), {}),
    ],
    "JSD": [
        (L.JSD(), {}),
        (L.JSD(form="bce", intra=True), {}),
        (L.JSD(similarity="cosine"), {}),
        (L.JSD(beta=1.0), CONSTANTS),
    ],
    "NS4GC": [
        (L.NS4GC(), {}),
        (OfRows(lambda z: partial(L.NS4GC(), pos_edge_index=edges(z))), {}),
    ],
    "KernelInfoNCE": [
        (L.KernelInfoNCE(0.4), {}),
        (L.KernelInfoNCE(0.4, gamma=0.5, mix=0.5), {}),
    ],
    "PairwiseAUC": [
        (L.PairwiseAUC(), {}),
        (L.PairwiseAUC(0.05), {}),
        (L.PairwiseAUC(beta=1.0), CONSTANTS),
    ],
    "PairwiseViews": [(L.PairwiseViews(L.InfoNCE(0.4)), {})],
    "PolyView": [
        (L.PolyView(0.4), {}),
        (L.PolyView(0.4, form="arithmetic"), {}),
        (L.PolyView(0.4, rest="mean"), {}),
    ],
    "ProGCL": [
        (L.ProGCL(0.4), {}),
        (L.ProGCL(0.4, t0=0, columns=4), {"draws": True, "constants": True}),
    ],
    "ProtoNCE": [
        (L.ProtoNCE(0.4), {"one_sided": True}),
        (L.ProtoNCE(0.4, clusters=(2, 30), concentration="legacy"), {"one_sided": True}),
    ],
    "SUGRL": [
        (L.SUGRL(m2=100.0), {"draws": True}),
        (L.SUGRL(), {"draws": True, "constants": True, "compares": False}),
    ],
    "Sigmoid": [(L.Sigmoid(), {}), (L.Sigmoid(intra=True), {})],
    "ScaledCosineError": [(L.ScaledCosineError(), {}), (L.ScaledCosineError(1.5), {})],
    "SwAV": [(L.SwAV(8, 5), CONSTANTS)],
    "TeamUp": [(L.TeamUp(0.4), {})],
    "Sketched": [
        (L.Sketched(L.InfoNCE(0.4), ratio=0.7), {"draws": True}),
        (L.Sketched(L.InfoNCE(0.4), ratio=0.7, sketch="sign", density=0.3), {"draws": True}),
    ],
    "Triplet": [
        (L.Triplet(), {}),
        (L.Triplet(intra=True), {}),
        (L.Triplet(num_negatives=4), {"draws": True}),
    ],
    "VICReg": [(L.VICReg(), {"min_rows": 2})],
}


def strengths(z):
    return z.double().mean(1).tanh().to(z.dtype if z.is_floating_point() else torch.float64)


def graphs_of_two(z1, z2):
    """Rows as nodes of two graphs, which the means of the other view summarise."""
    if z1.shape != z2.shape:
        raise ValueError("two views of the same nodes")
    batch = two_groups(z1)
    total = z2.new_zeros(2, z2.shape[1]).index_add(0, batch, z2)
    count = torch.bincount(batch, minlength=2).clamp(min=1)
    return L.LocalGlobalJSD()(z1, (total / count[:, None]).to(z1.dtype), batch)


def memberships(z1, z2):
    q, p = (z.softmax(1) if z.is_floating_point() else z for z in (z1, z2))
    return L.SelfTraining()(q, p)


def both_uniformities(z1, z2):
    if z1.shape != z2.shape:
        raise ValueError("two views of the same nodes")
    return L.uniformity(z1) + L.uniformity(z2)


# Losses of another shape, and parts in a loss that has them.
PARTS = {
    "AdaptiveTemperature": [
        (L.InfoNCE(L.AdaptiveTemperature(0.4)), CONSTANTS),
        (L.InfoNCE(L.AdaptiveTemperature(0.4, alpha=1.0, momentum=0.9).eval()), CONSTANTS),
    ],
    "ClusterNegatives": [
        (OfRows(lambda z: L.DCL(0.4, negatives=L.ClusterNegatives(two_groups(z)))), {}),
    ],
    "FilteredNegatives": [
        (OfRows(lambda z: L.InfoNCE(0.4, negatives=L.FilteredNegatives(edges(z), len(z)))), {}),
    ],
    "HardestNegatives": [(L.InfoNCE(0.4, negatives=L.HardestNegatives(5, skip=1)), {})],
    "LocalGlobalJSD": [(graphs_of_two, {})],
    "MetaNodeNegatives": [
        (L.InfoNCE(0.4, negatives=L.MetaNodeNegatives(5)), {}),
        (OfRows(lambda z: L.DCL(0.4, negatives=L.MetaNodeNegatives(assignment=two_groups(z)))), {}),
    ],
    "MixedNegatives": [
        (L.InfoNCE(0.4, negatives=L.MixedNegatives(5, 4)), {"draws": True, "constants": True}),
    ],
    "PairNetwork": [
        (L.InfoNCE(0.4, intra=False, log_weight=L.PairNetwork(8, normalize="none").double()), {}),
        (L.DCL(0.4, log_weight=L.PairNetwork(8, act="relu").double()), {}),
    ],
    "RandomNegatives": [
        (L.InfoNCE(0.4, negatives=L.RandomNegatives(5, rescale=True)), {"draws": True}),
    ],
    "SelfTraining": [(memberships, {"one_sided": True})],
    "alignment": [(L.alignment, {})],
    "cluster_pairs": [
        (OfRows(lambda z: L.InfoNCE(0.4, log_weight=L.cluster_pairs(two_groups(z)[None]))), {}),
    ],
    "rank_one": [(OfRows(lambda z: L.InfoNCE(0.4, log_weight=L.rank_one(strengths(z)))), {})],
    "uniformity": [(both_uniformities, {"min_rows": 2, "compares": False})],
    "without_pairs": [
        (OfRows(lambda z: L.DCL(0.4, log_weight=L.without_pairs(edges(z), len(z)))), {}),
    ],
}
ROWS = 17
LABELS = torch.arange(ROWS) % 5
LABELS[-1] = 9  # alone
LINE = torch.stack([torch.arange(ROWS - 1), torch.arange(1, ROWS)])


def others(mask):
    return mask & ~torch.eye(ROWS, dtype=torch.bool)


def far_on_the_line(q, k):
    place = torch.arange(ROWS)
    return others((place[:, None] - place).abs() > 2)


def nearest_rows(q, k):
    dots = (q @ k.T).fill_diagonal_(-torch.inf)
    return dots >= dots.topk(5, dim=1).values[:, -1:]


NEGATIVES = {
    "ClusterNegatives": [
        (L.ClusterNegatives(LABELS), {"chosen": lambda q, k: others(LABELS[:, None] == LABELS)}),
    ],
    "FilteredNegatives": [(L.FilteredNegatives(LINE, ROWS, 2), {"chosen": far_on_the_line})],
    "HardestNegatives": [
        (L.HardestNegatives(5), {"chosen": nearest_rows}),
        (L.HardestNegatives(3, skip=2), {}),
    ],
    "MetaNodeNegatives": [
        (L.MetaNodeNegatives(4), {"fits": True}),
        (
            L.MetaNodeNegatives(4, assign="soft", second_order=True).eval(),
            {"fits": True, **CONSTANTS},
        ),
        (L.MetaNodeNegatives(assignment=LABELS % 4), {}),
        (
            L.MetaNodeNegatives(assignment=torch.arange(ROWS)),  # a cluster a row: exact
            {"chosen": lambda q, k: others(torch.ones(ROWS, ROWS, dtype=torch.bool))},
        ),
    ],
    "MixedNegatives": [(L.MixedNegatives(4, 3, 2), {"constants": True})],
    "RandomNegatives": [
        (L.RandomNegatives(6), {}),
        (L.RandomNegatives(4, rescale=True), {}),
        (
            L.RandomNegatives(ROWS),
            {"chosen": lambda q, k: others(torch.ones(ROWS, ROWS, dtype=torch.bool))},
        ),
    ],
}
RECIPES = {
    "afgrl": {"hidden": 8, "predictor": 8, "clusters": 5, "runs": 2},
    "bgrl": {"hidden": 8, "predictor": 8},
    "cca_ssg": {"hidden": 8},
    "costa": {"hidden": 8, "proj": 8},
    "dgi": {"hidden": 8},
    "ggd": {"hidden": 8},
    "graphmae": {"hidden": 8},
    "mvgrl": {"hidden": 8, "topk": 5},
    "progcl": {"hidden": 8, "proj": 8, "t0": 0},
    "sgrl": {"hidden": 8, "predictor": 8},
    "sugrl": {"hidden": (16,), "dim": 8},
    "csgcl": {"hidden": 8, "proj": 8, "t0": 0},
    "gbt": {"hidden": 8},
    "gca": {"hidden": 8, "proj": 8},
    "grace": {"hidden": 8, "proj": 8},
    "ns4gc": {"hidden": 16, "dim": 8},
    "pamc": {"hidden": (16,), "dim": 4, "pretrain_epochs": 2},
    "scgc": {"hidden": (16,), "dim": 4, "pretrain_epochs": 2},
    "vicreg": {"hidden": 8, "proj": 8},
}
# On heterogeneous graphs: tests/methods/test_metapath_contrast.py checks them.
HETERO = {"adameow", "heco", "meow"}
# On sets of graphs.
GRAPH_RECIPES = {
    name: {"hidden": 8} for name in ("graphcl", "infograph", "mvgrl_graph", "simgrace")
}
M = gcl.methods


def distilled(method, **options):
    """A student for graphs as wide as those of the teacher."""
    data = Data(x=torch.rand(4, method.encoder.in_channels), edge_index=LINE[:, :3])
    return M.distil(method, data, hidden=(8,), **options)


VARIANTS = {
    "distil": [
        ("dgi", distilled),
        ("grace", partial(distilled, norm=None, loss=gcl.losses.InfoNCE(0.5))),
    ],
    "half_hop": [
        ("grace", M.half_hop),
        ("gca", partial(M.half_hop, p=1.0, alpha=0.2)),
        ("csgcl", M.half_hop),
        ("bgrl", M.half_hop),
        ("gbt", M.half_hop),
        ("cca_ssg", partial(M.half_hop, p=0.0)),
        ("graphcl", M.half_hop),
    ],
    "joao": [("graphcl", M.joao)],
    "macl": [
        ("grace", M.macl),
        ("costa", partial(M.macl, alpha=0.2)),
        ("csgcl", M.macl),
        ("progcl", M.macl),
        ("graphcl", partial(M.macl, momentum=0.9)),
    ],
    "meta_nodes": [("grace", partial(M.meta_nodes, clusters=4)), ("gca", M.meta_nodes)],
    "pot": [("grace", M.pot), ("gca", partial(M.pot, kappa=1.0)), ("csgcl", M.pot)],
    "several_seeds": [
        ("bgrl", partial(M.several_seeds, seeds=3)),
        ("grace", partial(M.several_seeds, seeds=1)),
        ("graphcl", partial(M.several_seeds, seeds=2)),
        ("dgi", partial(M.several_seeds, seeds=2, width=3)),
    ],
    "several_views": [
        ("grace", M.several_views),
        ("costa", M.several_views),
        ("gbt", partial(M.several_views, views=4)),
    ],
    "with_hops": [
        ("grace", M.with_hops),
        ("dgi", partial(M.with_hops, hops=1, weight=0.5)),
        ("ns4gc", M.with_hops),
    ],
    "with_negatives": [
        ("grace", partial(M.with_negatives, negatives=gcl.losses.HardestNegatives(3))),
        ("gca", partial(M.with_negatives, negatives=gcl.losses.RandomNegatives(3))),
    ],
}
# Variants that embed otherwise from the start.
OTHER_EMBEDDING = {"distil", "several_seeds", "with_hops"}


def cases(table):
    return [pytest.param(*case, id=str(case[0])) for group in table.values() for case in group]


def named(table):
    return [
        pytest.param(*case, id=f"{name} {i}")
        for name, g in table.items()
        for i, case in enumerate(g)
    ]


def test_every_export_is_checked():
    assert set(AUGMENTATIONS) == set(augmentations)
    assert set(RECIPES) | HETERO | set(GRAPH_RECIPES) == set(recipes)
    assert set(VARIANTS) == set(variants)


def test_every_loss_and_every_part_of_one_is_checked():
    assert not set(LOSSES) & set(PARTS)
    assert set(LOSSES) | set(PARTS) == set(losses)
    assert set(NEGATIVES) == {name for name in losses if name.endswith("Negatives")}


@pytest.mark.parametrize(("transform", "options"), cases(AUGMENTATIONS | DETERMINISTIC))
def test_augmentation(transform, options):
    check_augmentation(transform, **options)


@pytest.mark.parametrize(("loss", "options"), cases(LOSSES))
def test_loss(loss, options):
    check_loss(loss, **options, refuses=True)


@pytest.mark.parametrize(("loss", "options"), named(PARTS))
def test_parts_in_a_loss(loss, options):
    check_loss(loss, **options, refuses=True)


@pytest.mark.parametrize(("negatives", "options"), named(NEGATIVES))
def test_negatives(negatives, options):
    check_negatives(negatives, rows=ROWS, **options, refuses=True)


@pytest.mark.parametrize(("name", "options"), RECIPES.items())
@pytest.mark.parametrize("graph", ["karate", "dense weights"])
def test_method(name, options, graph):
    data = gcl.datasets.load("karate")
    if graph == "dense weights":
        data.x = torch.rand(34, 6)
        data.edge_weight = torch.rand(data.num_edges)
    check_method(getattr(gcl.methods, name)(data, **options), data)


@pytest.mark.parametrize(
    ("recipe", "variant", "keeps"),
    [
        pytest.param(*case, name not in OTHER_EMBEDDING, id=f"{case[0]} {name} {i}")
        for name, group in VARIANTS.items()
        for i, case in enumerate(group)
    ],
)
def test_variant(recipe, variant, keeps):
    if recipe in GRAPH_RECIPES:
        data = Batch.from_data_list([gcl.datasets.sbm(20, 2, num_features=5) for _ in range(3)])
        options = GRAPH_RECIPES[recipe]
    else:
        data, options = gcl.datasets.load("karate"), RECIPES[recipe]
    method = getattr(gcl.methods, recipe)(data, **options)
    check_variant(variant, method, data, keeps_embedding=keeps)


@pytest.mark.parametrize(("name", "options"), GRAPH_RECIPES.items())
def test_method_on_a_batch_of_graphs(name, options):
    graphs = [gcl.datasets.sbm(20, 2, num_features=5, seed=seed) for seed in range(3)]
    data = Batch.from_data_list(graphs)
    check_method(getattr(gcl.methods, name)(data, **options), data)


def test_two_view_rejects_what_is_no_view():
    with pytest.raises(ValueError, match="two transforms"):
        gcl.methods.TwoView(gcl.nn.GCNEncoder(1, 1), (A.EdgeDropping(0.1),), gcl.losses.InfoNCE())


def test_two_view_takes_plain_functions_and_protects_the_data():
    def drop_all(data):
        data.edge_index = data.edge_index[:, :0]
        return data

    data = Data(x=torch.randn(4, 3), edge_index=torch.tensor([[0, 1], [1, 0]]))
    method = gcl.methods.TwoView(
        gcl.nn.GCNEncoder(3, 4), (drop_all, drop_all), gcl.losses.InfoNCE()
    )
    method(data).backward()
    assert data.num_edges == 2


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("layout", ["csr", "coo"])
def test_sparse_features_give_the_embeddings_of_dense_ones(name, layout):
    data = gcl.datasets.sbm(40, 2, num_features=12)
    data.x = data.x.relu()  # bags of words are not negative
    sparse = data.clone()
    sparse.x = getattr(data.x, f"to_sparse_{layout}")()
    found = []
    for graph in (data, sparse):
        torch.manual_seed(0)
        method = getattr(gcl.methods, name)(graph, **RECIPES[name])
        found.append(gcl.embed(method, graph))
        gcl.fit(method, graph, epochs=1)
    torch.testing.assert_close(*found)


class Scale(gcl.Method):
    """One parameter, and a whole graph that is twice as large."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(3.0))

    @staticmethod
    def whole_graph(data):
        data.x = 2 * data.x
        return data

    def loss(self, data):
        return self.factor * data.x.sum()

    def embed(self, data):
        return self.factor * data.x


def test_a_method_prepares_a_copy_and_is_called_for_its_loss():
    data, method = Data(x=torch.ones(2, 1)), Scale()
    prepared = method.prepare(data)
    assert (data.x.sum(), prepared.x.sum()) == (2, 4)
    assert method(prepared).item() == 12
    assert method.after_step(1, 10) is None
    method.whole_graph = None
    assert method.prepare(data) is data


def test_a_method_needs_a_loss_and_an_embedding():
    with pytest.raises(TypeError, match=r"abstract.*embed"):
        type("Half", (gcl.Method,), {"loss": Scale.loss})()
    with pytest.raises(TypeError, match=r"abstract.*loss"):
        type("Half", (gcl.Method,), {"embed": Scale.embed})()


@pytest.mark.parametrize("name", ["bgrl", "grace"])
def test_one_node_where_batchnorm_needs_two_is_told_in_our_words(name):
    one = Data(x=torch.rand(1, 6), edge_index=torch.zeros(2, 0, dtype=torch.long))
    encoder = gnn.GCN(6, 4, 2, norm="batch_norm")
    method = getattr(gcl.methods, name)(one, encoder=encoder)
    with pytest.raises(ValueError, match=r"BatchNorm needs at least two rows.*leave out batches"):
        method(method.prepare(one))


@pytest.mark.parametrize("name", ["afgrl", "bgrl", "gbt"])
def test_one_node_is_trained_or_refused_in_our_words(name):
    one = Data(x=torch.rand(1, 6), edge_index=torch.zeros(2, 0, dtype=torch.long))
    method = getattr(gcl.methods, name)(one, **RECIPES[name])
    if name == "gbt":
        with pytest.raises(ValueError, match="BarlowTwins: expected at least 2 rows, got 1"):
            method(method.prepare(one))
    else:
        assert method(method.prepare(one)).isfinite()


def test_a_methods_own_errors_stay_as_they_are():
    class Wrong(Scale):
        def loss(self, data):
            raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        Wrong()(Data())
