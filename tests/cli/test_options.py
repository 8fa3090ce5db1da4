"""Options by hand, and from a file."""

import json

import pytest

from gcl.cli import main
from gcl.cli.options import Parser, config_options, underscored
from gcl.experiments.composition import compose
from gcl.experiments.config import protocol_line


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


def test_dashes_are_underscores_in_names_and_not_in_values():
    spelt = underscored(["--weight-decay=1e-3", "--out", "a-b", "-h", "--drop-edge", "[0.1, 0.2]"])
    assert spelt == ["--weight_decay=1e-3", "--out", "a-b", "-h", "--drop_edge", "[0.1, 0.2]"]


def test_a_file_is_typed_out_before_what_is_typed(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text(
        'recipe = "grace"\ntau = 0.5\nact = "elu"\ndrop_edge = [0.1, 0.3]\n[macl]\nalpha = 0.2\n'
    )
    composition = compose("grace+macl")
    assert config_options(["--config", str(path), "--tau", "0.9"], composition) == [
        "--tau", "0.5", "--act", "elu", "--drop_edge", "[0.1, 0.3]", "--macl.alpha", "0.2",
    ]  # fmt: skip
    assert config_options(["--tau", "0.9"], composition) == []


def test_a_parser_complains_in_one_sentence():
    parser = Parser("gcl bench")
    parser.add_argument("--jobs", type=int)
    with pytest.raises(ValueError, match=r"^gcl bench: .*--jobs: .*; see gcl bench --help\.$"):
        parser.parse_args(["--jobs", "x"])


def test_the_line_of_a_protocol_of_graphs():
    assert protocol_line("10-fold-lr") == (
        "10-fold-lr: 5 divisions into 10 stratified folds, standardised columns, "
        "logistic regression, C of 7 by 5-fold CV inside the training folds"
    )
