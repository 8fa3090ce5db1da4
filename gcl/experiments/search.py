"""A search of settings by Optuna, in place of trying all; it goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from gcl.experiments.criteria import VALIDATION, merits, parts
from gcl.experiments.grids import Try
from gcl.experiments.keeping import Keeping
from gcl.experiments.run import Run, check_protocol, has_labels, options_digest, with_protocol


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
    all.

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
        place.parent.mkdir(parents=True, exist_ok=True)
        backend = optuna.storages.journal.JournalFileBackend(str(place))
        storage = optuna.storages.JournalStorage(backend)
    about = [dataset, dict(told), criterion, keeping.seeds, [vars(one) for one in tries]]
    name = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
    study = optuna.create_study(
        study_name=name, storage=storage, direction="maximize", load_if_exists=True
    )

    def run_of(drawn: Mapping[str, Any]) -> Run:
        run = tries[drawn["try"]].run(dataset, drawn["setting"], **told)
        return with_protocol(run, keeping.data)

    done = optuna.trial.TrialState
    for trial in study.get_trials(deepcopy=False):
        if trial.state == done.RUNNING:  # of a program that was stopped
            study.tell(trial.number, state=done.FAIL)
    finished = [t for t in study.get_trials() if t.state in (done.COMPLETE, done.PRUNED)]
    runs = [run_of(t.user_attrs["drawn"]) for t in finished]
    # By the number of those before: a search that goes on must not repeat its first draws.
    study.sampler = optuna.samplers.TPESampler(seed=len(study.get_trials()))
    while len(runs) < trials:
        asked = []
        for _ in range(min(keeping.jobs, trials - len(runs))):
            trial = study.ask()
            drawn = _drawn(tries, trial)
            trial.set_user_attr("drawn", drawn)
            asked.append((trial, run_of(drawn)))
        new = [run for _, run in asked]
        if has_labels(keeping.data):
            check_protocol(new[0], keeping.data)
        elif criterion == VALIDATION:
            raise ValueError("select: val_accuracy needs labels (data.y); choose another one.")
        keeping.fill(new)
        for trial, run in asked:
            row = keeping.of(run)
            if row is None:
                study.tell(trial, state=done.PRUNED)  # its training failed
            else:
                value = float(merits(criterion, {criterion: [float(row[criterion])]})[0])
                study.tell(trial, max(value, -1e300))
        runs += new
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
