"""A method and a recipe of your own; try `gcl train examples.custom_method:masked karate`."""

import gcl
from gcl.testing import check_method


class MaskedReconstruction(gcl.Method):
    """Encode with masked feature columns, predict the whole features."""

    def __init__(self, encoder, decoder, p):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.view = gcl.augment.FeatureMasking(p)

    def embed(self, data):
        return self.encoder(data.x, data.edge_index)

    def loss(self, data):
        return (self.decoder(self.embed(self.view(data))) - data.x).square().mean()


def masked(data, *, hidden: int = 16, p: float = 0.5):
    encoder = gcl.nn.GCNEncoder(data.num_features, hidden)
    return MaskedReconstruction(encoder, gcl.nn.projector(hidden, hidden, data.num_features), p)


if __name__ == "__main__":
    graph = gcl.datasets.load("karate")
    check_method(masked(graph), graph)
    print(f"loss {gcl.fit(masked(graph), graph, epochs=20, lr=0.01).loss:.4f}")
