"""`gcl list`: what there is."""

import json

import gcl
from gcl.cli import main


def test_list(capsys):
    assert main(["list", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert {"grace", "gbt"} <= set(content["recipes"])
    assert {"cora", "digits"} <= set(content["data sets"])
    own = {"public", "random-10-10-80", "random-20-30-rest"}
    homogeneous = own | {f"{name}-raw" for name in own} | {"e1", "e1-public", "e2", "e3"}
    hetero = {f"hetero-{few}" for few in ("20", "40", "60", "random")}
    assert homogeneous | hetero == set(content["protocols"])
    assert main(["list"]) == 0
    assert "grace" in capsys.readouterr().out


def test_everything_public_has_a_line_of_its_own(capsys):
    assert main(["list", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert list(content["recipes"]) == sorted(gcl.methods.recipes.__all__)
    assert list(content["variants"]) == list(gcl.methods.variants.__all__)
    assert set(content["protocols for sets of graphs"]) == set(gcl.evaluate.GRAPH_PROTOCOLS)
    assert content["recipes"]["dgi"] == gcl.methods.dgi.__doc__.splitlines()[0]
    assert all(line for lines in content.values() for line in lines.values())


def test_protocols_are_told_as_they_are_measured(capsys):
    assert main(["list", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["protocols"]
    assert told["e1"].startswith("e1: 20 splits, l2 rows, one-vs-rest liblinear, C of 20")
    assert told["e3"] == "e3: 50 probes, raw rows, Adam 100 epochs, last epoch"
