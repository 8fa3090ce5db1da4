"""`embed`: what comes out of a method, row by row in the order of the nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._dynamo.eval_frame import OptimizedModule
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import IterableDataset, SequentialSampler
from torch_geometric.data import Data
from torch_geometric.data.data import BaseData

from gcl.checks import check_count, check_device, shown
from gcl.contracts import Method
from gcl.graphs.cutter import Cutter
from gcl.graphs.kinds import check_graph_or_loader, reads_codes
from gcl.graphs.validate import validate_graph
from gcl.nn.layerwise import averages_over_rows, in_row_blocks, is_layered
from gcl.training.batches import prepare_batch, prepared_batches, works_on_rows
from gcl.training.given import check_method, device_of, prepare, unwrapped
from gcl.training.reach import reach

BLOCK = 4096  # nodes whose neighbourhoods are taken at a time


def embed(
    method: Method | DistributedDataParallel | OptimizedModule,
    data: BaseData | Iterable[Any],
    *,
    device: str | torch.device | None = None,
    batch_size: int | None = None,
    nodes: Any = None,
    hops: int | None = None,
) -> Tensor:
    """The frozen embeddings of a graph, or of the batches of a loader, in the order of the nodes.

    Runs in evaluation mode (no dropout, running batch-norm statistics) and leaves the method's
    mode as it was.

    Batches that tell which nodes they embed, by `input_id` or `n_id` as those of `gcl.loader` and
    PyG's NeighborLoader do, may come in any order; others in that of the graph. What all batches do
    alike to rows (`gcl.transforms.NormalizeRows`) is done to them here as in `fit`.

    Args:
        method: a trained (or untrained) method; what is wrapped around it plays no part.
        data: a graph, prepared here by `method.prepare`, or an iterable of batches.
        device: where to compute; where the method is if None.
        batch_size: rows at a time for a large graph: every layer is computed for all nodes, with
            all neighbours, before the next, holding two matrices of embeddings. Encoders that are
            not made of known layers (`gcl.nn.layerwise`) compute so many nodes at a time from all
            that reaches them.
        nodes: only these, numbers or a mask, from what reaches them; also of a graph that has grown
            since training.
        hops: how many edges away the encoder looks, where its layers do not tell.

    Shape:
        `[num_nodes, d]`, `[len(nodes), d]`, or `[num_graphs, d]` for graph-level methods; of a
        loader with input nodes, a row for each of these.

    Raises:
        TypeError: no method; neither graph nor loader; rows at a time, or nodes, of a loader or of
            a graph of several types.
        ValueError: a loader that shuffles without telling which nodes it gave, that leaves out
            nodes or gives some twice; nodes that are not there; attributes of other widths than
            the encoder was made for; an encoder that does not tell how far it looks.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> method = gcl.methods.grace(data, hidden=8)
        >>> z = embed(method, data)
        >>> z.shape
        torch.Size([34, 8])
        >>> torch.allclose(embed(method, data, nodes=[33, 0]), z[[33, 0]], atol=1e-6)
        True
    """
    inner: Method = unwrapped(method)
    check_method("embed", inner)
    if device is not None:
        check_device("embed", device)
        inner = inner.to(device)
    check_graph_or_loader("embed", data)
    if hops is not None:
        check_count("embed", least=0, hops=hops)
    if batch_size is not None or nodes is not None:
        return _embed_part_by_part(inner, data, batch_size, nodes, hops)
    with _evaluating(inner):
        single = isinstance(data, BaseData)
        prepared = prepare(inner, data, device_of(inner)) if single else data
    return embed_prepared(inner, prepared)


@torch.no_grad()
def embed_prepared(method: Method, data: BaseData | Iterable[Any]) -> Tensor:
    """`embed` for a graph that `method.prepare` has seen already, such as `State.data`."""
    device = device_of(method)
    embeddings: list[Tensor] = []
    places: list[Tensor | None] = []
    with _evaluating(method):
        for batch in prepared_batches("embed", method, data, device):
            embeddings.append(method.embed(batch))
            known = isinstance(data, BaseData)
            places.append(None if known else _places(batch, len(embeddings[-1])))
    if not embeddings:
        raise ValueError("embed: the loader gave no batch.")
    z = torch.cat(embeddings)
    if isinstance(data, BaseData):
        return z
    told = [place for place in places if place is not None]
    if len(told) < len(places):
        _check_in_order(data)
        return z
    return _placed(z, torch.cat(told).to(z.device), data)


def _places(batch: Any, rows: int) -> Tensor | None:
    """Where the rows of a batch belong; None where it does not say."""
    for store in batch.node_stores:
        for name in ("input_id", "n_id"):
            value = store.get(name)
            if isinstance(value, Tensor) and len(value) >= rows and value.dim() == 1:
                if len(batch.node_stores) > 1 and "input_id" not in store:
                    continue  # of other types nothing is embedded
                return value[:rows]
    return None


def _placed(z: Tensor, places: Tensor, loader: Any) -> Tensor:
    """Rows in the order of the nodes.

    Raises:
        ValueError: nodes that are missing or came twice.
    """
    total = _num_rows(loader, places)
    count = torch.bincount(places, minlength=total)
    twice, missing = int((count > 1).sum()), int((count == 0).sum())
    if twice or missing:
        raise ValueError(
            f"embed: of {total} nodes the loader left out {missing} and gave {twice} more "
            "than once; give one that gives every node once, such as "
            "gcl.loader.NeighborBatches(data, num_neighbors), or embed(method, data)."
        )
    return torch.empty_like(z).index_copy_(0, places, z)


def _num_rows(loader: Any, places: Tensor) -> int:
    """How many rows a loader should give, as far as it tells."""
    known = getattr(loader, "num_rows", None)
    if known is None:
        dataset: Any = getattr(loader, "dataset", None)
        known = len(dataset) if hasattr(dataset, "__len__") else 0
    return max(int(known), int(places.max()) + 1 if len(places) else 0)


def _check_in_order(loader: Any) -> None:
    """Batches that do not say what they are of must come in order.

    Raises:
        ValueError: the loader shuffles.
    """
    dataset = getattr(loader, "dataset", None)
    if not isinstance(loader, torch.utils.data.DataLoader) or isinstance(dataset, IterableDataset):
        return
    sampler: Any = getattr(loader.batch_sampler, "sampler", None)
    if sampler is None:  # a batch sampler of another make
        sampler = loader.batch_sampler if loader.batch_sampler is not None else loader.sampler
    if isinstance(sampler, SequentialSampler) or getattr(sampler, "shuffle", True) is False:
        return
    raise ValueError(
        f"embed: the {type(loader).__name__} draws its order ({type(sampler).__name__}), and its "
        "batches do not tell which rows they are by input_id or n_id; give one with shuffle=False, "
        "one of gcl.loader, or set data.n_id = torch.arange(data.num_nodes) before it is made."
    )


@torch.no_grad()
def _embed_part_by_part(
    method: Method, data: Any, batch_size: int | None, nodes: Any, hops: int | None
) -> Tensor:
    if not isinstance(data, Data):
        raise TypeError(
            "embed: batch_size and nodes are for a graph of one node type, got "
            f"{type(data).__name__}; a loader brings its own batches."
        )
    if method.graph_level:
        raise TypeError(
            f"embed: a {type(method).__name__} embeds graphs; give a DataLoader of them in place "
            "of batch_size or nodes."
        )
    size = BLOCK if batch_size is None else batch_size
    check_count("embed", batch_size=size)
    with _evaluating(method):
        if nodes is None and is_layered(method) and hops is None and reach(method) is not None:
            prepared = prepare(method, data, device_of(method))
            with in_row_blocks(method, size):
                return method.embed(prepared)
        chosen = _numbers(nodes, int(data.num_nodes or 0))
        return _from_neighborhoods(method, data, chosen, size, hops)


def _from_neighborhoods(
    method: Method, data: Data, nodes: Tensor, size: int, hops: int | None
) -> Tensor:
    """Rows of chosen nodes, so many at a time, each from all that reaches it."""
    hops = reach(method) if hops is None else hops
    if hops is None:
        raise ValueError(
            f"embed: the encoder of {type(method).__name__} does not tell how many edges away it "
            "looks; give hops, the number of its layers and one more where it normalises by degree."
        )
    if averages_over_rows(method):
        raise ValueError(
            f"embed: a norm in {type(method).__name__} takes means over all nodes, of which a "
            "neighbourhood has a part; take embed(method, data)."
        )
    device, by_rows = device_of(method), works_on_rows(method)
    if by_rows:
        validate_graph(data, codes=reads_codes(method))
    cutter = Cutter("embed", data if by_rows else prepare(method, data, device))
    across = [name for name in cutter.attributes[None].pairs if name.startswith("across")]
    if across:
        raise ValueError(
            f"embed: {type(method).__name__} also embeds by {across[0]}, which neighbourhoods do "
            "not follow; take embed(method, data)[nodes]."
        )
    found = []
    for part in nodes.split(size):
        batch: Any = cutter.take({None: part}, hops)
        batch.input_id, batch.batch_size = part, len(part)
        batch = batch.to(device)
        if by_rows:
            batch = prepare_batch("embed", method, batch)
        found.append(method.embed(batch))
    return torch.cat(found)


def _numbers(nodes: Any, size: int) -> Tensor:
    """Chosen nodes as numbers; all if None."""
    if nodes is None:
        return torch.arange(size)
    try:
        chosen = torch.as_tensor(nodes).cpu()
    except (TypeError, ValueError, RuntimeError):
        chosen = None
    if chosen is not None and chosen.dtype == torch.bool and chosen.shape == (size,):
        return chosen.nonzero().view(-1)
    is_list = chosen is not None and chosen.dim() == 1 and len(chosen)
    if chosen is None or not is_list or chosen.dtype not in (torch.int64, torch.int32):
        raise TypeError(
            f"embed: nodes must be whole numbers below {size}, or a boolean mask [{size}], got "
            f"{shown(nodes)}."
        )
    low, high = int(chosen.min()), int(chosen.max())
    if low < 0 or high >= size or len(chosen.unique()) < len(chosen):
        raise ValueError(
            f"embed: nodes must lie in [0, {size}), each once, got {len(chosen)} numbers from "
            f"{low} to {high}."
        )
    return chosen.long()


@contextmanager
def _evaluating(method: Method) -> Iterator[None]:
    was_training = method.training
    method.eval()
    try:
        yield
    finally:
        method.train(was_training)
