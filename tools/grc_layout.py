#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lays the examples out: what is set above, then blocks from left to right as images and samples go.

    xvfb-run -a python tools/grc_layout.py            # writes the coordinates into the flowgraphs
    xvfb-run -a python tools/grc_layout.py --check    # exit status 1 where blocks overlap or lie outside the canvas

Run it inside ``./bootstrap shell`` after blocks were added to an example, or ports to a block. Sizes are those that GNU
Radio Companion draws.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from boxes import OPTIONS, Box, layout, problems
from grc_canvas import drawn, platform

ROOT = Path(__file__).resolve().parents[1]


def rewritten(text: str, at: dict[str, tuple[int, int]]) -> str:
    """A flowgraph's file with other coordinates and nothing else changed."""
    lines, name = text.split("\n"), OPTIONS
    for i, line in enumerate(lines):
        if found := re.fullmatch(r"- name: (.+)", line):
            name = found[1].strip("'\"")
        elif re.fullmatch(r"\s+coordinate: \[.*\]", line) and name in at:
            lines[i] = re.sub(r"\[.*\]", f"[{at[name][0]}, {at[name][1]}]", line)
        elif re.fullmatch(r"\s+coordinate:", line) and name in at:
            for j, number in enumerate(at[name]):
                lines[i + 1 + j] = re.sub(r"- .*", f"- {number}", lines[i + 1 + j])
    return "\n".join(lines)


def main() -> int:
    """Lay out, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples", type=Path, nargs="*", help="flowgraphs; all of examples/ if none is named")
    parser.add_argument("--check", action="store_true", help="write nothing, say what is wrong")
    args = parser.parse_args()
    known, wrong = platform(), 0
    for path in args.examples or sorted((ROOT / "examples").glob("*/*.grc")):
        graph = drawn(known, path)
        boxes = [Box.of(block, OPTIONS if block is graph.options_block else block.name) for block in graph.blocks]
        if not args.check:
            joined = [(c.source_block.name, c.sink_block.name, c.sink_port.key) for c in graph.connections]
            path.write_text(rewritten(path.read_text(), layout(boxes, joined)))
            continue
        for sentence in problems(boxes):
            print(f"{path.parent.name}/{path.name}: {sentence}")
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
