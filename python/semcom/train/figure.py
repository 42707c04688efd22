# SPDX-License-Identifier: GPL-3.0-or-later
"""A training's validations over time, as a figure."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from .. import files

MAX_TABLE = 2**26  # bytes of ``log.csv``: a row each minute for years


def draw(table: Path, out: Path, curve: Callable[[str], str]) -> bool:
    """Draw the figures of ``log.csv``, one curve for each column.

    Parameters
    ----------
    table : Path
        ``log.csv``.
    out : Path
        SVG file.
    curve : callable
        Column -> name of its curve.

    Returns
    -------
    bool
        False, and nothing drawn, where Matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        return False
    rows = list(csv.DictReader(files.read(table, MAX_TABLE, "a table of a training").decode().splitlines()))
    columns = [name for name in rows[0] if name not in ("step", "seconds")] if rows else []
    # text as text, and names of parts by their content: the same figure from the same numbers
    with matplotlib.rc_context({"svg.hashsalt": "semcom", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(8, 4.6), layout="constrained")
        axes = figure.subplots()
        for number, name in enumerate(columns):
            points = [(float(row["seconds"]), float(row[name])) for row in rows if row[name]]
            # the first is of what is trained on
            style = {"color": "0.6", "linestyle": "--"} if number == 0 else {"marker": "."}
            axes.plot(*zip(*points, strict=True) if points else ([], []), label=curve(name), **style)
        axes.set_xlabel("seconds of training")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")
        files.replace(out, lambda stream: figure.savefig(stream, format="svg", metadata={"Date": None}))
    return True
