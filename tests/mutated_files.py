"""Files that every reader of the package takes, and what chance makes of them.

As a script, `python tests/mutated_files.py READER COUNT FOLDER` reads COUNT mutated files, always
the same ones, and prints as JSON how many were read and refused, and what else happened. Nothing is
stored: a mutation is told by its number.
"""

from __future__ import annotations

import io
import json
import pickle
import random
import resource
import sys
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

import gcl
from gcl import checkpoint
from gcl.callbacks import Checkpoint, EarlyStopping
from gcl.datasets.files import from_files
from gcl.datasets.hetero import LABELLED, PARTS, Schema, read_hetero
from gcl.datasets.npz import read_npz
from gcl.datasets.planetoid import read_planetoid
from gcl.datasets.source import Source
from gcl.datasets.tu import read_tu
from gcl.datasets.wikics import read_wikics
from gcl.experiments.config import read_config
from gcl.experiments.folder import Kept, read_run
from gcl.experiments.results import read_rows
from gcl.experiments.run import Run
from gcl.methods import pretrain
from gcl.nn import MLPEncoder
from gcl.nn.auto_encoder import AutoEncoder
from gcl.training import warmup_cosine
from gcl.training.state import NonFiniteLossError

MEMORY = 1 << 30  # bytes that reading may take, all tiny files together
SECONDS = 20.0  # that one file may take, on a busy machine


@dataclass
class Reader:
    """How to make sound files in a folder, and how to read them.

    Args:
        make: writes the files.
        read: reads them; the error names a file of the folder.
        mutate: `(content, random) -> content`, as the file's form allows; bytes by default.
    """

    make: Callable[[Path], None]
    read: Callable[[Path], Any]
    mutate: Callable[[bytes, random.Random], bytes] | None = None


def of_bytes(content: bytes, rng: random.Random) -> bytes:
    """Bytes changed, taken out, put in, or a number written in place of another."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at, kind = rng.randrange(len(changed) or 1), rng.randrange(6)
        if kind == 0 and changed:
            changed[at] = rng.randrange(256)
        elif kind == 1 and changed:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del changed[at : at + rng.randrange(1, 9)]
        elif kind == 3:
            changed[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
        elif kind == 4:
            del changed[at:]
        else:
            end = at
            while end < len(changed) and chr(changed[end]) in "0123456789.-":
                end += 1
            changed[at:end] = rng.choice(NUMBERS).encode()
    return bytes(changed)


NUMBERS = (
    "0", "-1", "1.5", "100000000", "1000000000000", str(2**31), str(2**63), str(-(2**63)), "1e308",
    "nan", "inf", "9" * 30, "true", "null", '"a"', "[]", "{}", "[[[[", "0x7f", "1_0", "", "#", ",",
)  # fmt: skip


def of_archive(content: bytes, rng: random.Random) -> bytes:
    """Half of the time inside a member, under a checksum that is right."""
    if rng.random() < 0.5 or not content.startswith(b"PK"):
        return of_bytes(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = rng.choice(sorted(members))
    members[name] = of_bytes(members[name], rng)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as file:
        for name, member in members.items():
            file.writestr(name, member)
    return out.getvalue()


def of_checkpoint(content: bytes, rng: random.Random) -> bytes:
    """Mostly values inside, under a checksum that is right."""
    if rng.random() < 0.2:
        return of_bytes(content, rng)
    with io.BytesIO(content) as file:
        tree = _tree(file.getvalue())
    for _ in range(rng.choice((1, 1, 2))):
        tree = _other(tree, rng)
    return _packed(tree)


def _tree(content: bytes) -> Any:
    path = Path(_FOLDER) / "tree"
    path.write_bytes(content)
    return checkpoint.load(path)


def _packed(tree: Any) -> bytes:
    path = Path(_FOLDER) / "tree"
    checkpoint.save(tree, path)
    return path.read_bytes()


_FOLDER = ""


def _other(value: Any, rng: random.Random) -> Any:
    """The same tree with something else somewhere in it."""
    if isinstance(value, dict) and value and rng.random() < 0.93:
        key = rng.choice(sorted(value, key=str))
        if rng.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        if rng.random() < 0.05:
            return {**value, rng.choice(("step", "epoch", "optimizer", 7, "")): _odd(rng)}
        return {**value, key: _other(value[key], rng)}
    if isinstance(value, list | tuple) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        items = list(value)
        if rng.random() < 0.1:
            del items[at]
        else:
            items[at] = _other(items[at], rng)
        return type(value)(items)
    if isinstance(value, torch.Tensor) and rng.random() < 0.5:
        odd: list[Callable[[torch.Tensor], torch.Tensor]] = [
            lambda t: t.flatten()[:-1],
            lambda t: t.double(),
            lambda t: t.long(),
            lambda t: t.unsqueeze(0),
            lambda t: torch.full_like(t, 1 if t.dtype == torch.uint8 else -7),
        ]
        return rng.choice(odd)(value)
    return _odd(rng)


def _odd(rng: random.Random) -> Any:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    return rng.choice(
        (None, True, -5, 0, 10**30, 1.5, float("nan"), float("inf"), "a", "", [], {}, (), [1], deep,
         {"a": 1}, (3, (1,), None), torch.ones(2), torch.tensor(-1.0), torch.zeros(0, 3).bool())
    )  # fmt: skip


def make_planetoid(folder: Path) -> None:
    rng = np.random.default_rng(0)
    onehot = np.eye(3, dtype=np.int32)[rng.integers(3, size=40)]
    x = sp.csr_matrix((rng.random((40, 5)) < 0.4).astype(np.float32))
    graph = {i: rng.integers(40, size=3).tolist() for i in range(40)}
    parts = {"x": x[:6], "allx": x[:30], "tx": x[30:], "graph": graph}
    parts |= {"y": onehot[:6], "ally": onehot[:30], "ty": onehot[30:]}
    for part, value in parts.items():
        (folder / f"ind.toy.{part}").write_bytes(pickle.dumps(value, 4))
    (folder / "ind.toy.test.index").write_text("\n".join(map(str, range(30, 40))))


def make_npz(folder: Path) -> None:
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {"labels": rng.integers(3, size=9)}
    for part, matrix in (("adj", sp.eye(9, k=1)), ("attr", sp.random(9, 4, 0.5, random_state=0))):
        matrix = matrix.tocsr()
        arrays |= {f"{part}_{k}": getattr(matrix, k) for k in ("data", "indices", "indptr")}
        arrays[f"{part}_shape"] = np.array(matrix.shape)
    np.savez_compressed(folder / "toy.npz", **arrays)


TU = {
    "A": "1, 2\n2, 1\n1, 2\n3, 3\n5, 6\n6, 5\n",
    "graph_indicator": "1\n1\n1\n2\n3\n3\n",
    "graph_labels": "-1\n1\n-1\n",
    "node_labels": "4\n6\n4\n5\n4\n4\n",
    "edge_labels": "0\n0\n0\n1\n2\n2\n",
}


def make_tu(folder: Path) -> None:
    for part, text in TU.items():
        (folder / f"TOY_{part}.txt").write_text(text)


def make_wikics(folder: Path) -> None:
    (folder / "data.json").write_text(
        json.dumps(
            {
                "features": [[0.5, -1.0], [0.0, 2.0], [1.0, 1.0]],
                "labels": [0, 1, 1],
                "links": [[1, 1], [], [0]],
                "train_masks": [[True, False, False], [False, True, False]],
                "val_masks": [[False, True, False], [True, False, False]],
                "stopping_masks": [[False, True, False], [True, False, False]],
                "test_mask": [False, False, True],
            }
        )
    )


SCHEMA = Schema(
    target="paper",
    sizes={"paper": 4, "author": 3, "subject": 2},
    links=("pa", "ps"),
    features="pas",
    metapaths=("pap", "psp"),
)


def make_hetero(folder: Path) -> None:
    (folder / "pa.txt").write_text("3\t0\n0\t2\n0\t0\n2\t1\n0\t2\n")
    (folder / "ps.txt").write_text("0 1\n1 1\n")
    x = np.array([[0, 2, 0], [0, 0, 0], [1, 0, 3], [0, 0, 0]])
    sp.save_npz(folder / "p_feat.npz", sp.coo_matrix(x))
    sp.save_npz(folder / "s_feat.npz", sp.csr_matrix(x[1:3]))
    with open(folder / "a_feat.npz", "wb") as file:  # a plain array, as the terms of DBLP
        np.save(file, np.arange(6.0).reshape(3, 2))
    np.save(folder / "labels.npy", np.array([3.0, 1.0, 3.0, 2.0]))
    for few, (part, nodes) in product(LABELLED, zip(PARTS, ([0, 2], [1], [3]), strict=True)):
        np.save(folder / f"{part}_{few}.npy", np.array(nodes))


def make_files(folder: Path) -> None:
    np.save(folder / "x.npy", np.arange(6.0).reshape(3, 2))
    np.save(folder / "edge_index.npy", np.array([[1, 0, 2], [0, 1, 1]]))
    np.save(folder / "num_nodes.npy", 3)
    np.save(folder / "edge_weight.npy", np.ones(3, dtype=np.float32))


def make_results(folder: Path) -> None:
    rows = "".join(f"{seed},grace,0.{80 + seed},0.8\n" for seed in range(4))
    (folder / "results.csv").write_text(f"seed,features,accuracy,macro_f1\n{rows}")


def make_run(folder: Path) -> None:
    run = Run("grace", "karate", method={"hidden": 8, "tau": 0.4})
    Kept(run, [0, 1, 2], "0123456789abcdef", [100, 200]).write(folder / "run.json")


def make_config(folder: Path) -> None:
    (folder / "toy.toml").write_text(
        'recipe = "grace"\ndataset = "cora"\nprotocol = "public"\nhidden = 8\ntau = 0.4\n'
        "drop_edge = [0.3, 0.4]\nundirected = false\nlr = 5e-4\n[reported]\naccuracy = 0.819\n"
        'source = "the paper"\n'
    )


def make_method(folder: Path) -> None:
    torch.manual_seed(0)
    gcl.save(gcl.methods.macl(gcl.methods.grace(gcl.datasets.load("karate"), hidden=4)), folder)


def training(folder: Path, epochs: int, resume: bool = False) -> Any:
    data = gcl.datasets.load("karate")
    torch.manual_seed(0)
    path = folder / "c.safetensors"
    return gcl.fit(
        gcl.methods.gbt(data, hidden=2),
        data,
        epochs=epochs,
        optimizer=lambda p: torch.optim.AdamW(p, lr=0.01),
        scheduler=warmup_cosine(2, 12),
        callbacks=[EarlyStopping(patience=50), *([] if resume else [Checkpoint(path)])],
        resume=path if resume else None,
    )


def make_encoder(folder: Path) -> None:
    torch.manual_seed(0)
    pretrain(MLPEncoder(4, (3,), 2), torch.rand(9, 4), epochs=2).save(folder / "encoder")


def load_from(folder: Path, read: Callable[[Path], Any]) -> Any:
    """Through `load`, which checks the graph that a reader returns."""
    names = import_module("gcl.datasets.load")
    known = names.DATASETS
    names.DATASETS = {"toy": Source("toy", "nobody", read)}
    try:
        return names.load("toy", folder)
    finally:
        names.DATASETS = known


READERS: dict[str, Reader] = {
    "planetoid": Reader(
        make_planetoid, partial(load_from, read=partial(read_planetoid, name="toy"))
    ),
    "npz": Reader(
        make_npz, partial(load_from, read=lambda folder: read_npz(folder / "toy.npz")), of_archive
    ),
    "tu": Reader(make_tu, partial(load_from, read=partial(read_tu, name="TOY", max_degree=2))),
    "wikics": Reader(
        make_wikics, partial(load_from, read=lambda folder: read_wikics(folder / "data.json"))
    ),
    "hetero": Reader(
        make_hetero, partial(load_from, read=partial(read_hetero, schema=SCHEMA)), of_archive
    ),
    "files": Reader(make_files, from_files),
    "results": Reader(
        make_results, lambda folder: read_rows(folder / "results.csv", ("seed", "accuracy"))
    ),
    "run": Reader(make_run, read_run),
    "config": Reader(make_config, lambda folder: read_config(folder / "toy.toml")),
    "checkpoint": Reader(
        lambda folder: training(folder, 2), lambda folder: training(folder, 3, True), of_checkpoint
    ),
    "encoder": Reader(
        make_encoder,
        lambda folder: AutoEncoder(MLPEncoder(4, (3,), 2)).restore(folder / "encoder"),
        of_checkpoint,
    ),
    "method": Reader(make_method, gcl.load),
}


def read_mutated(name: str, count: int, folder: Path, first: int = 0) -> dict[str, Any]:
    """How many of the mutated files were read and refused; `odd` has what else happened."""
    global _FOLDER
    reader = READERS[name]
    home = folder / name
    home.mkdir(parents=True, exist_ok=True)
    _FOLDER = str(folder)
    reader.make(home)
    files = sorted(path for path in home.iterdir() if path.is_file())
    contents = [path.read_bytes() for path in files]
    reader.read(home)
    mutate = reader.mutate or of_bytes
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told: dict[str, Any] = {"read": 0, "refused": 0, "odd": [], "slowest": 0.0}
    for number in range(first, first + count):
        rng = random.Random(f"{name} {number}")
        at = number % len(files)
        files[at].write_bytes(mutate(contents[at], rng))
        started = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.filterwarnings("ignore", "load: .* lists|EarlyStopping: no epoch")
                reader.read(home)
            told["read"] += 1
        except (ValueError, FileNotFoundError) as error:
            # By its name, as one sentence in our words.
            named = any(part in str(error) for part in (str(home), home.name + "/", str(files[at])))
            if named and str(error).endswith("."):
                told["refused"] += 1
            else:
                told["odd"].append([number, files[at].name, traceback.format_exc()[-1500:]])
        except NonFiniteLossError:
            told["refused"] += 1  # weights of the file that are no numbers
        except BaseException:
            told["odd"].append([number, files[at].name, traceback.format_exc()[-1500:]])
        told["slowest"] = max(told["slowest"], time.perf_counter() - started)
        files[at].write_bytes(contents[at])
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told["megabytes"] = (after - before) / 1024
    return told


def _limit(extra: int) -> None:
    """No more than so many bytes of addresses beyond those there are."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    total = pages * resource.getpagesize() + extra
    resource.setrlimit(resource.RLIMIT_AS, (total, total))


if __name__ == "__main__":
    torch.set_num_threads(1)
    reader, number, where = sys.argv[1:4]
    if sys.platform == "linux":
        _limit(2 * MEMORY)
    found = read_mutated(reader, int(number), Path(where), *map(int, sys.argv[4:5]))
    found["kinds"] = len(found["odd"])
    found["odd"] = found["odd"][:5]
    print(json.dumps(found))
