"""The points of a map, as the page's script reads them."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import torch

from gcl.datasets import GraphSet
from gcl.report.attributes import Attribute, attributes
from gcl.report.finished import Finished
from gcl.report.plane import POINTS, planes, sample


def points(found: Finished, room: int) -> tuple[dict[str, Any], list[str]]:
    """The points and what they can be coloured by, in numbers of few bytes.

    Args:
        found: the run.
        room: bytes that may be taken; what does not fit is left out, and named.

    Returns:
        what the page's script reads, and sentences to stand beneath the map.
    """
    rows = sample(len(found.z), POINTS)
    notes = [f"Seed {found.shown}; unit rows in the plane."]
    if len(rows) < len(found.z):
        notes.append(f"{len(rows):,} of {len(found.z):,} nodes are drawn, a sample.")
    if found.data is None:
        notes.append(
            f"Colours are those of clusters only, since the data set is not at hand: {found.absent}"
        )
    layouts = []
    for plane in planes(found.z[torch.from_numpy(rows)]):
        layouts.append({
            "name": plane.name,
            "rows": packed(plane.rows) if len(plane.rows) < len(rows) else None,
            "x": packed(plane.points[:, 0]),
            "y": packed(plane.points[:, 1]),
        })  # fmt: skip
    drawn: dict[str, Any] = {
        "n": len(rows),
        "unit": "graph" if isinstance(found.data, GraphSet) else "node",
        "rows": packed(rows) if len(rows) < len(found.z) else None,
        "layouts": layouts,
    }
    left = room - len(json.dumps(drawn))
    colours: list[dict[str, Any]] = []
    missed = []
    for attribute in attributes(found.z, found.data):
        told = _told(attribute, rows)
        size = len(json.dumps(told))
        if size > left:
            missed.append(attribute.name)
            continue
        left -= size
        colours.append(told)
    if missed:
        notes.append(f"Left out, for the page would get too large: {', '.join(missed)}.")
    return {**drawn, "attributes": colours}, notes


def _told(attribute: Attribute, rows: np.ndarray) -> dict[str, Any]:
    if attribute.values is None:
        return {"name": attribute.name, "texts": [attribute.names[i] for i in rows]}
    values = attribute.values[rows]
    if attribute.names:
        return {"name": attribute.name, "names": list(attribute.names), "codes": packed(values)}
    return {"name": attribute.name, "numbers": packed(values.astype(np.float64))}


def packed(values: np.ndarray) -> dict[str, str]:
    """Numbers in base 64, of the smallest kind that holds them; fractions to seven digits.

    Args:
        values: numbers `[n]`.

    Returns:
        the kind, as NumPy writes it, and the bytes, the lowest first.

    Example:
        >>> packed(np.array([1, 2, -1]))
        {'kind': 'i1', 'bytes': 'AQL/'}
    """
    if values.dtype.kind == "f":
        kind = "f4"
        whole = np.isfinite(values).all() and (values == np.round(values)).all()
        if whole and len(values) and np.abs(values).max() < 2**31:
            values = values.astype(np.int64)
    if values.dtype.kind != "f":
        top = int(np.abs(values).max()) if len(values) else 0
        kind = "i1" if top < 128 else "i2" if top < 32_768 else "i4"
    return {"kind": kind, "bytes": base64.b64encode(values.astype(f"<{kind}").tobytes()).decode()}
