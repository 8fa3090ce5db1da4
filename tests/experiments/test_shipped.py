"""Configurations by name: those of the package and those of a user."""

from pathlib import Path

import pytest

from gcl.cli import main
from gcl.experiments.shipped import config_file, configs_in, shipped_folder

CONFIGS = Path(__file__).parents[2] / "benchmarks" / "configs"


def test_a_checkout_has_them_where_they_are_edited():
    assert shipped_folder().samefile(CONFIGS)
    assert len(configs_in(shipped_folder())) == len(list(CONFIGS.rglob("*.toml")))


def test_names_and_paths(tmp_path, monkeypatch):
    assert config_file("grace/cora").samefile(CONFIGS / "grace" / "cora.toml")
    own = tmp_path / "grace" / "cora"
    own.parent.mkdir()
    own.write_text("")
    monkeypatch.chdir(tmp_path)  # a file goes before a name
    assert config_file("grace/cora").samefile(own)
    assert config_file(str(own)) == own


@pytest.mark.parametrize("name", ["grace/coar", "../configs/grace/cora", "grace", ""])
def test_what_is_neither(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no such file, and no configuration of that name"):
        config_file(name)


def test_a_name_that_is_near_is_told():
    with pytest.raises(ValueError, match="did you mean 'grace/cora'"):
        config_file("grace/coar")


def test_train_takes_recipe_and_data_set_from_the_configuration(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text('recipe = "dgi"\ndataset = "karate"\nhidden = 8\nepochs = 2\n')
    assert main(["train", "--config", "mine.toml", "--no-cluster"]) == 0
    by_file = capsys.readouterr().out
    assert main(["train", "dgi", "karate", "--hidden=8", "--epochs=2", "--no-cluster"]) == 0
    assert capsys.readouterr().out == by_file


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (["--config", "half.toml"], "half.toml does not name both"),
        (["--config"], "give a file, or a name such as grace/cora"),
        (["--config", "grace/coar"], "did you mean 'grace/cora'"),
        (["--epochs", "2", "--config="], "gcl list shows both"),
    ],
)
def test_commands_without_a_recipe(told, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("half.toml").write_text('recipe = "dgi"\n')
    assert main(["train", *told]) == 2
    assert said in capsys.readouterr().err


def test_bench_without_a_folder_runs_those_of_the_package(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gcl.cli.bench.shipped_folder", lambda: tmp_path)
    Path("dgi").mkdir()
    Path("dgi/karate.toml").write_text(
        'recipe = "dgi"\ndataset = "karate"\nhidden = 8\nepochs = 2\n'
    )
    assert main(["bench", "--seeds", "1", "--no-cluster"]) == 0
    assert "dgi/karate" in capsys.readouterr().out
    assert main(["bench", "--only", "grace/*"]) == 2
    assert "in the package matches 'grace/*'; gcl list shows them" in capsys.readouterr().err
