"""An encoder of nodes that are told by categories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gcl.checks import check_count, check_counts, check_encoder, check_width
from gcl.contracts import Encoder
from gcl.graphs.kinds import is_codes
from gcl.nn.fresh_weights import draw_again


class CodeEmbedding(nn.Module):
    """`encoder(sum_c table_c[x_ic], edge_index, ...)`: codes of categories as vectors, added up.

    As the atom encoder of the Open Graph Benchmark, with one more row a table: categories have the
    codes 1, 2, ..., and 0 is what is unknown, and what views mask (`FeatureMasking`,
    `FeatureDropout` and `FeatureNoise(replace=True)` write it). Where 0 is a category, as in PyG's
    and OGB's molecules, give `x + 1`.

    A method with such an encoder takes graphs whose x is integer; others refuse them. An encoder of
    your own says that it reads codes by an attribute `reads_codes = True`.

    Args:
        encoder: `(x, edge_index, edge_weight) -> [n, out_channels]` of rows `[n, width]`; what else
            it asks for, such as `edge_attr`, is handed on.
        num_codes: how many categories each column has; its codes are 1 to this, and 0.
        width: of the vectors; the encoder's `in_channels` if None.

    Shape:
        x `[n, len(num_codes)]` int64 -> `[n, out_channels]`.

    Raises:
        TypeError: no encoder; codes that are no whole numbers, such as those that a recipe has
            normalised.
        ValueError: no width; on a CPU, a code outside [0, num_codes].

    Reference:
        Hu et al., "Open Graph Benchmark", NeurIPS 2020.

    Example:
        >>> import gcl
        >>> encoder = CodeEmbedding(gcl.nn.GCNEncoder(8, 4), num_codes=[10, 3])
        >>> x = torch.tensor([[10, 1], [0, 3]])
        >>> encoder(x, torch.tensor([[0, 1], [1, 0]])).shape
        torch.Size([2, 4])
    """

    reads_codes = True

    def __init__(self, encoder: Encoder, num_codes: Sequence[int], width: int | None = None):
        super().__init__()
        check_encoder("CodeEmbedding", encoder)
        check_counts("CodeEmbedding", num_codes=num_codes)
        width = getattr(encoder, "in_channels", None) if width is None else width
        if width is None or width == -1:
            raise ValueError(
                f"CodeEmbedding: {type(encoder).__name__} does not tell in_channels; give width, "
                "the columns that it reads."
            )
        check_count("CodeEmbedding", width=width)
        self.encoder, self.out_channels = encoder, encoder.out_channels
        self.num_codes, self.in_channels = tuple(num_codes), len(num_codes)
        sizes = torch.tensor([size + 1 for size in self.num_codes])
        # All tables are one.
        self.first: Tensor
        self.register_buffer("first", sizes.cumsum(0) - sizes, persistent=False)
        self.table = nn.Embedding(int(sizes.sum()), width)
        nn.init.xavier_uniform_(self.table.weight)

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.table.weight)
        if isinstance(self.encoder, nn.Module):
            draw_again(self.encoder)

    def forward(
        self,
        x: Int[Tensor, "n c"],
        edge_index: Int[Tensor, "2 e"],
        edge_weight: Float[Tensor, " e"] | None = None,
        **further: Any,
    ) -> Float[Tensor, "n d"]:
        check_width("CodeEmbedding", x, self.in_channels)
        if not is_codes(x):
            raise TypeError(
                f"CodeEmbedding: expected codes of categories, whole numbers, got {x.dtype}; if "
                "the graph holds such, a transform has made numbers of them: set normalize=False."
            )
        if x.device.type == "cpu" and not torch.compiler.is_compiling():
            self._check_range(x)
        rows = nn.functional.embedding_bag(x + self.first, self.table.weight, mode="sum")
        return self.encoder(rows, edge_index, edge_weight, **further)

    def _check_range(self, x: Tensor) -> None:
        outside = ((x < 0) | (x > torch.tensor(self.num_codes))).any(0)
        if bool(outside.any()):
            column = int(outside.int().argmax())
            raise ValueError(
                f"CodeEmbedding: codes of column {column} must lie in [1, "
                f"{self.num_codes[column]}], or be 0 where unknown, got "
                f"{int(x[:, column].min())} to {int(x[:, column].max())}."
            )

    def extra_repr(self) -> str:
        return f"num_codes={list(self.num_codes)}"
