"""What tests of `gcl bench` share: configurations, the command of a leaderboard, shortcuts."""

from dataclasses import replace
from functools import partial

import gcl
from gcl.experiments.run import Run
from gcl.experiments.suite import Entry

CONFIGS = {
    "grace/karate": 'recipe = "grace"\nhidden = 4\n[reported]\naccuracy = 0.5\nsource = "A"\n',
    "grace/karate-e2": 'recipe = "grace"\nprotocol = "e2"\nhidden = 4\n',
    "dgi/karate": (
        'recipe = "dgi"\nprotocol = "e2"\nhidden = 4\n'
        '[reported]\naccuracy = 0.6\nsource = "B"\nprotocol = "e2"\n'
    ),
}


def write_configs(folder):
    for name, text in CONFIGS.items():
        path = folder / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("\n", '\ndataset = "karate"\nepochs = 2\n', 1))
    return folder


def board_command(configs, out):
    return ["bench", str(configs), "--protocol", "random-10-10-80", "--out", str(out)]


def entry(name, **fields):
    recipe = name.partition("/")[0]
    return Entry(name, replace(Run(recipe, "karate"), **fields), {})


def shorten(monkeypatch):
    """k-means 10 times over and 200 epochs with labels take the time, and are tested elsewhere."""
    cluster, supervised = gcl.evaluate.cluster, gcl.baselines.supervised_gcn
    monkeypatch.setattr(gcl.evaluate, "cluster", lambda z, y: cluster(z, y, runs=1))
    monkeypatch.setattr(gcl.baselines, "supervised_gcn", partial(supervised, epochs=5))
