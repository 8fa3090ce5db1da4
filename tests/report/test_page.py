"""The page: what stands in it, and what must not."""

import builtins
import json
import re
import shutil
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from gcl.experiments.folder import Kept
from gcl.experiments.references import verdict
from gcl.experiments.results import read_rows, summarize, write_rows
from gcl.experiments.run import Run
from gcl.report import write_report

pytest.importorskip("bokeh", reason="the extra `report`")


class Page(HTMLParser):
    """Texts, tags and tables of a page; scripts and styles by themselves."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.scripts, self.rows = [], [], [], []
        self._open, self._cell = "", False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open = tag
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag):
        self._open = ""
        self._cell &= tag not in ("td", "th")

    def handle_data(self, data):
        if self._open == "script":
            self.scripts.append(data)
        elif self._open != "style":
            self.texts.append(data)
            if self._cell:
                self.rows[-1][-1] += data

    @property
    def text(self):
        return " ".join("".join(self.texts).split())

    @property
    def data(self):
        return json.loads(self.scripts[0])


@pytest.fixture(scope="session")
def page(trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "page.html"
    assert write_report(trained, out) == out
    return Page(out.read_text())


def test_the_table_has_the_numbers_of_the_results(page, trained):
    rows = read_rows(trained / "results.csv")
    table = summarize(rows, ["accuracy", "cluster_nmi"])
    head = next(row for row in page.rows if row[0] == "features")
    assert {"raw features", "propagated", "untrained", "grace"} <= {*table}
    for name, numbers in table.items():
        shown = next(row for row in page.rows if row[0] == name)
        for key, title in (("accuracy", "accuracy"), ("cluster_nmi", "NMI")):
            told = f"{100 * numbers[key]:.1f}±{100 * numbers[f'{key}_std']:.1f}"
            assert shown[head.index(title)].replace("\u202f", "") == told
    assert verdict(rows, "grace") in page.text


def test_losses_and_diagnostics_over_the_epochs(page, trained):
    by_name = {panel["name"]: panel["lines"] for panel in page.data["curves"]}
    rows = read_rows(trained / "seed-1" / "log.csv")
    losses, aligned = by_name["loss"][1], by_name["alignment"][1]
    assert losses["x"] == [1, 2, 3, 4]
    assert np.allclose(losses["y"], [float(row["loss"]) for row in rows], rtol=1e-5)
    assert aligned["x"] == [2, 4]
    assert [*by_name][:2] == ["loss", "alignment"]
    assert "seconds" not in by_name


def test_the_command_and_the_options(page):
    command = "gcl train grace karate --protocol random-10-10-80 --epochs 4 --diagnose 2"
    assert command in page.text
    assert ["--tau", "0.4", ""] in page.rows
    assert ["--hidden", "4", "yes"] in page.rows


def test_nothing_is_fetched(page):
    for tag, attributes in page.tags:
        assert tag not in ("link", "img", "iframe", "object", "base"), tag
        for name in ("src", "href", "srcset", "action", "data"):
            assert name not in attributes, (tag, name)
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    own = page.scripts[-1]
    assert "http" not in own
    assert "import" not in own


def test_it_can_be_read_by_ear(page):
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == tags.count("title") == tags.count("main") == 1
    assert ("html", {"lang": "en"}) in page.tags
    assert all("scope" in a for t, a in page.tags if t == "th")
    charts = [a for _, a in page.tags if "chart" in a.get("class", "")]
    assert charts
    assert all(a["aria-label"] for a in charts)


def test_the_same_bytes_from_the_same_folder_and_from_a_copy(trained, tmp_path):
    pages = []
    for name in ("one", "other"):
        folder = shutil.copytree(trained, tmp_path / name)
        np.random.seed(len(name))  # noqa: NPY002
        torch.manual_seed(len(name))
        pages.append(write_report(folder).read_bytes())
    assert pages[0] == pages[1]
    assert str(tmp_path).encode() not in pages[0]


def test_times_of_a_machine_are_not_told(trained, tmp_path, page):
    folder = shutil.copytree(trained, tmp_path / "slow")
    rows = read_rows(folder / "results.csv")
    write_rows(folder / "results.csv", [
        row | {key: "77777" for key in ("seconds", "cpu_seconds", "peak_mb") if row.get(key)}
        for row in rows
    ])  # fmt: skip
    again = Page(write_report(folder).read_text())
    assert (again.texts, again.data) == (page.texts, page.data)


HOSTILE = '</script><script>alert("1")</script><img src=x onerror=alert(2)>'


def hostile_graph():
    ring = torch.arange(12)
    data = Data(
        x=torch.eye(12), edge_index=torch.stack([ring, ring.roll(1)]), y=torch.arange(12) % 2
    )
    data[f"kind {HOSTILE}"] = [HOSTILE, "plain"] * 6
    return data


def made(folder, data, z, recipe="dgi", dataset="own:graph"):
    """A folder as `gcl train` leaves it, of results that are made up."""
    (folder / "seed-0").mkdir(parents=True)
    Kept(Run(recipe, dataset), [0]).write(folder / "run.json")
    numbers = {"accuracy": 0.5, "accuracy_std": 0.1}
    rows = [
        {"seed": -1, "features": "propagated", **numbers},
        {"seed": 0, "features": recipe, **numbers},
    ]
    write_rows(folder / "results.csv", rows)
    np.save(folder / "seed-0" / "embedding.npy", z.numpy())
    (folder / "seed-0" / "log.csv").write_text("epoch,loss\n1,2.0\n2,1.0\n")
    return folder


def test_words_of_others_are_words(tmp_path, monkeypatch, page):
    data = hostile_graph()
    monkeypatch.setattr("gcl.report.finished.load_data", lambda run: data)
    folder = made(tmp_path / "run", data, torch.randn(12, 4), HOSTILE, f"{HOSTILE}:graph")
    text = write_report(folder).read_text()
    usual, page = page, Page(text)
    tags, known = ([tag for tag, _ in one.tags] for one in (page, usual))
    assert tags.count("script") == known.count("script")
    assert "img" not in tags
    assert 'alert("1")</script><img' not in text
    assert HOSTILE in page.text
    kinds = [a for a in page.data["map"]["attributes"] if a["name"] == f"kind {HOSTILE}"]
    assert kinds[0]["names"] == [HOSTILE, "plain"]


def test_twenty_thousand_nodes_stay_below_five_megabytes(tmp_path, monkeypatch):
    n = 21_000
    generator = torch.Generator().manual_seed(0)
    edge_index = torch.randint(n, (2, 4 * n), generator=generator)
    data = Data(edge_index=edge_index, y=torch.arange(n) % 7, num_nodes=n)
    for k in range(40):  # more than there is room for
        data[f"amount {k:02}"] = torch.randn(n, generator=generator)
    data.ids = [f"a name of a node {i}" for i in range(n)]
    monkeypatch.setattr("gcl.report.finished.load_data", lambda run: data)
    monkeypatch.setattr("gcl.report.plane.NEIGHBOURS", 100)
    monkeypatch.setattr("gcl.report.plane.planes.__kwdefaults__", {"seed": 0, "neighbours": 100})
    folder = made(tmp_path / "run", data, torch.randn(n, 16, generator=generator))
    path = write_report(folder)
    assert 2e6 < path.stat().st_size < 5e6
    page = Page(path.read_text())
    assert page.data["map"]["n"] == 20_000
    assert "20,000 of 21,000 nodes are drawn, a sample." in page.text
    assert "Left out, for the page would get too large" in page.text


def test_without_labels_the_losses_are_the_table(tmp_path):
    folder = made(tmp_path / "run", None, torch.randn(6, 3))
    write_rows(folder / "results.csv", [{"seed": 0, "features": "dgi", "loss": 0.25}])
    page = Page(write_report(folder, with_data=False).read_text())
    assert "no labels, so nothing was evaluated" in page.text
    assert ["0", "0.2500"] in page.rows


def test_one_node(tmp_path):
    page = Page(write_report(made(tmp_path / "run", None, torch.ones(1, 3))).read_text())
    assert page.data["pairs"] is None
    assert "only one node" in page.text


def test_numbers_that_are_none(folder):
    path = folder / "results.csv"
    rows = read_rows(path)
    rows[0]["accuracy"] = "much"
    write_rows(path, rows)
    with pytest.raises(ValueError, match=r"results\.csv is damaged: .*much"):
        write_report(folder)
    assert not (folder / "report.html").exists()


def test_without_bokeh_the_extra_is_named(trained, monkeypatch):
    real = builtins.__import__

    def absent(name, *rest):
        if name.startswith("bokeh"):
            raise ImportError("No module named 'bokeh'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match=r"pip install 'pyg-gcl\[report\]'"):
        write_report(trained)


def test_the_script_names_only_what_the_page_has(page):
    ids = {a["id"] for _, a in page.tags if "id" in a}
    asked = set(re.findall(r'\bat\("([\w-]+)"\)', page.scripts[-1]))
    assert asked <= ids


@pytest.mark.parametrize("recipe", ["evil.py", "evil:run", "grace+evil.py", "grace+evil:run"])
def test_without_the_data_nothing_that_the_folder_names_runs(recipe, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    code = (
        "import pathlib\npathlib.Path('ran.txt').touch()\ndef run(data, *, hidden: int = 4): ...\n"
    )
    (tmp_path / "evil.py").write_text(code)
    content = json.loads((folder / "run.json").read_text())
    content["run"]["recipe"] = recipe
    (folder / "run.json").write_text(json.dumps(content))
    rows = (folder / "results.csv").read_text().replace("grace", recipe)
    (folder / "results.csv").write_text(rows)
    text = write_report(folder, with_data=False).read_text()
    assert not (tmp_path / "ran.txt").exists()
    assert f"gcl train {recipe} karate" in text
    assert "--hidden 4" in text
    write_report(folder)  # the fault would show: this one imports
    assert (tmp_path / "ran.txt").exists()
    sys.modules.pop("evil", None)
