"""Products on the clean graph, against the encoder itself."""

import pytest
import torch

from gcl.methods.provable.layers import gcn_layers
from gcl.methods.provable.products import CleanProducts
from gcl.ops.propagation import gcn_adjacency
from tests.methods.provable.dense_gcn import (
    dense,
    dense_forward,
    random_encoder,
    random_graph,
)

N, F = 9, 6


@pytest.fixture
def layers():
    return gcn_layers(random_encoder(0, (F, 5, 5, 4), "prelu"))


@pytest.fixture
def clean():
    return gcn_adjacency(random_graph(0), None, N, torch.float64)


@pytest.fixture
def x():
    return torch.randn(N, F, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("sparse", [True, False])
def test_every_layers_product_is_that_of_the_clean_graph(sparse, layers, clean, x):
    found = CleanProducts(layers, clean).of(x.to_sparse_csr() if sparse else x)
    a = dense(clean)
    for product, layer, p in zip(found, layers, dense_forward(layers, x, a)[0], strict=True):
        assert torch.allclose(a @ product + layer.bias, p)


def test_of_the_first_layer_alone_nothing_is_propagated(layers, x):
    (product,) = CleanProducts(layers[:1], None).of(x)
    assert torch.equal(product, x @ layers[0].weight)


def test_the_same_features_share_their_products_and_others_do_not(layers, clean, x):
    products = CleanProducts(layers, clean)
    assert products.of(x) is products.of(x)
    assert products.of(x.clone()) is not products.of(x)
    # Features that nobody else holds do not hand their place on to those that come after.
    found = [products.of(torch.full_like(x, value))[0] for value in (1, 2, 3)]
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found[1], found[2])
