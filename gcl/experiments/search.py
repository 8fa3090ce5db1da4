"""A search of settings by Optuna, in place of trying all; it goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from gcl.checkpoint import make_folder
from gcl.experiments.criteria import merits, parts
from gcl.experiments.grids import Try
from gcl.experiments.keeping import Keeping
from gcl.experiments.run import Run, options_digest, with_protocol


def search(
    tries: Sequence[Try],
    dataset: str,
    told: Mapping[str, Any],
    criterion: str,
    trials: int,
    keeping: Keeping,
) -> list[Run]:
    """Draw settings from grids and ranges, each after the scores of those before; returns them.

    As many are drawn at a time as there are processes. With a results file the search is kept
    beside it (`<file>.optuna`), and the same command goes on until there are `trials` settings in
    all, with those first that an interrupt left open.

    Args:
        tries: a recipe is drawn first, then its options.
        dataset: of every setting.
        told: options of `gcl train` for all.
        criterion: one name; ranks among settings to come are not known.
        trials: how many settings.
        keeping: what makes and keeps their rows.

    Raises:
        ValueError: Optuna is not installed; a criterion of several.
    """
    if len(parts(criterion)) > 1:
        raise ValueError(
            f"select: a search needs one criterion, as ranks change with every setting; got "
            f"{criterion!r}."
        )
    try:
        import optuna
    except ImportError as error:
        raise ValueError(
            f"select: trials are drawn by Optuna, and {error}; install the extra: "
            "pip install 'pyg-gcl[select]', or leave trials out and try a whole grid."
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = None
    if keeping.out is not None:
        place = keeping.out.with_name(f"{keeping.out.name}.optuna")
        make_folder(place.parent)
        backend = optuna.storages.journal.JournalFileBackend(str(place))
        storage = optuna.storages.JournalStorage(backend)
    about = [dataset, keeping.digest, dict(told), criterion, keeping.seeds]
    about.append([vars(one) for one in tries])
    name = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
    study = optuna.create_study(
        study_name=name, storage=storage, direction="maximize", load_if_exists=True
    )

    def run_of(drawn: Mapping[str, Any]) -> Run:
        run = tries[drawn["try"]].run(dataset, drawn["setting"], **told)
        return with_protocol(run, keeping.data)

    def train_and_tell(asked: Sequence[tuple[int, Run]]) -> list[Run]:
        new = [run for _, run in asked]
        keeping.fill(new)
        for number, run in asked:
            row = keeping.of(run)
            if row is None:
                study.tell(number, state=done.PRUNED)  # its training failed
            else:
                value = float(merits(criterion, {criterion: [float(row[criterion])]})[0])
                study.tell(number, max(value, -1e300))
        return new

    done, asked, runs, complete = optuna.trial.TrialState, [], [], []
    for trial in study.get_trials(deepcopy=False):
        drawn = trial.user_attrs.get("drawn")
        if trial.state == done.RUNNING and drawn is None:  # stopped while it was drawn
            study.tell(trial.number, state=done.FAIL)
        elif trial.state == done.RUNNING:  # stopped while it was trained
            asked.append((trial.number, run_of(drawn)))
        elif trial.state in (done.COMPLETE, done.PRUNED):
            runs.append(run_of(drawn))
            complete += runs[-1:] if trial.state == done.COMPLETE else []
    keeping.fill(complete)  # where a row was taken out, or lacks a further criterion
    # Together, as they were begun: what differs in its length alone shares a training.
    runs += train_and_tell(asked)
    # By the number of those before: a search that goes on must not repeat its first draws.
    study.sampler = optuna.samplers.TPESampler(seed=len(study.get_trials()))
    while len(runs) < trials:
        asked = []
        for _ in range(min(keeping.jobs, trials - len(runs))):
            trial = study.ask()
            drawn = _drawn(tries, trial)
            trial.set_user_attr("drawn", drawn)
            asked.append((trial.number, run_of(drawn)))
        runs += train_and_tell(asked)
    return list({options_digest(run): run for run in runs}.values())


def _drawn(tries: Sequence[Try], trial: Any) -> dict[str, Any]:
    which = trial.suggest_categorical("try", list(range(len(tries)))) if len(tries) > 1 else 0
    one, found = tries[which], {}
    for name, values in one.grid.items():
        words = [json.dumps(value) for value in values]  # lists are no choices of Optuna's
        found[name] = json.loads(trial.suggest_categorical(f"{which}.{name}", words))
    for name, ends in one.ranges.items():
        low, high, log = ends["low"], ends["high"], bool(ends.get("log", False))
        if isinstance(low, int) and isinstance(high, int):
            step = int(ends.get("step", 1))
            found[name] = trial.suggest_int(f"{which}.{name}", low, high, step=step, log=log)
        else:
            found[name] = trial.suggest_float(
                f"{which}.{name}", low, high, step=ends.get("step"), log=log
            )
    return {"try": which, "setting": found}
