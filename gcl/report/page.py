"""The page: everything is written into it, and nothing is fetched."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from torch_geometric.data import Data

from gcl.checkpoint import write_atomically
from gcl.evaluate import diagnostics
from gcl.evaluate.protocols import GRAPH_PROTOCOLS
from gcl.experiments.config import PROTOCOLS, protocol_line
from gcl.experiments.references import verdict
from gcl.experiments.results import SHOWN, SHOWN_FURTHER, summarize
from gcl.report.finished import Finished, read_finished
from gcl.report.pairs import similarities
from gcl.report.points import points
from gcl.report.repeat import commands, options

MOST_BYTES = 4_900_000  # of a page
OTHERS = 200_000  # of them are for the table, the curves and the options
EPOCHS = 500  # of a curve
NOT_DRAWN = ("epoch", "step", "seconds")
# In front; the script hides what comes after the sixth until it is asked for.
FIRST = ("loss", "lr", "alignment", "uniformity", "effective_rank", "positive_probability")
AT_THE_END = {
    "effective_rank": "effective rank: how many directions the embedding uses",
    "uniformity": "uniformity: lower is more spread over the sphere",
    "norm_cv": "lengths of rows: deviation over mean",
    "hardness_top1": "similarity to the most similar other node",
    "neighbour_purity": "similarity of neighbours, above that of any two nodes",
}


def write_report(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    seed: int | None = None,
    with_data: bool = True,
) -> Path:
    """Write one page of HTML on a run of `gcl train --out`: it needs no network.

    It has the table with its reference rows, loss and diagnostics over the epochs, the embedding in
    the plane, how similar positives and negatives are, and the command to train it again. The same
    folder, and the same command in another, give the same bytes: no times are told.

    Args:
        folder: of the run.
        out: the file; report.html in the folder if None.
        seed: whose embedding is drawn; the first that has ended if None.
        with_data: load the data set again, for labels and attributes of nodes. If False, nothing
            that the folder names is imported: a recipe of someone's own is told by its name, and
            all its options count as set.

    Returns:
        The file.

    Raises:
        ValueError: the folder holds no finished run, or a file of it is damaged.
        ImportError: the extra `report` is not installed.
    """
    folder = Path(folder)
    scripts = _bokeh()
    found = read_finished(folder, seed, with_data=with_data)
    path = folder / "report.html" if out is None else Path(out)
    room = MOST_BYTES - OTHERS - sum(len(s.encode()) for s in scripts)
    write_atomically(path, page(found, scripts, room).encode())
    return path


def page(found: Finished, scripts: Sequence[str], room: int) -> str:
    """The text of a page.

    Args:
        found: the run.
        scripts: the plotting library.
        room: bytes that the map may take.
    """
    here = files("gcl.report")
    title = f"{found.run.recipe} on {found.run.dataset}"
    drawn, map_notes = points(found, room)
    pairs = similarities(found)
    data = {
        "map": drawn,
        "curves": _curves(found),
        "pairs": None if pairs is None else {"edges": pairs.edges, "counts": pairs.counts},
    }
    pair_notes = ["There is only one node, so nothing to compare."]
    if pairs is not None:
        pair_notes = [f"Mean cosine similarity of {n}: {m:.3f}." for n, m in pairs.means.items()]
        pair_notes += [pairs.note] * bool(pairs.note)
    text = Template(here.joinpath("page.html").read_text(encoding="utf-8"))
    again = commands(found.run, found.seeds, own_code=found.own_code)
    return text.substitute(
        title=escape(title),
        style=here.joinpath("page.css").read_text(encoding="utf-8"),
        about=escape(_about(found)),
        results=_results(found),
        loss=escape(_loss(found)),
        map_notes=_paragraphs(map_notes),
        pair_notes=_paragraphs(pair_notes),
        diagnostics=_diagnostics(found),
        command="\n".join(_command(line) for line in again),
        options=_options(found),
        made=escape(", ".join(f"{k} {v}" for k, v in found.made.items())),
        data=json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        library="\n".join(f"<script>{script}</script>" for script in scripts),
        script=here.joinpath("page.js").read_text(encoding="utf-8"),
    )


def _bokeh() -> list[str]:
    """The scripts of Bokeh: of the two parts that the page needs."""
    try:
        from bokeh.resources import Resources
    except ImportError as error:
        raise ImportError(f"{error}; install the extra: pip install 'pyg-gcl[report]'.") from None
    found = Resources(
        mode="inline", minified=True, log_level="error", components=["bokeh", "bokeh-api"]
    )
    return [script.replace("</script", "<\\/script") for script in found.js_raw]


def _about(found: Finished) -> str:
    seeds = ", ".join(map(str, found.seeds))
    told = f"{'Seed' if len(found.seeds) == 1 else 'Seeds'} {seeds}"
    lengths = sorted({len(log) for log in found.logs.values()})
    told += f", {' to '.join(map(str, lengths[:: max(1, len(lengths) - 1)]))} epochs"
    told += f"; {len(found.z):,} embeddings of {found.z.shape[1]} numbers."
    if found.unfinished:
        told += f" Not finished, and not shown: {', '.join(map(str, found.unfinished))}."
    return told


def _results(found: Finished) -> str:
    rows = list(found.rows)
    known = {**SHOWN, **SHOWN_FURTHER}
    keys = [key for key in known if rows and all(row.get(key) for row in rows)]
    if "accuracy" not in keys:
        return _unlabelled(found)
    try:
        table = summarize(rows, keys)
    except ValueError as error:
        raise ValueError(f"{found.home.parent / 'results.csv'} is damaged: {error}.") from None
    head = "".join(f'<th scope="col">{escape(known[key])}</th>' for key in keys)
    body = ""
    for name, row in table.items():
        cells = "".join(
            f"<td>{100 * row[key]:.1f}&#8239;±&#8239;{100 * row[f'{key}_std']:.1f}</td>"
            for key in keys
        )
        ours = ' class="ours"' if name == found.run.recipe else ""
        body += f'<tr{ours}><th scope="row">{escape(name)}</th>{cells}</tr>\n'
    spread = "± over splits or runs."
    if len(found.seeds) > 1:
        spread = "± over seeds, of rows without seeds over splits."
    notes = [spread]
    if found.run.protocol in {**PROTOCOLS, **GRAPH_PROTOCOLS}:
        notes.append(f"Accuracy, macro-F1: {protocol_line(found.run.protocol)}.")
    if any(key.startswith("cluster_") for key in keys):
        notes.append("ACC, NMI, ARI: k-means with as many clusters as classes.")
    sentence = verdict(rows, found.run.recipe)
    return (
        (f'<p class="verdict">{escape(sentence)}</p>' if sentence else "")
        + '<div class="wide" tabindex="0" role="region" aria-label="Results">'
        + '<table><caption>In percent</caption><thead><tr><th scope="col">features'
        + f"</th>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        + "".join(f'<p class="notes">{escape(note)}</p>' for note in notes)
    )


def _unlabelled(found: Finished) -> str:
    body = ""
    for row in found.rows:
        if row.get("loss"):
            body += f'<tr><th scope="row">{escape(str(row["seed"]))}</th>'
            body += f"<td>{float(row['loss']):.4f}</td></tr>\n"
    return (
        "<p>The data have no labels, so nothing was evaluated.</p><table><thead><tr>"
        '<th scope="col">seed</th><th scope="col">last loss</th></tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _loss(found: Finished) -> str:
    log = [row["loss"] for row in found.logs[found.shown] if "loss" in row]
    if not log:
        return "The folder has no log of the training (log.csv), or it was of no epoch."
    return f"The loss of seed {found.shown} went from {log[0]:.4g} to {log[-1]:.4g}."


def _curves(found: Finished) -> list[dict[str, Any]]:
    """A panel for each number of the log that varies, with a line for each seed."""
    told = dict.fromkeys(name for log in found.logs.values() for row in log for name in row)
    names = [*(name for name in FIRST if name in told), *(n for n in told if n not in FIRST)]
    panels = []
    for name in names:
        lines = []
        for seed, log in found.logs.items():
            known = [(row["epoch"], row[name]) for row in log if name in row and "epoch" in row]
            known = [point for point in known if np.isfinite(point).all()]
            step = max(1, -(-len(known) // EPOCHS))
            known = known[::step] + known[-1:] * ((len(known) - 1) % step > 0)
            lines.append({
                "name": f"seed {seed}",
                "x": [int(x) for x, _ in known],
                "y": [float(f"{y:.6g}") for _, y in known],
            })  # fmt: skip
        varies = len({y for line in lines for y in line["y"]}) > 1
        if name not in NOT_DRAWN and (varies or name == "loss"):
            panels.append({"name": name.replace("_", " "), "lines": lines})
    return panels


def _diagnostics(found: Finished) -> str:
    """Numbers of the embedding at the end."""
    if len(found.z) < 2:
        return ""
    one = isinstance(found.data, Data) and found.data.num_nodes == len(found.z)
    edges = found.data.edge_index if one else None
    told: Mapping[str, float] = diagnostics(found.z, edge_index=edges)
    body = "".join(
        f'<tr><th scope="row">{escape(what)}</th><td>{round(told[name], 3) + 0.0:.3f}</td></tr>\n'
        for name, what in AT_THE_END.items()
        if name in told
    )
    caption = f"The embedding of seed {found.shown} after training"
    return f"<table><caption>{caption}</caption><tbody>{body}</tbody></table>"


def _command(line: str) -> str:
    """A command that breaks between its options only."""
    first, *further = line.split(" --")
    return " ".join(
        f"<span>{escape(part)}</span>" for part in (first, *(f"--{p}" for p in further))
    )


def _options(found: Finished) -> str:
    body = ""
    for name, value, differs in options(found.run, own_code=found.own_code):
        mark = "yes" if differs else ""
        body += f'<tr><th scope="row">--{escape(name)}</th><td><code>{escape(value)}</code></td>'
        body += f"<td>{mark}</td></tr>\n"
    return body


def _paragraphs(notes: Sequence[str]) -> str:
    return "".join(f"<p>{escape(note)}</p>" for note in notes)
