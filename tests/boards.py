"""What tests of `gcl bench` share: configurations, the command of a leaderboard, shortcuts."""

from dataclasses import replace
from functools import partial

import torch

import gcl
from gcl.evaluate import PROTOCOLS
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


def masked():
    """The karate club with the three parts of a public split: one of each, where others are 20."""
    data = gcl.datasets.karate()
    for part, name in enumerate(("train", "val", "test")):
        data[f"{name}_mask"] = torch.arange(34) % 3 == part
    return data


def board_of_one_split(configs, out):
    """The leaderboard of the same configurations on `masked`."""
    for path in configs.rglob("karate.toml"):
        path.write_text(path.read_text().replace('"karate"', '"tests.boards:masked"'))
    (configs / "grace" / "karate-e2.toml").unlink()
    return ["bench", str(configs), "--protocol", "public", "--out", str(out)]


def entry(name, **fields):
    recipe = name.partition("/")[0]
    return Entry(name, replace(Run(recipe, "karate", "random-10-10-80"), **fields), {})


def shorten(monkeypatch):
    """What takes the time and is tested elsewhere: k-means 10 times over, thousands of epochs."""
    cluster, supervised = gcl.evaluate.cluster, gcl.baselines.supervised_gcn
    monkeypatch.setattr(gcl.evaluate, "cluster", lambda z, y: cluster(z, y, runs=1))
    monkeypatch.setattr(gcl.baselines, "supervised_gcn", partial(supervised, epochs=5))
    monkeypatch.setitem(PROTOCOLS, "e2", replace(PROTOCOLS["e2"], epochs=60))
