"""A run of a recipe on a data set, from seed to numbers: what `gcl train` and `gcl bench` share."""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch_geometric.data import Data, HeteroData
from torch_geometric.seed import seed_everything

from gcl import datasets, evaluate
from gcl.callbacks import Checkpoint, CSVLog, Diagnose, EarlyStopping, ProgressBar
from gcl.checkpoint import CheckpointError, write_atomically
from gcl.contracts import Method
from gcl.datasets import GraphSet
from gcl.distributed import is_first, on_first
from gcl.evaluate.inputs import as_targets
from gcl.experiments.composition import Composition, compose, objects
from gcl.experiments.embeddings import Trained, read_trained
from gcl.experiments.feeding import FANOUT, Feed, Loader, feed
from gcl.experiments.leave import Leave
from gcl.experiments.lookup import imported, is_path
from gcl.experiments.memory import peak_extra_mb
from gcl.experiments.provenance import commit
from gcl.experiments.saving import save
from gcl.graphs.digest import data_digest
from gcl.graphs.kinds import is_codes
from gcl.graphs.rows import with_counted_labels
from gcl.graphs.validate import validate_graph
from gcl.names import did_you_mean
from gcl.training.embedding import embed
from gcl.training.loop import fit
from gcl.training.optimizers import warmup_cosine
from gcl.training.settings import Settings
from gcl.training.state import Callback, State, read_checkpoint

UNTRAINED = "untrained"
NOT_DECISIVE = {
    "recipe",
    "dataset",
    "method",
    "device",
    "root",
    "diagnose",
}  # or told of by other means


@dataclass
class Run:
    """What is run; every field but `method` is an option of `gcl train`.

    Args:
        recipe: a name in `gcl.methods`, or "package.module:function", with the variants around it:
            "grace+macl+pot".
        dataset: a name known to `gcl.datasets.load`, or "package.module:function" giving a graph,
            a list of graphs or a PyG data set of them.
        protocol: evaluation protocol, see `gcl.evaluate`; by the kind of the data if empty, see
            `gcl.evaluate.default_protocol`.
        epochs: passes over the data.
        lr: learning rate.
        weight_decay: L2 penalty (Adam) or decoupled decay (AdamW).
        optimizer: a class of torch.optim: Adam, AdamW, SGD, ...
        warmup: epochs of linear warm-up, followed by a cosine to 0; -1 keeps lr constant.
        clip: upper limit of the gradient norm; 0 for none.
        patience: stop when the loss has not fallen for so many epochs, and take the weights of its
            lowest; 0 trains to the end and takes the last.
        precision: "bf16" multiplies the streamed products and the encoders' in bfloat16, see
            `gcl.fit`.
        probe_lr: step size of the probe under the hetero protocols, which the papers tune.
        probe_decay: its L2 penalty.
        device: cpu, cuda, ...
        root: folder of the data sets; GCL_DATA, then a cache folder, if empty.
        batch_size: graphs of a batch, where the data set is a set of graphs; 128 if 0. Nodes of a
            batch of a loader; 1024 if 0.
        loader: batches of one graph, embedded as a whole: "neighbors" for nodes with sampled
            neighbours, "parts" with few edges between them, "random-parts"; none if empty.
        fanout: neighbours a node of "neighbors", one number a hop, "10,10"; -1 for all.
        diagnose: epochs between two measurements of alignment, uniformity, rank and more, which
            join the log; 0 for none. They change no number, see `gcl.callbacks.Diagnose`.
        method: the options of recipe and variants, by name; those of an object or a variant as a
            mapping of their own.
    """

    recipe: str
    dataset: str
    protocol: str = ""
    epochs: int = Settings.epochs
    lr: float = Settings.lr
    weight_decay: float = Settings.weight_decay
    optimizer: str = Settings.optimizer
    warmup: int = Settings.warmup
    clip: float = Settings.clip
    patience: int = Settings.patience
    precision: Literal["fp32", "bf16"] = "fp32"
    probe_lr: float = 0.01
    probe_decay: float = 0.0
    device: str = "cpu"
    root: str = ""
    batch_size: int = 0
    loader: Loader = ""
    fanout: str = FANOUT
    diagnose: int = 0
    method: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.recipe}/{self.dataset}"

    def build(self, data: Any) -> Method:
        """The method of this run for its data, untrained."""
        return compose(self.recipe).build(data, self.method).to(self.device)


def load_data(run: Run) -> Data | HeteroData | GraphSet:
    """The data set of a run, checked: a graph, or a set of graphs, with labels or without.

    Raises:
        ValueError, FileNotFoundError: unknown, absent or malformed data, or labelled data that the
            protocol is not for.
    """
    data = open_data(run)
    if has_labels(data):
        check_protocol(run, data)
        _check_labels(run, data)
    return data


def _check_labels(run: Run, data: Any) -> None:
    """Raises ValueError for labels that the command line does not measure."""
    y = labels_of(data)
    apart = (
        "; without y it trains, too: leave y out, give --out DIR, and measure "
        "DIR/seed-0/embedding.npy in Python, numbers of graphs by gcl.evaluate.graph_regression."
    )
    if y.dim() == 2 and y.shape[1] == 1:
        raise ValueError(
            f"{run.dataset} has labels of shape {list(y.shape)}; give one number each: y.view(-1)."
        )
    if not y.is_floating_point():
        return
    known = y[~y.isnan()]
    if bool((known != known.round()).any()) or (y.dim() == 2 and bool((known > 1).any())):
        raise ValueError(
            f"{run.dataset} has numbers for labels (data.y), and what is measured here are "
            f"classes{apart}"
        )
    if y.dim() == 1 and len(known) < len(y):
        unknown = "leave those graphs out" if isinstance(data, GraphSet) else "write -1 there"
        raise ValueError(
            f"{run.dataset} has NaN for {len(y) - len(known)} of {len(y)} labels (data.y); "
            f"{unknown}, and make the others whole numbers."
        )


def open_data(run: Run, *, codes: bool = False) -> Data | HeteroData | GraphSet:
    """The data set of a run under any protocol.

    Args:
        run: what to run.
        codes: whether x may be codes of categories.

    Raises:
        TypeError: codes that are not asked for.
        ValueError, FileNotFoundError: unknown, absent or malformed data.
    """
    if is_function(run.dataset):
        make = imported(run.dataset, "data set")
        try:
            inspect.signature(make).bind()
        except TypeError as error:
            raise ValueError(
                f"data set {run.dataset!r} must be a function of nothing that gives a graph: "
                f"{error}."
            ) from None
        data = make()
        if datasets.is_set_of_graphs(data):
            data = datasets.as_graph_set(data, run.dataset.rpartition(":")[2])
    else:
        data = datasets.load(run.dataset, run.root or None)
    if not codes and _has_codes(data):
        raise TypeError(
            f"{run.dataset} has codes of categories (data.x of whole numbers), and raw features, "
            "which are measured beside, cannot be codes; use x.float() if they are numbers, else "
            "train in Python: gcl.fit with gcl.nn.CodeEmbedding."
        )
    if not isinstance(data, GraphSet):
        validate_graph(data, codes=codes)
    return data


def _has_codes(data: Any) -> bool:
    graphs = data[:1] if isinstance(data, GraphSet) else [data]
    return any(is_codes(store.get("x")) for graph in graphs for store in graph.node_stores)


def is_function(dataset: str) -> bool:
    """Whether a data set is what a function gives, which may be another one next time."""
    return ":" in dataset or is_path(dataset)


def protocol_of(run: Run, data: Data | HeteroData | GraphSet) -> str:
    """The protocol of a run, by the data where none is asked for."""
    return run.protocol or evaluate.default_protocol(data)


def with_protocol(run: Run, data: Data | HeteroData | GraphSet) -> Run:
    """The same run, which says its protocol."""
    return replace(run, protocol=protocol_of(run, data))


def check_protocol(run: Run, data: Data | HeteroData | GraphSet) -> None:
    """Raises ValueError where the protocol of a run is not for its data, or needs labels."""
    if not has_labels(data):
        raise ValueError(f"{run.dataset} has no labels (data.y), so nothing can be evaluated.")
    if isinstance(data, GraphSet):
        kind, known = "a set of graphs", list(evaluate.GRAPH_PROTOCOLS)
    elif isinstance(data, HeteroData):
        kind, known = "a heterogeneous graph", list(evaluate.HETERO_PROTOCOLS)
    else:
        kind, known = "one graph", list(evaluate.PROTOCOLS)
    if run.protocol and run.protocol not in known:
        raise ValueError(
            f"{run.dataset} is {kind}, which protocol {run.protocol!r} is not for; choose one of "
            f"{', '.join(known)}."
        )


def train_seed(
    run: Run,
    data: Any,
    seed: int,
    folder: Path | None = None,
    *,
    resume: bool = False,
    lengths: Sequence[int] = (),
    kept: Path | None = None,
    cluster: bool = True,
) -> tuple[list[dict[str, Any]], Trained]:
    """Train and evaluate one seed.

    Args:
        run: what to run.
        data: its graph, from `load_data`.
        seed: seeds the weights and the training; splits and k-means keep their own seed.
        folder: where to put log.csv, checkpoint.safetensors, embedding.npy and the folder model of
            `gcl.save`; nowhere if None.
        resume: go on from the checkpoint in the folder if there is one.
        lengths: other epochs for which the checkpoint may have been written.
        kept: a folder of embeddings: what it has is measured and not trained again, what it has not
            is put there.
        cluster: whether k-means is run on what comes out.

    Returns:
        One row (dict) for the untrained and one for the trained encoder, the latter with seconds,
        CPU seconds (if it was not interrupted) and memory (MB) of the training, and the training.
        Without labels one row, with the loss. Of several processes the first alone embeds and
        measures, while the others wait; they return no rows and no embeddings.

    Raises:
        CheckpointError: the checkpoint is of another run, seed or graph.
        Interrupt: a signal came; the checkpoint holds all epochs that were done.
    """
    made = None if kept is None else read_trained(kept, run_digest(run), seed, data_digest(data))
    if made is None:
        made = _train(run, data, seed, folder, resume=resume, lengths=lengths)
        if kept is not None:
            made.write(kept, run_digest(run), seed, data_digest(data))
    told = {**made.cost, "trained_commit": made.commit}
    if not has_labels(data):
        rows = [{"seed": seed, "features": run.recipe, "loss": made.loss, **told}]
        return (rows if is_first() else []), made
    measured = on_first(lambda: [measure(run, z, data, cluster) for z in (made.untrained, made.z)])
    if measured is None:
        return [], made
    untrained, trained = measured
    rows = [
        {"seed": seed, "features": UNTRAINED, **untrained},
        {"seed": seed, "features": run.recipe, **trained, **told},
    ]
    return rows, made


def _train(
    run: Run, data: Any, seed: int, folder: Path | None, *, resume: bool, lengths: Sequence[int]
) -> Trained:
    seed_everything(seed)
    method = run.build(data)
    batches = Feed(run.dataset, run.loader, run.fanout, run.batch_size)
    training, whole = feed(batches, method, data, seed)
    untrained = on_first(lambda: _embedded(run, method, whole, data))
    state, cost = train(run, method, data, training, seed, folder, resume=resume, lengths=lengths)

    def written() -> torch.Tensor:
        z = embed(method, whole).cpu()
        if folder is not None:
            buffer = io.BytesIO()
            np.save(buffer, z.numpy(), allow_pickle=False)
            write_atomically(folder / "embedding.npy", buffer.getvalue())
            _keep(method, folder / "model")
        return z

    z = on_first(written)
    cost["trained_epochs"] = state.epoch
    if untrained is None or z is None:  # not the first of several processes
        untrained = z = torch.empty(0)
    return Trained(untrained.cpu(), z, cost, state.loss, commit())


def _keep(method: Method, folder: Path) -> None:
    """The trained method as a folder of its own, for `gcl.load` and `gcl embed`."""
    try:
        save(method, folder)
    except ValueError as error:  # parts that no file can tell; the training is worth no less
        warnings.warn(f"{folder} was not written: {error}", stacklevel=2)


def _embedded(run: Run, method: Method, whole: Any, data: Any) -> torch.Tensor:
    """What the untrained method gives, one row for each label."""
    untrained = embed(method, whole)
    if has_labels(data) and len(untrained) != len(labels_of(data)):
        what = "graphs" if isinstance(data, GraphSet) else "nodes"
        raise ValueError(
            f"{run.recipe} gives {len(untrained)} embeddings for the {len(labels_of(data))} {what} "
            f"of {run.dataset}: a set of graphs needs a graph-level recipe such as graphcl, and "
            "one graph a node-level recipe such as grace."
        )
    return untrained


def train(
    run: Run,
    method: Method,
    data: Any,
    training: Any,
    seed: int,
    folder: Path | None = None,
    *,
    resume: bool = False,
    lengths: Sequence[int] = (),
    callbacks: Sequence[Callback] = (),
    quiet: bool = False,
) -> tuple[State, dict[str, float]]:
    """Train the method of a run; returns the final state, and seconds and memory (MB).

    Args:
        run: what to run.
        method: of `Run.build`.
        data: the graph of the run.
        training: what `fit` trains on: the graph, or batches of it.
        seed: the training seed, which has been set.
        folder: see `train_seed`.
        resume: see `train_seed`.
        lengths: see `train_seed`.
        callbacks: further callbacks.
        quiet: tell nothing of the progress.

    Raises:
        CheckpointError, Interrupt: see `train_seed`.
    """
    told: list[Callback] = [] if quiet else [ProgressBar(f"{run.name} seed {seed}")]
    hooks: list[Callback] = [*told, *callbacks]
    if run.diagnose:
        tau = run.method.get("tau")
        hooks.append(Diagnose(every=run.diagnose, **({} if tau is None else {"tau": tau})))
    if run.patience:
        hooks.append(EarlyStopping(patience=run.patience))
    saved, keeping = None, None
    if folder is not None:
        saved = folder / "checkpoint.safetensors"
        about = {"run": _without_epochs(run), "seed": seed, "data": data_digest(data)}
        often = {"every": 1, "every_steps": 50} if run.loader else {}  # an epoch may take hours
        keeping = Checkpoint(saved, about={**about, "epochs": run.epochs}, **often)
        hooks += [CSVLog(folder / "log.csv"), keeping]
    hooks.append(Leave(keeping))
    goes_on = resume and saved is not None and saved.is_file()
    before, begun = 0.0, False
    if goes_on and saved is not None:
        content = read_checkpoint(saved)
        _check_about(saved, content.get("about"), about, (run.epochs, *lengths), content["epoch"])
        within = content.get("progress") or {"seconds": 0.0}
        before = sum(float(row["seconds"]) for row in (*content["history"], within))
        begun = content["step"] > 0
    steps = len(training) if run.loader else 1
    total = max(run.epochs, 1) * steps
    states: list[State] = []
    trained = partial(
        fit,
        method,
        training,
        epochs=run.epochs,
        optimizer=partial(optimizer_class(run.optimizer), lr=run.lr, weight_decay=run.weight_decay),
        scheduler=warmup_cosine(run.warmup * steps, total) if run.warmup >= 0 else None,
        clip=run.clip or None,
        precision=run.precision,
        callbacks=hooks,
        resume=saved if goes_on else None,
    )
    started, cpu = time.perf_counter(), time.process_time()
    kind = torch.device(run.device).type
    memory = peak_extra_mb(lambda: states.append(trained()), kind, every=0.01)
    cost = {"seconds": before + time.perf_counter() - started, "peak_mb": memory}
    if not begun:  # nothing tells that of epochs before an interrupt
        cost["cpu_seconds"] = time.process_time() - cpu
    return states[0], cost


def _without_epochs(run: Run) -> str:
    """The digest of a run of any length."""
    return options_digest(replace(run, epochs=0))


def _check_about(
    path: Path, found: Any, own: dict[str, Any], lengths: Sequence[int], epoch: int
) -> None:
    """Raises CheckpointError where a checkpoint does not say that it is of this run."""
    found = found if isinstance(found, dict) else {}
    names = {"run": "another recipe or other options", "seed": "another seed", "data": "other data"}
    other = [what for key, what in names.items() if found.get(key) != own[key]]
    if found.get("epochs") not in lengths or epoch > found["epochs"]:
        other.append("a run of another length")
    if other:
        raise CheckpointError(
            f"{path} is of {', '.join(other)}; take it away, or train into another folder."
        )


def measure(run: Run, z: torch.Tensor, data: Any, cluster: bool = True) -> dict[str, Any]:
    """Classifier by the run's protocol, and k-means unless told not to, of one representation."""
    probe: evaluate.Result
    second = ""  # the protocol of a second opinion, where there is one
    y, protocol = labels_of(data), protocol_of(run, data)
    if isinstance(data, GraphSet):
        probe = evaluate.graph_classification(z, y, protocol=protocol)
    elif isinstance(data, HeteroData):
        probe = evaluate.hetero_probe(
            z, data, protocol=protocol, lr=run.probe_lr, weight_decay=run.probe_decay
        )
    else:
        probe = evaluate.linear_probe(z, y, protocol=protocol, data=with_counted_labels(data))
        second = f"{protocol}-raw"
    told = as_row(probe)
    if second in evaluate.PROTOCOLS:
        found = evaluate.linear_probe(z, y, protocol=second, data=with_counted_labels(data))
        told |= {f"raw_rows_{key}": found[key] for key in ("accuracy", "accuracy_std")}
    if not cluster or not has_classes(data):
        return told
    groups = evaluate.cluster(z, y)
    return {**told, **{f"cluster_{key}": value for key, value in groups.items()}}


def as_row(found: evaluate.Result) -> dict[str, Any]:
    """An evaluation as columns, one of them the accuracies of the single splits.

    Those are for tests in pairs. With one label a node, Micro-F1 is accuracy.
    """
    row: dict[str, Any] = dict(found)
    accuracies = found.per_run.get("accuracy") or found.per_run.get("micro_f1", [])
    if "accuracy" not in row:
        row = {f"accuracy{end}": row[f"micro_f1{end}"] for end in ("", "_std")} | row
    if accuracies:
        row["accuracies"] = " ".join(f"{value:.4f}" for value in accuracies)
    return row


def has_labels(data: Any) -> bool:
    """Whether anything can be evaluated: a graph or a set of graphs with `y`."""
    return (
        getattr(data, "y", None) if isinstance(data, GraphSet) else labelled_nodes(data)
    ) is not None


def has_classes(data: Any) -> bool:
    """Whether labels are one class each, and so can be compared with clusters."""
    return has_labels(data) and as_targets(labels_of(data), len(labels_of(data)), "data.y") is None


def labels_of(data: Any) -> torch.Tensor:
    """The labels of what is embedded: graphs, or nodes, of which helper rows are none."""
    y: torch.Tensor
    if isinstance(data, GraphSet):
        y = data.y
    elif isinstance(data, HeteroData):
        y = labelled_nodes(data).y
    else:
        y = with_counted_labels(data).y
    return y


def labelled_nodes(data: Any) -> Any:
    """The nodes that have labels, or None."""
    return next((nodes for nodes in data.node_stores if nodes.get("y") is not None), None)


DRAWS = 1
"""Raised whenever the same seed gives other random draws than before, and so other numbers."""


def options_digest(run: Run) -> str:
    """A short name for what decides a run's numbers: what differs from the defaults, by name.

    It starts with the version of the random draws. An option has the same name wherever its recipe
    takes it, by itself or as part of an object; the options of a variant have the variant's name
    before theirs. Folder and device decide nothing: a table begun on one may go on on another.
    """
    composition = compose(run.recipe)
    usual = {f.name: f.default for f in fields(Run) if f.name not in NOT_DECISIVE}
    told = {name: getattr(run, name) for name in usual}
    chosen = {k: v for k, v in told.items() if v != usual[k]}
    defaults = _by_leaf(composition.defaults(), composition)
    options = _by_leaf(as_json(run.method), composition)
    chosen |= {f"--{k}": v for k, v in options.items() if v != as_json(defaults.get(k))}
    text = json.dumps([run.recipe, run.dataset.lower(), chosen], sort_keys=True)
    return f"{DRAWS}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def run_digest(run: Run) -> str:
    """The digest of what decides a training, whatever protocol measures it."""
    return options_digest(
        replace(run, protocol="any", probe_lr=Run.probe_lr, probe_decay=Run.probe_decay)
    )


def _by_leaf(options: Mapping[str, Any], composition: Composition) -> dict[str, Any]:
    """By the option's own name, also inside an object; of a variant after the variant's name.

    A name that several objects or the recipe itself have stands after its object's.
    """
    groups = objects(composition.recipe)
    plain = [k for k in composition.defaults() if k not in groups and k not in composition.variants]
    named = Counter([*plain, *(n for g in groups for n in composition.defaults()[g])])
    found: dict[str, Any] = {}
    for key, value in options.items():
        if key in composition.variants:
            found |= {f"{key}.{name}": part for name, part in value.items()}
        elif key in groups:
            found |= {n if named[n] == 1 else f"{key}.{n}": part for n, part in value.items()}
        else:
            found[key] = value
    return found


def as_json(value: Any) -> Any:
    """As a file gives it back: lists for tuples."""
    return json.loads(json.dumps(value))


def optimizer_class(name: str) -> Any:
    """A class of torch.optim by its name; ValueError where there is none that `fit` can step."""
    found = getattr(torch.optim, name, None)
    if not (inspect.isclass(found) and issubclass(found, torch.optim.Optimizer)):
        meant = did_you_mean(name, [n for n in dir(torch.optim) if n[0].isupper()])
        raise ValueError(
            f"optimizer must be a class of torch.optim such as AdamW, got {name!r}; {meant}see its "
            "documentation."
        )
    takes = inspect.signature(found).parameters
    if not {"lr", "weight_decay"} <= {*takes}:
        raise ValueError(
            f"optimizer {name} does not take lr and weight_decay; choose another one, such as "
            "AdamW."
        )
    return found
