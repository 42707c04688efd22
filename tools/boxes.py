# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the blocks of a flowgraph stand, as rectangles; ``grc_layout.py`` has them drawn."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

WIDTH, MAX_WIDTH = 1320, 1500  # of what is set, and of a row of blocks, in pixels
GAP, ROW, COLUMN, LEFT, TOP = 16, 32, 72, 8, 8
OPTIONS = "options"  # of the flowgraph, which are first
BACK = {"ack", "idle", "flush", "reference", "mask", "preview"}  # ports that do not say where a block stands


@dataclass
class Box:
    """A block with its ports: where it is drawn, and how far it reaches beyond its own corner.

    Attributes
    ----------
    name : str
        Of the block.
    at : tuple of int
        Its upper left corner, without ports.
    before, size : tuple of int
        How far ports reach to the left and above, and width and height of all.
    wired : bool
        Whether it has ports.
    """

    name: str
    at: tuple[int, int]
    before: tuple[int, int]
    size: tuple[int, int]
    wired: bool

    @classmethod
    def of(cls, block: Any, name: str) -> Box:
        """A block that was drawn."""
        ports = [port for port in (*block.active_sources, *block.active_sinks) if not port.hidden]
        corners = [(0, 0), (block.width, block.height)]
        for port in ports:
            x, y = port.coordinate
            corners += [(x, y), (x + port.width, y + port.height)]
        (low, high), (top, bottom) = ((min(axis), max(axis)) for axis in zip(*corners, strict=True))
        size = (round(high - low), round(bottom - top))
        return cls(name, tuple(block.coordinate), (round(-low), round(-top)), size, bool(ports))

    def rectangle(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of all that is drawn."""
        left, top = self.at[0] - self.before[0], self.at[1] - self.before[1]
        return left, top, left + self.size[0], top + self.size[1]


def problems(boxes: list[Box]) -> list[str]:
    """What is wrong with a layout, one sentence each."""
    found = [f"{box.name} lies outside the canvas" for box in boxes if min(box.at) < 0]
    for i, one in enumerate(boxes):
        for other in boxes[i + 1 :]:
            a, b = one.rectangle(), other.rectangle()
            if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]:
                found.append(f"{one.name} and {other.name} overlap")
    return found


def columns(boxes: list[Box], connections: list[tuple[str, str, str]]) -> list[list[Box]]:
    """The blocks with ports by their distance from where images come from."""
    names = [box.name for box in boxes]
    ahead = defaultdict(list)
    for source, sink, port in connections:
        if port not in BACK and source in names and sink in names:
            ahead[source].append(sink)
    depth = dict.fromkeys(names, 0)

    def visit(name: str, at: int, path: tuple[str, ...]) -> None:
        depth[name] = max(depth[name], at)
        for following in ahead[name]:
            if following not in path:  # what leads back says nothing of order
                visit(following, at + 1, (*path, name))

    fed = {sink for sinks in ahead.values() for sink in sinks}
    for name in [name for name in names if name not in fed] or names[:1]:
        visit(name, 0, ())
    out: list[list[Box]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for box in boxes:
        out[depth[box.name]].append(box)
    place: dict[str, float] = {}
    before = defaultdict(list)
    for source, sink, _ in connections:
        before[sink].append(source)
    for column in out:
        column.sort(key=lambda box: (_mean([place[n] for n in before[box.name] if n in place]), box.at[1]))
        for i, box in enumerate(column):
            place[box.name] = i / max(1, len(column) - 1) if len(column) > 1 else 0.5
    return [column for column in out if column]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.5


def layout(boxes: list[Box], connections: list[tuple[str, str, str]]) -> dict[str, tuple[int, int]]:
    """Where each block goes."""
    at: dict[str, tuple[int, int]] = {}
    x, y, tallest = LEFT, TOP, 0
    for box in sorted(
        (box for box in boxes if not box.wired), key=lambda box: (box.name != OPTIONS, box.at[1], box.at[0])
    ):
        if x + box.size[0] > WIDTH and x > LEFT:
            x, y, tallest = LEFT, y + tallest + GAP, 0
        at[box.name] = (x, y)
        x, tallest = x + box.size[0] + GAP, max(tallest, box.size[1])
    y += tallest + 2 * ROW
    for band in _bands(columns([box for box in boxes if box.wired], connections)):
        tall = max(_height(column) for column in band)
        left = LEFT
        for column in band:
            top = y + (tall - _height(column)) // 2
            reach = max(box.before[0] for box in column)
            for box in column:
                at[box.name] = (left + reach, top + box.before[1])
                top += box.size[1] + ROW
            left += _width(column) + COLUMN
        y += tall + 2 * ROW
    return at


def _bands(laid: list[list[Box]]) -> list[list[list[Box]]]:
    """Columns in rows that a screen has room for, like words in lines."""
    bands: list[list[list[Box]]] = [[]]
    for column in laid:
        if bands[-1] and sum(_width(each) + COLUMN for each in bands[-1]) + _width(column) > MAX_WIDTH:
            bands.append([])
        bands[-1].append(column)
    return [band for band in bands if band]


def _width(column: list[Box]) -> int:
    reach = max(box.before[0] for box in column)
    return max(reach + box.size[0] - box.before[0] for box in column)


def _height(column: list[Box]) -> int:
    return sum(box.size[1] + ROW for box in column) - ROW
