"""A sweep over the signature of a recipe that chooses on validation nodes alone."""

import inspect
import sys

import optuna
from torch_geometric.seed import seed_everything

import gcl

RECIPE = gcl.methods.grace
data = gcl.datasets.load("digits")
defaults = {k: p.default for k, p in inspect.signature(RECIPE).parameters.items()}


def objective(trial: optuna.Trial) -> float:
    pairs = [k for k, v in defaults.items() if isinstance(v, tuple)]  # two rates, one a view
    rates = {k: tuple(trial.suggest_float(f"{k}_{i}", 0.0, 0.8) for i in (1, 2)) for k in pairs}
    tau = defaults["tau"] * trial.suggest_float("tau, times", 0.25, 4.0, log=True)
    seed_everything(1)
    method = RECIPE(data, tau=tau, normalize=False, **rates)  # pixels are no word counts
    gcl.fit(method, data, epochs=50, lr=trial.suggest_float("lr", 1e-4, 1e-2, log=True))
    result = gcl.evaluate.linear_probe(gcl.embed(method, data), data.y)
    trial.set_user_attr("test", result["accuracy"])  # to be told in the end, not to choose by
    return result["val_accuracy"]


study = optuna.create_study(direction="maximize")
study.optimize(objective, n_trials=int((sys.argv[1:] or [20])[0]))
print(study.best_params, "test accuracy", study.best_trial.user_attrs["test"])
