# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of results, which say in a sentence what they lack."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ANCHORS = ROOT / "python" / "semcom" / "sweep" / "anchors.py"


class Missing(Exception):
    """What a block needs is not in the results."""


class Record(dict):
    """An object of a file of results, which names the file where a key is missing."""

    def __init__(self, file: str, values: dict[str, Any]):
        super().__init__(values)
        self.file = file

    def __missing__(self, key: str) -> Any:
        there = ", ".join(list(self)[:6]) or "nothing"
        raise Missing(f"{self.file} has no {key!r}, there are: {there}")


class Results:
    """The files of a folder by their name without ``.json``."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._read: dict[str, Record] = {}

    def __getitem__(self, name: str) -> Record:
        if name not in self._read:
            file = f"{self._folder.name}/{name}.json"
            try:
                text = (self._folder / f"{name}.json").read_text()
                self._read[name] = json.loads(text, object_hook=partial(Record, file))
            except OSError:
                raise Missing(f"{file} cannot be read, measure it or take its blocks out of the pages") from None
            except ValueError as error:
                raise Missing(f"{file} is no JSON: {error}") from None
        return self._read[name]

    def points(self, name: str, **having: Any) -> dict[float, Record]:
        """Points of a sweep with these values, by Es/N0."""
        points = {point["snr_db"]: point for point in chosen(self[name]["points"], **having)}
        if len(points) != len(chosen(self[name]["points"], **having)):
            raise Missing(f"{self[name].file} has several points for one Es/N0 with {_said(having)}, name what differs")
        return points

    def point(self, name: str, **having: Any) -> Record:
        """The one point of a sweep with these values."""
        return one(self[name], "points", **having)


def chosen(rows: Iterable[Record], **having: Any) -> list[Record]:
    """Rows that have these values."""
    return [row for row in rows if all(row[key] == value for key, value in having.items())]


def one(record: Record, key: str, **having: Any) -> Record:
    """The only row of a list with these values."""
    found = chosen(record[key], **having)
    if len(found) != 1:
        raise Missing(f"{record.file} has {len(found)} {key} with {_said(having)}, one is needed")
    return found[0]


def at(points: dict[float, Record], snr_db: float) -> Record:
    """The point at an Es/N0."""
    if snr_db not in points:
        file = next(iter(points.values())).file if points else "a file of results"
        raise Missing(f"{file} has no point at {snr_db:g} dB")
    return points[snr_db]


def published(label: str) -> dict[float, float]:
    """PSNR over Es/N0 of a curve of others, from the module that ``semcom plot`` takes it from."""
    for node in ast.walk(ast.parse(ANCHORS.read_text())):
        match node:
            case ast.Call(func=ast.Name("Anchor"), args=[ast.Constant(value), _, points, *_]) if value == label:
                return ast.literal_eval(points)
    raise Missing(f"{ANCHORS.relative_to(ROOT)} has no curve {label!r}")


def _said(having: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in having.items())
