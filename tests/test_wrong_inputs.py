"""Users' mistakes, one a line: each ends in one sentence of ours that says what came.

A case is what is called, the kind of error, and a pattern of the sentence, which names what was
expected and what came.
"""

import copy
import functools
import traceback
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GCN

import gcl
from gcl import augment as A
from gcl import callbacks as C
from gcl import evaluate as E
from gcl import losses as L
from gcl import methods as M
from gcl import transforms as T
from gcl.methods.recipes import __all__ as RECIPES

ROOT = str(Path(gcl.__file__).parent)
GRAPH = gcl.datasets.sbm(60, num_features=8)
NARROW = gcl.datasets.sbm(60, num_features=5)
TYPES = gcl.datasets.hetero_sbm(60, num_authors=60, num_subjects=6)
PATHS = T.AddMetaPaths([["paper", "author", "paper"]])
Z, Y = torch.randn(60, 8, generator=torch.Generator().manual_seed(0)), GRAPH.y
SPLIT = E.edge_split(GRAPH)
OF_GRAPHS = {"graphcl", "infograph", "mvgrl_graph", "simgrace"}
OF_TYPES = {"adameow", "heco", "meow"}
OF_NODES = sorted(set(RECIPES) - OF_GRAPHS - OF_TYPES)


def with_(**attributes):
    """The graph, with other attributes."""
    data = copy.copy(GRAPH)
    for name, value in attributes.items():
        data[name] = value
    return data


def without(*names):
    data = copy.copy(GRAPH)
    for name in names:
        del data[name]
    return data


@functools.cache
def method():
    return M.grace(GRAPH, hidden=8, proj=8)


@functools.cache
def drawn():
    return M.graphcl(GRAPH, hidden=8)


def fit(data=GRAPH, of=None, **options):
    return gcl.fit(copy.deepcopy(of or method()), data, **{"epochs": 1, **options})


class NoWidth(nn.Module):
    def forward(self, x, edge_index, edge_weight=None):
        return x


class NoEdges(nn.Module):
    out_channels = 8

    def forward(self, x):
        return x


def views_of(make=None, rows=None, **attributes):
    """A step of a method whose first view has other rows, or says so."""

    def view(data):
        if rows is not None:
            data.x, data.edge_index = rows, data.edge_index[:, :0]
        for name, value in attributes.items():
            data[name] = value
        return data

    make = make or (lambda *a: M.TwoView(*a, L.InfoNCE(0.4)))
    return make(ENCODER(), (view, A.EdgeDropping(0.3)))(GRAPH)


VIEWS = (A.EdgeDropping(0.3), A.FeatureMasking(0.3))
ENCODER = functools.partial(gcl.nn.GCNEncoder, 8, 8)

# What stands in the place of a graph: what it is, the kind of error, what the sentence says.
NO_GRAPHS = {
    "None": (None, "None"),
    "text": ("cora", r"the text 'cora'.*gcl\.datasets\.load"),
    "path": (Path("g.pt"), r"the text 'g\.pt'"),
    "networkx": (nx.karate_club_graph(), r"networkx Graph.*from_networkx"),
    "SciPy": (sp.eye_array(5), "SciPy dia_array.*from_scipy_sparse_matrix"),
    "NumPy": (np.ones((3, 3)), r"ndarray \[3, 3\].*Data\(x=x"),
    "a tensor": (GRAPH.x, r"Tensor \[60, 8\].*Data\(x=x"),
    "a pair": ((GRAPH.x, GRAPH.edge_index), r"tuple of 2.*Data\(x=x|Tensor \[60, 8\]"),
    "a dict": ({"x": GRAPH.x}, r"dict.*from_dict"),
    "a loader": (DataLoader([GRAPH]), r"DataLoader.*next\(iter"),
    "a class": (Data, "the class Data.*make an object"),
    "a function": (gcl.datasets.karate, "the function karate.*call it"),
    "a number": (3, "int"),
}
NO_FEATURES = {
    "no x": (without("x"), ValueError, "no features x.*AddDegreeFeatures"),
    "no columns": (with_(x=torch.ones(60, 0)), ValueError, "no features x.*AddDegreeFeatures"),
    "SciPy x": (with_(x=sp.csr_array(np.ones((60, 8)))), TypeError,
                r"data\.x: .*got csr_array.*from_numpy\(x\.toarray"),
    "NumPy x": (with_(x=np.ones((60, 8))), TypeError, r"data\.x: .*got ndarray.*from_numpy"),
    "list x": (with_(x=[[1.0]] * 60), TypeError, r"data\.x: .*got list.*torch\.tensor"),
    "integer x": (with_(x=torch.ones(60, 8).long()), TypeError, r"data\.x: .*int64.*x\.float"),
    "bool x": (with_(x=torch.ones(60, 8).bool()), TypeError, r"data\.x: .*bool.*x\.float"),
    "1-D x": (with_(x=torch.ones(60)), ValueError, r"data\.x: .*got \[60\].*view\(-1, 1\)"),
    "3-D x": (with_(x=torch.ones(60, 2, 4)), ValueError, r"data\.x: .*got \[60, 2, 4\]"),
}  # fmt: skip
NO_ENCODERS = {
    "a class": (gcl.nn.GCNEncoder, "got the class GCNEncoder; make one"),
    "text": ("gcn", r"a module \(x, edge_index, edge_weight\).* got 'gcn'"),
    "no width": (NoWidth(), "out_channels, but that of NoWidth is None"),
    "other arguments": (NoEdges(), r"must take \(x, edge_index, .* but NoEdges takes \(x\)"),
    "a layer": (nn.Linear(8, 8), r"but Linear takes \(input\)"),
}
NO_METHODS = {
    "None": (None, "NoneType"),
    "data": (GRAPH, "Data; the method comes before the data"),
    "a recipe": (M.grace, "the function grace; call it"),
    "a class": (M.TwoView, "the class TwoView"),
    "an encoder": (gcl.nn.GCNEncoder(8, 8), r"the module GCNEncoder; a recipe makes"),
    "text": ("grace", "str"),
}
VARIANTS = {
    "distil": lambda m: M.distil(m, GRAPH),
    "half_hop": M.half_hop,
    "joao": M.joao,
    "macl": M.macl,
    "meta_nodes": M.meta_nodes,
    "pot": M.pot,
    "several_seeds": M.several_seeds,
    "several_views": M.several_views,
    "with_hops": M.with_hops,
    "with_negatives": lambda m: M.with_negatives(m, L.HardestNegatives(3)),
}

# name: (call, kind of error, pattern)
CASES = {
    # fit and embed
    "fit: swapped": (lambda: gcl.fit(GRAPH, method(), epochs=1), TypeError,
                     "must be a gcl.Method, got Data; the method comes before"),
    "fit: a recipe": (lambda: gcl.fit(M.grace, GRAPH, epochs=1), TypeError, "Method, got function"),
    "fit: epochs text": (lambda: fit(epochs="3"), ValueError, "epochs must be .* got '3'"),
    "fit: epochs fraction": (lambda: fit(epochs=3.0), ValueError, r"epochs must be .* got 3\.0"),
    "fit: lr text": (lambda: fit(lr="1e-3"), TypeError, "lr must be a number, got '1e-3'"),
    "fit: clip text": (lambda: fit(clip="1"), TypeError, "clip must be a number, got '1'"),
    "fit: clip 0": (lambda: fit(clip=0), ValueError, "clip must be above 0, got 0"),
    "fit: precision": (lambda: fit(precision="fp16"), ValueError, "one of 'fp32', 'bf16', got 'f"),
    "fit: device": (lambda: fit(device="gpu"), ValueError, "device 'gpu' cannot be used.*'cuda'"),
    "fit: device number": (lambda: fit(device=0.5), TypeError, r"device must be .* got 0\.5"),
    "fit: optimizer text": (lambda: fit(optimizer="sgd"), TypeError, "optimizer .* got 'sgd'"),
    "fit: scheduler text": (lambda: fit(scheduler="cos"), TypeError, "scheduler .* got 'cos'"),
    "fit: scheduler's class": (lambda: fit(scheduler=torch.optim.lr_scheduler.StepLR), TypeError,
                               r"StepLR takes more than the optimizer.*partial\(StepLR"),
    "fit: scheduler makes none": (lambda: fit(scheduler=lambda o: 3), TypeError,
                                  "must make a learning-rate scheduler, got 3"),
    "fit: one callback": (lambda: fit(callbacks=C.ProgressBar()), TypeError,
                          "a list of callbacks, got"),
    "fit: no callbacks": (lambda: fit(callbacks=None), TypeError, "a list of callbacks, got None"),
    "fit: callback's class": (lambda: fit(callbacks=[C.ProgressBar]), TypeError,
                              r"the class ProgressBar; make one: ProgressBar\("),
    "fit: graphs one by one": (lambda: fit([GRAPH, GRAPH], of=drawn()), TypeError,
                               "a list of graphs would be trained on graph by graph"),
    "fit: other width": (lambda: fit(NARROW), ValueError,
                         r"made for 8 features a node, but data\.x is \[60, 5\]"),
    "fit: other width in a loader": (lambda: fit([NARROW]), ValueError,
                                     r"made for 8 features a node, but data\.x is \[60, 5\]"),
    "fit: x in training": (lambda: fit(with_(x=nn.Embedding(60, 8).weight)), ValueError,
                           r"data\.x requires a gradient.*detach\(\).*encoder"),
    "fit: weights in training": (lambda: fit(with_(edge_weight=torch.ones(
        GRAPH.num_edges, requires_grad=True))), ValueError, r"data\.edge_weight requires a grad"),
    "fit: NaN": (lambda: fit(with_(x=torch.full((60, 8), torch.nan))), ValueError,
                 "60 of 60 rows hold NaN"),
    "fit: no edges": (lambda: fit(without("edge_index")), ValueError, r"edge_index: .*missing"),
    "fit: edges on their side": (lambda: fit(with_(edge_index=GRAPH.edge_index.t())), ValueError,
                                 r"\[2, num_edges\], got \["),
    "fit: edges beyond": (lambda: fit(with_(edge_index=torch.tensor([[0], [99]]))), ValueError,
                          r"must lie in \[0, 59\].* got 99"),
    "embed: swapped": (lambda: gcl.embed(GRAPH, method()), TypeError, "got Data; the method comes"),
    "embed: nothing": (lambda: gcl.embed(method(), []), ValueError, "the loader gave no batch"),
    "embed: tensors": (lambda: gcl.embed(method(), [GRAPH.x]), TypeError, "Data or H.*got Tensor"),
    "embed: other types": (lambda: gcl.embed(M.heco(TYPES, paths=T.AddMetaPaths(
        PATHS.metapaths, contexts="none", topk_form="row"), hidden=8), gcl.datasets.hetero_sbm(
            60, num_authors=60, num_subjects=6, num_features=5)), ValueError,
        r"made for 64 features a node, but data\['paper'\]\.x is \[60, 5\]"),
    # recipes and variants
    "recipe: rates": (lambda: M.grace(GRAPH, drop_edge=0.3), ValueError,
                      r"grace: drop_edge must be two rates, one a view, got 0\.3"),
    "recipe: rate text": (lambda: M.grace(GRAPH, drop_edge=("0.3", "0.4")), TypeError,
                          "must be a number, got '0.3'"),
    "recipe: rate": (lambda: M.grace(GRAPH, drop_edge=(0.3, 1.3)), ValueError, r"p .* got 1\.3"),
    "recipe: tau text": (lambda: M.grace(GRAPH, tau="0.4"), TypeError, "tau .* number.* got '0.4'"),
    "recipe: width": (lambda: M.grace(GRAPH, hidden=8.5), TypeError, r"grace: hidden .*got 8\.5"),
    "recipe: cached": (lambda: M.grace(GRAPH, encoder=GCN(8, 8, 2, cached=True)), ValueError,
                       r"grace: encoder keeps the edges .*convs\.0 has cached=True"),
    "recipe: act": (lambda: M.grace(GRAPH, act="rellu"), ValueError, "activation 'rellu'.*'relu'"),
    "recipe: norm": (lambda: M.bgrl(GRAPH, norm="bach"), ValueError, "norm 'bach'; .*'batch'"),
    "recipe: layers": (lambda: M.dgi(GRAPH, num_layers="2"), TypeError, "num_layers .* got '2'"),
    "recipe: widths": (lambda: M.pamc(GRAPH, hidden=8), TypeError, r"pamc: hidden .*\(8,\)"),
    "recipe: clusters": (lambda: M.scgc(without("y")), ValueError, "scgc: .*clusters=..."),
    "recipe: influence": (lambda: M.scgc(GRAPH, influence=3), TypeError,
                          r"scgc: influence must be a gcl\.transforms\.AddInfluence.*got 3"),
    "recipe: paths": (lambda: M.meow(TYPES, paths=[["paper", "author", "paper"]]), TypeError,
                      r"meow: paths must be a gcl\.transforms\.AddMetaPaths.*got \[\["),
    "recipe: no graphs": (lambda: M.graphcl([]), ValueError, "graphcl: .*one graph, got an empty"),
    "TwoView: swapped": (lambda: M.TwoView(VIEWS, ENCODER(), L.InfoNCE(0.4)), TypeError,
                         r"encoder must be a module .* got"),
    "TwoView: one view": (lambda: M.TwoView(ENCODER(), VIEWS[0], L.InfoNCE(0.4)), ValueError,
                          "views must be two transforms"),
    "TwoView: view's class": (lambda: M.TwoView(ENCODER(), (A.EdgeDropping,) * 2, L.InfoNCE(0.4)),
                              TypeError, r"the class EdgeDropping; make one: EdgeDropping\("),
    "TwoView: a view drops rows": (lambda: views_of(rows=GRAPH.x[:50]), ValueError,
                                   "TwoView: .*60 rows of its graph, got 50; .*row_in_graph"),
    "TwoView: a view adds rows": (lambda: views_of(rows=torch.ones(61, 8)), ValueError,
                                  "TwoView: .*60 rows of its graph, got 61; .*helper_mask"),
    "TwoView: too few are marked": (
        lambda: views_of(rows=torch.ones(62, 8), slow_node_mask=torch.arange(62) == 61),
        ValueError, "TwoView: .*got 61 besides 1 helper rows; .*helper_mask"),
    "TwoView: a mask of numbers": (
        lambda: views_of(helper_mask=torch.zeros(60)), ValueError,
        r"TwoView: helper_mask must be a boolean tensor \[60\].*float32"),
    "TwoView: rows named twice": (
        lambda: views_of(row_in_graph=torch.zeros(60).long()), ValueError,
        "TwoView: row_in_graph .*0 to 59, each at most once"),
    "Bootstrap: a view drops rows": (
        lambda: views_of(lambda *a: M.Bootstrap(*a, nn.Linear(8, 8)), rows=GRAPH.x[:50]),
        ValueError, "Bootstrap: .*60 rows of its graph, got 50"),
    "Infomax: a corruption drops rows": (
        lambda: views_of(lambda e, v: M.Infomax(e, v[0], M.infomax.SumScore(8), readout=None),
                         rows=GRAPH.x[:50]),
        ValueError, "Infomax: .*60 rows of its graph, got 50"),
    "LocalGlobal: a view drops rows": (
        lambda: views_of(lambda e, v: M.LocalGlobal([e, e], nn.Linear(8, 4), nn.Linear(8, 4),
                                                    views=v), rows=GRAPH.x[:50]),
        ValueError, "LocalGlobal: .*60 rows of its graph, got 50"),
    "half_hop: no views": (lambda: M.half_hop(M.dgi(GRAPH, hidden=8)), TypeError,
                           "half_hop: .*augmented views.* got a Infomax"),
    "half_hop: rate": (lambda: M.half_hop(method(), p="0.5"), TypeError,
                       "half_hop: p must be a number.*'0.5'"),
    "TwoView: loss's class": (lambda: M.TwoView(ENCODER(), VIEWS, L.InfoNCE), TypeError,
                              r"loss must be an objective.*got the class InfoNCE"),
    "joao: another method": (lambda: M.joao(method()), TypeError, "joao: .*RandomChoice.*TwoView"),
    "macl: no temperature": (lambda: M.macl(M.dgi(GRAPH, hidden=8)), TypeError,
                             "macl: .*fixed temperature.* got a Infomax"),
    "meta_nodes: no softmax": (lambda: M.meta_nodes(M.gbt(GRAPH, hidden=8)), TypeError,
                               "meta_nodes: .*softmax loss.* got a TwoView without one"),
    "meta_nodes: clusters": (lambda: M.meta_nodes(method(), clusters="4"), TypeError,
                             "meta_nodes: clusters must be a whole number, got '4'"),
    "pot: other encoders": (lambda: M.pot(M.grace(GRAPH, encoder=GCN(8, 8, 2))), TypeError,
                            r"POT: bounds need a gcl\.nn\.GCNEncoder, got GCN"),
    "pot: no two views": (lambda: M.pot(M.dgi(GRAPH, hidden=8)), TypeError,
                          "POT: .*TwoView, got Infomax"),
    "several_seeds: number": (lambda: M.several_seeds(method(), seeds="5"), TypeError,
                              "several_seeds: seeds must be a whole number, got '5'"),
    "distil: swapped": (lambda: M.distil(GRAPH, method()), TypeError,
                        r"distil: expected a gcl\.Method.*got Data; the method comes before"),
    "distil: a loader": (lambda: M.distil(method(), [GRAPH]), TypeError,
                         "distil: expected a graph of one node type.*got a list of 1 graphs"),
    "several_views: number": (lambda: M.several_views(method(), views=2.5), TypeError,
                              r"several_views: views must be a whole number, got 2\.5"),
    "with_hops: number": (lambda: M.with_hops(method(), hops="2"), TypeError,
                          "with_hops: hops must be a whole number, got '2'"),
    "with_negatives: class": (lambda: M.with_negatives(method(), L.HardestNegatives), TypeError,
                              "must be callable, got the class HardestNegatives"),
    "with_negatives: swapped": (lambda: M.with_negatives(L.HardestNegatives(3), method()),
                                TypeError, r"expected a gcl\.Method.*got HardestNegatives"),
    "compactness: swapped": (lambda: M.compactness(GRAPH, method()), TypeError,
                             "compactness: .*got Data; the method comes before"),
    "pretrain: swapped": (lambda: M.pretrain(GRAPH.x, gcl.nn.MLPEncoder(8, (8,), 4)), TypeError,
                          "pretrain: expected an MLPEncoder, got Tensor"),
    # losses
    "loss: lists": (lambda: L.InfoNCE(0.4)([[1.0]], [[1.0]]), TypeError, "tensors .* got list"),
    "loss: NumPy": (lambda: L.JSD()(Z.numpy(), Z.numpy()), TypeError, "got ndarray; .*from_numpy"),
    "loss: whole numbers": (lambda: L.VICReg()(Z.long(), Z.long()), TypeError, "floating.*int64"),
    "loss: shapes": (lambda: L.BarlowTwins()(Z, Z[:5]), ValueError, r"\[60, 8\] and \[5, 8\]"),
    "loss: a vector": (lambda: L.DCL(0.4)(Z[0], Z[0]), ValueError, r"got \[8\] and \[8\]"),
    "loss: sparse": (lambda: L.CCASSG()(Z.to_sparse_csr(), Z.to_sparse_csr()), TypeError,
                     r"got torch\.sparse_csr; use z\.to_dense"),
    "loss: graphs": (lambda: L.InfoNCE(0.4)(GRAPH, GRAPH), TypeError, "tensors .* got Data"),
    "loss: None": (lambda: L.InfoNCE(0.4)(Z, None), TypeError, "tensors .* got NoneType"),
    "loss: tau text": (lambda: L.InfoNCE("0.4"), TypeError, "InfoNCE: tau must be .* got '0.4'"),
    "loss: tau 0": (lambda: L.InfoNCE(0), ValueError, "InfoNCE: tau must be .*above 0, got 0"),
    "loss: a list": (lambda: L.CCASSG([0.4]), TypeError, r"must be a number, got \[0\.4\]"),
    "loss: weights": (lambda: L.VICReg("1"), TypeError, "VICReg: sim must be a number, got '1'"),
    "loss: choice": (lambda: L.InfoNCE(0.4, similarity="cos"), ValueError, "'cosine'.* got 'cos'"),
    "loss: margin": (lambda: L.InfoNCE(0.4, margin="0"), TypeError, "margin must be .* got '0'"),
    "loss: pairs": (lambda: L.InfoNCE(0.4)(Z, Z, [[0], [1]]), TypeError,
                    "pos_edge_index must be a tensor, got list"),
    "loss: one row": (lambda: L.BarlowTwins()(Z[:1], Z[:1]), ValueError, "at least 2 rows, got 1"),
    "loss: Sketched": (lambda: L.Sketched(0.4, nn.Linear(8, 8)), TypeError,
                       r"objective .* got 0\.4"),
    "loss: rank_one": (lambda: L.rank_one([1.0]), TypeError, r"must be tensors, got \[1\.0\]"),
    "loss: cluster_pairs": (lambda: L.cluster_pairs([0, 1]), TypeError, r"a tensor .* got \[0, 1"),
    "loss: negatives": (lambda: L.HardestNegatives("5"), TypeError, "a whole number, got '5'"),
    # augmentations and transforms
    "augment: rate": (lambda: A.EdgeDropping(1.5), ValueError, r"p must lie in \[0, 1\], got 1\.5"),
    "augment: rate text": (lambda: A.FeatureDropout("0.3"), TypeError, "number, got '0.3'"),
    "augment: swapped": (lambda: A.EdgeDropping(GRAPH), TypeError, "number, got"),
    "augment: no edges": (lambda: A.EdgeDropping(0.3)(without("edge_index")), ValueError,
                          "no edge_index; add one of shape"),
    "augment: float edges": (lambda: A.EdgeDropping(0.3)(with_(edge_index=GRAPH.edge_index.float(
        ))), TypeError, r"int64 positions of nodes, got torch\.float32; use edge_index\.long"),
    "augment: edges on their side": (lambda: A.EdgeAdding(0.3)(with_(
        edge_index=GRAPH.edge_index.t())), ValueError, r"\[2, num_edges\], got .*t\(\)\.contig"),
    "augment: NumPy edges": (lambda: A.NodeDropping(0.3)(with_(edge_index=GRAPH.edge_index.numpy(
        ))), TypeError, r"a tensor .* got ndarray; use torch\.from_numpy\(edge_index\)"),
    "augment: listed weights": (lambda: A.EdgeDropping(0.3, as_weight=True)(with_(
        edge_weight=[1.0] * GRAPH.num_edges)), TypeError, "edge_weight must be a tensor.*got list"),
    "augment: 1-D x": (lambda: A.FeatureMasking(0.3)(with_(x=torch.ones(60))), ValueError,
                       r"x must be \[num_nodes, features\], got \[60\]"),
    "augment: whole-number noise": (lambda: A.FeatureNoise(0.3)(with_(x=torch.ones(60, 8).long(
        ))), TypeError, r"x must be floating point, got torch\.int64"),
    "augment: no strength": (lambda: A.CommunalEdgeDropping(0.3)(GRAPH), ValueError,
                             "edge_strength.*AddCommunities"),
    "augment: choice of one": (lambda: A.RandomChoice(A.EdgeDropping(0.3)), TypeError,
                               "a list of transforms, got EdgeDropping"),
    "transform: kind": (lambda: T.AddCentrality("deg"), ValueError, "one of 'degree'.* got 'deg'"),
    "transform: types": (lambda: T.AddDegreeFeatures(3)(TYPES), TypeError, "got HeteroData"),
    "transform: one type": (lambda: PATHS(GRAPH), TypeError, "a HeteroData, got Data"),
    "transform: a batch": (lambda: T.AddCommunities()(Batch.from_data_list([GRAPH, GRAPH])),
                           ValueError, "expected one graph, got a batch of 2"),
    "transform: edges beyond": (lambda: T.PPRDiffusion(topk=3)(with_(edge_index=torch.tensor(
        [[0], [99]]))), ValueError, r"must lie in \[0, 60\), got 99"),
    "transform: no paths": (lambda: T.AddHeCoPositives(3)(TYPES), ValueError, "AddMetaPaths first"),
    "transform: k": (lambda: T.AddSoftPositives(2.5), TypeError, r"whole number, got 2\.5"),
    # encoders
    "encoder: width": (lambda: gcl.nn.GCNEncoder("8", 8), ValueError, "at least 1, got '8'"),
    "encoder: act": (lambda: ENCODER(act=3), TypeError, "name of an activation, got 3"),
    "encoder: other width": (lambda: gcl.nn.MLPEncoder(8, (8,), 4)(NARROW.x), ValueError,
                             r"made for 8 features a node, but x is \[60, 5\]"),
    "encoder: swapped": (lambda: ENCODER()(GRAPH.edge_index, GRAPH.x), ValueError,
                         r"made for 8 features a node, but x is \[2, "),
    "encoder: NumPy": (lambda: gcl.nn.GINEncoder(8)(GRAPH.x.numpy(), GRAPH.edge_index), TypeError,
                       r"x must be a tensor \[n, 8\], got a ndarray"),
    "encoder: edges on their side": (lambda: ENCODER()(GRAPH.x, GRAPH.edge_index.t()), ValueError,
                                     r"edge_index must be \[2, num_edges\], got "),
    "encoder: hidden": (lambda: gcl.nn.MLPEncoder(8, 16, 4), TypeError, r"\(512,\), got 16"),
    "encoder: AutoEncoder": (lambda: gcl.nn.AutoEncoder(ENCODER()), TypeError,
                             "expected an MLPEncoder, got a GCNEncoder"),
    "encoder: EMA": (lambda: gcl.nn.EMA("gcn"), TypeError, "expected a module, got 'gcn'"),
    # evaluation
    "evaluate: swapped": (lambda: E.linear_probe(Y, Z), ValueError, r"a matrix .* got shape \(60,"),
    "evaluate: lists": (lambda: E.knn(Z.tolist(), Y), TypeError, "embeddings as a tensor.* list"),
    "evaluate: the method": (lambda: E.cluster(method(), Y), TypeError, "as a tensor.* TwoView"),
    "evaluate: a truth": (lambda: E.diagnostics(Z, seed=True), TypeError, "seed .* whole number"),
    "evaluate: split": (lambda: E.edge_split(GRAPH, seed=0.5), TypeError, "seed .* whole number"),
    "fit: an optimizer of others": (
        lambda: gcl.fit(method(), GRAPH, epochs=1,
                        optimizer=torch.optim.Adam(torch.nn.Linear(2, 2).parameters())),
        ValueError, "holds no parameter of the method"),
    "fit: LBFGS": (lambda: gcl.fit(method(), GRAPH, epochs=1, optimizer=torch.optim.LBFGS),
                   TypeError, "LBFGS does not train"),
    "fit: a class that is no optimizer": (
        lambda: gcl.fit(method(), GRAPH, epochs=1, optimizer=torch.nn.Linear),
        TypeError, "of the parameters alone"),
    "fit: meta": (lambda: gcl.fit(method(), GRAPH, epochs=1, device="meta"), ValueError,
                  "'meta' .* holds no numbers"),
    "fit: several types": (lambda: gcl.fit(method(), TYPES, epochs=1), TypeError,
                           "TwoView: expected a graph of one node type"),
    "options: bounds": (lambda: L.ISogCLR(4, bounds=2.5), TypeError, "bounds must be two numbers"),
    "options: one bound": (lambda: L.AdaptiveTemperature(0.4, bounds=(1,)), TypeError, "bounds"),
    "options: norm": (lambda: M.bgrl(GRAPH, norm=True), TypeError, "norm must be the name"),
    "options: positives": (
        lambda: M.heco(TYPES, paths=T.AddMetaPaths([["paper", "author", "paper"]]), positives=5),
        TypeError, "AddHeCoPositives",
    ),
    "evaluate: the graph": (lambda: E.linear_probe(Z, GRAPH), TypeError, "whole numbers.*a Data"),
    "evaluate: words": (lambda: E.cluster(Z, ["a"] * 60), TypeError, "whole numbers.* got text"),
    "evaluate: fractions": (lambda: E.knn(Z, torch.rand(60)), ValueError, "NaN or fractions"),
    "evaluate: NaN": (lambda: E.geometry(Z * torch.nan), ValueError, "hold NaN or infinity"),
    "evaluate: complex": (lambda: E.knn(Z.cfloat(), Y), TypeError, "real embeddings, got torch.c"),
    "evaluate: too few labels": (lambda: E.linear_probe(Z, Y[:5]), ValueError, "60 labels"),
    "evaluate: protocol": (lambda: E.linear_probe(Z, Y, protocol="x"), ValueError, "protocol 'x'"),
    "evaluate: splits": (lambda: E.linear_probe(Z, Y, splits="public"), TypeError,
                         r"gcl\.evaluate\.Splits.* got 'public'"),
    "evaluate: Cs": (lambda: E.linear_probe(Z, Y, Cs=1.0), TypeError, r"list of .* got 1\.0"),
    "evaluate: seed": (lambda: E.linear_probe(Z, Y, seed="0"), TypeError, "seed .* got '0'"),
    "evaluate: runs": (lambda: E.cluster(Z, Y, runs=2.5), TypeError, r"runs .* got 2\.5"),
    "evaluate: k": (lambda: E.knn(Z, Y, k="5"), TypeError, "k must be a list .* got '5'"),
    "evaluate: ks": (lambda: E.similarity_search(Z, Y, ks=5), TypeError, "ks must be a list.* 5"),
    "evaluate: anchors": (lambda: E.diagnostics(Z, anchors="9"), TypeError, "anchors .* got '9'"),
    "evaluate: listed edges": (lambda: E.diagnostics(Z, edge_index=[[0], [1]]), TypeError,
                               "edge_index must be a tensor .* got list"),
    "evaluate: compare": (lambda: E.compare(E.knn, [Z], Y), TypeError, "a dict from names .* got"),
    "evaluate: compare swapped": (lambda: E.compare({"a": Z}, E.knn, Y), TypeError,
                                  "evaluator must be a function"),
    "evaluate: links swapped": (lambda: E.link_prediction(SPLIT, Z), TypeError, "got "),
    "evaluate: decoder": (lambda: E.link_prediction(Z, SPLIT, decoder="x"), ValueError, "got 'x'"),
    "evaluate: links of a tensor": (lambda: E.edge_split(Z), TypeError, "got Tensor"),
    "evaluate: masks": (lambda: E.public_split(GRAPH), ValueError, "mask"),
    "evaluate: shares": (lambda: E.random_splits(60, train="0.1"), TypeError, "train .* got '0.1'"),
    "evaluate: shares that are counts": (lambda: E.random_splits(60, train=10), ValueError,
                                         "shares must be .* train=10"),
    "evaluate: types": (lambda: E.hetero_probe(Z, GRAPH), TypeError, "HeteroData.* got Data"),
    # data sets
    "load: None": (lambda: gcl.datasets.load(None), TypeError, "name must be a string.*NoneType"),
    "load: a path": (lambda: gcl.datasets.load(Path("cora")), TypeError, "a string such as 'cora'"),
    "load: a typo": (lambda: gcl.datasets.load("karat"), ValueError, "did you mean 'karate'"),
    "load: root": (lambda: gcl.datasets.load("karate", root=3), TypeError, "path .* got 3"),
    "sbm: text": (lambda: gcl.datasets.sbm("60"), TypeError, "num_nodes must be .* got '60'"),
    "sbm: seed": (lambda: gcl.datasets.sbm(60, seed=0.5), TypeError, r"seed must be .* got 0\.5"),
    "sbm: share": (lambda: gcl.datasets.sbm(60, homophily=2), ValueError, "homophily .* got 2"),
    # callbacks and checkpoints
    "Checkpoint: path": (lambda: C.Checkpoint(3), TypeError, "path of a file, got 3"),
    "Checkpoint: every": (lambda: C.Checkpoint("a", every=0), ValueError, "every .* got 0"),
    "CSVLog: path": (lambda: C.CSVLog(None), TypeError, "path of a file, got None"),
    "EarlyStopping: monitor": (lambda: C.EarlyStopping(["loss"]), TypeError, "name of a column"),
    "EarlyStopping: mode": (lambda: C.EarlyStopping(mode="up"), ValueError, "'min', 'max', got"),
    "Evaluate: no function": (lambda: C.Evaluate("knn"), TypeError, "a function .* got 'knn'"),
    "Evaluate: no dict": (lambda: fit(callbacks=[C.Evaluate(lambda z, d: 0.5, every=1)]), TypeError,
                          r"a dict from names to numbers, got 0\.5"),
    "resume: a state": (lambda: fit(resume={"epoch": 1}), TypeError, "path of a file, got"),
}  # fmt: skip

for _name in OF_NODES:
    _recipe = getattr(M, _name)
    for _kind, (_value, _words) in NO_GRAPHS.items():
        if _kind != "a pair":
            CASES[f"{_name}: {_kind}"] = (
                functools.partial(_recipe, _value), TypeError,
                f"^{_name}: expected a graph of one node type .*{_words}",
            )  # fmt: skip
    CASES[f"{_name}: types"] = (
        functools.partial(_recipe, TYPES), TypeError, rf"^{_name}: .*HeteroData.*to_homogeneous"
    )  # fmt: skip
    CASES[f"{_name}: graphs"] = (
        functools.partial(_recipe, [GRAPH, GRAPH]), TypeError, f"^{_name}: .*a list of 2 graphs"
    )  # fmt: skip
for _name in sorted(OF_GRAPHS):
    for _kind, (_value, _words) in NO_GRAPHS.items():
        CASES[f"{_name}: {_kind}"] = (
            functools.partial(getattr(M, _name), _value), TypeError,
            f"^{_name}: expected a graph, a batch, a data set or a list of graphs .*({_words})",
        )  # fmt: skip
for _name in OF_NODES + sorted(OF_GRAPHS):
    for _kind, (_value, _error, _words) in NO_FEATURES.items():
        CASES[f"{_name}: {_kind}"] = (
            functools.partial(getattr(M, _name), _value), _error, f"^{_name}: .*{_words}"
        )  # fmt: skip
    for _kind, (_value, _words) in NO_ENCODERS.items():
        if _name != "mvgrl_graph":
            CASES[f"{_name}: encoder: {_kind}"] = (
                functools.partial(getattr(M, _name), GRAPH, encoder=_value), TypeError,
                f"^{_name}: encoder .*{_words}",
            )  # fmt: skip
for _name in sorted(OF_TYPES):
    for _kind, (_value, _words) in {**NO_GRAPHS, "one type": (GRAPH, "got Data")}.items():
        CASES[f"{_name}: {_kind}"] = (
            functools.partial(getattr(M, _name), _value), TypeError,
            f"^{_name}: expected a HeteroData.*({_words})",
        )  # fmt: skip
for _kind, (_value, _words) in NO_GRAPHS.items():
    if _kind == "a loader":
        continue
    for _name, _call in (("fit", fit), ("embed", functools.partial(gcl.embed, method()))):
        CASES[f"{_name}: {_kind}"] = (
            functools.partial(_call, _value), TypeError, f"expected .*({_words})"
        )  # fmt: skip
    for _transform in (*VIEWS, A.RandomChoice(list(VIEWS)), T.NormalizeRows(), T.AddCentrality()):
        CASES[f"{type(_transform).__name__}: {_kind}"] = (
            functools.partial(_transform, _value), TypeError,
            f"^{type(_transform).__name__}: expected a torch_geometric Data .*({_words})",
        )  # fmt: skip
for _name, _variant in VARIANTS.items():
    for _kind, (_value, _words) in NO_METHODS.items():
        CASES[f"{_name}: {_kind}"] = (
            functools.partial(_variant, _value), TypeError,
            rf"^{_name}: expected a gcl\.Method, such as a recipe makes, got {_words}",
        )  # fmt: skip


def state(data):
    """What a graph holds, to see that it stays."""
    return {
        name: value.clone() if isinstance(value, torch.Tensor) else value
        for store in data.stores
        for name, value in store.items()
    }


BEFORE = {"graph": state(GRAPH), "types": state(TYPES), "z": Z.clone()}


@pytest.mark.parametrize(("call", "error", "pattern"), CASES.values(), ids=CASES)
def test_one_sentence_says_what_came(call, error, pattern):
    with pytest.raises(error, match=pattern) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 400
    assert text.endswith(".")
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert last.filename.startswith(ROOT), f"raised in {last.filename}"
    for name, data in (("graph", GRAPH), ("types", TYPES)):
        for key, value in state(data).items():
            same = BEFORE[name][key]
            assert torch.equal(value, same) if isinstance(value, torch.Tensor) else value == same
    assert torch.equal(Z, BEFORE["z"])


def test_the_cases_are_many_and_of_every_room():
    assert len(CASES) > 400
    assert {name.partition(":")[0] for name in CASES} >= {*RECIPES, *VARIANTS, "fit", "embed"}
