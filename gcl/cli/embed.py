"""`gcl embed`: embeddings of a graph by a method that was trained and kept."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from gcl.checks import check_device
from gcl.cli.options import Parser
from gcl.contracts import Method
from gcl.datasets import GraphSet, from_files
from gcl.experiments.embedding_files import check_kind, write_embeddings
from gcl.experiments.feeding import FANOUT, Feed, feed
from gcl.experiments.run import Run, open_data
from gcl.experiments.saving import load
from gcl.graphs.kinds import reads_codes
from gcl.graphs.rows import counted_rows
from gcl.graphs.validate import validate_graph
from gcl.training.embedding import embed


def embed_command(arguments: list[str]) -> None:
    parser = Parser("gcl embed", description="Embeddings of a graph by a method that was trained.")
    parser.add_argument("folder", help="of gcl.save, or DIR/seed-0/model of gcl train --out DIR")
    parser.add_argument(
        "data", help="a data set, as of gcl train, or a folder of gcl.datasets.to_files"
    )
    parser.add_argument("--out", required=True, help="the file: .npz, .csv or .parquet")
    parser.add_argument(
        "--batch-size", type=int, default=0, help="rows at a time, for a large graph"
    )
    parser.add_argument(
        "--trust", nargs="+", default=[], help="modules of your own that the folder needs"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--root", default="", help="folder of the data sets")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args(arguments)
    out, began = Path(chosen.out), time.perf_counter()
    check_kind(out)
    check_device("--device", chosen.device)
    if chosen.batch_size < 0:
        raise ValueError(f"--batch-size must be at least 1, got {chosen.batch_size}.")
    method = load(chosen.folder, trust=chosen.trust).to(chosen.device)
    data = _data(chosen.data, chosen.root, codes=reads_codes(method))
    _say(f"embedding {chosen.data} by {chosen.folder}")
    z = _embedded(method, data, chosen.batch_size, chosen.data)
    _say(f"{len(z)} rows of {z.shape[1]} after {time.perf_counter() - began:.1f} s, writing {out}")
    write_embeddings(out, z, _ids(data, len(z)))
    if chosen.json:
        print(json.dumps({"out": str(out), "rows": len(z), "columns": z.shape[1]}))
    else:
        print(out)


def _data(name: str, root: str, *, codes: bool) -> Any:
    if ":" not in name and Path(name).is_dir():
        data = from_files(name)
        validate_graph(data, codes=codes)
        return data
    return open_data(Run("", name, root=root), codes=codes)


def _embedded(method: Method, data: Any, batch_size: int, name: str) -> torch.Tensor:
    if isinstance(data, GraphSet) != method.graph_level:
        wanted, came = ("a set of graphs", "one graph")[:: 1 if method.graph_level else -1]
        raise ValueError(f"the folder holds a method for {wanted}, and {name} is {came}.")
    if isinstance(data, GraphSet):
        data, batch_size = feed(Feed(name, "", FANOUT, batch_size), method, data, 0)[1], 0
    return embed(method, data, batch_size=batch_size or None).cpu()


def _ids(data: Any, rows: int) -> Any:
    """What the graph calls its nodes, else their numbers."""
    for store in [] if isinstance(data, GraphSet) else data.node_stores:
        ids = store.get("ids")
        if ids is None or len(ids) != store.num_nodes:
            continue
        counted = counted_rows(torch.arange(len(ids)), store) if len(ids) != rows else range(rows)
        if len(counted) == rows:
            return [ids[int(i)] for i in counted]
    return range(rows)


def _say(sentence: str) -> None:
    print(f"gcl: {sentence}", file=sys.stderr)
