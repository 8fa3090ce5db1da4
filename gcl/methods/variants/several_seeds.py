"""Several trainings side by side, which differ in their draws only."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gcl.checks import check_count, shown
from gcl.contracts import Graph, Method, check_is_method
from gcl.methods.made import recorded
from gcl.nn.fresh_weights import draw_again
from gcl.ops.similarity import unit_rows


class SeveralSeeds(Method):
    r"""Methods that train next to each other and give their embeddings together.

        L = sum_m L_m,    z_i = [ z_1i / ||z_1i||, ..., z_Mi / ||z_Mi|| ]

    The sum gives each member the gradients of a training by itself. What the members prepare is
    written once: they are methods for one graph that differ in their weights.

    Args:
        members: at least one, of one kind.
        width: of the embedding, by the first principal components of all rows at once; all columns
            of all members if None.

    Raises:
        TypeError: a member is no method; `width` with a method of graphs, which are embedded batch
            by batch.
        ValueError: no members; no more columns than `width`, at embedding.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> method = SeveralSeeds([gcl.methods.dgi(data, hidden=8) for _ in range(3)])
        >>> gcl.embed(method, data).shape
        torch.Size([34, 24])
    """

    def __init__(self, members: Sequence[Method], *, width: int | None = None):
        super().__init__()
        if not isinstance(members, Sequence) or not members:
            raise ValueError(
                f"SeveralSeeds: members must be a list of methods, got {shown(members)}."
            )
        for member in members:
            check_is_method("SeveralSeeds", member)
        if width is not None:
            check_count("SeveralSeeds", width=width)
            if members[0].graph_level:
                raise TypeError(
                    "SeveralSeeds: principal components are those of all rows at once, but a "
                    f"{type(members[0]).__name__} of graphs is embedded batch by batch; set "
                    "width=None."
                )
        self.members, self.width = nn.ModuleList(members), width
        self.graph_level = members[0].graph_level

    @property
    def _methods(self) -> list[Method]:
        return list(self.members)  # type: ignore[arg-type]

    def prepare(self, data: Graph) -> Graph:
        first, *others = self._methods
        for member in others:
            if type(member).prepare is not Method.prepare:  # it may start its weights from the data
                member.prepare(data)
        return first.prepare(data)

    def loss(self, data: Graph) -> Tensor:
        return torch.stack([member.loss(data) for member in self._methods]).sum()

    def embed(self, data: Graph) -> Tensor:
        z = torch.cat([unit_rows(member.embed(data)) for member in self._methods], dim=1)
        if self.width is None:
            return z
        if "input_id" in data:
            raise ValueError(
                "SeveralSeeds: principal components are those of all rows at once, but this is a "
                "batch of seed nodes; embed the whole graph, or set width=None."
            )
        if self.width > z.shape[1]:
            raise ValueError(
                f"SeveralSeeds: width must be at most the {z.shape[1]} columns of all members, got "
                f"{self.width}."
            )
        return _principal_components(z, self.width)

    def after_step(self, step: int, total: int) -> None:
        for member in self._methods:
            member.after_step(step, total)

    def extra_repr(self) -> str:
        return "" if self.width is None else f"width={self.width}"


def _principal_components(z: Tensor, width: int) -> Tensor:
    """The coordinates of largest variance; each is largest where it is positive."""
    centred = z.double() - z.double().mean(dim=0)
    directions = torch.linalg.eigh(centred.t() @ centred).eigenvectors[:, -width:].flip(1)
    largest = directions.abs().argmax(dim=0, keepdim=True)
    return (centred @ (directions * directions.gather(0, largest).sign())).to(z.dtype)


@recorded()
def several_seeds(method: Method, *, seeds: int = 5, width: int | None = None) -> SeveralSeeds:
    """The same method trained from several weights at once, the embeddings side by side.

        z_i = [ z_1i / ||z_1i||, ..., z_Mi / ||z_Mi|| ]

    Less spread over runs, and a little more accuracy, for M times the cost. The first member has
    the weights of the given method; those of the others are drawn from torch's global generator, as
    a recipe draws them. Views are drawn for each member anew.

    Args:
        method: any, untrained. It is copied, weights and all; what the variants before it changed
            holds for every member.
        seeds: M, >= 1.
        width: of the embedding, by principal components of all nodes at once; M times the method's
            if None.

    Raises:
        TypeError: no method; seeds or width is no whole number; a part whose weights cannot be
            drawn again, for want of a `reset_parameters`; width with a method of graphs.
        ValueError: below 1.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> method = several_seeds(gcl.methods.grace(data, hidden=8), seeds=3)
        >>> gcl.embed(method, data).shape
        torch.Size([34, 24])
    """
    check_is_method("several_seeds", method)
    check_count("several_seeds", seeds=seeds)
    if width is not None:
        check_count("several_seeds", width=width)
    members = [copy.deepcopy(method) for _ in range(seeds)]
    for member in members[1:]:
        try:
            draw_again(member)
        except TypeError as error:
            raise TypeError(f"several_seeds: {error}") from None
    return SeveralSeeds(members, width=width)
