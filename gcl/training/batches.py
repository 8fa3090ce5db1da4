"""What `prepare` means for the batches of a loader: before it is made, and in every batch."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.data import BaseData
from torch_geometric.loader import RandomNodeLoader

from gcl.contracts import Graph, Method, Transform, check_is_method
from gcl.graphs.kinds import check_graph
from gcl.graphs.pair_lists import check_relabelled, pair_lists


def prepare_for_batches(method: Method, data: Graph) -> Graph:
    """`method.prepare(data)` for a graph that a loader takes batches of.

    Features that `prepare` would store as a sparse matrix stay dense: PyG's loaders cannot slice
    one, and `fit` and `embed` make every batch sparse. Methods whose `prepare` sees only rows (dgi,
    grace, bgrl, ...) need no call of this: batches of the graph as it is are prepared one by one.

    Args:
        method: what will be trained.
        data: the whole graph; it stays as it is.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> method = gcl.methods.gca(data, hidden=8)
        >>> whole = prepare_for_batches(method, data)
        >>> loader = gcl.loader.NeighborBatches(whole, [5, 5], batch_size=16)
        >>> gcl.fit(method, loader, epochs=1).step
        3
    """
    check_is_method("prepare_for_batches", method)
    check_graph("prepare_for_batches", data)
    prepared = copy.copy(method.prepare(data))
    for store in prepared.node_stores:
        x = store.get("x")
        given = data if store._key is None else data[store._key]
        was_dense = isinstance(given.get("x"), Tensor) and given.x.layout == torch.strided
        if was_dense and isinstance(x, Tensor) and x.layout == torch.sparse_csr:
            store.x = x.to_dense()
    return prepared


def prepare_batch(owner: str, method: Method, batch: Graph, loader: Any = None) -> Graph:
    """What of `method.prepare` is the same on rows as on the whole graph, on a batch.

    Args:
        owner: who asks, for messages.
        method: what is trained or embeds.
        batch: one batch; it stays as it is.
        loader: what gave it.

    Raises:
        ValueError: pairs of nodes that mean the whole graph; a batch without what a transform of
            the method writes to the whole graph.
    """
    check_relabelled(owner, batch)
    _check_random_nodes(owner, loader)
    steps = _steps(method)
    of_rows: list[Transform] = []
    for step in steps:
        if getattr(step, "of_rows", False):
            of_rows.append(step)
            continue
        writes = getattr(step, "writes", ())
        if not method.graph_level and isinstance(batch, Data):
            for name in writes:
                _check_there(owner, name, batch, step, method)
        if "propagated_hops" in writes:
            of_rows.clear()  # x is what came of the rows that were prepared before it
    x = batch.get("x") if isinstance(batch, Data) else None
    if isinstance(x, Tensor) and x.device.type != "cpu":
        # To look for zeros in every batch the host would wait for the device.
        of_rows = [step for step in of_rows if not getattr(step, "keeps_values", False)]
    if not of_rows:
        return batch
    prepared: Any = copy.copy(batch)
    for step in of_rows:
        prepared = step(prepared)
    return prepared


def prepared_batches(
    owner: str, method: Method, data: BaseData | Iterable[Any], device: torch.device
) -> Iterator[Graph]:
    """The batches of a loader for a measurement, or the one graph, which was prepared before.

    A loader that knows how gives every input once; draws, of the loader and of torch's global
    generator, go on afterwards as if nobody had asked.

    Raises:
        TypeError: what the loader gives is no graph.
        ValueError: see `prepare_batch`.
    """
    if isinstance(data, BaseData):
        check_graph(owner, data)
        yield data.to(device)
        return
    complete = getattr(data, "complete", None)
    before = None if callable(complete) else loader_state(data)
    drawn = torch.get_rng_state()  # torch's DataLoader takes a seed from there, shuffling or not
    try:
        for batch in complete() if callable(complete) else data:
            check_graph(owner, batch)
            yield prepare_batch(owner, method, batch, data).to(device)
    finally:
        torch.set_rng_state(drawn)
        if before is not None:
            load_loader_state(data, before)


def loader_state(loader: Any) -> dict[str, Any] | None:
    """Where a loader stands, as far as it tells; None where it draws from the global generator."""
    if isinstance(loader, BaseData):
        return None
    if hasattr(loader, "state_dict") and hasattr(loader, "load_state_dict"):
        return dict(loader.state_dict())
    generator = getattr(loader, "generator", None)
    return {"generator": generator.get_state()} if isinstance(generator, torch.Generator) else None


def load_loader_state(loader: Any, state: dict[str, Any]) -> None:
    """Puts a loader where `loader_state` found it.

    Raises:
        ValueError: it has neither a state nor a generator of its own.
    """
    generator = getattr(loader, "generator", None)
    if hasattr(loader, "load_state_dict"):
        loader.load_state_dict(state)
    elif isinstance(generator, torch.Generator) and "generator" in state:
        generator.set_state(state["generator"])
    else:
        raise ValueError(f"a {type(loader).__name__} has no draws of its own")


def works_on_rows(method: Method) -> bool:
    """Whether all that `prepare` does is the same on a part of the graph."""
    plain = type(method).prepare is Method.prepare
    return plain and all(getattr(step, "of_rows", False) for step in _steps(method))


def _steps(method: Method) -> list[Transform]:
    """The transforms of `prepare`, one after another."""
    inner = _inner(method)
    return [] if inner.whole_graph is None else list(_flat(inner.whole_graph))


def _inner(method: Method) -> Method:
    """Whose transforms those of a method are: of what it is wrapped around, where it has none."""
    while method.whole_graph is None:
        members: Any = getattr(method, "members", None)
        wrapped = members[0] if members is not None else getattr(method, "method", None)
        if not isinstance(wrapped, Method):
            break
        method = wrapped
    return method


def _flat(transform: Any) -> Iterator[Transform]:
    parts = getattr(transform, "transforms", None)
    if isinstance(parts, list | tuple):
        for part in parts:
            yield from _flat(part)
    else:
        yield transform


def _check_there(owner: str, name: str, batch: Any, step: Any, method: Method) -> None:
    if name in batch:
        return
    kind = type(step).__name__
    raise ValueError(
        f"{owner}: {type(method).__name__} needs {kind} on the whole graph, and the batch has no "
        f"{name}; make the loader of gcl.training.prepare_for_batches(method, data)."
    )


def check_sliceable(owner: str, loader: Any) -> None:
    """PyG's loader of random nodes cannot take rows of a sparse matrix.

    Raises:
        ValueError: it is to.
    """
    if not isinstance(loader, RandomNodeLoader):
        return
    for store in loader.data.node_stores:
        x = store.get("x")
        if isinstance(x, Tensor) and x.layout != torch.strided:
            raise ValueError(
                f"{owner}: RandomNodeLoader cannot take rows of the sparse x that method.prepare "
                "stores; make it of gcl.training.prepare_for_batches(method, data)."
            )


def _check_random_nodes(owner: str, loader: Any) -> None:
    if not isinstance(loader, RandomNodeLoader):
        return
    for store in loader.data.node_stores:
        for name in pair_lists(store):
            raise ValueError(
                f"{owner}: RandomNodeLoader leaves the node numbers of {name} those of the whole "
                "graph, which are other nodes in a batch; take "
                "gcl.loader.PartitionBatches(data, num_parts, parts='random')."
            )
