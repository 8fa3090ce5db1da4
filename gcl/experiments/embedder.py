"""Recipes as scikit-learn knows estimators: `Embedder("grace", tau=0.4).fit_transform(data)`."""

from __future__ import annotations

import copy
import inspect
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from torch import Tensor
from torch_geometric.data import Data, Dataset
from torch_geometric.seed import seed_everything

from gcl import evaluate
from gcl.checkpoint import MISFIT, CheckpointError, write_atomically
from gcl.checks import check_count
from gcl.contracts import Method
from gcl.datasets import as_graph_set
from gcl.experiments.composition import Composition, compose
from gcl.experiments.criteria import CRITERIA, Seen, Unlabelled
from gcl.experiments.feeding import Feed, feed
from gcl.experiments.method_files import BESIDE
from gcl.experiments.rebuilding import same_draws
from gcl.experiments.run import Run, has_labels, optimizer_class, train
from gcl.experiments.saving import loaded, names_of, written
from gcl.experiments.unspelling import unspell
from gcl.graphs.kinds import check_graph
from gcl.graphs.rows import with_counted_labels
from gcl.graphs.validate import validate_graph
from gcl.methods.made import Made, spell
from gcl.names import did_you_mean
from gcl.training.embedding import embed
from gcl.training.settings import Settings, settings_of

LARGEST = 1 << 20  # bytes of that file
ABOUT_TRAINING = (
    *(f.name for f in fields(Settings) if f.name != "epochs"),
    "precision",
    "device",
    "batch_size",
    "loader",
    "fanout",
)


class Embedder(TransformerMixin, BaseEstimator):
    """A recipe, the variants around it and its training as a scikit-learn estimator of graphs.

    Args:
        recipe: a name in `gcl.methods` with variants around it, "grace+macl", or
            "package.module:function".
        epochs: passes over the data; the recipe's own if None.
        random_state: seed of weights and training, a whole number; None draws from the global
            generators. With a seed these are afterwards as they were.
        options: by name those of the recipe (`tau=0.4`), of a variant (`macl__alpha=0.2`, or
            `macl={"alpha": 0.2}`) and of the training (`lr`, `weight_decay`, `optimizer`, `warmup`,
            `clip`, `patience`, `precision`, `device`, `batch_size`, `loader`, `fanout`), see
            `gcl.experiments.run.Run`.

    `set_output(transform="pandas")` names the columns z0, z1, ...

    Attributes:
        method_: the trained method, after `fit`.
        loss_: the loss of the last epoch.

    Raises:
        ValueError: an unknown recipe or option.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> embedder = Embedder("dgi", epochs=5, hidden=8, lr=0.01, random_state=0)
        >>> embedder.fit(data).transform(data).shape
        (34, 8)
        >>> embedder.get_params()["hidden"], embedder.set_params(hidden=4).fit_transform(data).shape
        (8, (34, 4))
    """

    def __init__(
        self,
        recipe: str = "grace",
        *,
        epochs: int | None = None,
        random_state: int | None = None,
        **options: Any,
    ):
        self.recipe, self.epochs, self.random_state = recipe, epochs, random_state
        self._options = options
        _check_names(recipe, options)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Recipe, epochs, random_state, and the options that were given."""
        told = {"recipe": self.recipe, "epochs": self.epochs, "random_state": self.random_state}
        return told | self._options

    def set_params(self, **params: Any) -> Embedder:
        """Change recipe, epochs, random_state or any option, given before or not.

        Raises:
            ValueError: an option that the recipe has not.
        """
        own = ("recipe", "epochs", "random_state")
        options = self._options | {k: v for k, v in params.items() if k not in own}
        _check_names(params.get("recipe", self.recipe), options)
        for name in own:
            if name in params:
                setattr(self, name, params[name])
        self._options = options
        return self

    def fit(self, data: Any, y: Any = None) -> Embedder:
        """Train a new method on a graph.

        Args:
            data: a graph, a list with one graph, as scikit-learn's searches hand it on, or for
                recipes of whole graphs a list or data set of several.
            y: not looked at.

        Raises:
            TypeError, ValueError: no graph, or options out of range.
        """
        graph = _given("Embedder.fit", data)
        if self.random_state is not None:
            check_count("Embedder", least=0, random_state=self.random_state)
        run = self._run()
        with nullcontext() if self.random_state is None else same_draws():
            if self.random_state is not None:
                seed_everything(int(self.random_state))
            method = run.build(graph)
            _check_level("Embedder.fit", self.recipe, method, graph)
            batches = Feed("the data", run.loader, run.fanout, run.batch_size)
            training, _ = feed(batches, method, graph, int(self.random_state or 0))
            state, _ = train(run, method, graph, training, int(self.random_state or 0), quiet=True)
        self.method_: Method = method
        self.loss_ = float(state.loss)
        return self

    def transform(self, data: Any, *, batch_size: int | None = None) -> np.ndarray:
        """The embeddings `[n, d]`, in the order of the nodes, or of the graphs.

        Args:
            data: as of `fit`; the same graph, one that has grown, or another with such features.
            batch_size: rows at a time for a large graph, see `gcl.embed`.

        Raises:
            NotFittedError: before `fit`.
        """
        method, graph = self._fitted(), _given("Embedder.transform", data)
        if not isinstance(graph, Data) and method.graph_level:
            _, graph = feed(Feed("the data", "", "10,10", 0), method, graph, 0)
        z: np.ndarray = embed(method, graph, batch_size=batch_size).cpu().numpy()
        self._columns = z.shape[1]
        return z

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns, z0, z1, ..., as `gcl embed` has them; for `set_output`.

        Args:
            input_features: not looked at.

        Raises:
            NotFittedError: before `transform`, which finds out how many there are.
        """
        if not hasattr(self, "_columns"):
            raise NotFittedError("Embedder: call transform(data) first.")
        return np.array([f"z{i}" for i in range(self._columns)], dtype=object)

    def score(self, data: Any, y: Any = None) -> float:
        """How good the embeddings are without labels: modularity of their clusters, high is good.

        The mean over 5, 10, 15 and 20 clusters of k-means, the criterion `modularity_several` of
        `gcl.select`. It is of graphs of one node type.
        """
        graph = _given("Embedder.score", data)
        if not isinstance(graph, Data):
            raise TypeError(
                "Embedder.score: the modularity of clusters is of one graph of one node type; give "
                "scoring=(estimator, data, y) -> number of your own."
            )
        criterion, unlabelled = CRITERIA["modularity_several"], Unlabelled(graph)
        z = embed(self._fitted(), graph).cpu()
        return float(criterion.of(Seen(unlabelled, [z])))

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the trained method, see `gcl.save`, and the parameters beside it.

        Raises:
            NotFittedError: before `fit`.
            ValueError: a method that cannot be told, see there.
        """
        method = self._fitted()
        told = {key: spell(value) for key, value in self.get_params().items()}
        if odd := _other_than(_parameters_of(method.made_by), told):
            raise ValueError(
                f"Embedder.save: {odd} was changed since fit, so the method is of another; call "
                "fit again."
            )
        path, digest = written(method, folder)
        content = {"parameters": told, "loss": self.loss_, "sha256": digest}
        write_atomically(path / BESIDE, (json.dumps(content, indent=2) + "\n").encode())
        return path

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, trust: str | Sequence[str] = ()) -> Embedder:
        """The estimator of a folder, fitted; also of one that `gcl.save` or `gcl train` wrote.

        Raises:
            FileNotFoundError, CheckpointError: see `gcl.load`.
        """
        trusted = names_of("Embedder.load", trust)
        path = Path(folder) / BESIDE
        method, digest = loaded(folder, trust=trusted)
        loss = float("nan")
        try:
            content = _beside(path)
            if content is not None and content.get("sha256") != digest:
                method, digest = loaded(folder, trust=trusted)  # saved again in between?
                content = _beside(path)
            told = _parameters_of(method.made_by)
            if content is not None:
                if content.get("sha256") != digest:
                    raise ValueError(f"{BESIDE} was written with other weights; take it away")
                # Names are of the method alone, whose code has been seen to: nothing else is
                # imported.
                if odd := _other_than(told, dict(content["parameters"])):
                    raise ValueError(f"{odd} is not that of the method")
                told, loss = content["parameters"], float(content["loss"])
            with same_draws():  # encoders among them draw weights
                found = cls(**{key: unspell(value, trusted) for key, value in told.items()})
        except (*MISFIT, RecursionError) as error:
            raise CheckpointError(
                f"Embedder.load: {folder} does not tell the parameters of an Embedder ({error})."
            ) from None
        found.method_, found.loss_ = method, loss
        return found

    def _fitted(self) -> Method:
        if not hasattr(self, "method_"):
            raise NotFittedError("Embedder: call fit(data) first.")
        return self.method_

    def _run(self) -> Run:
        composition = compose(self.recipe)
        # Training changes an encoder, and what was given stays as it was.
        options = copy.deepcopy(_nested(self._options))
        usual = settings_of(composition.recipe)
        told = {name: options.pop(name) for name in ABOUT_TRAINING if name in options}
        epochs = usual.epochs if self.epochs is None else self.epochs
        if self.epochs is not None:
            check_count("Embedder", least=1, epochs=self.epochs)
        lasting = asdict(usual.lasting(epochs))
        settings = {name: told.pop(name, value) for name, value in lasting.items()}
        optimizer_class(settings["optimizer"])
        settings = asdict(Settings(**settings))
        return Run(self.recipe, "the data", **settings, **told, method=options)


def _beside(path: Path) -> Any:
    """What was written beside a method; None if nothing was."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{path.name} is too large")
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def probe_score(embedder: Embedder, data: Any, y: Any = None) -> float:
    """Accuracy of a linear probe on the validation nodes: a `scoring` for graphs with labels.

    Splits are those of the protocol that fits the graph, see `gcl.evaluate.default_protocol`.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> 0 <= probe_score(Embedder("dgi", epochs=2, hidden=8).fit(data), data) <= 1
        True
    """
    graph = _given("probe_score", data)
    if not has_labels(graph) or not isinstance(graph, Data):
        raise ValueError(
            "probe_score: expected one graph with labels (data.y); without any, leave scoring out: "
            "Embedder.score needs none."
        )
    graph = with_counted_labels(graph)
    protocol = evaluate.default_protocol(graph)
    found = evaluate.linear_probe(embedder.transform(data), graph.y, protocol=protocol, data=graph)
    return float(found["val_accuracy"])


def _given(owner: str, data: Any) -> Any:
    """A graph, also as the only one of a list, or a set of graphs."""
    if isinstance(data, list | tuple) and len(data) == 1:
        (data,) = data
    if isinstance(data, list | tuple):
        labelled = sum(isinstance(graph, Data) and _labels_nodes(graph) for graph in data)
        if labelled:
            raise ValueError(
                f"{owner}: got a list of {len(data)} graphs, and {labelled} of them have a label a "
                "node; give one graph, or torch_geometric.data.Batch.from_data_list(graphs), to a "
                "recipe that embeds nodes, and graphs with one label or none to one that embeds "
                "graphs, such as graphcl."
            )
        return as_graph_set(data, "the data")
    if isinstance(data, Dataset):
        return data
    check_graph(owner, data)
    validate_graph(data)
    return data


def _labels_nodes(graph: Data) -> bool:
    y = graph.get("y")
    rows = len(y) if isinstance(y, Tensor) and y.dim() else 1
    return rows > 1 and rows == graph.num_nodes


def _check_level(owner: str, recipe: str, method: Method, data: Any) -> None:
    """Raises ValueError where several graphs are given to a recipe of one."""
    if isinstance(data, Dataset) and not method.graph_level:
        raise ValueError(
            f"{owner}: {recipe} embeds the nodes of one graph, got {len(data)} graphs; give one, "
            "or torch_geometric.data.Batch.from_data_list(graphs), or take a recipe that embeds "
            "graphs, such as graphcl."
        )


def _nested(options: Mapping[str, Any]) -> dict[str, Any]:
    """`macl__alpha=0.2` as `macl={"alpha": 0.2}`."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        group, several, inside = name.partition("__")
        if several:
            found[group] = {**found.get(group, {}), inside: value}
        else:
            found[name] = {**value, **found.get(name, {})} if isinstance(value, dict) else value
    return found


def _check_names(recipe: Any, options: Mapping[str, Any]) -> None:
    """Raises ValueError where there is no such recipe, variant or option."""
    if not isinstance(recipe, str):
        raise ValueError(
            f'Embedder: recipe must be a name such as "grace+macl", got {recipe!r:.80}.'
        )
    composition = compose(recipe)
    known = _known(composition)
    for name in options:
        if name not in known and name.partition("__")[0] not in composition.variants:
            raise ValueError(
                f"Embedder: {recipe} has no option {name!r}; {did_you_mean(name, known)}it has "
                f"{', '.join(known)}."
            )
    for name, variant in composition.variants.items():
        given = _nested(options).get(name, {})
        inside = list(inspect.signature(variant).parameters)[1:]
        for key in given:
            if key not in inside:
                raise ValueError(
                    f"Embedder: {name} has no option {key!r}; {did_you_mean(key, inside)}it has "
                    f"{', '.join(inside)}."
                )


def _known(composition: Composition) -> list[str]:
    own = list(inspect.signature(composition.recipe).parameters)[1:]
    further = [
        f"{name}__{option}"
        for name, variant in composition.variants.items()
        for option in list(inspect.signature(variant).parameters)[1:]
    ]
    return [*own, *further, *composition.variants, *ABOUT_TRAINING]


def _other_than(method: Mapping[str, Any], told: Mapping[str, Any]) -> str | None:
    """The first parameter that a method was not made with; both spelt."""
    if told.get("recipe") != method["recipe"]:
        return "recipe"
    for name, value in told.items():
        if value is None:  # left to the recipe, which has found a number
            continue
        group, inside, key = name.partition("__")
        known = method.get(group, {}).get("dict", {}) if inside else method
        place = key if inside else name
        if not inside and isinstance(known.get(name), dict) and isinstance(value, dict):
            own, given = known[name].get("dict", {}), value.get("dict", {})
            if any(own.get(k) != v for k, v in given.items()):
                return name
        elif place in known and known[place] != value:
            return name
    return None


def _parameters_of(made: Any) -> dict[str, Any]:
    """Recipe and options of a method, spelt."""
    calls: list[Made] = []
    while isinstance(made, Made):
        calls.insert(0, made)
        made = made.first
    told: dict[str, Any] = {"recipe": "+".join(call.name for call in calls)}
    for at, call in enumerate(calls):
        name = call.name.rpartition(":")[2]
        told |= dict(call.options) if at == 0 else {name: {"dict": dict(call.options)}}
    return told
