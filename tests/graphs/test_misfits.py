"""What does not fit an encoder of one's own is told, by fit as by embed; its own faults are not."""

import warnings

import pytest
import torch
from torch import nn
from torch_geometric.nn import GINEConv, TransformerConv

import gcl
from gcl.graphs.encoding import encode
from gcl.graphs.misfits import told_misfit
from gcl.transforms import PPRDiffusion


class GINE(nn.Module):
    """That of the documentation, with one layer."""

    out_channels = 8

    def __init__(self, width=34, edge_width=5):
        super().__init__()
        self.conv = GINEConv(nn.Linear(width, 8), edge_dim=edge_width)

    def forward(self, x, edge_index, edge_weight=None, edge_attr=None):
        return self.conv(x, edge_index, edge_attr)


class Goes(nn.Module):
    """Goes without attributes where there are none."""

    out_channels = 8

    def __init__(self, width=34, edge_width=5):
        super().__init__()
        self.nodes, self.edges = nn.Linear(width, 8), nn.Linear(edge_width, 8)

    def forward(self, x, edge_index, edge_weight=None, edge_attr=None):
        z = self.nodes(x)
        if edge_attr is None:
            return z
        return z.index_add(0, edge_index[1], self.edges(edge_attr).to(z.dtype))


def karate(edge_attr=None):
    data = gcl.datasets.load("karate")
    data.edge_attr = torch.rand(data.num_edges, 5) if edge_attr is None else edge_attr
    return data


EDGES = 156
FAULTS = {
    "none": (lambda d: d.pop("edge_attr"), "no edge_attr .*; set data.edge_attr, one row an edge"),
    "whole numbers": (
        lambda d: d.update({"edge_attr": torch.ones(EDGES, 5).long()}),
        r"edge_attr \[\d+, 5\] of int64 .*; set data.edge_attr = data.edge_attr.float\(\)\.$",
    ),
    "double": (
        lambda d: d.update({"edge_attr": torch.ones(EDGES, 5).double()}),
        r"edge_attr \[\d+, 5\] of float64 .*; set data.edge_attr = data.edge_attr.float\(\)\.$",
    ),
    "width": (
        lambda d: d.update({"edge_attr": torch.ones(EDGES, 3)}),
        r"edge_attr \[\d+, 3\] of float32 .*; give edge_attr of the width",
    ),
    "width of x": (
        lambda d: d.update({"x": torch.ones(34, 7)}),
        r"x \[34, 7\] of float32 and .*; give x of the width",
    ),
    "double x": (
        lambda d: d.update({"x": torch.ones(34, 34).double()}),
        r"x \[34, 34\] of float64 and .*; set data.x = data.x.float\(\)\.$",
    ),
}


@pytest.mark.parametrize("run", [lambda m, d: gcl.fit(m, d, epochs=1), gcl.embed])
@pytest.mark.parametrize("fault", FAULTS)
def test_fit_and_embed_tell_what_does_not_fit(fault, run):
    method = gcl.methods.grace(karate(), encoder=GINE(), normalize=False)
    data = karate()
    change, said = FAULTS[fault]
    change(data)
    with pytest.raises(ValueError, match=f"^GINE cannot take .*{said}") as found:
        run(method, data)
    assert isinstance(found.value.__cause__, RuntimeError | TypeError)


@pytest.mark.parametrize("kind", [torch.float32, torch.int64])
def test_one_number_an_edge_becomes_a_column(kind):
    data = karate(torch.ones(EDGES).to(kind))
    cast = "" if kind == torch.float32 else r".float\(\)"
    with pytest.raises(
        ValueError, match=rf"edge_attr \[156\] of .* = data.edge_attr{cast}.view\(-1, 1\)\.$"
    ):
        encode(GINE(), data)
    data.edge_attr = data.edge_attr.float().view(-1, 1)
    assert encode(GINE(edge_width=1), data).shape == (34, 8)


def test_tables_of_categories_ask_for_whole_numbers():
    table = nn.Embedding(4, 8)

    def reads(x, edge_index, edge_weight, edge_attr):
        return x.new_zeros(34, 8).index_add(0, edge_index[1], table(edge_attr).sum(1))

    with pytest.raises(ValueError, match=r"= data.x.long\(\) and .*= data.edge_attr.long\(\)\.$"):
        encode(reads, karate(torch.ones(EDGES, 2)))
    assert encode(reads, karate(torch.ones(EDGES, 2).long())).shape == (34, 8)


def test_an_assertion_of_pyg_is_told_and_another_is_not():
    class Attends(GINE):
        def __init__(self):
            super().__init__()
            self.conv = TransformerConv(34, 8, edge_dim=5)

    class Asserts(Attends):
        def forward(self, x, edge_index, edge_weight=None, edge_attr=None):
            raise AssertionError

    data = karate()
    assert encode(Attends(), data).shape == (34, 8)
    del data.edge_attr
    with pytest.raises(ValueError, match=r"^Attends cannot take .* and no edge_attr .*; set data"):
        encode(Attends(), data)
    with pytest.raises(AssertionError):
        encode(Asserts(), data)


def test_a_missing_attribute_names_the_view_that_lost_it():
    data = karate()
    for method in (
        gcl.methods.mvgrl(data, encoder=GINE()),
        gcl.methods.TwoView(GINE(), (PPRDiffusion(topk=4), lambda d: d), gcl.losses.InfoNCE()),
    ):
        with pytest.raises(
            ValueError, match=r"no edge_attr, which its view (by|across).* has lost"
        ):
            gcl.fit(method, data, epochs=1)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mine"),
        TypeError("f() takes 1 argument"),
        AttributeError("'GINE' object has no attribute 'cov'"),
        AttributeError("'NoneType' object has no attribute 'view'"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (34x8 and 16x4)"),
        RuntimeError("mat1 and mat2 must have the same dtype, but got Long and Float"),
        RuntimeError("The size of tensor a (8) must match the size of tensor b (16)"),
        torch.OutOfMemoryError("CUDA out of memory"),
    ],
)
def test_other_faults_of_an_encoder_are_its_own(error):
    class Broken(Goes):
        def forward(self, x, edge_index, edge_weight=None, edge_attr=None):
            raise error

    method = gcl.methods.grace(karate(), encoder=Broken())
    for run in (lambda: gcl.fit(method, karate(), epochs=1), lambda: gcl.embed(method, karate())):
        with pytest.raises(type(error)) as found:
            run()
        assert found.value is error
    assert told_misfit(Broken(), karate().x, {"edge_attr": karate().edge_attr}, error) is None


def test_an_encoder_without_edges_is_told_of_another_width():
    class Plain(Goes):
        def forward(self, x, edge_index, edge_weight=None):
            return self.nodes(x)

    method = gcl.methods.grace(karate(), encoder=Plain(12))
    with pytest.raises(
        ValueError, match=r"^Plain cannot take x \[34, 34\] of float32 \(.*; give x"
    ):
        gcl.fit(method, karate(), epochs=1)


def told(run):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        run()
    return [str(w.message) for w in seen if "goes without there" in str(w.message)]


def test_a_view_without_what_its_graph_has_is_told_once_a_method():
    data = karate()
    views = (PPRDiffusion(topk=4), lambda d: d)
    for make, view in (
        (lambda: gcl.methods.mvgrl(data, encoder=Goes()), "its view across_edge_index"),
        (
            lambda: gcl.methods.TwoView(Goes(), views, gcl.losses.InfoNCE()),
            "its view by PPRDiffusion",
        ),
        (
            lambda: gcl.methods.Bootstrap(Goes(), views, nn.Linear(8, 8)),
            "its view by PPRDiffusion",
        ),
        (
            lambda: gcl.methods.TwoView(
                Goes(), (lambda d: d,) * 2, gcl.losses.InfoNCE(), prepare=PPRDiffusion(topk=4)
            ),
            "what method.prepare makes of it",
        ),
    ):
        for method in (make(), make()):
            first = told(lambda method=method: gcl.fit(method, data, epochs=2))
            assert len(first) == 1
            assert first[0].startswith(
                f"Goes reads edge_attr, which the graph has and {view} has not"
            )
            assert not told(lambda method=method: gcl.fit(method, data, epochs=1))


def test_nothing_is_told_where_nothing_is_lost():
    data, bare = karate(), karate()
    del bare.edge_attr
    assert not told(lambda: gcl.fit(gcl.methods.grace(data, encoder=Goes()), data, epochs=1))
    for make in (gcl.methods.grace, gcl.methods.mvgrl):
        assert not told(lambda make=make: gcl.fit(make(bare, encoder=Goes()), bare, epochs=1))
    assert not told(lambda: gcl.fit(gcl.methods.mvgrl(data, hidden=8), data, epochs=1))
