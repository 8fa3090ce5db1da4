"""The command line as a user meets it: tables, JSON, files, resuming, and one sentence an error."""

import json
import sys
from pathlib import Path
from types import MappingProxyType

import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData, InMemoryDataset
from torch_geometric.transforms import ToUndirected

import gcl
from gcl import checkpoint, datasets
from gcl.cli import main
from gcl.datasets import Source
from gcl.datasets.hetero import SCHEMAS
from gcl.experiments import results
from gcl.experiments.run import Run, options_digest

SMALL = ["--hidden", "8", "--proj", "8", "--epochs", "3"]


@pytest.fixture(autouse=True)
def few_runs(monkeypatch):
    """k-means 10 times over is what takes the time here, and is tested elsewhere."""
    cluster = gcl.evaluate.cluster
    monkeypatch.setattr(gcl.evaluate, "cluster", lambda z, y: cluster(z, y, runs=1))


def test_list(capsys):
    assert main(["list", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert {"grace", "gbt"} <= set(content["recipes"])
    assert {"cora", "digits"} <= set(content["data sets"])
    homogeneous = {"public", "random-10-10-80", "e1", "e1-public", "e2", "e3"}
    assert homogeneous | {"hetero-20", "hetero-40", "hetero-60"} == set(content["protocols"])
    assert main(["list"]) == 0
    assert "grace" in capsys.readouterr().out


def test_train_prints_raw_untrained_trained_and_the_protocol(capsys):
    assert main(["train", "grace", "karate", *SMALL]) == 0
    out = capsys.readouterr().out
    rows = [out.index(name) for name in ("raw features", "untrained", "grace  ")]
    assert rows == sorted(rows)
    assert "random-10-10-80: 20 splits" in out


def test_options_come_from_the_signature(capsys):
    assert main(["train", "grace", "--help"]) == 0
    out = capsys.readouterr().out
    assert "temperature of the contrast" in out
    for option in ("hidden", "drop_edge", "weight_decay", "seeds", "config", "out"):
        assert f"--{option}" in out


def test_json_numbers_equal_the_python_ones(capsys):
    assert main(["train", "grace", "karate", *SMALL, "--weight-decay=0", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["run"]["weight_decay"] == 0
    data = gcl.datasets.load("karate")
    probe = gcl.evaluate.linear_probe(data.x, data.y)
    assert result["results"]["raw features"]["accuracy"] == pytest.approx(probe["accuracy"])
    assert 0 <= result["results"]["grace"]["accuracy"] <= 1


def test_config_file_and_options_over_it(tmp_path, capsys):
    config = tmp_path / "c.toml"
    config.write_text(
        "tau = 0.7\nhidden = 4\nepochs = 2\ndrop_edge = [0.0, 0.5]\nundirected = false\n"
    )
    options = ["train", "grace", "karate", "--config", str(config), "--hidden", "6", "--json"]
    assert main(options) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    assert (run["epochs"], run["method"]["tau"], run["method"]["hidden"]) == (2, 0.7, 6)
    assert run["method"]["drop_edge"] == [0.0, 0.5]
    assert run["method"]["undirected"] is False


def test_out_resume_and_plot(tmp_path, capsys):
    out = tmp_path / "run"
    base = ["train", "grace", "karate", *SMALL, "--out", str(out)]
    assert main([*base, "--seeds", "1"]) == 0
    first = results.read_rows(out / "results.csv")
    assert [row["seed"] for row in first] == ["-1", "0", "0"]
    assert main([*base, "--seeds", "2"]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert results.read_rows(out / "results.csv") == first
    assert main([*base, "--seeds", "2", "--resume"]) == 0
    assert results.read_rows(out / "results.csv")[:3] == first
    assert checkpoint.load(out / "seed-1" / "checkpoint.safetensors")["epoch"] == 3
    assert main([*base, "--tau", "0.9", "--resume"]) == 2
    assert "other options" in capsys.readouterr().err
    assert main(["plot", str(out), "--projection", "pca"]) == 0
    for name in ("loss", "embedding", "similarity"):
        assert (out / f"{name}.png").stat().st_size > 5000


def test_bench_compares_and_resumes(tmp_path, capsys):
    folder = tmp_path / "configs" / "grace"
    folder.mkdir(parents=True)
    (folder / "karate.toml").write_text(
        'recipe = "grace"\ndataset = "karate"\nhidden = 4\nepochs = 2\n'
        '[reported]\naccuracy = 0.5\nstd = 0.1\nsource = "nobody"\n'
    )
    out = tmp_path / "r.csv"
    options = ["bench", str(tmp_path / "configs"), "--only", "grace/*", "--out", str(out)]
    assert main([*options, "--seeds", "2", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary[0]["reported"]["accuracy"] == 0.5
    assert summary[0]["grace"]["seeds"] == 2
    rows = results.read_rows(out)
    assert len(rows) == 1 + 2 * 2
    assert {"commit", "machine", "command", "protocol"} <= set(rows[0])
    before = out.read_bytes()
    assert main([*options, "--seeds", "2"]) == 0
    assert out.read_bytes() == before
    assert "50.0±10.0" in capsys.readouterr().out
    config = folder / "karate.toml"
    config.write_text(config.read_text().replace("hidden = 4", "hidden = 5"))
    assert main([*options, "--seeds", "2"]) == 2
    assert "other options" in capsys.readouterr().err
    out.write_text("a,b\n1,2\n")
    assert main(options) == 2
    assert "no column 'config'" in capsys.readouterr().err


OWN = """
import torch
from torch_geometric.data import Data
import gcl

def good():
    return gcl.datasets.load("karate")

def broken(change):
    data = good()
    change(data)
    return data

def nan(): return broken(lambda d: d.x.__setitem__((0, 0), float("nan")))
def float_edges(): return broken(lambda d: d.update({"edge_index": d.edge_index.float()}))
def out_of_range(): return broken(lambda d: d.edge_index.__setitem__((0, 0), 34))
def attr_length(): return broken(lambda d: d.update({"edge_attr": torch.ones(3, 1)}))
def no_labels(): return broken(lambda d: d.__delitem__("y"))
def recipe(data, *, hidden: int = 4): return gcl.methods.grace(data, hidden=hidden)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_graphs.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "own_graphs"
    sys.modules.pop("own_graphs", None)


def toy_graphs():
    """Forty graphs of two classes, paths and stars, with the degree as the feature."""
    graphs = []
    for i in range(40):
        n = 4 + i % 5
        ends = torch.arange(1, n)
        one_way = torch.stack([ends - 1 if i % 2 else torch.zeros_like(ends), ends])
        edges = torch.cat([one_way, one_way.flip(0)], 1)
        data = Data(edge_index=edges, num_nodes=n, y=torch.tensor([i % 2]))
        graphs.append(gcl.transforms.AddDegreeFeatures(3)(data))
        del graphs[-1].num_nodes
    collated = InMemoryDataset.collate(graphs)
    return gcl.datasets.GraphSet("toy", *collated)


@pytest.fixture
def toy(monkeypatch):
    """A set of graphs known by name."""
    source = Source("paths and stars", "nobody", lambda _: toy_graphs(), graphs=True)
    known = MappingProxyType({**datasets.DATASETS, "toy": source})
    monkeypatch.setattr(sys.modules["gcl.datasets.load"], "DATASETS", known)
    monkeypatch.setattr(datasets, "DATASETS", known)
    monkeypatch.setattr("gcl.cli.names.dataset_names", lambda: list(known))


@pytest.mark.parametrize("recipe", ["graphcl", "mvgrl_graph"])
def test_sets_of_graphs_train_and_resume(toy, recipe, tmp_path, capsys):
    options = ["--hidden", "4", "--epochs", "2", "--batch-size", "16", "--out"]
    assert main(["train", recipe, "toy", *options, str(tmp_path / "a"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["run"]["protocol"] == "10-fold-svm"
    assert result["results"]["raw features"]["accuracy"] > 0.9
    assert 0 < result["results"][recipe]["accuracy"] <= 1
    for seeds in ("1", "2"):
        again = ["train", recipe, "toy", *options, str(tmp_path / "b"), "--resume"]
        assert main([*again, "--seeds", seeds]) == 0
    first, second = (results.read_rows(tmp_path / p / "results.csv") for p in "ab")
    assert len(second) == 5
    for row, same in zip(first, second, strict=False):
        assert row["accuracy"] == same["accuracy"]
    assert main(["plot", str(tmp_path / "a"), "--projection", "pca"]) == 0
    assert (tmp_path / "a" / "similarity.png").exists() == (recipe == "graphcl")


def test_sets_of_graphs_name_their_protocol(toy, capsys):
    assert main(["train", "graphcl", "toy", "--hidden", "4", "--epochs", "1"]) == 0
    out = capsys.readouterr().out
    assert "10-fold-svm: 5 divisions into 10 stratified" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grace", "toy"], "grace gives 240 embeddings for the 40 graphs of toy"),
        (["graphcl", "karate", "--epochs", "1"], "graphcl gives 1 embeddings for the 34 nodes"),
        (["graphcl", "toy", "--protocol", "e1"], "a set of graphs, which protocol 'e1' is not for"),
        (["grace", "karate", "--protocol", "10-fold-svm"], "karate is one graph"),
        (["graphcl", "toy", "--batch-size", "-1"], "--batch_size must be >= 0"),
        (["graphcl", "toy", "--drop-node", "2"], "NodeDropping: p must lie in [0, 1], got 2"),
    ],
)
def test_graphs_and_nodes_are_not_mixed_up(toy, arguments, message, capsys):
    assert main(["train", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_options_that_came_later_do_not_rename_older_results():
    old, new = Run("grace", "cora"), Run("grace", "cora", batch_size=64)
    assert old.protocol == "random-10-10-80"
    assert options_digest(old) == "1-700a18d5c0c4"
    assert options_digest(new) != options_digest(old)


def test_own_graph_and_recipe(own):
    assert main(["train", f"{own}:recipe", f"{own}:good", "--epochs", "2"]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "grace", "own_graphs:nan"], 2, "NaN"),
        (["train", "grace", "own_graphs:float_edges"], 2, "edge_index"),
        (["train", "grace", "own_graphs:out_of_range"], 2, "edge_index"),
        (["train", "grace", "own_graphs:attr_length"], 2, "edge_attr"),
        (["train", "grace", "own_graphs:no_labels"], 2, "no labels"),
        (["train", "grace", "own_graphs:absent"], 2, "cannot be imported"),
        (["train", "grace", "karate", "--drop-edge", "[1.3, 0.2]"], 2, r"lie in [0, 1], got 1.3"),
        (["train", "grace", "karate", "--tau", "0"], 2, "tau must be a number above 0"),
        (["train", "grace", "karate", "--hidden", "eight"], 2, "option --hidden"),
        (["train", "grace", "karate", "--what", "1"], 2, "--what"),
        (
            ["train", "grase", "karate"],
            2,
            "Unknown recipe 'grase'; did you mean 'grace'? known: adameow, afgrl",
        ),
        (["train", "grace", "koara"], 2, "Unknown data set 'koara'"),
        (["train", "grace", "karate", "--epochs", "-3"], 2, "--epochs must be >= 0"),
        (["train", "grace", "karate", "--seeds", "0"], 2, "--seeds must be at least 1"),
        (["train", "grace", "karate", "--lr", "-1"], 2, "learning rate"),
        (["train", "grace", "karate", "--optimizer", "Nadir"], 2, "torch.optim"),
        (["train", "grace", "karate", "--protocol", "mine"], 2, "unknown protocol 'mine'"),
        (["train", "grace", "karate", "--protocol", "public"], 2, "train_mask"),
        (["train", "grace", "karate", "--out", "/proc/gcl"], 2, "/proc/gcl"),
        (["train", "grace", "karate", "--resume"], 2, "--resume needs --out"),
        (["train", "grace", "karate", "--config", "none.toml"], 2, "none.toml"),
        (["train", "grace", "karate", *SMALL, "--lr", "1e30"], 3, "lower lr"),
        (["train", "grace"], 2, "RECIPE and DATASET"),
        (["plot", "nowhere"], 2, "run.json"),
        (["bench", "nowhere"], 2, "no folder nowhere"),
        (["bench", ".", "--what"], 2, "--what"),
        (["plot", ".", "--seed", "x"], 2, "--seed"),
        (["list", "--what"], 2, "--what"),
        (["fly"], 2, "unknown command 'fly'"),
        (["train", "grace", "karate", "--device", "bogus"], 2, "device 'bogus'"),
        (["train", "grace", "karate", "--hidden", "0"], 2, "at least 1"),
        (["train", "grace", "karate", "--proj", "0"], 2, "at least 1"),
        (["train", "grace", "karate", "--act", "bogus"], 2, "unknown activation 'bogus'"),
        (["train", "grace", "hetero-sbm"], 2, "heterogeneous"),
    ],
)
def test_bad_input_is_one_sentence_and_an_exit_code(own, arguments, code, message, capsys):
    assert main(arguments) == code
    err = capsys.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


def test_corrupted_checkpoint(tmp_path, capsys):
    out = tmp_path / "run"
    options = ["train", "grace", "karate", *SMALL, "--out", str(out), "--resume"]
    assert main(options) == 0
    saved = out / "seed-0" / "checkpoint.safetensors"
    saved.write_bytes(saved.read_bytes()[:-9])
    (out / "results.csv").unlink()
    assert main(options) == 2
    err = capsys.readouterr().err
    assert "not a readable checkpoint" in err
    assert len(err.strip().splitlines()) == 1


def test_damaged_results_and_embeddings(tmp_path, capsys):
    out = tmp_path / "run"
    options = ["train", "grace", "karate", *SMALL, "--out", str(out), "--resume"]
    assert main(options) == 0
    (out / "seed-0" / "embedding.npy").write_bytes(b"")
    assert main(["plot", str(out)]) == 2
    assert "embedding.npy is damaged" in capsys.readouterr().err
    (out / "results.csv").write_text("nonsense\n")
    assert main(options) == 2
    assert "no column 'seed'" in capsys.readouterr().err
    (out / "run.json").unlink()
    assert main([*options, "--tau", "5"]) == 2
    assert "no run.json" in capsys.readouterr().err


def test_missing_files_name_the_place(tmp_path, capsys):
    assert main(["train", "grace", "cora", "--root", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "ind.cora.x" in err
    assert str(tmp_path / "planetoid") in err


def test_raw_features_are_not_probed_again_on_resume(tmp_path, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    command = ["train", "grace", "karate", *SMALL, "--out", str(tmp_path / "run"), "--resume"]
    with monkeypatch.context() as patch:
        patch.setattr("gcl.cli.train.train_seed", interrupt)
        assert main(command) == 130
    monkeypatch.setattr("gcl.cli.train.raw_rows", None)
    assert main(command) == 0
    assert "raw features" in capsys.readouterr().out


def test_interrupt_is_130(monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("gcl.cli.train.train_seed", interrupt)
    assert main(["train", "grace", "karate"]) == 130
    assert capsys.readouterr().err == "gcl: interrupted\n"


def test_usage(capsys):
    assert main([]) == 2
    assert main(["--help"]) == 0
    assert main(["--version"]) == 0
    assert gcl.__version__ in capsys.readouterr().out


def hetero_graph(name):
    """A small graph of the types of a published one."""
    schema = SCHEMAS[name]
    data = HeteroData()
    data.metapaths = [schema.spell(letters) for letters in schema.metapaths]
    for kind in schema.sizes:
        data[kind].num_nodes = 9
    for letters in schema.links:
        source, target = schema.spell(letters)
        data[source, "to", target].edge_index = torch.randint(9, (2, 20))
    return ToUndirected()(data)


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[1] / "benchmarks" / "configs").rglob("*.toml")), ids=str
)
def test_every_configuration_is_understood(path):
    from gcl.experiments.config import read_config

    run, reported = read_config(path)
    assert path.parent.name == run.recipe
    assert path.stem.startswith(run.dataset)
    if reported:
        assert 0 < reported["accuracy"] < 1
        assert reported["source"]
    data = gcl.datasets.sbm(20, 2, num_features=5)
    if run.protocol.startswith("hetero"):
        data = hetero_graph(run.dataset)
    elif gcl.datasets.DATASETS[run.dataset].graphs:
        assert run.protocol in gcl.evaluate.GRAPH_PROTOCOLS
        run.method["hidden"] = 8
        data = Batch.from_data_list([data, gcl.datasets.sbm(20, 2, num_features=5, seed=1)])
    method = run.build(data)
    assert torch.isfinite(method(method.prepare(data)))
