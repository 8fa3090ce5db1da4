"""What a run is trained on: the graph, batches of it, or batches of graphs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.loader import DataLoader

from gcl.contracts import Method
from gcl.datasets import GraphSet
from gcl.loader import NeighborBatches, PartitionBatches
from gcl.training.batches import prepare_for_batches

Loader: TypeAlias = Literal["", "neighbors", "parts", "random-parts"]
GRAPHS_PER_BATCH = 128  # of InfoGraph and GraphCL
NODES_PER_BATCH = 1024
FANOUT = "10,10"


@dataclass(frozen=True)
class Feed:
    """Which batches; as the fields of `gcl.experiments.run.Run` of these names say."""

    dataset: str
    loader: Loader
    fanout: str
    batch_size: int


def feed(run: Feed, method: Method, data: Any, seed: int) -> tuple[Any, Any]:
    """What is trained on, and what is embedded.

    Args:
        run: which batches.
        method: what the batches are prepared for.
        data: the graph, or the set of graphs.
        seed: of the draws of a loader.

    Raises:
        ValueError: options that are not for this kind of data.
    """
    if run.batch_size < 0:
        raise ValueError(f"--batch_size must be >= 0, got {run.batch_size}.")
    if run.fanout != FANOUT and run.loader != "neighbors":
        raise ValueError("--fanout is for --loader neighbors; leave it out, or give that.")
    if isinstance(data, GraphSet):
        if run.loader:
            raise ValueError(
                f"--loader is for one large graph; {run.dataset} is a set of graphs, of which "
                "--batch_size are in a batch."
            )
        return _graphs(run, method, data)
    if not run.loader:
        if run.batch_size:
            raise ValueError(
                f"--batch_size is for sets of graphs and goes with --loader; {run.dataset} is one "
                "graph, which is trained on as a whole."
            )
        return data, data
    if isinstance(data, HeteroData):
        raise ValueError(
            f"--loader is for graphs of one node type; {run.dataset} has several, and is trained "
            "on as a whole."
        )
    return _batches(run, method, data, seed), data


def fanout_of(text: str) -> list[int]:
    """The numbers of "10,10" or "[10, 10]".

    Raises:
        ValueError: something else.
    """
    numbers = r"\s*(-?\d+(\s*,\s*-?\d+|\s+-?\d+)*)\s*"
    told = re.fullmatch(rf"\[\s*\]|\[{numbers}\]|\({numbers}\)|{numbers}", text)
    if told is None:
        raise ValueError(f"--fanout must be whole numbers, one a hop, such as 10,10, got {text!r}.")
    return [int(word) for word in re.findall(r"-?\d+", text)]


def _graphs(run: Feed, method: Method, data: GraphSet) -> tuple[DataLoader, DataLoader]:
    graphs: Any = data
    if type(method).prepare is not Method.prepare or method.whole_graph is not None:
        graphs = method.prepare(Batch.from_data_list(list(data))).to_data_list()
    size = run.batch_size or GRAPHS_PER_BATCH
    return DataLoader(graphs, size, shuffle=True), DataLoader(graphs, size)


def _batches(run: Feed, method: Method, data: Data, seed: int) -> Any:
    size = min(run.batch_size or NODES_PER_BATCH, data.num_nodes)
    whole = prepare_for_batches(method, data)
    if run.loader == "neighbors":
        return NeighborBatches(whole, fanout_of(run.fanout), batch_size=size, seed=seed)
    parts: Literal["auto", "random"] = "auto" if run.loader == "parts" else "random"
    return PartitionBatches(whole, -(-data.num_nodes // size), parts=parts, seed=seed)
